"""What a view asks for, read from the query of an address: filters, search words, order."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import parse_qsl

from ld_portrait_20k.common.printable import printable
from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.selection import text as selection
from ld_portrait_20k.viewer.fields import FIELDS, VIEW_FIELDS

TEXTS: Final = frozenset({field.name for field in FIELDS if field.kind == "text"} | {*VIEW_FIELDS})
NUMBERS: Final = frozenset(field.name for field in FIELDS if field.kind == "number")

_MAX_PARTS: Final = 200
_RANGE = ".."


class QueryError(PortraitError):
    """An address that asks for something else than there is."""


@dataclass(frozen=True, slots=True)
class Query:
    """Filters and order.

    Attributes:
        picked: Name of a text field and the values of it that are shown; ``""`` stands for null.
        ranges: Name of a number field, least and greatest value shown, either may be infinite.
        words: Each must be in the prompt, or be the id.
        where: A selection that must match; None for all.
        order: Name of the field to sort by; ``id`` by default.
        falling: Whether the greatest comes first. Samples without a value come last always.
    """

    picked: tuple[tuple[str, tuple[str, ...]], ...] = ()
    ranges: tuple[tuple[str, float, float], ...] = ()
    words: tuple[str, ...] = ()
    where: selection.Selection | None = None
    order: str = "id"
    falling: bool = False

    @property
    def plain(self) -> bool:
        """Whether it can be answered without any metadata: all kept samples by id."""
        return replace(self, falling=False) == Query()

    def without(self, name: str) -> Query:
        """The same without the filter of one field."""
        return replace(
            self,
            picked=tuple(item for item in self.picked if item[0] != name),
            ranges=tuple(item for item in self.ranges if item[0] != name),
        )


def parse(text: str) -> tuple[Query, dict[str, str]]:
    """Read the query of an address, such as ``age=adult&confidence=..0.8&q=curly&sort=-steps``.

    A text field is named once for each value that is shown, a number field has a range
    ``LOW..HIGH`` of which either end may be left out. ``where`` has a selection in the grammar of
    :mod:`ld_portrait_20k.selection.text`.

    Returns:
        The query, and the parts that are neither filter nor order (``start``, ``count``, ``id``).

    Raises:
        QueryError: A field that does not exist, or no range.
        SelectionError: ``where`` is no selection.
    """
    try:
        parts = parse_qsl(text, keep_blank_values=True, max_num_fields=_MAX_PARTS)
    except ValueError:
        raise QueryError(f"more than {_MAX_PARTS} parts in the query") from None
    picked: dict[str, list[str]] = {}
    ranges: dict[str, tuple[float, float]] = {}
    others: dict[str, str] = {}
    for name, value in parts:
        if name in TEXTS:
            picked.setdefault(name, []).append(value)
        elif name in NUMBERS:
            ranges[name] = _range(name, value)
        else:
            others[name] = value
    order = others.pop("sort", "id")
    where = others.pop("where", "")
    query = Query(
        tuple((name, tuple(dict.fromkeys(values))) for name, values in picked.items()),
        tuple((name, *ends) for name, ends in ranges.items()),
        tuple(others.pop("q", "").casefold().split()),
        selection.parse(where) if where.strip() else None,
        order.removeprefix("-"),
        order.startswith("-"),
    )
    _check_names([query.order], TEXTS | NUMBERS | {"id"})
    _check_names(others, {"start", "count", "id"})
    return query, others


def _range(name: str, text: str) -> tuple[float, float]:
    low, mark, high = text.partition(_RANGE)
    try:
        ends = float(low or "-inf"), float(high or "inf")
        if mark and not any(map(math.isnan, ends)):
            return ends
    except ValueError:
        pass
    raise QueryError(f"{name}={printable(text, 40)} is no range; try: {name}=0.2..0.8")


def _check_names(names: Iterable[str], known: Iterable[str]) -> None:
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, [*TEXTS, *NUMBERS], 1)
            advice = f"; try: {near[0]}" if near else ""
            raise QueryError(f"no field is named {printable(name, 60)}{advice}")
