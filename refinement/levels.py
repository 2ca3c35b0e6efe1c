"""Levels: what opaque and clear are in the raw matte, and the alpha between them."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from refinement.grid import coarse, fine, mask, only, square
from refinement.regions import Regions

CAUTION: Final = 2.0
"""Standard deviations by which a textured veil is taken to be weaker near the border."""
_STRIP: Final = 64  # rows
HAZE_FADE: Final = 2.0
"""The level of clear is taken off fully up to itself, and not at all from so many times it."""
HALO_FADE: Final = 1.4
"""Likewise for the level of the nearest pixels, which is known better."""


def mend_frame(alpha: np.ndarray) -> np.ndarray:
    """Raise the outermost line of pixels where the decoder has darkened it.

    Layer Diffusion's decoder lowers alpha by a few percent on the outermost pixel line,
    whatever it shows. A side is mended only where its line is lower than the next one
    nearly all along the body that it cuts; hair that leaves the picture is not.

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
        ratio, most = np.quantile(view[0][body] / inner[body], (0.5, 0.9))
        if ratio < 0.97 and most < 0.995:
            if result is alpha:
                result = alpha.copy()
                view = np.rot90(result, side)
            raised = view[0] / np.float32(max(ratio, 0.5))
            view[0] = np.maximum(view[0], np.minimum(raised, view[1]))
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
    solid = regions.inside & mask(alpha >= 0.75)
    gain, known = _level(alpha, solid, step, CAUTION)
    haze, clear = _level(alpha, regions.faint, step, 0.0)
    gain = spread(gain, known) if known.any() else np.ones_like(gain)
    if gain.min() < 1:
        gain = np.maximum(np.clip(gain, 0.75, 1.0), peaks(alpha, step))
    return gain, np.clip(spread(haze, clear), 0.0, 0.25)


def peaks(alpha: np.ndarray, step: int) -> np.ndarray:
    """The highest alpha about each coarse cell, which the level of opaque cannot be below.

    What a veil has left of alpha is at most its level; so where alpha comes near 1, no veil
    lies there, whatever lies farther inside.

    Args:
        alpha: (H, W) float32, raw.
        step: Side of a cell in pixels.

    Returns:
        (ceil(H / step), ceil(W / step)) float32, 0..1: the maximum over 3 x 3 cells.
    """
    height, width = alpha.shape
    highest: np.ndarray = cv2.dilate(cv2.convertScaleAbs(alpha, alpha=255.0), square(1.5 * step))
    rows, columns = (-(-n // step) for n in (height, width))
    # A cell's middle falls between pixels: take both, for the symmetry.
    y = (np.arange(rows) + 0.5) * (height / rows) - 0.5
    x = (np.arange(columns) + 0.5) * (width / columns) - 0.5
    result = np.zeros((rows, columns), np.uint8)
    for j in (np.floor(y), np.ceil(y)):
        for i in (np.floor(x), np.ceil(x)):
            np.maximum(result, highest[np.ix_(j.astype(int), i.astype(int))], out=result)
    return result.astype(np.float32) / 255


def _level(
    alpha: np.ndarray, where: np.ndarray, step: int, kappa: float
) -> tuple[np.ndarray, np.ndarray]:
    """Mean plus ``kappa`` standard deviations of alpha over the mask, and its share, a cell."""
    share = coarse(where, step)
    masked = only(alpha, where)
    mean = coarse(masked, step)
    if not kappa:
        return mean / np.maximum(share, 1e-6), share
    window = (3, 3)
    total = np.maximum(cv2.blur(share, window), 1e-6)
    mean = cv2.blur(mean, window) / total
    masked *= masked
    square = cv2.blur(coarse(masked, step), window) / total
    deviation = np.sqrt(np.maximum(square - mean * mean, 0))
    return mean + kappa * deviation, share


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
    shape = alpha.shape
    gain_grid, haze_grid = plateaus(alpha, regions)
    hazy, veiled = haze_grid > 0.25 / 255, gain_grid < 1 - 0.5 / 255
    haze = fine(np.where(hazy, haze_grid, 0), shape) if hazy.any() else None
    gain = fine(np.where(veiled, gain_grid, 1), shape) if veiled.any() else None
    result = np.empty_like(alpha)
    for top in range(0, shape[0], _STRIP):  # strips, for the memory and the cache
        rows = slice(top, top + _STRIP)
        values = alpha[rows].copy()
        if haze is not None:
            # haze * (FADE - alpha / haze) / (FADE - 1), which needs no division
            taken = (HAZE_FADE * haze[rows] - values) * (1 / (HAZE_FADE - 1))
            taken = cv2.min(taken, haze[rows])
            values -= cv2.threshold(taken, 0, 0, cv2.THRESH_TOZERO)[1]
            cv2.threshold(values, 0, 0, cv2.THRESH_TOZERO, dst=values)
        if gain is not None:
            values /= gain[rows]
            cv2.threshold(values, 1, 1, cv2.THRESH_TRUNC, dst=values)
        np.copyto(values, np.float32(1), where=regions.inside[rows].view(bool))
        np.copyto(values, np.float32(0), where=regions.outside[rows].view(bool))
        result[rows] = values
    return result


def take_off_halo(alpha: np.ndarray, quantised: np.ndarray, regions: Regions) -> np.ndarray:
    """Take off halo that runs on from the background into the band.

    Beside the band the level of clear is known from the nearest few pixels, better than from
    the coarse grid, for halo falls off fast: what is about as low is halo, what is higher stays.

    Args:
        alpha: (H, W) float32, raw.
        quantised: (H, W) uint8, the same in 255ths.
        regions: What is definite.

    Returns:
        (H, W) float32; the input itself where nothing is amiss.
    """
    if regions.clean:
        return alpha
    faint = mask(quantised <= HALO_FADE * regions.clear) & mask(quantised > 0)
    places = np.flatnonzero((faint & (1 - (regions.inside | regions.outside))).view(bool))
    window = (5, 5)
    clear = quantised * regions.outside
    total = cv2.boxFilter(clear, cv2.CV_16U, window, normalize=False).ravel()[places]
    count = cv2.boxFilter(regions.outside, cv2.CV_16U, window, normalize=False).ravel()[places]
    known = (count > 1) & (total > 0)
    places = places[known]
    halo = total[known].astype(np.float32) / (255 * count[known].astype(np.float32))
    value = alpha.ravel()[places]
    taken = np.clip((HALO_FADE * halo - value) / (HALO_FADE - 1), 0, halo)
    result = alpha.copy()
    result.ravel()[places] = np.maximum(value - taken, 0)
    return result


def drop_crumbs(alpha: np.ndarray, regions: Regions) -> None:
    """Clear, in place, faint pixels that hang together with nothing that belongs.

    Args:
        alpha: (H, W) float32, refined.
        regions: What belongs, and how long its faint tails may be.
    """
    if regions.clean:
        return
    visible = mask(alpha > 0)
    reached: np.ndarray = visible & regions.belongs
    left = cv2.countNonZero(visible) - cv2.countNonZero(reached)
    for _ in range(regions.tail):
        cv2.bitwise_and(cv2.dilate(reached, np.ones((3, 3), np.uint8)), visible, dst=reached)
        before, left = left, cv2.countNonZero(visible) - cv2.countNonZero(reached)
        if left == before:
            break
    if left:
        np.copyto(alpha, np.float32(0), where=(visible ^ reached).view(bool))
