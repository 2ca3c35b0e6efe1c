"""The fields that a view filters and sorts by, named as in the metadata."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from ld_portrait_20k import schema

Kind = Literal["text", "number"]

_NUMBERS: Final = frozenset({"int32", "int64", "float32"})


@dataclass(frozen=True, slots=True)
class Field:
    """A field of the metadata that has one value.

    Attributes:
        name: Its last part (``confidence``) where no other field has it, else its path
            (``generator.version``).
        path: Where it is in the metadata.
        kind: ``number``, or ``text``; true and false are the texts ``true`` and ``false``.
    """

    name: str
    path: tuple[str, ...]
    kind: Kind


def _declared(
    declared: Mapping[str, Any], path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], str]]:
    for key, kind in declared.items():
        if isinstance(kind, Mapping):
            yield from _declared(kind, (*path, key))
        elif isinstance(kind, str):  # the models of a generator have no one value
            yield (*path, key), kind


def _fields() -> tuple[Field, ...]:
    declared = list(_declared(schema.METADATA))
    last = Counter(path[-1] for path, _ in declared)
    names = {
        path: path[-1] if last[path[-1]] == 1 else ".".join(path)
        for path, _ in declared
        if path != ("id",)
    }
    names["generator", "name"] = "generator"  # it is known by its name
    return tuple(
        Field(names[path], path, "number" if kind in _NUMBERS else "text")
        for path, kind in declared
        if path in names
    )


FIELDS: Final = _fields()
"""Every field but the id, in the order of the schema."""

VIEW_FIELDS: Final = ("split", "state", "reason", "mark")
"""What a view adds: the split, ``kept`` or ``rejected`` with the reason, and the reader's mark."""

HIDDEN: Final = frozenset(
    {"prompt", "negative_prompt", "perceptual_hash", "software", "source.id", "file", "sha256"}
)
"""Fields that nobody picks from a list: nearly every sample has another value."""
