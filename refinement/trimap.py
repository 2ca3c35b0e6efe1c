"""The trimap of a refined matte."""

from __future__ import annotations

import cv2
import numpy as np

from refinement.grid import Alpha8, Mask, as_mask


def shrink(region: Mask, radius: int) -> Mask:
    """Erode a mask by an octagon; the frame takes nothing away.

    Args:
        region: (H, W) uint8.
        radius: In pixels.
    """
    full, cross = np.ones((3, 3), np.uint8), cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    # Erosions commute, so all squares come first.
    region = np.asarray(cv2.erode(region, full, iterations=radius // 2), np.uint8)
    return np.asarray(cv2.erode(region, cross, iterations=radius - radius // 2), np.uint8)


def trimap(quantised: Alpha8, radius: int) -> Mask:
    """Trimap with an unknown region along the border.

    Args:
        quantised: (H, W) uint8, the refined alpha in 255ths.
        radius: How far the unknown region reaches beyond soft alpha and beyond the border
            between 0 and 1, in pixels.

    Returns:
        (H, W) uint8: 0 definite background, 128 unknown, 255 definite foreground.
    """
    result = np.full(quantised.shape, 128, np.uint8)
    opaque = as_mask(quantised == 255)
    clear = as_mask(quantised == 0)
    result[shrink(opaque, radius) > 0] = 255
    result[shrink(clear, radius) > 0] = 0
    return result
