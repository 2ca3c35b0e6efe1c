"""Thin bodies: leaves, stems and fingers, all of which lies near their own border.

Alpha is (H, W) uint8; lengths are in pixels of a picture of
1024 x 1024 times ``scale``.
"""

from __future__ import annotations

import cv2
import numpy as np

from refinement.planes.grid import Alpha8, as_mask8, dilate, erode, square_kernel, sums_about
from refinement.planes.masks import Mask
from refinement.thresholds.levels import DENT, VEIL
from refinement.thresholds.panels import PLATEAU_CRISP, PLATEAU_DROP, PLATEAU_RANGE


def find_plateaus(quantised: Alpha8, inside: Mask, clear: int, step: int, scale: float) -> Mask:
    """Find the level tops of bodies that end abruptly and are too thin to have definite foreground.

    Across a leaf of a few pixels alpha rises within a pixel or two, is level, and falls as fast.
    What lacks to 1 is a veil. Hair and what is out of focus still rise where a leaf is level, and
    where some hairs are as crisp, most of the alpha about them is soft.

    Args:
        quantised: (H, W) uint8, of a damaged matte.
        inside: Definite foreground. It tells better what lies beside it.
        clear: The clear level, of 255.
        step: Side of a cell of the coarse grid, in pixels.
        scale: Size of the picture relative to 1024 x 1024.

    Returns:
        Pixels that are body, as are all their neighbours.
    """
    dense = Mask(quantised >= VEIL) - inside.dilate(2 * step)
    if not dense:
        return dense
    part = dense.box(step)
    alpha, window = quantised[part], square_kernel(1)
    lowest, empty = erode(alpha, window), Mask(alpha <= min(2 * clear, DENT))
    level = np.asarray(cv2.subtract(dilate(alpha, window), lowest)) <= PLATEAU_RANGE
    least, reach = PLATEAU_DROP
    drops = empty.dilate(max(least, round(reach * scale)))
    tops = as_mask8(level & (lowest >= VEIL)) & drops.pixels() & dense.pixels()[part]
    places = np.flatnonzero(tops.view(bool))
    if not places.size:
        return Mask.empty(quantised.shape)
    soft = as_mask8(alpha < VEIL) & (~empty).pixels()
    tops_near, soft_near = (sums_about(plane, places, step) for plane in (tops, soft))
    tops.ravel()[places] = tops_near > PLATEAU_CRISP * soft_near
    found = np.zeros_like(quantised)
    found[part] = tops
    return Mask(found)
