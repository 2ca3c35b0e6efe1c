"""Trimaps from segmentation masks."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from ld_portrait_20k.compositing.trimaps import FOREGROUND, trimap
from ld_portrait_20k.matting.data.pictures import TRIMAP_MARGIN

BAND_SHARE: Final = 64
"""The band reaches a 64th of the longer side to either side of the mask's edge: 16 px at
1024, the width at which closed-form did best on composites of real portraits with masks of
a small segmentation network."""


def mask_to_trimap(mask: NDArray[np.uint8], band: float | None = None) -> NDArray[np.uint8]:
    """A trimap with an unknown band along a mask's edge.

    Args:
        mask: (H, W) uint8, hard or soft; soft values are unknown in any case.
        band: Pixels that it reaches to either side; by default a share of the longer side
            (:data:`BAND_SHARE`). Where it would leave no foreground of a thin mask, it is
            halved until some is left.

    Returns:
        (H, W) uint8 of 0, 128 and 255.
    """
    width = max(mask.shape) / BAND_SHARE if band is None else band
    low, high = TRIMAP_MARGIN, 255 - TRIMAP_MARGIN
    inside = width
    result = trimap(mask, inside, width, low=low, high=high)
    while inside >= 1 and (mask >= high).any() and not (result == FOREGROUND).any():
        inside /= 2
        result = trimap(mask, inside, width, low=low, high=high)
    return result
