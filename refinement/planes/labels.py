"""Connected regions of masks, and what lies beside them.

Regions are found from the runs of pixels in the rows, of which a mask has a few thousand where a
picture has a million pixels. The numbering of regions decides nothing: all functions give the same
result when a picture is flipped or turned by 90 degrees.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from refinement.planes.grid import as_mask8
from refinement.planes.masks import Mask, Mask8
from refinement.planes.runs import Places, Runs, corners, ranges

Labels = NDArray[np.int32 | np.uint16]
"""(H, W), number of the region a pixel belongs to; 0 is none."""
_SAMPLE = 16  # one pixel of so many in a row and a column tells the dominant region


@dataclass(frozen=True)
class Labelled:
    """The connected regions of a mask.

    One region usually covers most of the mask. Only the pixels of the others are listed.

    Attributes:
        mask: The mask.
        count: How many labels there are, 0 for no region included.
        runs: The runs of pixels in its rows.
        of: (n,), the label of each run.
    """

    mask: Mask
    count: int
    runs: Runs
    of: NDArray[np.intp]

    @cached_property
    def areas(self) -> NDArray[np.int64]:
        """(count,), how many pixels each region has."""
        areas = np.bincount(self.of, weights=self.runs.lengths, minlength=self.count)
        return areas.astype(np.int64)

    @cached_property
    def main(self) -> int:
        """A region that covers much of the picture, which is not listed; 0 if all are."""
        sampled = np.flatnonzero(self.runs.rows % _SAMPLE == 0)
        first, last = self.runs.starts[sampled], self.runs.stops[sampled]
        ahead = -(-last // _SAMPLE) - -(-first // _SAMPLE)  # rows begin at multiples of it
        seen = np.bincount(self.of[sampled], weights=ahead, minlength=self.count)
        return int(np.argmax(seen)) if seen.any() else 0

    @cached_property
    def _listed(self) -> NDArray[np.bool_]:
        return self.of != self.main

    @cached_property
    def places(self) -> Places:
        """The pixels of all regions but the main one."""
        return self.runs.places(self._listed)

    @cached_property
    def names(self) -> NDArray[np.intp]:
        """(n,), their labels."""
        return np.repeat(self.of[self._listed], self.runs.lengths[self._listed])

    def mask_of(self, chosen: NDArray[np.bool_]) -> Mask:
        """The mask of the chosen ones of the regions.

        Args:
            chosen: (count,), of each label.
        """
        here = chosen[self.of]
        if here.all():
            return self.mask
        if self.main and chosen[self.main]:
            return self.mask - Mask.of_places(self.runs.places(~here), self.mask.shape)
        return Mask.of_places(self.runs.places(here), self.mask.shape)

    def meeting(self, other: Mask) -> NDArray[np.bool_]:
        """Which of the regions meet another mask, (count,)."""
        met = np.zeros(self.count, np.bool_)
        met[self.within(self.mask & other)[1]] = True
        return met

    def within(self, part: Mask) -> tuple[Runs, NDArray[np.intp]]:
        """The runs of a part of the mask, and the label of each of them."""
        runs = part.runs()
        return runs, self.of[np.searchsorted(self.runs.starts, runs.starts, "right") - 1]

    def pixels_of(self, part: Mask) -> tuple[Places, NDArray[np.intp]]:
        """The pixels of a part of the mask, and the label of each of them."""
        runs, of = self.within(part)
        return runs.places(), np.repeat(of, runs.lengths)

    def corners(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """First and last row and column of every region, (2, count) each: rows, then columns."""
        return corners(self.runs, self.of, self.count, self.mask.shape)

    def touching_frame(self) -> NDArray[np.bool_]:
        """Which regions touch a side of the picture, (count,)."""
        result = np.zeros(self.count, np.bool_)
        height, width = self.mask.shape
        rows, first = self.runs.rows, self.runs.columns
        at = (rows == 0) | (rows == height - 1) | (first == 0)
        result[self.of[at | (first + self.runs.lengths == width)]] = True
        return result

    def plane(self) -> Labels:
        """The labels as (H, W), uint16 where so few numbers do."""
        few = self.count <= np.iinfo(np.uint16).max
        labels: Labels = np.zeros(self.mask.shape, np.uint16 if few else np.int32)
        labels.ravel()[self.runs.places()] = np.repeat(self.of, self.runs.lengths)
        return labels


def label(mask: Mask, connectivity: int) -> Labelled:
    """Label the connected regions of a mask, from 1.

    Every run is joined with the first run that it meets in the row before. That makes trees, whose
    roots are then joined where a run meets more than one (union-find on whole arrays).

    Args:
        mask: Any mask.
        connectivity: 4, or 8 where pixels that share a corner are connected.
    """
    runs = mask.runs()
    first, behind = _met_before(runs, 1 if connectivity == 8 else 0)
    own = np.arange(first.size)
    root = _roots(np.where(behind > first, first, own))
    several = np.flatnonzero(behind - first > 1)
    further = (behind - first)[several] - 1
    one, other = np.repeat(several, further), ranges(first[several] + 1, further)
    one, other = root[one], root[other]
    while (apart := one != other).any():
        one, other = one[apart], other[apart]
        parent = own.copy()
        np.minimum.at(parent, np.maximum(one, other), np.minimum(one, other))
        parent = _roots(parent)
        root, one, other = parent[root], parent[one], parent[other]
    number = np.cumsum(root == own)
    return Labelled(mask, 1 + int(number[-1]) if own.size else 1, runs, number[root])


def _met_before(runs: Runs, reach: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The first run that each run meets in the row before, and the first behind all of these."""
    # A row is followed by pixels of nothing, so no run of another row comes between.
    first = np.searchsorted(runs.stops, runs.starts - (runs.pitch + reach), "right")
    behind = np.searchsorted(runs.starts, runs.stops - (runs.pitch - reach), "left")
    return first, behind


def _roots(parent: NDArray[np.intp]) -> NDArray[np.intp]:
    """Follow every parent to its root; none is numbered higher than its child."""
    while not np.array_equal(further := parent[parent], parent):
        parent = further
    return parent


def regions_meeting(mask: Mask, other: Mask) -> Mask:
    """The 8-connected regions of a mask that meet another mask."""
    regions = label(mask, connectivity=8)
    return regions.mask_of(regions.meeting(other))


def count_beside(
    regions: Labelled, where: Mask8, kernel: Mask8
) -> Callable[[Mask8], NDArray[np.intp]]:
    """A function that counts pixels beside each region.

    A pixel beside two regions counts for both, so that the numbering decides nothing.

    Args:
        regions: At most 65534.
        where: (H, W), the pixels that may count.
        kernel: What is beside: the structuring element that regions are dilated by.

    Returns:
        A function of an (H, W) mask that gives (count,), the pixels of ``where`` in the mask beside
        each region.
    """
    part, count = regions.mask.box(kernel.shape[0] // 2), regions.count
    names = regions.plane()[part].astype(np.uint16)
    last = np.asarray(cv2.dilate(names, kernel), np.uint16)
    places = np.flatnonzero((where[part] & as_mask8(last > 0)).view(bool))
    last = last.ravel()[places]
    names -= 1  # no region becomes the highest number
    first = np.asarray(cv2.erode(names, kernel), np.uint16).ravel()[places] + np.uint16(1)
    both = (first != last) & (first > 0)

    def counted(mask: Mask8) -> NDArray[np.intp]:
        chosen = mask[part].ravel()[places].view(bool)
        result = np.bincount(last[chosen], minlength=count)
        return result + np.bincount(first[chosen & both], minlength=count)

    return counted
