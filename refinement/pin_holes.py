"""Pin holes: small, compact dents that lie alone in the body.

Alpha is (H, W) uint8; lengths are in pixels of a picture of
1024 x 1024 times ``scale``.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from refinement.background import gap_area, median_clear
from refinement.grid import Alpha8
from refinement.labels import Labelled, label
from refinement.masks import Mask
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
    regions = label(narrow, connectivity=8)
    small = _small(regions, widest)
    if openings is not None:
        small &= ~regions.meeting(openings)
    chosen = np.flatnonzero(small)
    if not chosen.size:
        return Mask.empty(quantised.shape)
    listed = small[regions.of]
    places = regions.runs.places(listed)
    number = np.cumsum(small)[regions.of[listed]] - 1
    number = np.repeat(number, regions.runs.lengths[listed])
    levels = quantised.ravel()[places]
    near, far = _alone(_Dents.of(regions, chosen), unsolid, narrow, scale)
    clear = np.bincount(number[levels <= CLEAR], minlength=chosen.size)
    opening = clear >= gap_area(scale)
    if (near & far & (clear > 0)).any():
        floor = np.full(chosen.size, 255, np.int32)
        np.minimum.at(floor, number, levels.astype(np.int32))
        haze = median_clear(quantised, CLEAR)
        opening |= (haze > 0) & (np.abs(floor - haze) <= 1)
    holes = near & ((clear == 0) | (far & ~opening))
    return Mask.of_places(places[holes[number]], quantised.shape).dilate(2)


@dataclass(frozen=True, slots=True)
class _Dents:
    """Boxes about dents, first and last row and column, each (n,) int64."""

    side: NDArray[np.int64]
    top: NDArray[np.int64]
    bottom: NDArray[np.int64]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    area: NDArray[np.int64]

    @classmethod
    def of(cls, regions: Labelled, chosen: NDArray[np.intp]) -> Self:
        """The boxes about the chosen regions."""
        (top, left), (bottom, right) = (corners[:, chosen] for corners in regions.corners())
        side = np.maximum(right - left, bottom - top) + 1
        return cls(side, top, bottom, left, right, regions.areas[chosen])

    def those(self, chosen: NDArray[np.bool_]) -> Self:
        """Some of them."""
        return type(self)(
            **{field.name: getattr(self, field.name)[chosen] for field in fields(self)}
        )

    def others(
        self, mask: Mask, *margins: NDArray[np.number]
    ) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Pixels of a mask within margins about each dent, itself left out, and all pixels there.

        Args:
            mask: Any mask that holds the dents.
            margins: (n,) each, in pixels.
        """
        wide = [margin.astype(np.int64) for margin in margins]
        most = max(int(margin.max()) for margin in wide)
        top, left = max(0, int(self.top.min()) - most), max(0, int(self.left.min()) - most)
        bottom, right = int(self.bottom.max()) + 1 + most, int(self.right.max()) + 1 + most
        sums = np.asarray(cv2.integral(mask.pixels()[top:bottom, left:right]), np.int32)
        rows, columns = sums.shape[0] - 1, sums.shape[1] - 1
        found = []
        for margin in wide:
            y0 = np.maximum(self.top - top - margin, 0)
            y1 = np.minimum(self.bottom - top + 1 + margin, rows)
            x0 = np.maximum(self.left - left - margin, 0)
            x1 = np.minimum(self.right - left + 1 + margin, columns)
            inside = sums[y1, x1].astype(np.int64) - sums[y0, x1] - sums[y1, x0] + sums[y0, x0]
            found.append((inside - self.area, (y1 - y0) * (x1 - x0)))
        return found


def _small(regions: Labelled, widest: float) -> NDArray[np.bool_]:
    """Which of the dents are small and compact, (count,)."""
    (top, left), (bottom, right) = regions.corners()
    side = np.maximum(right - left, bottom - top) + 1
    small = (side <= widest) & (regions.areas > PIN_HOLE_COMPACT * side * side)
    small[0] = False
    return np.asarray(small)


def _alone(
    dents: _Dents, unsolid: Mask, narrow: Mask, scale: float
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which of the dents lie alone nearby, and which in far wider surroundings, each (n,)."""
    widths, pixels = PIN_HOLE_SURROUNDINGS
    margin = np.maximum(max(4, 8 * scale), dents.side)
    wide = np.maximum(pixels * scale, widths * dents.side)
    (found, size), (farther, wider) = dents.others(narrow, margin, wide)
    near, far = found <= PIN_HOLE_ALONE * size, farther <= PIN_HOLE_ALONE * wider
    apart = near.copy()
    if apart.any():
        # More is not solid than what is narrow, so what has narrow dents nearby is not alone.
        some = dents.those(apart)
        # Beside background there is more that is not solid: body all round, and no other dents.
        rims = np.maximum(PIN_HOLE_RIM, some.side)
        (found, size), (rim, _) = some.others(unsolid, margin[apart], rims)
        near[apart] = (found <= PIN_HOLE_ALONE * size) | (rim == 0)
        far[apart] &= rim == 0
    return near, near & far
