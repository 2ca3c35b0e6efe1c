"""Foreground colour where alpha is soft, continued smoothly outside."""

from __future__ import annotations

import cv2
import numpy as np

_BELIEF = 8  # the power of alpha by which a pixel's colour is believed
_TRUST = 8.0  # weight at which a level of the pyramid needs none above it, as its reciprocal


def estimate_foreground(colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Estimate straight foreground colour from a picture whose soft pixels carry spill.

    What Layer Diffusion gives under low alpha is foreground mixed with smooth padding. So
    a smooth foreground F and a smooth padding B are continued from where alpha is near 1
    and near 0 (pull-push interpolation, Gortler et al. 1996, The Lumigraph, section 3.4,
    weights alpha ** 8 and (1 - alpha) ** 8), and what the mixture alpha F + (1 - alpha) B
    leaves unexplained of the pixel is given back in proportion to alpha, the step of
    blur fusion (Forte 2021, Approximate Fast Foreground Colour Estimation, equation 7).

    Args:
        colour: (H, W, 3) uint8 or uint16, straight sRGB.
        alpha: (H, W) float32, 0..1, refined.

    Returns:
        (H, W, 3), dtype of ``colour``: equal to ``colour`` where alpha is 1, a smooth
        continuation of the foreground where alpha is 0.
    """
    limit = float(np.iinfo(colour.dtype).max)
    height, width = alpha.shape
    half = ((width + 1) // 2, (height + 1) // 2)
    observed: np.ndarray = colour.astype(np.float32)
    weight = _power(alpha)
    small = cv2.resize(observed, half, interpolation=cv2.INTER_AREA)
    faded = _power(1 - cv2.resize(alpha, half, interpolation=cv2.INTER_AREA))
    padding: np.ndarray = _continue(_weighted(small, faded))
    padding = cv2.resize(padding, (width, height), interpolation=cv2.INTER_LINEAR)
    believed = cv2.resize(_weighted(observed, weight), half, interpolation=cv2.INTER_AREA)
    smooth: np.ndarray = cv2.resize(_continue(believed), (width, height), interpolation=cv2.INTER_LINEAR)
    smooth += np.minimum(weight * _TRUST, 1)[..., None] * (observed - smooth)

    share = alpha[..., None]
    # smooth + share * (observed - share * smooth - (1 - share) * padding), in place
    observed -= padding
    padding -= smooth
    padding *= share
    padding += observed
    padding *= share
    padding += smooth
    np.clip(padding, 0, limit, out=padding)
    np.rint(padding, out=padding)
    result: np.ndarray = padding.astype(colour.dtype)
    return result


def _power(alpha: np.ndarray) -> np.ndarray:
    result = alpha * alpha
    for _ in range(_BELIEF.bit_length() - 2):
        result *= result
    return result


def _weighted(colour: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Colour times weight, and weight, (H, W, 4) float32."""
    result: np.ndarray = cv2.merge([*cv2.split(colour), np.ones_like(weight)])
    result *= weight[..., None]
    return result


def _continue(weighted: np.ndarray) -> np.ndarray:
    """Mean colour by weight, continued over where the weight is low, by a pyramid."""
    levels = [weighted]
    while min(levels[-1].shape[:2]) > 2:
        height, width = levels[-1].shape[:2]
        size = ((width + 1) // 2, (height + 1) // 2)
        levels.append(cv2.resize(levels[-1], size, interpolation=cv2.INTER_AREA))
    estimate: np.ndarray = levels[-1][..., :3] / np.maximum(levels[-1][..., 3:], 1e-6)
    for level in reversed(levels[:-1]):
        height, width = level.shape[:2]
        estimate = cv2.resize(estimate, (width, height), interpolation=cv2.INTER_LINEAR)
        belief = level[..., 3:]
        own = level[..., :3] / np.maximum(belief, 1e-6)
        estimate += np.minimum(belief * _TRUST, 1) * (own - estimate)
    return estimate
