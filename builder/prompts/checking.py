"""Checks of a vocabulary file that say where a mistake is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


class VocabularyError(ValueError):
    """A mistake in a vocabulary file.

    Args:
        where: The key, with dots (``attributes.age.values``).
        what: What is wrong with it.
    """

    def __init__(self, where: str, what: str) -> None:
        super().__init__(f"{where}: {what}")


def table(value: Any, where: str) -> Mapping[str, Any]:
    """``value`` as a table.

    Raises:
        VocabularyError: It is none.
    """
    if not isinstance(value, dict):
        raise VocabularyError(where, "is a table")
    return value


def strings(value: Any, where: str) -> tuple[str, ...]:
    """``value`` as a list of different texts, not empty.

    Raises:
        VocabularyError: It is none.
    """
    if not isinstance(value, list) or not value:
        raise VocabularyError(where, "is a list of texts, with one at least")
    for item in value:
        if not isinstance(item, str) or not item.strip() or item != item.strip():
            raise VocabularyError(where, f"{item!r} is no text, empty, or has blanks around it")
        if value.count(item) > 1:
            raise VocabularyError(where, f"{item!r} is there twice")
    return tuple(value)


def check_keys(fields: Mapping[str, Any], where: str, known: Iterable[str]) -> None:
    """Refuse keys that mean nothing: they are misspelt.

    Raises:
        VocabularyError: There is one.
    """
    known = tuple(known)
    for name in fields:
        if name not in known:
            raise VocabularyError(
                where or "top level", f"no key {name!r}; there are {', '.join(known)}"
            )
