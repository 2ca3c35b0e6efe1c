"""Narrow dips that lie densely in body which is opaque about them: hair, and no damage.

A veil lowers all of the body. Where the body reaches 1 between dips that are a few pixels wide, no
veil lies. Pin holes are as narrow, but few, and grain is dense in all of the body.
Alpha is (H, W) uint8; lengths are in pixels of a picture of 1024 x 1024 times ``scale``.
"""

from __future__ import annotations

import cv2
import numpy as np

from refinement.grid import Alpha8, blur, mask_from_cells, rough_cell_share, square_kernel
from refinement.masks import Mask
from refinement.thresholds import FINE_REACH, NARROW_CELLS, NARROW_DEEP, NARROW_GRAIN, NARROW_SHARE


def find_narrow_dips(quantised: Alpha8, scale: float) -> Mask:
    """Find dips that are part of dense fine structure.

    Args:
        quantised: (H, W) uint8.
        scale: Size of the picture relative to 1024 x 1024.

    Returns:
        Pixels below 1 that a small square closes to 1, where such dips are dense.
    """
    deep = Mask(quantised <= 255 - NARROW_DEEP)
    if not deep:
        return deep
    part = deep.box(round(2 * FINE_REACH * scale) + 3)
    closing = square_kernel(FINE_REACH * scale)
    closed = np.asarray(cv2.morphologyEx(quantised[part], cv2.MORPH_CLOSE, closing))
    whole = np.zeros_like(quantised)
    whole[part] = closed == 255
    opaque = Mask(whole)
    dips = opaque - Mask(quantised == 255)
    least, side = NARROW_CELLS
    step = max(least, round(8 * scale))
    held = rough_cell_share(dips & deep, step) > 0
    share = blur(held.astype(np.float32), side)
    dense = share > NARROW_SHARE
    if dense.any():
        body = rough_cell_share(opaque, step) == 1
        usual = float(np.quantile(share[body], 0.25)) if body.any() else 0.0
        dense = share > NARROW_SHARE + NARROW_GRAIN * usual
    return dips & mask_from_cells(dense, quantised.shape)
