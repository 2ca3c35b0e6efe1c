"""Trimaps: definite foreground (255), definite background (0), unknown region (128)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ld_portrait_20k.compositing.dilation import eroded

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
    # Arithmetic on whole planes is quicker than writing where a mask says so.
    result = eroded(alpha >= high, erosion) * np.uint8(FOREGROUND - UNKNOWN)
    result += np.uint8(UNKNOWN)
    result *= ~eroded(alpha <= low, dilation)
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
    return trimap(alpha, *random_radii(rng, radius), low=low, high=high)


def random_radii(rng: np.random.Generator, radius: tuple[float, float]) -> tuple[float, float]:
    """Erosion and dilation of a random trimap, each drawn evenly from a range in pixels."""
    erosion, dilation = rng.uniform(*radius, size=2)
    return float(erosion), float(dilation)
