"""Continue values smoothly from where they are known."""

from __future__ import annotations

from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from refinement.planes.grid import Plane

_LEAST = 1e-12  # of weights that are divided by


def split(planes: NDArray[Any]) -> list[Plane]:
    """The channels of (h, w, C), each (h, w)."""
    return cast("list[Plane]", list(cv2.split(planes)))


def continued(weighted: Plane, trust: float, growth: float) -> Plane:
    """Mean by weight, continued over where the weight is low (pull-push interpolation).

    Gortler et al. 1996, The Lumigraph, section 3.4.

    Args:
        weighted: (h, w, C + 1) float32, weight times values, and weight.
        trust: Reciprocal of the weight at which the finest level needs none above it.
        growth: By how much that grows from level to level.

    Returns:
        (h, w, C) float32.
    """
    levels = [weighted]
    while max(levels[-1].shape[:2]) > 1:
        height, width, channels = levels[-1].shape
        half = ((width + 1) // 2, (height + 1) // 2)
        level = cv2.resize(levels[-1], half, interpolation=cv2.INTER_AREA)
        levels.append(np.asarray(level, np.float32).reshape(half[1], half[0], channels))
    *planes, weight = split(levels[-1])
    floor = np.maximum(weight, np.float32(_LEAST))
    estimate = [np.asarray(plane / floor, np.float32) for plane in planes]
    for number in reversed(range(len(levels) - 1)):
        *planes, weight = split(levels[number])
        share = np.minimum(weight * np.float32(trust * growth**number), np.float32(1))
        own = share / np.maximum(weight, np.float32(_LEAST))
        share = 1 - share
        size = (weight.shape[1], weight.shape[0])
        for index, plane in enumerate(planes):
            coarse = cv2.resize(estimate[index], size, interpolation=cv2.INTER_LINEAR)
            plane *= own
            plane += share * np.asarray(coarse, np.float32)
            estimate[index] = plane
    merged = np.asarray(cv2.merge(estimate), np.float32)
    return merged.reshape(*weighted.shape[:2], len(estimate))
