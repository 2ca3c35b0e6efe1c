"""Runs of pixels: a mask as a few numbers a row."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Places = NDArray[np.intp]
"""(n,), flat indices of pixels, ascending."""


@dataclass(frozen=True)
class Runs:
    """The runs of pixels in the rows of a mask, in the order of the rows.

    A pixel has the position ``row * pitch + column``; rows are followed by pixels of nothing.

    Attributes:
        starts: (n,) positions of the first pixels.
        stops: (n,) positions behind the last pixels.
        pitch: Positions from a row to the next, more than the picture is wide.
        width: Columns of the picture.
    """

    starts: NDArray[np.intp]
    stops: NDArray[np.intp]
    pitch: int
    width: int

    @cached_property
    def rows(self) -> NDArray[np.intp]:
        """(n,), the row of each run."""
        return self.starts // self.pitch

    @cached_property
    def columns(self) -> NDArray[np.intp]:
        """(n,), the column in which each run begins."""
        return self.starts - self.rows * self.pitch

    @cached_property
    def lengths(self) -> NDArray[np.intp]:
        """(n,), how many pixels each run has."""
        return self.stops - self.starts

    def only(self, chosen: NDArray[np.bool_]) -> Runs:
        """The chosen ones of the runs, given by (n,)."""
        return Runs(self.starts[chosen], self.stops[chosen], self.pitch, self.width)

    def places(self, chosen: NDArray[np.bool_] | None = None) -> Places:
        """The flat indices of the pixels of the chosen runs, or of all."""
        first = self.rows * self.width + self.columns
        if chosen is None:
            return ranges(first, self.lengths)
        return ranges(first[chosen], self.lengths[chosen])


def corners(
    runs: Runs, of: NDArray[np.intp], count: int, shape: tuple[int, ...]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First and last row and column of groups of runs, (2, count) each: rows, then columns.

    Args:
        runs: The runs.
        of: (n,), the group of each.
        count: How many groups there are. Of one without runs the first lies behind the last.
        shape: (H, W) of the picture.
    """
    low = np.full((2, count), max(shape), np.int64)
    high = np.full((2, count), -1, np.int64)
    rows, first = runs.rows, runs.columns
    for axis, (begin, end) in enumerate(((rows, rows), (first, first + runs.lengths - 1))):
        np.minimum.at(low[axis], of, begin)
        np.maximum.at(high[axis], of, end)
    return low, high


def ranges(first: NDArray[np.intp], lengths: NDArray[np.intp]) -> NDArray[np.intp]:
    """Successive numbers from each of the first ones on, one after the other."""
    behind = np.cumsum(lengths)
    total = int(behind[-1]) if behind.size else 0
    return np.repeat(first - behind + lengths, lengths) + np.arange(total)
