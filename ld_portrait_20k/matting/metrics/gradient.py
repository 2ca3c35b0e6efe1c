"""The gradient error, in the two conventions that published figures use.

Rhemann et al. 2009: the derivative of a Gaussian with sigma 1.4, the kernel cut where it
falls below 0.01 (9 x 9) and normalised to unit L2 norm, border replicated; the squared
difference of both mattes' gradient magnitudes.
"""

from __future__ import annotations

import math
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

SIGMA: Final = 1.4
_CUT: Final = 0.01

NORMALISED: Final = "normalised"
"""Both mattes are stretched to span 0..1 first, as the published scripts do (Adobe's MATLAB
through ``mat2gray``, RobustVideoMatting, MatAnyone). A matte that already spans 0..1 is not
changed by it; a dimmed matte looks flawless."""

PLAIN: Final = "plain"
"""The mattes as they are, as GCA-Matting's script does."""

CONVENTIONS: Final = (NORMALISED, PLAIN)


def gradient_map(
    predicted: NDArray[np.floating[Any]],
    true: NDArray[np.floating[Any]],
    convention: str = NORMALISED,
) -> NDArray[np.float64]:
    """The gradient error of each pixel.

    Args:
        predicted: (H, W) float, 0..1.
        true: (H, W) float, 0..1.
        convention: One of :data:`CONVENTIONS`.

    Returns:
        (H, W) float64, at least 0.

    Raises:
        ValueError: An unknown convention.
    """
    if convention not in CONVENTIONS:
        raise ValueError(f"Grad convention {convention!r} is none of {', '.join(CONVENTIONS)}")
    difference = _magnitude(predicted, convention)
    difference -= _magnitude(true, convention)
    return np.square(difference, out=difference)


def _magnitude(alpha: NDArray[np.floating[Any]], convention: str) -> NDArray[np.float64]:
    plane = alpha.astype(np.float64)
    if convention == NORMALISED:
        low, high = float(plane.min(initial=1.0)), float(plane.max(initial=0.0))
        # A matte of one value has no gradient either way.
        if high > low and (low, high) != (0.0, 1.0):
            plane = (plane - low) / (high - low)
    half = math.ceil(SIGMA * math.sqrt(-2 * math.log(math.sqrt(2 * math.pi) * SIGMA * _CUT)))
    x = np.arange(-half, half + 1, dtype=np.float64)
    gauss = np.exp(-x * x / (2 * SIGMA * SIGMA)) / (SIGMA * math.sqrt(2 * math.pi))
    slope = -x * gauss / (SIGMA * SIGMA)
    norm = math.sqrt(float(np.sum(np.outer(gauss, slope) ** 2)))
    across, along = slope / norm, gauss
    dx = cv2.sepFilter2D(plane, cv2.CV_64F, across, along, borderType=cv2.BORDER_REPLICATE)
    dy = cv2.sepFilter2D(plane, cv2.CV_64F, along, across, borderType=cv2.BORDER_REPLICATE)
    # Not cv2.magnitude: its last digit depends on how an array lies in memory.
    squared = np.square(dx) + np.square(dy)
    return np.sqrt(squared, out=squared)
