"""Pin holes: small, compact dents that lie alone in the body.

Alpha is (H, W) uint8; lengths are in pixels of a picture of
1024 x 1024 times ``scale``.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from refinement.background import gap_area, median_clear
from refinement.grid import Alpha8
from refinement.labels import bounding_corners, labels_at
from refinement.masks import Mask, Mask8, Places
from refinement.thresholds import (
    CLEAR,
    PIN_HOLE_ALONE,
    PIN_HOLE_COMPACT,
    PIN_HOLE_RIM,
    PIN_HOLE_SIDE,
    PIN_HOLE_SURROUNDINGS,
    SOLID,
)


def find_pin_holes(quantised: Alpha8, scale: float, openings: Mask | None = None) -> Mask:
    """The small compact dents that lie alone in the body.

    Body of the dent's own width must lie on all sides of it. Gaps of hair, nets and meshes lie near
    each other. A dent that reaches the level of clear may be an opening, so it has to be farther
    from other dents. It is one if it is clear over more than a few pixels, or if the haze over the
    background shows in it too.

    Args:
        quantised: (H, W) uint8.
        scale: Size of the picture relative to 1024 x 1024.
        openings: Definite background, where it is known already; it has no pin holes.
    """
    unsolid = Mask(quantised < SOLID)
    widest = max(PIN_HOLE_SIDE[0], PIN_HOLE_SIDE[1] * scale)
    # Closing by a square fills whatever is narrower than it, and that alone need be labelled.
    narrow = unsolid - unsolid.erode(widest / 2).dilate(widest / 2)
    if not narrow:
        return narrow
    widths, pixels = PIN_HOLE_SURROUNDINGS
    part = narrow.box(1 + int(max(pixels * scale, widths * widest)))
    gaps = np.ascontiguousarray(narrow.pixels()[part])
    where = np.flatnonzero(gaps.view(bool))
    count, labels = cv2.connectedComponents(gaps, connectivity=8)
    names = labels_at(np.asarray(labels, np.int32), where)
    levels = quantised[part].ravel()[where]
    opened = np.zeros(where.size, np.bool_)
    if openings is not None:
        opened = openings.pixels()[part].ravel()[where] > 0
    chosen, dents = _small(names, where, gaps.shape, count, widest, opened)
    floor = np.full(count, 255, np.uint8)
    np.minimum.at(floor, names, levels)
    floor = floor[chosen]
    near, far = _alone(dents, unsolid.pixels()[part], gaps, scale)
    clear = np.bincount(names[levels <= CLEAR], minlength=count)[chosen]
    opening = clear >= gap_area(scale)
    if (near & far & (clear > 0)).any():
        haze = median_clear(quantised, CLEAR)
        opening |= (haze > 0) & (np.abs(floor.astype(np.int32) - haze) <= 1)
    holes = np.zeros(count, np.bool_)
    holes[chosen[near & ((clear == 0) | (far & ~opening))]] = True
    if not holes.any():
        return Mask.empty(quantised.shape)
    found = np.zeros_like(quantised)
    rows, columns = np.divmod(where[holes[names]], gaps.shape[1])
    found[part][rows, columns] = 1
    return Mask(found).dilate(2)


@dataclass(frozen=True, slots=True)
class _Dents:
    """Boxes about dents, first and last row and column, each (n,) int64."""

    side: NDArray[np.int64]
    top: NDArray[np.int64]
    bottom: NDArray[np.int64]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    area: NDArray[np.int64]

    def others(
        self, sums: NDArray[np.int32], margin: NDArray[np.number]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Pixels of a mask within a margin about each dent, itself left out, and all pixels there.

        Args:
            sums: (H + 1, W + 1), the integral of the mask.
            margin: (n,), in pixels.
        """
        rows, columns = sums.shape[0] - 1, sums.shape[1] - 1
        wide = margin.astype(np.int64)
        y0, y1 = np.maximum(self.top - wide, 0), np.minimum(self.bottom + 1 + wide, rows)
        x0, x1 = np.maximum(self.left - wide, 0), np.minimum(self.right + 1 + wide, columns)
        inside = sums[y1, x1].astype(np.int64) - sums[y0, x1] - sums[y1, x0] + sums[y0, x0]
        return inside - self.area, (y1 - y0) * (x1 - x0)


def _small(
    names: NDArray[np.intp],
    where: Places,
    shape: tuple[int, ...],
    count: int,
    widest: float,
    opened: NDArray[np.bool_],
) -> tuple[NDArray[np.intp], _Dents]:
    """The labels of the small compact dents that hold no opening, and the boxes about them."""
    (top, left), (bottom, right) = bounding_corners(names, where, shape, count)
    area = np.bincount(names, minlength=count)
    side = np.maximum(right - left, bottom - top) + 1
    small = (side <= widest) & (area > PIN_HOLE_COMPACT * side * side)
    small[0] = False
    small[names[opened]] = False
    chosen = np.flatnonzero(small)
    corners = (side, top, bottom, left, right, area)
    return chosen, _Dents(*(np.asarray(values[chosen], np.int64) for values in corners))


def _alone(
    dents: _Dents, unsolid: Mask8, narrow: Mask8, scale: float
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which of the dents lie alone nearby, and which in far wider surroundings, each (n,)."""
    sums = np.asarray(cv2.integral(narrow), np.int32)
    margin = np.maximum(max(4, 8 * scale), dents.side)
    found, size = dents.others(sums, margin)
    apart = found <= PIN_HOLE_ALONE * size
    if not apart.any():
        return apart, apart
    widths, pixels = PIN_HOLE_SURROUNDINGS
    found, size = dents.others(sums, np.maximum(pixels * scale, widths * dents.side))
    far = found <= PIN_HOLE_ALONE * size
    sums = np.asarray(cv2.integral(unsolid), np.int32)
    found, size = dents.others(sums, margin)
    # Beside background there is more that is not solid: body all round, and no other dents.
    rim, _ = dents.others(sums, np.maximum(PIN_HOLE_RIM, dents.side))
    return (found <= PIN_HOLE_ALONE * size) | ((rim == 0) & apart), (rim == 0) & far
