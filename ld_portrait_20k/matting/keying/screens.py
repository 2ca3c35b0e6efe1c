"""Finding the screen in a picture, and what it would look like without the subject."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.matting.keying.light import CHANNELS, Light, Map, Screen, excess

_SATURATED: Final = 0.3  # least excess of a screen's channel, as a share of it; by eye
_DIM: Final = 0.02  # least light in a screen's channel; darker screens have no colour left
_LEAST: Final = 0.02  # share of a picture below which there is no screen to speak of; by eye
_CLUSTER: Final = 0.08  # how far a screen's chromaticity strays under uneven light; by eye
_DEGREE: Final = 3  # of the polynomial through a screen's light: one or two lamps, by eye
_OUTLIER: Final = 0.08  # relative; more than the noise of a screen averaged to 512 px
_SMOOTHING: Final = ((0.12, 0.05), (0.025, 0.2))
"""Radius as a share of the longer side, and pull towards no change, of each correction to
the polynomial; the finer one follows folds and is trusted less. Chosen by eye."""


def find_screen(light: Light) -> Screen:
    """Whether a picture shows a green or a blue screen.

    Args:
        light: (H, W, 3) linear light, of a few hundred pixels a side.

    Raises:
        PortraitError: Neither.
    """
    shares = {screen: float(screen_pixels(light, screen).mean()) for screen in CHANNELS}
    best = max(shares, key=lambda screen: shares[screen])
    if shares[best] < _LEAST:
        raise PortraitError(
            "no green or blue screen found; try: --screen green or blue, or --plate with a "
            "picture of the empty screen"
        )
    return best


def screen_pixels(light: Light, screen: Screen) -> NDArray[np.bool_]:
    """Where a picture has the screen's own colour, whatever its brightness.

    Args:
        light: (H, W, 3) linear light.
        screen: Colour of the screen.

    Returns:
        (H, W), true where a saturated colour is close to the most common one.
    """
    difference = excess(light, screen)
    own = light[..., CHANNELS[screen]]
    saturated = (difference > _SATURATED * own) & (own > _DIM)
    if not saturated.any():
        return saturated
    # The brightest of them: a subject in dark green is no screen.
    bright = saturated & (difference > 0.4 * np.quantile(difference[saturated], 0.9))
    total = np.maximum(light.sum(-1), 1e-4)
    near = bright
    for channel in range(3):
        part = light[..., channel] / total
        near = near & (np.abs(part - np.median(part[bright])) < _CLUSTER)
    return near


def estimate_plate(light: Light, sure: NDArray[np.bool_]) -> Light:
    """The empty screen, continued behind the subject (clean plate).

    A polynomial through the screen's light, fitted in rounds that leave out what deviates,
    then two local corrections where the screen is seen.

    Args:
        light: (H, W, 3) linear light, of a few hundred pixels a side.
        sure: (H, W), where the screen is seen.

    Returns:
        (H, W, 3) float32 linear light.

    Raises:
        PortraitError: Too little screen to fit.
    """
    sure = cv2.erode(sure.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    if np.count_nonzero(sure) < 50:
        raise PortraitError(
            "too little of the screen is seen to estimate the plate; try: --plate with a "
            "picture of the empty screen"
        )
    basis = _basis(*light.shape[:2])
    plate = np.empty_like(light)
    kept = sure
    for _ in range(4):
        for channel in range(3):
            plate[..., channel] = _fit(basis, light[..., channel], kept)
        off = np.abs(light.sum(-1) / plate.sum(-1) - 1)
        now = sure & (off < max(_OUTLIER, float(np.median(off[kept])) * 3))
        if np.count_nonzero(now) < 50:
            break
        kept = now
    for radius, pull in _SMOOTHING:
        plate *= _local_ratio(light / plate, kept, radius, pull)
    return plate


def match_exposure(plate: Light, light: Light, sure: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Gain of each channel that brings a photographed plate to the picture's exposure.

    Args:
        plate: (H, W, 3) linear light.
        light: The picture, of the same size.
        sure: (H, W), where the picture shows the screen.

    Returns:
        (3,) float32.
    """
    if not sure.any():
        return np.ones(3, np.float32)
    return np.median(light[sure] / np.maximum(plate[sure], 1e-4), axis=0).astype(np.float32)


def solid_parts(alpha: Map, width: int) -> Map:
    """Where the subject is solid, so that its colour is its own.

    Args:
        alpha: (H, W), 0..1.
        width: Of the disc of pixels that all have to be solid.

    Returns:
        (H, W), 0..1, from 0 at alpha 0.8, rising in the square.
    """
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width))
    return np.asarray(np.clip((cv2.erode(alpha, disc) - 0.8) * 5, 0, 1) ** 2, np.float32)


def spread(light: Light, weight: Map, radii: Sequence[int]) -> tuple[Light, Map]:
    """Local means of weighted colours; where a radius finds none, the next larger one's.

    Args:
        light: (H, W, 3).
        weight: (H, W), 0..1.
        radii: Of square windows in pixels, small to large.

    Returns:
        Colours (H, W, 3), and how far they are known (H, W), 0..1.
    """
    colour, known = np.zeros_like(light), np.zeros_like(weight)
    weighted = light * weight[..., None]
    for radius in radii:
        window = (2 * radius + 1, 2 * radius + 1)
        mass = np.asarray(cv2.blur(weight, window))
        # A window that is an eighth full is trusted whole; by trials 1/4 to 1/16 do as well.
        share = np.clip(8 * mass, 0, 1) * (1 - known)
        colour += cv2.blur(weighted, window) * (share / np.maximum(mass, 1e-6))[..., None]
        known += share
    scaled = np.asarray(colour / np.maximum(known, 1e-6)[..., None], np.float32)
    return scaled, known


def _basis(height: int, width: int) -> NDArray[np.float32]:
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None]
    powers = [(i, j) for i in range(_DEGREE + 1) for j in range(_DEGREE + 1 - i)]
    return np.stack([y**i * x**j for i, j in powers], -1).astype(np.float32)


def _fit(basis: NDArray[np.float32], values: Map, kept: NDArray[np.bool_]) -> Map:
    """Ridge regression; behind the subject it stays within what the screen has elsewhere."""
    known = values[kept]
    step = max(1, len(known) // 20_000)
    terms = basis[kept][::step].astype(np.float64)
    wanted = known[::step].astype(np.float64)
    ridge = 1e-3 * len(wanted) * np.eye(terms.shape[1])
    ridge[0, 0] = 0  # the mean is free
    weights = np.linalg.solve(terms.T @ terms + ridge, terms.T @ wanted)
    low, high = np.quantile(known, [0.01, 0.99])
    return np.clip(basis @ weights.astype(np.float32), max(0.5 * low, 1e-4), 1.5 * high)


def _local_ratio(ratio: Light, kept: NDArray[np.bool_], radius: float, pull: float) -> Light:
    weight = kept.astype(np.float32)
    reach = max(1, round(radius * max(weight.shape)))
    window = (2 * reach + 1, 2 * reach + 1)
    off = cv2.blur((ratio - 1) * weight[..., None], window)
    return np.asarray(1 + off / (cv2.blur(weight, window) + pull)[..., None], np.float32)
