"""Contact sheets: portraits on light, on dark and before a photo-like place, beside their mattes.

Also sheets of samples before and after refinement.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dataset_card import backdrops

PAPER: Final = (250, 250, 250)
INK: Final = (60, 64, 68)
TILES: Final = 4
"""Pictures of each sample: light, dark, photo-like, matte."""
AMPLIFIED: Final = 8
"""Times that a change of alpha is shown larger, as in the previews of ``python -m refinement``."""

_GAP = 4
_MARGIN = 14

Layers = tuple[NDArray[np.uint8], NDArray[np.uint8]]
"""Foreground (H, W, 3) straight sRGB and alpha (H, W)."""


def contact_sheet(
    samples: Sequence[tuple[str, NDArray[np.uint8], NDArray[np.uint8]]],
    *,
    columns: int,
    cell: int,
) -> NDArray[np.uint8]:
    """Draw samples in rows, each as four pictures with its id below.

    Pictures keep their aspect and are letterboxed in square cells; small ones are enlarged.

    Args:
        samples: Id, foreground (H, W, 3) uint8 straight sRGB, alpha (H, W) uint8.
        columns: Samples side by side.
        cell: Side of one picture's cell in pixels.

    Returns:
        (H, W, 3) uint8 sRGB.

    Raises:
        ValueError: No samples, or sizes of foreground and alpha that differ.
    """
    if not samples:
        raise ValueError("a contact sheet needs at least one sample")
    tiles = [
        pictures_of(foreground, alpha, cell, place)
        for place, (_, foreground, alpha) in enumerate(samples)
    ]
    return _labelled(tiles, [[name] for name, _, _ in samples], columns, cell)


def comparison_sheet(
    samples: Sequence[tuple[str, Layers, Layers]], *, columns: int, cell: int
) -> NDArray[np.uint8]:
    """Draw samples before and after refinement: both on dark, the new matte, and the change.

    Args:
        samples: Id, raw foreground and alpha, refined foreground and alpha, as for
            :func:`contact_sheet`.
        columns: Samples side by side.
        cell: Side of one picture's cell in pixels.

    Returns:
        (H, W, 3) uint8 sRGB, as wide as a contact sheet of as many columns.

    Raises:
        ValueError: No samples, or sizes that differ.
    """
    if not samples:
        raise ValueError("a comparison needs at least one sample")
    tiles = []
    labels = []
    for place, (name, raw, refined) in enumerate(samples):
        if raw[1].shape != refined[1].shape:
            raise ValueError(f"raw {raw[1].shape} does not go with refined {refined[1].shape}")
        _, before, *_ = pictures_of(*raw, cell, place)
        _, after, _, matte = pictures_of(*refined, cell, place)
        tiles.append([before, after, matte, _change(raw[1], refined[1], cell)])
        change = f"change x{AMPLIFIED}: red less, green more"
        labels.append([f"{name} raw", "refined", "refined matte", change])
    return _labelled(tiles, labels, columns, cell)


def _change(raw: NDArray[np.uint8], refined: NDArray[np.uint8], longest: int) -> NDArray[np.uint8]:
    """Red where refinement lowered alpha, green where it raised it, amplified."""
    change = refined.astype(np.float32) - raw
    both = np.dstack([np.maximum(-change, 0), np.maximum(change, 0), 0 * change])
    return np.clip(AMPLIFIED * _fit(both, longest) + 0.5, 0, 255).astype(np.uint8)


def _labelled(
    samples: Sequence[Sequence[NDArray[np.uint8]]],
    labels: Sequence[Sequence[str]],
    columns: int,
    cell: int,
) -> NDArray[np.uint8]:
    """Samples' pictures in rows, with words below them."""
    columns = min(columns, len(samples))
    caption = max(14, cell // 12)
    step_x, step_y = _steps(cell, caption)
    rows = -(-len(samples) // columns)
    sheet = np.empty((rows * step_y + _MARGIN, columns * step_x, 3), np.uint8)
    sheet[:] = PAPER
    for place, tiles in enumerate(samples):
        left = place % columns * step_x + _MARGIN
        top = place // columns * step_y + _MARGIN
        for tile in tiles:
            height, width = tile.shape[:2]
            y, x = top + (cell - height) // 2, left + (cell - width) // 2
            sheet[y : y + height, x : x + width] = tile
            left += cell + _GAP
    return _captions(sheet, labels, columns, cell, caption)


def thumbnail(
    foreground: NDArray[np.uint8], alpha: NDArray[np.uint8], longest: int, seed: int
) -> NDArray[np.uint8]:
    """The pictures of :func:`pictures_of` side by side.

    Returns:
        (h, 4 * w + 3 gaps, 3) uint8 sRGB.
    """
    tiles = pictures_of(foreground, alpha, longest, seed)
    gap = np.full((tiles[0].shape[0], _GAP, 3), PAPER, np.uint8)
    parts = [part for tile in tiles for part in (gap, tile)]
    return np.concatenate(parts[1:], axis=1)


def pictures_of(
    foreground: NDArray[np.uint8],
    alpha: NDArray[np.uint8],
    longest: int,
    seed: int,
) -> list[NDArray[np.uint8]]:
    """One sample on light, on dark, before a place, and its matte.

    Args:
        foreground: (H, W, 3) uint8, straight sRGB.
        alpha: (H, W) uint8.
        longest: Longer side of the pictures in pixels.
        seed: Which background.

    Returns:
        Four pictures of equal size, (h, w, 3) uint8 sRGB.

    Raises:
        ValueError: Sizes of foreground and alpha that differ.
    """
    if foreground.shape != (*alpha.shape, 3):
        raise ValueError(f"foreground {foreground.shape} does not go with alpha {alpha.shape}")
    # Compositing is linear, so scaling the premultiplied colour first gives the picture
    # that scaling the composite would, without a composite at full size.
    opacity = alpha.astype(np.float32)[..., None] / np.float32(255)
    premultiplied = _fit(foreground.astype(np.float32) * opacity, longest)
    height, width = premultiplied.shape[:2]
    opacity = _fit(opacity, longest).reshape(height, width, 1)
    behind: list[NDArray[np.float32]] = [
        np.asarray(backdrops.LIGHT, np.float32),
        np.asarray(backdrops.DARK, np.float32),
        backdrops.out_of_focus(width, height, seed).astype(np.float32),
    ]
    composites = [premultiplied + (1 - opacity) * background for background in behind]
    composites.append(np.repeat(opacity * 255, 3, axis=2))
    return [np.clip(picture + 0.5, 0, 255).astype(np.uint8) for picture in composites]


def _fit(picture: NDArray[np.floating], longest: int) -> NDArray[np.float32]:
    scale = longest / max(picture.shape[:2])
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, size, interpolation=method), np.float32)


def _steps(cell: int, caption: int) -> tuple[int, int]:
    """From one sample to the next, across and down, in pixels."""
    return TILES * (cell + _GAP) - _GAP + 2 * _MARGIN, cell + _GAP + caption + _MARGIN


def _captions(
    sheet: NDArray[np.uint8],
    labels: Sequence[Sequence[str]],
    columns: int,
    cell: int,
    size: int,
) -> NDArray[np.uint8]:
    from PIL import Image, ImageDraw, ImageFont

    image = Image.fromarray(sheet)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(0.75 * size)
    step_x, step_y = _steps(cell, size)
    for place, words in enumerate(labels):
        y = place // columns * step_y + _MARGIN + cell + _GAP
        # A word alone may be as wide as all pictures of its sample.
        room = cell if len(words) > 1 else TILES * cell
        for at, word in enumerate(words):
            x = place % columns * step_x + _MARGIN + at * (cell + _GAP)
            text = "".join(c if c.isprintable() and ord(c) < 256 else "?" for c in word)
            while text and draw.textlength(text, font) > room:
                text = text[:-1]
            draw.text((x, y), text, INK, font)
    return np.asarray(image).copy()
