"""The connectivity error.

Rhemann et al. 2009, with the constants of the published scripts. For each pixel, the
highest threshold at which it still belongs to the largest region (4-connected) where both
mattes reach that threshold; what exceeds it by 0.15 or more counts as disconnected.
"""

from __future__ import annotations

from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

STEPS: Final = 10
"""Thresholds between 0 and 1: a step of 0.1."""

TOLERANCE: Final = 0.15
"""Excess over the connected level below this does not count (theta)."""


def connectivity_map(
    predicted: NDArray[np.floating[Any]], true: NDArray[np.floating[Any]]
) -> NDArray[np.float64]:
    """The connectivity error of each pixel.

    Args:
        predicted: (H, W) float, 0..1.
        true: (H, W) float, 0..1.

    Returns:
        (H, W) float64, 0..1.
    """
    levels = _connected_levels(np.minimum(predicted, true))
    error = _excess(predicted, levels)
    error -= _excess(true, levels)
    return np.abs(error, out=error)


def _connected_levels(shared: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Up to which threshold, 0 to 1 in tenths, each pixel stays in the largest region.

    Args:
        shared: (H, W) float, the lower of both mattes: where it reaches a threshold, both do.
    """
    count = np.zeros(shared.shape, np.uint8)
    # Above the first threshold nothing lies outside this box: what is labelled is smaller.
    left, top, width, height = cv2.boundingRect((shared >= 1 / STEPS).view(np.uint8))
    shared = shared[top : top + height, left : left + width]
    kept = np.ones(shared.shape, np.uint8)
    inside = count[top : top + height, left : left + width]
    for step in range(1, STEPS + 1):
        # A pixel that has dropped out of the largest region once stays out.
        kept &= _largest(shared >= step / STEPS)
        if not kept.any():
            break
        inside += kept
    return count / np.float64(STEPS)


def _largest(region: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """The largest 4-connected component: (H, W) uint8 of 0 and 1."""
    if not region.size:
        return region.view(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(
        region.view(np.uint8), connectivity=4
    )
    if count <= 2:  # the background and at most one component
        return region.view(np.uint8)
    largest = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
    return np.asarray(labels == largest).view(np.uint8)


def _excess(alpha: NDArray[np.floating[Any]], levels: NDArray[np.float64]) -> NDArray[np.float64]:
    excess = alpha - levels
    excess *= excess >= TOLERANCE
    return excess
