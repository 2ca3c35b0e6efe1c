"""Backgrounds for looking at mattes: out-of-focus places made from noise, or a folder's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from ld_portrait_20k.errors import PortraitError

LIGHT: Final = (240, 240, 238)
DARK: Final = (28, 29, 32)

MAX_PIXELS: Final = 50_000_000
_SUFFIXES: Final = (".jpg", ".jpeg", ".png", ".webp")

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


def made(width: int, height: int, seed: int) -> np.ndarray:
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


def _smooth(values: np.ndarray, low: np.ndarray | float, high: np.ndarray | float) -> np.ndarray:
    """0 below ``low``, 1 above ``high``, smooth between."""
    t = np.clip((values - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def _noise(
    rng: np.random.Generator, height: int, width: int, cells: int, flat: int = 1
) -> np.ndarray:
    """Smooth noise 0..1 with about ``cells`` bumps across, ``flat`` times as wide as high."""
    total = np.zeros((height, width), np.float32)
    for octave, strength in enumerate((0.65, 0.35)):  # a second one of half the size
        grid = rng.random((flat * cells << octave, cells << octave), np.float32)
        total += strength * cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(total, 0, 1)


def _discs(
    canvas: np.ndarray, rng: np.random.Generator, lamp: np.ndarray, side: int, horizon: float
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


def load_folder(folder: Path) -> list[np.ndarray]:
    """Read the pictures of a folder, in name order.

    Returns:
        Pictures, (H, W, 3) uint8 sRGB.

    Raises:
        PortraitError: No picture is there, or one cannot be read or is too large.
    """
    paths = sorted(p for p in folder.glob("*") if p.suffix.lower() in _SUFFIXES)
    if not paths:
        raise PortraitError(f"{folder}: no pictures (.jpg, .png, .webp) for backgrounds")
    return [_read(path) for path in paths]


def _read(path: Path) -> np.ndarray:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path, formats=("JPEG", "PNG", "WEBP")) as image:
            if image.width * image.height > MAX_PIXELS:
                raise PortraitError(f"{path}: {image.width}x{image.height} is too large")
            return np.asarray(image.convert("RGB"))
    except (OSError, UnidentifiedImageError, ValueError, SyntaxError) as problem:
        raise PortraitError(f"{path}: not a readable picture ({problem})") from None
    except Image.DecompressionBombError:
        raise PortraitError(f"{path}: too large a picture") from None


def filling(picture: np.ndarray, width: int, height: int) -> np.ndarray:
    """A picture scaled and cropped about its centre to fill a size.

    Args:
        picture: (H, W, 3) uint8.
        width: Wanted width.
        height: Wanted height.
    """
    scale = max(width / picture.shape[1], height / picture.shape[0])
    size = (
        max(width, round(picture.shape[1] * scale)),
        max(height, round(picture.shape[0] * scale)),
    )
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    scaled = cv2.resize(picture, size, interpolation=method)
    top, left = (scaled.shape[0] - height) // 2, (scaled.shape[1] - width) // 2
    return scaled[top : top + height, left : left + width]


def chosen(width: int, height: int, seed: int, pictures: Sequence[np.ndarray] | None) -> np.ndarray:
    """One background: of the given pictures, in turn by seed, or made.

    Returns:
        (height, width, 3) uint8 sRGB.
    """
    if pictures:
        return filling(pictures[seed % len(pictures)], width, height)
    return made(width, height, seed)
