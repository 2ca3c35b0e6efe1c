"""Levels: what opaque and clear are in the raw matte, and the alpha between them."""

from __future__ import annotations

import cv2
import numpy as np

from refinement.connectivity import Regions, coarse, fine


def mend_frame(alpha: np.ndarray) -> np.ndarray:
    """Raise the outermost line of pixels where the decoder has darkened it.

    Layer Diffusion's decoder lowers alpha by a few percent on the outermost pixel line,
    whatever it shows. A side is mended only where its line is lower than the next one
    over the body that it cuts.

    Args:
        alpha: (H, W) float32, 0..1.

    Returns:
        The mended alpha; the input itself where there is nothing to mend.
    """
    result = alpha
    if min(alpha.shape) < 8:
        return result
    for side in range(4):
        view = np.rot90(result, side)
        inner = view[1]
        body = inner >= 0.9
        if np.count_nonzero(body) < 8:
            continue
        ratio = float(view[0][body].mean() / inner[body].mean())
        if ratio < 0.97:
            if result is alpha:
                result = alpha.copy()
                view = np.rot90(result, side)
            view[0] = np.maximum(view[0], np.minimum(view[0] / max(ratio, 0.5), view[1]))
    return result


def spread(value: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Continue values over the cells where they are not known.

    Normalised convolution (Knutsson and Westin 1993) with a growing window: each cell
    takes the smallest window in which enough is known.

    Args:
        value: (h, w) float32.
        weight: (h, w) float32, 0..1, how much of the cell is known.

    Returns:
        (h, w) float32; NaN-free, 0 if nothing is known anywhere.
    """
    total = float(weight.sum())
    if total <= 0:
        return np.zeros_like(value)
    result = np.full_like(value, float((value * weight).sum()) / total)
    side = 1
    while side < max(value.shape):
        side = 2 * side + 1
    while side > 1:
        side //= 2
        window = (side, side)
        known = cv2.blur(weight, window, borderType=cv2.BORDER_REFLECT)
        mean = cv2.blur(value * weight, window, borderType=cv2.BORDER_REFLECT)
        mean /= np.maximum(known, 1e-9)
        trust = np.minimum(known * (4.0 if side > 1 else 1.0) * side, 1.0)
        result += trust * (mean - result)
    return result


def plateaus(alpha: np.ndarray, regions: Regions) -> tuple[np.ndarray, np.ndarray]:
    """The levels of opaque and of clear near the border, as smooth coarse fields.

    Args:
        alpha: (H, W) float32, raw.
        regions: What is definite.

    Returns:
        Gain and haze, each on the coarse grid, float32, 0..1: the mean of alpha over the
        nearest definite foreground (dents left out) and over the nearest definite background.
    """
    step = regions.step
    solid = (regions.inside > 0) & (alpha >= 0.75)
    gain, known = _level(alpha, solid.view(np.uint8), step, KAPPA, DILATE)
    gain = spread(gain, known) if known.any() else np.ones_like(gain)
    haze, known = _level(alpha, regions.faint, step, -KAPPA_H, 0)
    return np.clip(gain, 0.75, 1.0), np.clip(spread(haze, known), 0.0, 0.25)


KAPPA = 1.5
KAPPA_H = 0.0
DILATE = 0


def _level(
    alpha: np.ndarray, mask: np.ndarray, step: int, kappa: float, dilate: int
) -> tuple[np.ndarray, np.ndarray]:
    share = coarse(mask, step)
    window = (3, 3)
    total = np.maximum(cv2.blur(share, window), 1e-6)
    mean = cv2.blur(coarse(alpha * mask, step), window) / total
    square = cv2.blur(coarse(alpha * alpha * mask, step), window) / total
    spread_ = np.sqrt(np.maximum(square - mean * mean, 0))
    level = coarse(alpha * mask, step) / np.maximum(share, 1e-6)
    if kappa:
        level = mean + kappa * spread_
    if dilate:
        level = cv2.dilate(level * (share > 0.1), np.ones((3, 3), np.uint8))
    return level, share


HAZE_FADE = 4.0


def compose(alpha: np.ndarray, regions: Regions) -> np.ndarray:
    """The refined alpha: 1 inside, 0 outside, levelled in the band.

    In the band alpha is divided by the level of opaque beside it, and the level of clear
    is taken off where alpha is about as low. Where both levels are right already, alpha
    comes back unchanged.

    Args:
        alpha: (H, W) float32, raw.
        regions: What is definite.

    Returns:
        (H, W) float32, 0..1.
    """
    result = regions.inside.astype(np.float32)
    band = np.flatnonzero((regions.inside | regions.outside) == 0)
    raw = alpha.ravel()[band]
    gain_grid, haze_grid = plateaus(alpha, regions)
    gain = fine(gain_grid, alpha.shape).ravel()[band]
    haze = fine(haze_grid, alpha.shape).ravel()[band]
    values = raw
    veiled = gain < 1 - 0.5 / 255
    hazy = haze > 0.25 / 255
    if hazy.any():
        share = np.clip((HAZE_FADE - raw / np.maximum(haze, 1e-6)) / (HAZE_FADE - 1), 0, 1) if HAZE_FADE<100 else (1-raw)/(1-haze)
        values = np.where(hazy, np.maximum(values - haze * share, 0), values)
    if veiled.any():
        values = np.where(veiled, np.minimum(values / gain, 1), values)
    result.ravel()[band] = values
    return result
