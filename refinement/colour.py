"""Foreground colour where alpha is soft, continued smoothly outside."""

from __future__ import annotations

import cv2
import numpy as np


def estimate_foreground(colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Estimate straight foreground colour by a pull-push pyramid.

    Layer Diffusion pads colour under low alpha; how far a pixel's own colour can be
    believed falls with its alpha. Each level of a pyramid holds the mean colour weighted
    by that belief; from coarse to fine, what a level is not sure of comes from the level
    above (pull-push interpolation, Gortler et al. 1996, The Lumigraph, section 3.4).

    Args:
        colour: (H, W, 3) uint8 or uint16, straight sRGB.
        alpha: (H, W) float32, 0..1, refined.

    Returns:
        (H, W, 3), dtype of ``colour``: equal to ``colour`` where alpha is 1.
    """
    weight = alpha * alpha
    weight *= weight
    levels: list[np.ndarray] = []
    current: np.ndarray = cv2.merge([*(cv2.split(colour.astype(np.float32))), np.ones_like(weight)])
    current *= weight[..., None]
    levels.append(current)
    while min(current.shape[:2]) > 2:
        height, width = current.shape[:2]
        current = cv2.resize(
            current, ((width + 1) // 2, (height + 1) // 2), interpolation=cv2.INTER_AREA
        )
        levels.append(current)
    total = levels[-1][..., 3:]
    estimate: np.ndarray = levels[-1][..., :3] / np.maximum(total, 1e-6)
    for level in reversed(levels[:-1]):
        height, width = level.shape[:2]
        estimate = cv2.resize(estimate, (width, height), interpolation=cv2.INTER_LINEAR)
        belief = level[..., 3:]
        trust = np.minimum(belief * 8.0, 1.0)
        estimate += trust * (level[..., :3] / np.maximum(belief, 1e-6) - estimate)
    limit = float(np.iinfo(colour.dtype).max)
    result = np.clip(np.rint(estimate), 0, limit).astype(colour.dtype)
    opaque = alpha >= 1.0
    result[opaque] = colour[opaque]
    return result
