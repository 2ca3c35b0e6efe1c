"""The dents of a part of a picture: what is small, is no body and lies in the body.

Alpha is (H, W) uint8, that of the part.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from refinement.planes.grid import Alpha8
from refinement.planes.labels import Labelled, label
from refinement.planes.masks import Mask
from refinement.thresholds.levels import CLEAR

Part = tuple[slice, slice]
"""Rows and columns of a part of a picture."""


@dataclass(frozen=True, slots=True)
class Dents:
    """Dents by the number of their region; what is no dent has a number too.

    Attributes:
        alpha: (H, W) uint8.
        unsolid: What is no body.
        mask: The dents.
        clear: What is clear.
        regions: The 8-connected regions of what is no body.
        chosen: (count,), which of them are dents.
        side: (count,), of the square about each.
        open: (count,), how many of the pixels of each are clear; of dents alone.
        framed: (count,), which have most of their pixels in the outermost line of the picture.
    """

    alpha: Alpha8
    unsolid: Mask
    mask: Mask
    clear: Mask
    regions: Labelled
    chosen: NDArray[np.bool_]
    side: NDArray[np.int64]
    open: NDArray[np.intp]
    framed: NDArray[np.bool_]

    @classmethod
    def of(cls, quantised: Alpha8, part: Part, unsolid: Mask, wide: Mask) -> Self:
        """Find and measure the dents.

        Args:
            quantised: (H, W) uint8, the whole picture.
            part: The part that is asked.
            unsolid: What is no body, in the part.
            wide: What is too wide for a dent, in the part.
        """
        alpha = quantised[part]
        regions = label(unsolid, connectivity=8)
        chosen = ~regions.meeting(wide)
        chosen[0] = False
        mask = regions.mask_of(chosen)
        clear = Mask(alpha <= CLEAR)
        runs, of = regions.within(mask & clear)
        low, high = regions.corners()
        return cls(
            alpha=alpha,
            unsolid=unsolid,
            mask=mask,
            clear=clear,
            regions=regions,
            chosen=chosen,
            side=(high - low).max(axis=0) + 1,
            open=np.bincount(of, weights=runs.lengths, minlength=regions.count).astype(np.intp),
            framed=_framed(regions, chosen, part, quantised.shape),
        )

    def mask_of(self, chosen: NDArray[np.bool_]) -> Mask:
        """The mask of some of them, given by (count,)."""
        return self.regions.mask_of(chosen) if chosen.any() else Mask.empty(self.alpha.shape)


def _framed(
    regions: Labelled, chosen: NDArray[np.bool_], part: Part, shape: tuple[int, ...]
) -> NDArray[np.bool_]:
    """Which dents have most of their pixels in the outermost line of the picture, (count,)."""
    asked = chosen & regions.touching_frame()
    if not asked.any():
        return asked
    places, names = regions.pixels_of(regions.mask_of(asked))
    rows, columns = np.divmod(places, regions.mask.shape[1])
    rows, columns = rows + part[0].start, columns + part[1].start
    outermost = (rows % (shape[0] - 1) == 0) | (columns % (shape[1] - 1) == 0)
    return 2 * np.bincount(names[outermost], minlength=regions.count) > regions.areas
