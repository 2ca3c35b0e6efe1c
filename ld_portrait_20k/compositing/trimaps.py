"""Trimaps: definite foreground (255), definite background (0), unknown region (128)."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

FOREGROUND = 255
UNKNOWN = 128
BACKGROUND = 0


def trimap(
    alpha: NDArray[np.uint8], erosion: float, dilation: float, *, low: int = 0, high: int = 255
) -> NDArray[np.uint8]:
    """A trimap by erosion of the definite regions with discs.

    Args:
        alpha: (H, W) uint8.
        erosion: Radius in pixels by which the definite foreground shrinks.
        dilation: Radius in pixels by which the definite background shrinks.
        low: Alpha up to this is background.
        high: Alpha from this on is foreground.

    Returns:
        (H, W) uint8 of 0, 128 and 255. Every soft pixel is unknown. The regions are
        assumed to go on beyond the picture's border, so a body that it cuts is not eroded there.
    """
    result = np.full(alpha.shape, UNKNOWN, np.uint8)
    result[_eroded(alpha >= high, erosion)] = FOREGROUND
    result[_eroded(alpha <= low, dilation)] = BACKGROUND
    return result


def random_trimap(
    alpha: NDArray[np.uint8],
    rng: np.random.Generator,
    *,
    radius: tuple[float, float] = (1.0, 30.0),
    low: int = 0,
    high: int = 255,
) -> NDArray[np.uint8]:
    """A trimap of random width, for training.

    Both radii are drawn independently (Xu et al., "Deep Image Matting", CVPR 2017).

    Args:
        alpha: (H, W) uint8.
        rng: Where the radii are drawn from.
        radius: Smallest and largest radius in pixels.
        low: Alpha up to this is background.
        high: Alpha from this on is foreground.

    Returns:
        (H, W) uint8 of 0, 128 and 255.
    """
    erosion, dilation = rng.uniform(*radius, size=2)
    return trimap(alpha, erosion, dilation, low=low, high=high)


def _eroded(region: NDArray[np.bool_], radius: float) -> NDArray[np.bool_]:
    if radius <= 0 or region.all():
        return region
    # The distance transform takes the same time for any radius; erosion by a disc does not.
    distance = cv2.distanceTransform(region.view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    return distance > radius
