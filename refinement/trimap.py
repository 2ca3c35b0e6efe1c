"""The trimap of a refined matte."""

from __future__ import annotations

import cv2
import numpy as np

from refinement.grid import mask


def shrink(region: np.ndarray, radius: int) -> np.ndarray:
    """Erode a mask by an octagon; the frame is no border.

    Args:
        region: (H, W) uint8.
        radius: In pixels.
    """
    full, cross = np.ones((3, 3), np.uint8), cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    # Erosions commute: all squares are one larger square.
    region = cv2.erode(region, full, iterations=radius // 2)
    return cv2.erode(region, cross, iterations=radius - radius // 2)


def trimap(quantised: np.ndarray, radius: int) -> np.ndarray:
    """Trimap with an unknown region along the border.

    Args:
        quantised: (H, W) uint8, the refined alpha in 255ths.
        radius: How far the unknown region reaches beyond soft alpha and beyond the border
            between 0 and 1, in pixels.

    Returns:
        (H, W) uint8: 0 definite background, 128 unknown, 255 definite foreground.
    """
    result = np.full(quantised.shape, 128, np.uint8)
    opaque = mask(quantised == 255)
    clear = mask(quantised == 0)
    result[shrink(opaque, radius) > 0] = 255
    result[shrink(clear, radius) > 0] = 0
    return result
