"""Narrow dips that lie densely in body which is opaque about them: hair, and no damage.

A veil lowers all of the body. Where the body reaches 1 between dips that are a few pixels wide, it
leaves shallow texture at most. Between hanging hair some of the dips are deep. Pin holes are as
deep, but few, and grain is dense in all of the body.
Alpha is (H, W) uint8; lengths are in pixels of a picture of 1024 x 1024 times ``scale``.
"""

from __future__ import annotations

import cv2
import numpy as np

from refinement.planes.grid import (
    Alpha8,
    as_mask8,
    blur,
    dilate,
    mask_from_cells,
    rough_cell_share,
    square_kernel,
)
from refinement.planes.labels import label
from refinement.planes.masks import Mask
from refinement.thresholds.hair import (
    FINE_REACH,
    NARROW_CELLS,
    NARROW_DEEP,
    NARROW_GRAIN,
    NARROW_SHARE,
)
from refinement.thresholds.levels import CLEAR


def find_narrow_dips(quantised: Alpha8, scale: float) -> Mask:
    """Find dips that are part of dense fine structure.

    Args:
        quantised: (H, W) uint8.
        scale: Size of the picture relative to 1024 x 1024.

    Returns:
        Pixels below 1 that a small square closes to 1, where such dips are dense.
    """
    dense, dips = _dense(quantised, scale)
    return dips & dense if dense else dense


def in_dense_dips(holes: Mask, quantised: Alpha8, scale: float) -> Mask:
    """Those of some holes that lie where narrow dips are dense even if none of the holes was one.

    Args:
        holes: What may be pin holes.
        quantised: (H, W) uint8.
        scale: Size of the picture relative to 1024 x 1024.
    """
    filled = quantised.copy()
    filled.ravel()[holes.places()] = 255
    dense, _ = _dense(filled, scale)
    if not dense:
        return dense
    regions = label(holes, connectivity=8)
    runs, of = regions.within(holes & dense)
    inside = np.bincount(of, weights=runs.lengths, minlength=regions.count)
    return regions.mask_of(2 * inside > regions.areas)


def _dense(quantised: Alpha8, scale: float) -> tuple[Mask, Mask]:
    """Where narrow dips are dense, and all narrow dips."""
    dip, gap = (Mask(quantised <= 255 - least) for least in NARROW_DEEP)
    if not gap:
        return gap, dip
    part = dip.box(round(2 * FINE_REACH * scale) + 3)
    closing = square_kernel(FINE_REACH * scale)
    closed = np.asarray(cv2.morphologyEx(quantised[part], cv2.MORPH_CLOSE, closing))
    opaque = Mask(closed == 255).placed(part, quantised.shape)
    dips = opaque - Mask(quantised == 255)
    least, side = NARROW_CELLS
    step = max(least, round(8 * scale))
    share, gaps = (
        blur((rough_cell_share(dips & deep, step) > 0).astype(np.float32), side)
        for deep in (dip, gap)
    )
    dense = (share > NARROW_SHARE[0]) & (gaps > NARROW_SHARE[1])
    if dense.any():
        body = rough_cell_share(opaque, step) == 1
        usual = float(np.quantile(share[body], 0.25)) if body.any() else 0.0
        dense &= share > NARROW_SHARE[0] + NARROW_GRAIN * usual
    if dense.any():  # hair begins at the border
        clear = rough_cell_share(Mask(quantised <= CLEAR), step) > 0.5
        _, labels = cv2.connectedComponents(as_mask8(dense), connectivity=8)
        near = dilate(as_mask8(clear), np.ones((5, 5), np.uint8)) > 0
        dense &= np.isin(labels, labels[near & dense])
    return mask_from_cells(dense, quantised.shape), dips
