"""The fields that a view filters and sorts by, named as in the metadata."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from ld_portrait_20k.selection import tree as selection_tree

Kind = Literal["text", "number"]


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


def _fields() -> tuple[Field, ...]:
    found = []
    for path, field in selection_tree.FIELDS.items():
        if path in ("id", "split"):  # the one names the sample, the other is a view's own
            continue
        kind: Kind = "number" if field.kind == "number" else "text"
        found.append(Field(name_of(field), tuple(path.split(".")), kind))
    return tuple(found)


def name_of(field: selection_tree.Field) -> str:
    """What a view calls a field of selections; a generator is known by its name."""
    return "generator" if field is selection_tree.NAMES["generator"] else field.short


FIELDS: Final = _fields()
"""Every field but the id, in the order of the schema."""

VIEW_FIELDS: Final = ("split", "state", "reason", "mark")
"""What a view adds: the split, ``kept`` or ``rejected`` with the reason, and the reader's mark."""

HIDDEN: Final = frozenset(
    {"prompt", "negative_prompt", "perceptual_hash", "software", "source.id", "file", "sha256"}
)
"""Fields that nobody picks from a list: nearly every sample has another value."""
