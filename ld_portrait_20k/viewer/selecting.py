"""Selections over columns: which of many samples one matches, all at once."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from ld_portrait_20k.selection.text import (
    And,
    Comparison,
    Contains,
    Field,
    Membership,
    Not,
    Or,
    Selection,
)
from ld_portrait_20k.viewer.columns import TextColumn

Mask = NDArray[np.bool_]

_FLAGS: Final = {"true": True, "false": False, None: None}
_OPERATORS: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "=": operator.eq, "!=": operator.ne,
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


class Samples(Protocol):
    """Where the values of a selection's fields come from."""

    def numbers_of(self, field: Field) -> NDArray[np.float64]:
        """(N,) values of a field of the kind ``number``, NaN for null."""
        ...

    def texts_of(self, field: Field) -> TextColumn:
        """Values of any other field; flags are the texts ``true`` and ``false``."""
        ...


def matching(selection: Selection, samples: Samples) -> Mask:
    """Which samples a selection matches, as its ``matches`` says of one.

    A number beyond 2**53, such as a seed, is compared rounded.

    Args:
        selection: The tree.
        samples: Of N samples.

    Returns:
        (N,) bool.
    """
    match selection:
        case Not(term):
            return ~matching(term, samples)
        case And(terms):
            return np.logical_and.reduce([matching(term, samples) for term in terms])
        case Or(terms):
            return np.logical_or.reduce([matching(term, samples) for term in terms])
        case Comparison(field) | Membership(field) if field.kind == "number":
            return _numbers(selection, samples.numbers_of(field))
        case _:
            return _texts(selection, samples.texts_of(selection.field))


def _numbers(condition: Comparison | Membership, numbers: NDArray[np.float64]) -> Mask:
    if isinstance(condition, Membership):
        known = [float(value) for value in condition.values if value is not None]
        found: Mask = np.isin(numbers, known)
        return found | np.isnan(numbers) if None in condition.values else found
    if condition.value is None:
        return np.isnan(numbers) == (condition.operator == "=")
    return np.asarray(_OPERATORS[condition.operator](numbers, float(condition.value)), np.bool_)


def _texts(condition: Comparison | Membership | Contains, column: TextColumn) -> Mask:
    values: Sequence[Any] = column.values
    if condition.field.kind == "flag":
        values = [_FLAGS[value] for value in values]
    if isinstance(condition, Membership):
        wanted = {*condition.values}
        fits = [value in wanted for value in values]
    else:
        fits = [condition.takes(value) for value in values]
    return np.array(fits, np.bool_)[column.codes]
