"""Answers to queries: which samples, in which order, and counts beside every value."""

from __future__ import annotations

import functools
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ld_portrait_20k.format import schema
from ld_portrait_20k.selection.text import Field, Selection
from ld_portrait_20k.viewer.columns import TextColumn
from ld_portrait_20k.viewer.dataset import ViewedDataset
from ld_portrait_20k.viewer.fields import FIELDS, HIDDEN, VIEW_FIELDS, name_of
from ld_portrait_20k.viewer.marks import Marks
from ld_portrait_20k.viewer.queries import NUMBERS, Query
from ld_portrait_20k.viewer.selecting import matching

BINS: Final = 24
"""Bars of a histogram; chosen by eye."""

MOST_VALUES: Final = 60
"""A text field of more different values than this is not offered as a list."""

Mask = NDArray[np.bool_]
Order = NDArray[np.int64]


class Answers:
    """Answers queries about a dataset.

    Args:
        dataset: Its metadata may still be on the way.
        marks: The reader's marks.
    """

    def __init__(self, dataset: ViewedDataset, marks: Marks) -> None:
        self.dataset = dataset
        self.marks = marks
        self._count = len(dataset.numbers)
        self._keys = [schema.sample_id(number) for number in dataset.numbers.tolist()]
        self._keys += [item.key for item in dataset.rejected]
        self._rows = {key: row for row, key in enumerate(self._keys)}
        self._numbers = np.concatenate(
            [dataset.numbers, np.array([int(r.id[4:]) for r in dataset.rejected], np.int64)]
        )
        self._fixed = self._fixed_columns()
        self._order = functools.lru_cache(maxsize=16)(self._ordered)

    def row(self, key: str) -> int:
        """The row of a sample or rejected attempt.

        Raises:
            KeyError: There is none.
        """
        return self._rows[key]

    def order(self, query: Query) -> Order:
        """The rows that match, in order; waits for the metadata if it needs them."""
        if not query.plain:
            self._wait()
        return self._order(query, self.marks.version)

    def page(self, query: Query, start: int, count: int) -> dict[str, Any]:
        """Some of the samples that match: what a grid shows of them."""
        order = self.order(query)
        rows = order[start : start + count].tolist()
        return {
            "total": len(order),
            "start": start,
            "samples": [self.brief(row, query.order) for row in rows],
        }

    def brief(self, row: int, order: str = "id") -> dict[str, Any]:
        """What a grid shows of one sample."""
        key = self._keys[row]
        found: dict[str, Any] = {"id": key, "split": self._value("split", row)}
        if row >= self._count:
            item = self.dataset.rejected[row - self._count]
            found["rejected"] = item.reason
            subsets = self.dataset.subsets_of(item.id)
            # The id may have become a sample by a later attempt; then the picture is not this one.
            kept = self.dataset.row(item.id) is not None
            found["subset"] = None if kept or not subsets else subsets[0]
        else:
            found["subset"] = self.dataset.subset
        mark = self.marks.of(key)
        if mark is not None:
            found["mark"] = mark.to_dict()
        if order != "id" and self.dataset.ready.is_set():
            found["value"] = self._value(order, row)
        return found

    def values(self, row: int) -> dict[str, Any]:
        """All fields of a sample, as the page's static copy filters by them."""
        names = [f.name for f in FIELDS if f.kind == "text" and f.name not in HIDDEN]
        return {
            "prompt": self._value("prompt", row),
            "texts": {name: self._value(name, row) for name in ["split", *names]},
            "numbers": {name: self._value(name, row) for name in NUMBERS},
        }

    def place(self, query: Query, key: str) -> int | None:
        """Where a sample stands in the order; None where it does not match."""
        found = np.flatnonzero(self.order(query) == self._rows.get(key, -1))
        return int(found[0]) if len(found) else None

    def facets(self, query: Query) -> dict[str, Any]:
        """Every field with counts of its values, each as if the field itself had no filter."""
        self._wait()
        version = self.marks.version
        return {
            "total": len(self._order(query, version)),
            "texts": self._text_facets(query),
            "numbers": self._number_facets(query),
        }

    def _wait(self) -> None:
        self.dataset.ready.wait()
        if self.dataset.problem is not None:
            raise self.dataset.problem

    def _text_facets(self, query: Query) -> list[dict[str, Any]]:
        names = [*VIEW_FIELDS]
        names += [f.name for f in FIELDS if f.kind == "text" and f.name not in HIDDEN]
        found = []
        for name in names:
            column = self._text(name)
            if name != "mark" and (len(column.values) < 2 or len(column.values) > MOST_VALUES):
                continue
            mask = self._mask(query.without(name), but=name)
            counts = np.bincount(column.codes[mask], minlength=len(column.values)).tolist()
            values = [
                {"value": value or "", "count": count}
                for value, count in zip(column.values, counts, strict=True)
            ]
            values.sort(key=lambda item: (item["value"] == "", item["value"]))
            found.append({"name": name, "values": values})
        return found

    def _number_facets(self, query: Query) -> list[dict[str, Any]]:
        found = []
        for name in sorted(NUMBERS - {"seed"}, key=self._place_of):
            column = self.dataset.columns.numbers[name]
            known = column[np.isfinite(column)]
            if not len(known) or known.min() == known.max():
                continue
            shown = column[self._mask(query.without(name))]
            low, high = float(known.min()), float(known.max())
            bars, _ = np.histogram(shown[np.isfinite(shown)], BINS, (low, high))
            found.append({"name": name, "low": low, "high": high, "bars": bars.tolist()})
        return found

    @staticmethod
    def _place_of(name: str) -> int:
        first = ("confidence", "doubtful_area", "band_area", "refined_sad", "raw_sad")
        if name in first:
            return first.index(name)
        return len(first) + [field.name for field in FIELDS].index(name)

    def _ordered(self, query: Query, version: int) -> Order:
        rows = np.flatnonzero(self._mask(query))
        numbers = self._numbers[rows]
        if query.order == "id":
            ranks: NDArray[Any] = numbers
            absent = np.zeros(len(rows), np.bool_)
        elif query.order in NUMBERS:
            ranks = self.dataset.columns.numbers[query.order][rows]
            absent = np.isnan(ranks)
        else:
            column = self._text(query.order)
            names = [value or "" for value in column.values]
            place = np.empty(len(names), np.int64)
            place[np.argsort(np.array(names, object), kind="stable")] = np.arange(len(names))
            ranks = place[column.codes[rows]]
            absent = np.array([not name for name in names])[column.codes[rows]]
        ranks = -ranks if query.falling else ranks
        return rows[np.lexsort((numbers, np.where(absent, 0, ranks), absent))].astype(np.int64)

    def _mask(self, query: Query, but: str = "") -> Mask:
        """Which rows match; rejected ones only where they are asked for."""
        mask = np.ones(len(self._keys), np.bool_)
        picked = dict(query.picked)
        if "state" not in picked and but != "state" and "reason" not in picked:
            mask[self._count :] = False
        for name, values in picked.items():
            column = self._text(name)
            wanted = np.array([(value or "") in values for value in column.values], np.bool_)
            mask &= wanted[column.codes]
        for name, low, high in query.ranges:
            numbers = self.dataset.columns.numbers[name]
            with np.errstate(invalid="ignore"):
                mask &= (numbers >= low) & (numbers <= high)
        for word in query.words:
            mask &= self._having(word)
        if query.where is not None:
            mask &= self._selected(query.where)
        return mask

    @functools.lru_cache(maxsize=4)  # noqa: B019 - as below; every field's counts ask for it
    def _selected(self, where: Selection) -> Mask:
        return matching(where, self)

    def numbers_of(self, field: Field) -> NDArray[np.float64]:
        """A number of every sample, NaN for null."""
        return self.dataset.columns.numbers[name_of(field)]

    def texts_of(self, field: Field) -> TextColumn:
        """A text or flag of every sample."""
        if field.path == "id":
            numbers, codes = np.unique(self._numbers, return_inverse=True)
            values = [schema.sample_id(number) for number in numbers.tolist()]
            return TextColumn(codes.astype(np.int32), values)
        return self._text(name_of(field))

    def _having(self, word: str) -> Mask:
        prompts = self.dataset.columns.texts["prompt"]
        folded = self._folded_prompts()
        mask = np.array([word in text for text in folded], np.bool_)[prompts.codes]
        if word in self._rows:
            mask[self._rows[word]] = True
        return mask

    @functools.lru_cache(maxsize=1)  # noqa: B019 - one object lives as long as the process
    def _folded_prompts(self) -> list[str]:
        return [(text or "").casefold() for text in self.dataset.columns.texts["prompt"].values]

    def _text(self, name: str) -> TextColumn:
        if name == "mark":
            return self.marks.column(self._keys)
        return self._fixed.get(name) or self.dataset.columns.texts[name]

    def _value(self, name: str, row: int) -> str | float | None:
        if name in NUMBERS:
            value = float(self.dataset.columns.numbers[name][row])
            return None if value != value else value
        column = self._text(name)
        return column.values[column.codes[row]]

    def _fixed_columns(self) -> dict[str, TextColumn]:
        """Columns that need no metadata: split, state and reason."""
        rejected = self.dataset.rejected
        more = len(rejected)
        splits = np.concatenate([self.dataset.splits, np.full(more, len(schema.SPLITS))])
        reasons: list[str | None] = [None, *sorted({item.reason for item in rejected})]
        places = {reason: place for place, reason in enumerate(reasons)}
        codes = [places[item.reason] for item in rejected]
        names: list[str | None] = [*schema.SPLITS]
        states = np.repeat([0, 1], [self._count, more])
        return {
            "split": TextColumn(*_used(splits.astype(np.int32), [*names, None])),
            "state": TextColumn(*_used(states.astype(np.int32), ["kept", "rejected"])),
            "reason": TextColumn(np.array([0] * self._count + codes, np.int32), [*places]),
        }


def _used(
    codes: NDArray[np.int32], values: list[str | None]
) -> tuple[NDArray[np.int32], list[str | None]]:
    """The same column without values that no row has."""
    used = np.unique(codes)
    return np.searchsorted(used, codes).astype(np.int32), [values[code] for code in used.tolist()]
