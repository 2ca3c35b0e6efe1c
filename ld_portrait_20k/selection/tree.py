"""The typed tree of a selection: which fields there are, and which samples a tree matches.

:mod:`ld_portrait_20k.selection.text` parses text into it; the text of a tree parses into it again.
"""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from ld_portrait_20k.format import schema

Kind = Literal["text", "number", "flag"]
Value = str | int | float | bool | None
Operator = Literal["=", "!=", "<", "<=", ">", ">="]

_KINDS: Final[dict[str, Kind]] = {
    "string": "text", "bool": "flag", "int32": "number", "int64": "number", "float32": "number",
}  # fmt: skip
_ORDERINGS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Field:
    """A field that a selection can compare.

    Attributes:
        path: Where it is in a sample's metadata, such as ``refinement.confidence``; ``split``
            is the one that is not in the metadata.
        kind: ``text``, ``number`` or ``flag``.
    """

    path: str
    kind: Kind

    @property
    def short(self) -> str:
        """The shortest name that means this field."""
        last = self.path.rpartition(".")[2]
        return last if NAMES.get(last) is self else self.path

    def of(self, metadata: Mapping[str, Any], split: str) -> Value:
        """The field's value in a sample; None where it is null.

        Args:
            metadata: With every declared key, as
                :func:`ld_portrait_20k.format.schema.complete` gives it.
            split: The sample's.
        """
        if self.path == "split":
            return split
        value: Any = metadata
        for key in self.path.split("."):
            value = value[key]
        found: Value = value
        return found


def _declared(declared: Mapping[str, Any], prefix: str = "") -> Iterator[Field]:
    for key, kind in declared.items():
        if isinstance(kind, Mapping):
            yield from _declared(kind, f"{prefix}{key}.")
        elif not isinstance(kind, list):  # the models of a generator have no one value
            yield Field(prefix + key, _KINDS[kind])


FIELDS: Final[dict[str, Field]] = {
    "split": Field("split", "text"),
    **{field.path: field for field in _declared(schema.METADATA)},
}
"""Path to field, in the order of the schema."""


def _names() -> dict[str, Field]:
    last = Counter(path.rpartition(".")[2] for path in FIELDS if "." in path)
    short = {
        path.rpartition(".")[2]: field
        for path, field in FIELDS.items()
        if "." in path and last[path.rpartition(".")[2]] == 1
    }
    # A field at the top, such as `id`, owns its name; a generator is known by its name.
    return {**short, "generator": FIELDS["generator.name"], **FIELDS}


NAMES: Final[dict[str, Field]] = _names()
"""Every name of a field: its path, and its last part where no other field has it."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """``confidence < 0.8``. Null equals null alone, and is neither below nor above anything."""

    field: Field
    operator: Operator
    value: Value

    def matches(self, metadata: Mapping[str, Any], split: str) -> bool:
        """Whether a sample has such a value."""
        return self.takes(self.field.of(metadata, split))

    def takes(self, found: Value) -> bool:
        """Whether a value of the field is such a one."""
        if self.operator == "=":
            return found == self.value
        if self.operator == "!=":
            return found != self.value
        return found is not None and _ORDERINGS[self.operator](found, self.value)

    def __str__(self) -> str:
        return f"{self.field.short} {self.operator} {value_text(self.value)}"


@dataclass(frozen=True, slots=True)
class Membership:
    """``hair_color in ('red', 'grey')``."""

    field: Field
    values: tuple[Value, ...]

    def matches(self, metadata: Mapping[str, Any], split: str) -> bool:
        """Whether a sample has one of the values."""
        return self.field.of(metadata, split) in self.values

    def __str__(self) -> str:
        return f"{self.field.short} in ({', '.join(map(value_text, self.values))})"


@dataclass(frozen=True, slots=True)
class Contains:
    """``prompt contains 'curly'``, whatever the case of the letters; null contains nothing."""

    field: Field
    text: str

    def matches(self, metadata: Mapping[str, Any], split: str) -> bool:
        """Whether a sample's text has the text in it."""
        return self.takes(self.field.of(metadata, split))

    def takes(self, found: Value) -> bool:
        """Whether a value of the field has the text in it."""
        return isinstance(found, str) and self.text.casefold() in found.casefold()

    def __str__(self) -> str:
        return f"{self.field.short} contains {value_text(self.text)}"


@dataclass(frozen=True, slots=True)
class Not:
    """What another selection does not match."""

    term: Selection

    def matches(self, metadata: Mapping[str, Any], split: str) -> bool:
        """Whether the other one does not match."""
        return not self.term.matches(metadata, split)

    def __str__(self) -> str:
        return f"not {_part(self.term)}"


@dataclass(frozen=True, slots=True)
class And:
    """What each of two or more selections matches."""

    terms: tuple[Selection, ...]

    def matches(self, metadata: Mapping[str, Any], split: str) -> bool:
        """Whether all of them match."""
        return all(term.matches(metadata, split) for term in self.terms)

    def __str__(self) -> str:
        return " and ".join(map(_part, self.terms))


@dataclass(frozen=True, slots=True)
class Or:
    """What one of two or more selections matches."""

    terms: tuple[Selection, ...]

    def matches(self, metadata: Mapping[str, Any], split: str) -> bool:
        """Whether one of them matches."""
        return any(term.matches(metadata, split) for term in self.terms)

    def __str__(self) -> str:
        return " or ".join(map(_part, self.terms))


Selection = Comparison | Membership | Contains | Not | And | Or


def value_text(value: Value) -> str:
    """A value as a selection writes it: text in single quotes, a quote in it doubled."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if not isinstance(value, str) else "'" + value.replace("'", "''") + "'"


def _part(term: Selection) -> str:
    return f"({term})" if isinstance(term, And | Or) else str(term)
