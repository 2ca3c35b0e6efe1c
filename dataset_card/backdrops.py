"""Backgrounds for looking at mattes: plain light, plain dark, and places made from noise."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

LIGHT: Final = (240, 240, 238)
DARK: Final = (28, 29, 32)

MAX_PIXELS: Final = 50_000_000

# Far, middle and near colours, and the colour of lights, straight sRGB 0..1.
_PALETTES: Final = np.array(
    [
        [[0.72, 0.80, 0.86], [0.36, 0.47, 0.29], [0.52, 0.50, 0.36], [0.96, 0.95, 0.82]],  # park
        [[0.13, 0.15, 0.24], [0.20, 0.18, 0.25], [0.10, 0.10, 0.14], [1.00, 0.76, 0.42]],  # night
        [[0.82, 0.74, 0.63], [0.55, 0.42, 0.32], [0.38, 0.29, 0.23], [1.00, 0.93, 0.78]],  # room
        [[0.93, 0.78, 0.60], [0.62, 0.46, 0.40], [0.36, 0.31, 0.34], [1.00, 0.86, 0.60]],  # dusk
        [[0.77, 0.80, 0.82], [0.54, 0.58, 0.61], [0.42, 0.43, 0.44], [0.98, 0.98, 1.00]],  # street
    ],
    np.float32,
)


Values = NDArray[np.floating]


def out_of_focus(width: int, height: int, seed: int) -> NDArray[np.uint8]:
    """A place out of focus: sky or wall, things at middle distance, ground, discs of light.

    Blur grows with distance, as behind a portrait lens: the far part is smoothest, and lights
    become discs.

    Args:
        width: In pixels.
        height: In pixels.
        seed: Another seed is another place.

    Returns:
        (height, width, 3) uint8 sRGB.
    """
    rng = np.random.default_rng(seed)
    far, middle, near, lamp = _PALETTES[seed % len(_PALETTES)]
    side = max(width, height)
    rows = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    horizon = rng.uniform(0.45, 0.65)

    canvas = far + (0.10 - 0.2 * rows) + np.zeros((height, width, 1), np.float32)
    for layer, colour in enumerate((0.5 * (far + middle), middle)):
        shape = _noise(rng, height, width, 3 + 3 * layer)
        skyline = horizon - 0.25 + 0.12 * layer + 0.5 * (shape - 0.5)
        weight = _smooth(rows[..., 0], skyline, skyline + 0.12)[..., None]
        texture = (_noise(rng, height, width, 9 + 8 * layer) - 0.5)[..., None]
        canvas += weight * (colour * (1 + 0.7 * texture) - canvas)
    _discs(canvas, rng, lamp, side, horizon)
    canvas = cv2.GaussianBlur(canvas, (0, 0), 0.010 * side)

    ground = _smooth(rows[..., 0], horizon, horizon + 0.08)[..., None]
    detail = _noise(rng, height, width, 5, flat=4)[..., None]
    canvas += ground * (near * (0.9 + 0.3 * detail + 0.3 * (rows - horizon)) - canvas)
    canvas = cv2.GaussianBlur(canvas, (0, 0), 0.006 * side)
    grain = rng.normal(0, 0.006, (height, width, 1)).astype(np.float32)
    return np.clip((canvas + grain) * 255 + 0.5, 0, 255).astype(np.uint8)


def _smooth(
    values: Values,
    low: Values | float,
    high: Values | float,
) -> Values:
    """0 below ``low``, 1 above ``high``, smooth between."""
    t = np.clip((values - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def _noise(rng: np.random.Generator, height: int, width: int, cells: int, flat: int = 1) -> Values:
    """Smooth noise 0..1 with about ``cells`` bumps across, ``flat`` times as wide as high."""
    total = np.zeros((height, width), np.float32)
    for octave, strength in enumerate((0.65, 0.35)):  # a second one of half the size
        grid = rng.random((flat * cells << octave, cells << octave), np.float32)
        total += strength * cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(total, 0, 1)


def _discs(
    canvas: NDArray[np.float32],
    rng: np.random.Generator,
    lamp: NDArray[np.float32],
    side: int,
    horizon: float,
) -> None:
    height, width = canvas.shape[:2]
    for _ in range(rng.integers(14, 30)):
        radius = max(2, round(side * rng.uniform(0.012, 0.04)))
        x, y = rng.uniform(0, width), rng.uniform(0.05, horizon) * height
        disc = np.zeros((height, width), np.float32)
        fraction = 4  # binary digits of the centre's and radius' fixed-point fraction
        point = (round(x * 2**fraction), round(y * 2**fraction))
        cv2.circle(disc, point, radius << fraction, 1.0, -1, cv2.LINE_AA, fraction)
        weight = (rng.uniform(0.10, 0.5) * np.minimum(disc, 1))[..., None]
        canvas += weight * (lamp * rng.uniform(0.85, 1.1) - canvas)
