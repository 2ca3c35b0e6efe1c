"""Errors of a predicted matte against the true one: SAD, MSE, MAD, Grad, Conn.

Definitions of alphamatting.com (Rhemann et al. 2009, "A perceptually motivated online
benchmark for image matting", CVPR). All take alpha as floating point in 0..1; ``mask``
selects the pixels that count (the unknown region for the published protocol, nothing for
the whole picture). Always say which one a figure is of.
"""

from __future__ import annotations

import math
from typing import Final

import cv2
import numpy as np

GRADIENT_SIGMA: Final = 1.4
CONNECTIVITY_STEP: Final = 0.1
CONNECTIVITY_TOLERANCE: Final = 0.15


def sad(predicted: np.ndarray, true: np.ndarray, mask: np.ndarray | None = None) -> float:
    """Sum of absolute differences, in thousands of pixels.

    Args:
        predicted: (H, W) float, 0..1.
        true: (H, W) float, 0..1.
        mask: (H, W) bool, the pixels that count; all without it.

    Raises:
        ValueError: The shapes differ or the arrays are not floating point.
    """
    return float(_masked(np.abs(_difference(predicted, true)), mask).sum()) / 1000.0


def mse(predicted: np.ndarray, true: np.ndarray, mask: np.ndarray | None = None) -> float:
    """Mean squared error, 0..1 (papers print it times 1000). Arguments as for :func:`sad`."""
    return _mean(np.square(_difference(predicted, true)), mask)


def mad(predicted: np.ndarray, true: np.ndarray, mask: np.ndarray | None = None) -> float:
    """Mean absolute difference, 0..1 (papers print it times 1000). Arguments as for :func:`sad`."""
    return _mean(np.abs(_difference(predicted, true)), mask)


def grad(predicted: np.ndarray, true: np.ndarray, mask: np.ndarray | None = None) -> float:
    """Squared difference of the gradients' magnitudes, summed, in thousands.

    Derivative of a Gaussian with sigma 1.4, the kernel cut where it falls below 0.01
    (9 x 9), normalised to unit L2 norm, border replicated. Arguments as for :func:`sad`.
    """
    _difference(predicted, true)
    error = np.square(_gradient(predicted) - _gradient(true))
    return float(_masked(error, mask).sum()) / 1000.0


def conn(predicted: np.ndarray, true: np.ndarray, mask: np.ndarray | None = None) -> float:
    """Connectivity error, in thousands of pixels.

    For each pixel, the highest threshold at which it still belongs to the largest region
    (4-connected) where both mattes reach that threshold; what exceeds it by 0.15 or more
    counts as disconnected. Arguments as for :func:`sad`.
    """
    _difference(predicted, true)
    levels = np.full(true.shape, -1.0)
    steps = round(1.0 / CONNECTIVITY_STEP)
    for step in range(1, steps + 1):
        threshold = step / steps
        both = (predicted >= threshold) & (true >= threshold)
        lost = (levels < 0) & ~_largest(both)
        levels[lost] = (step - 1) / steps
    levels[levels < 0] = 1.0
    error = np.abs(_connectedness(predicted, levels) - _connectedness(true, levels))
    return float(_masked(error, mask).sum()) / 1000.0


def _difference(predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    if predicted.shape != true.shape or predicted.ndim != 2:
        raise ValueError(f"mattes of shapes {predicted.shape} and {true.shape} cannot be compared")
    if predicted.dtype.kind != "f" or true.dtype.kind != "f":
        raise ValueError("alpha must be floating point, 0..1; divide by 255 first")
    return predicted.astype(np.float64) - true


def _masked(values: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
    return values if mask is None else values[np.asarray(mask, bool)]


def _mean(values: np.ndarray, mask: np.ndarray | None) -> float:
    chosen = _masked(values, mask)
    return float(chosen.mean()) if chosen.size else 0.0


def _gradient(alpha: np.ndarray) -> np.ndarray:
    sigma = GRADIENT_SIGMA
    half = math.ceil(sigma * math.sqrt(-2 * math.log(math.sqrt(2 * math.pi) * sigma * 0.01)))
    x = np.arange(-half, half + 1, dtype=np.float64)
    gauss = np.exp(-x * x / (2 * sigma * sigma)) / (sigma * math.sqrt(2 * math.pi))
    slope = -x * gauss / (sigma * sigma)
    norm = math.sqrt(float(np.sum(np.outer(gauss, slope) ** 2)))
    plane = alpha.astype(np.float64)
    across, along = slope / norm, gauss
    dx = cv2.sepFilter2D(plane, cv2.CV_64F, across, along, borderType=cv2.BORDER_REPLICATE)
    dy = cv2.sepFilter2D(plane, cv2.CV_64F, along, across, borderType=cv2.BORDER_REPLICATE)
    return np.hypot(dx, dy)


def _largest(region: np.ndarray) -> np.ndarray:
    count, labels, stats, _ = cv2.connectedComponentsWithStats(
        region.astype(np.uint8), connectivity=4
    )
    if count == 1:
        return np.zeros(region.shape, bool)
    return np.asarray(labels == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA])))


def _connectedness(alpha: np.ndarray, levels: np.ndarray) -> np.ndarray:
    excess = alpha - levels
    return 1.0 - np.where(excess >= CONNECTIVITY_TOLERANCE, excess, 0.0)
