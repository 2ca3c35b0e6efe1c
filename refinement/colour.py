"""Foreground colour where alpha is soft, continued smoothly outside."""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np

from refinement.grid import Pixels, Plane
from refinement.thresholds import COLOUR_ALIKE, COLOUR_BELIEF, COLOUR_RIDGE, COLOUR_TRUST

_STRIP = 64  # rows; strips keep memory low and stay in the cache
_CELL = 4  # cells of padding and foreground compared, in pixels of the halved picture


def estimate_foreground(colour: Pixels, alpha: Plane) -> Pixels:
    """Estimate straight foreground colour from a picture whose soft pixels carry spill.

    What Layer Diffusion gives under low alpha is foreground mixed with smooth padding. So
    a smooth foreground F and a smooth padding B are continued from where alpha is near 1
    and near 0 (pull-push interpolation, Gortler et al. 1996, The Lumigraph, section 3.4,
    weights alpha ** 8 and (1 - alpha) ** 8), and what the mixture alpha F + (1 - alpha) B
    leaves unexplained of the pixel is detail, given back by alpha / (alpha ** 2 + 0.2), the
    ridge regression of detail on the mixture, scaled to 1 at alpha 1. (Blur fusion, Forte
    2021, Approximate Fast Foreground Pixels Estimation, equation 7, gives back alpha of it.)
    Where the padding is the continued foreground itself, as this function leaves it, a
    mixture with it explains nothing and the colour stays as it is.

    Args:
        colour: (H, W, 3) uint8 or uint16, straight sRGB.
        alpha: (H, W) float32, 0..1, refined.

    Returns:
        (H, W, 3), dtype of ``colour``: equal to ``colour`` where alpha is 1, a smooth
        continuation of the foreground where alpha is 0.
    """
    height, width = alpha.shape
    even = (height % 2, width % 2)
    if any(even):
        edge = (0, even[0], 0, even[1], cv2.BORDER_REPLICATE)
        whole = estimate_foreground(
            cast("Pixels", cv2.copyMakeBorder(colour, *edge)),
            np.asarray(cv2.copyMakeBorder(alpha, *edge), np.float32),
        )
        return np.ascontiguousarray(whole[:height, :width])
    believed = np.empty((height // 2, width // 2, 4), np.float32)
    padded = np.empty_like(believed)
    for top in range(0, height, _STRIP):
        rows, half = slice(top, top + _STRIP), slice(top // 2, (top + _STRIP) // 2)
        observed = colour[rows].astype(np.float32)
        believed[half] = _halved(_weighted(observed, _power(alpha[rows])))
        padded[half] = _weighted(_halved(observed), _power(1 - _halved(alpha[rows])))
    smooth = _continue(believed)
    alike = _alike(padded, smooth, float(np.iinfo(colour.dtype).max))
    padding = _continue(padded)
    result = np.empty_like(colour)
    for top in range(0, height, _STRIP):
        rows = slice(top, min(top + _STRIP, height))
        _restore(
            colour[rows],
            alpha[rows],
            _doubled(smooth, rows),
            _doubled(padding, rows),
            _doubled(alike, rows),
            result[rows],
        )
    return result


def _alike(padded: Plane, smooth: Plane, limit: float) -> Plane:
    """How far the padding about a pixel is the smooth foreground: 0 (not) to 1, (H, W) float32."""
    height, width = padded.shape[:2]
    size = (-(-width // _CELL), -(-height // _CELL))
    clear = cv2.inRange(cv2.extractChannel(padded, 3), 0.999, 1.0)  # alpha 0, not faint strands
    if not cv2.countNonZero(clear):
        return np.zeros((height, width), np.float32)
    apart = cv2.subtract(cv2.cvtColor(padded, cv2.COLOR_BGRA2BGR), smooth, mask=clear)
    apart = np.abs(cv2.resize(apart, size, interpolation=cv2.INTER_AREA)).max(-1)
    weight = cv2.resize(clear, size, interpolation=cv2.INTER_AREA) / np.float32(255)
    cells = cv2.blur(cv2.merge([apart, apart, apart, weight]), (3, 3))
    apart = _continue(np.asarray(cells, np.float32))[..., 0] * (255.0 / limit)
    near, far = COLOUR_ALIKE
    share = np.clip((far - apart) / (far - near), 0, 1)
    return cv2.resize(share, (width, height), interpolation=cv2.INTER_LINEAR)


def _restore(
    colour: Pixels,
    alpha: Plane,
    smooth: Plane,
    padding: Plane,
    alike: Plane,
    result: Pixels,
) -> None:
    """Smooth + gain (observed - alpha smooth - (1 - alpha) padding) of a strip, into result.

    Where padding and smooth are alike, the observed colour is kept.
    """
    observed: Plane = colour.astype(np.float32)
    observed -= padding
    padding -= smooth
    padding *= _threefold(alpha)
    padding += observed
    padding *= _threefold((1 + COLOUR_RIDGE) * alpha / (alpha * alpha + COLOUR_RIDGE))
    padding += smooth
    if alike.any():
        padding += _threefold(alike) * (colour - padding)
    np.rint(np.clip(padding, 0, np.iinfo(colour.dtype).max, out=padding), out=padding)
    result[...] = padding


def _resized(plane: Plane, size: tuple[int, int], interpolation: int) -> Plane:
    return np.asarray(cv2.resize(plane, size, interpolation=interpolation), np.float32)


def _halved(plane: Plane) -> Plane:
    height, width = plane.shape[:2]
    return _resized(plane, (width // 2, height // 2), cv2.INTER_AREA)


def _doubled(grid: Plane, rows: slice) -> Plane:
    """Rows of the grid enlarged twice, as if all of it had been."""
    first, last = rows.start // 2, rows.stop // 2
    low, high = max(first - 1, 0), min(last + 1, grid.shape[0])
    size = (2 * grid.shape[1], 2 * (high - low))
    double = _resized(grid[low:high], size, cv2.INTER_LINEAR)
    return double[2 * (first - low) : 2 * (last - low)]


def _power(alpha: Plane) -> Plane:
    result = alpha * alpha
    for _ in range(COLOUR_BELIEF.bit_length() - 2):
        result *= result
    return result


def _weighted(colour: Plane, weight: Plane) -> Plane:
    """Pixels times weight, and weight, (H, W, 4) float32."""
    return np.asarray(cv2.merge([*cv2.split(_threefold(weight) * colour), weight]), np.float32)


def _threefold(plane: Plane) -> Plane:
    """A plane for each of three colours; numpy is slow at spreading it over a short axis."""
    return np.asarray(cv2.merge([plane, plane, plane]), np.float32)


def _continue(weighted: Plane) -> Plane:
    """Mean colour by weight, continued over where the weight is low, by a pyramid."""
    levels = [weighted]
    while min(levels[-1].shape[:2]) > 2:
        height, width = levels[-1].shape[:2]
        size = ((width + 1) // 2, (height + 1) // 2)
        levels.append(_resized(levels[-1], size, cv2.INTER_AREA))
    coarsest = levels[-1]
    estimate = np.asarray(coarsest[..., :3] / np.maximum(coarsest[..., 3:], 1e-6), np.float32)
    for level in reversed(levels[:-1]):
        height, width = level.shape[:2]
        estimate = _resized(estimate, (width, height), cv2.INTER_LINEAR)
        belief = np.asarray(cv2.extractChannel(level, 3), np.float32)
        own = np.asarray(cv2.cvtColor(level, cv2.COLOR_BGRA2BGR), np.float32)
        own *= _threefold(np.reciprocal(np.maximum(belief, np.float32(1e-6))))
        own -= estimate
        own *= _threefold(np.minimum(belief * np.float32(COLOUR_TRUST), np.float32(1)))
        estimate += own
    return estimate
