"""The trimap of a refined matte."""

from __future__ import annotations

import cv2
import numpy as np

from refinement.grid import mask


def disk(radius: int) -> np.ndarray:
    """A symmetric round structuring element, (2 r + 1, 2 r + 1) uint8."""
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    return (x * x + y * y <= radius * radius + radius).astype(np.uint8)


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
    kernel = disk(radius)
    opaque = mask(quantised == 255)
    clear = mask(quantised == 0)
    # Erosion treats outside the frame as part of the region: the frame is no border.
    result[cv2.erode(opaque, kernel) > 0] = 255
    result[cv2.erode(clear, kernel) > 0] = 0
    return result
