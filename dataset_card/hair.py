"""Hair at 1:1 before and after refinement, so that a reader sees what refinement does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dataset_card.gallery import INK, PAPER

BEHIND: Final = (70, 130, 140)
"""Background of the crops: neither as light nor as dark as hair is, and of another hue. Chosen by
eye."""
WIDTH: Final = 760
"""Width of the strip in pixels: what the Hub shows of a card without scaling it."""
UPPER: Final = 0.6
"""Share of the body's height, from the top, in which hair is looked for. Chosen by eye."""

_GAP = 4
_CAPTION = 22


@dataclass(frozen=True)
class Version:
    """One version of a sample.

    Attributes:
        name: ``before``, ``refined`` or ``exact``.
        foreground: (H, W, 3) uint8, straight sRGB.
        alpha: (H, W) uint8.
    """

    name: str
    foreground: NDArray[np.uint8]
    alpha: NDArray[np.uint8]


def hair_strip(samples: Sequence[Sequence[Version]]) -> NDArray[np.uint8]:
    """Draw crops at 1:1: a row a sample; its versions over one colour, then their mattes.

    Args:
        samples: The versions of each sample, the same names for each, ``refined`` among them.

    Returns:
        (H, W, 3) uint8 sRGB, at most :data:`WIDTH` wide.

    Raises:
        ValueError: No samples.
    """
    if not samples:
        raise ValueError("a strip of hair needs at least one sample")
    names = [version.name for version in samples[0]]
    columns = 2 * len(names)
    smallest = min(min(version.alpha.shape) for row in samples for version in row)
    side = min((WIDTH - _GAP * (columns - 1)) // columns, smallest)
    step = side + _GAP
    size = (_CAPTION + len(samples) * step - _GAP, columns * step - _GAP, 3)
    strip = np.full(size, PAPER, np.uint8)
    for row, versions in enumerate(samples):
        refined = next(version for version in versions if version.name == "refined")
        y, x = hair_window(refined.alpha, side)
        tiles = [_composite(v.foreground, v.alpha) for v in versions]
        tiles += [np.repeat(v.alpha[..., None], 3, axis=2) for v in versions]
        top = _CAPTION + row * step
        for column, tile in enumerate(tiles):
            left = column * step
            strip[top : top + side, left : left + side] = tile[y : y + side, x : x + side]
    titles = [*names, *(f"{name}, matte" for name in names)]
    return _captioned(strip, titles, step)


def hair_window(alpha: NDArray[np.uint8], side: int) -> tuple[int, int]:
    """Where a window of partly transparent pixels, most likely hair, lies.

    Args:
        alpha: (H, W) uint8, H and W at least ``side``.
        side: Of the window, in pixels.

    Returns:
        The row and column of its upper left corner.
    """
    sums = _soft_sums(alpha, side)
    y, x = np.unravel_index(int(np.argmax(sums)), sums.shape)
    return int(y), int(x)


def hair_amount(alpha: NDArray[np.uint8], side: int) -> float:
    """How much partly transparent area the window of :func:`hair_window` has, in pixels."""
    return float(_soft_sums(alpha, side).max())


def _soft_sums(alpha: NDArray[np.uint8], side: int) -> NDArray[np.float32]:
    """The soft area of every window whose middle lies in the upper part of the body."""
    opacity = alpha.astype(np.float32) / np.float32(255)
    soft = 4 * opacity * (1 - opacity)  # 1 at half transparency, 0 where nothing is soft
    sums = cv2.boxFilter(soft, -1, (side, side), normalize=False, anchor=(0, 0))
    sums = np.asarray(sums, np.float32)[: alpha.shape[0] - side + 1, : alpha.shape[1] - side + 1]
    rows = np.flatnonzero((alpha > 127).any(axis=1))
    if len(rows):
        last = rows[0] + UPPER * (rows[-1] - rows[0]) - side / 2
        sums[max(1, int(last)) :] = 0
    return sums


def _composite(foreground: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    opacity = alpha[..., None].astype(np.float32) / np.float32(255)
    blended = opacity * foreground + (1 - opacity) * np.asarray(BEHIND, np.float32)
    return (blended + 0.5).astype(np.uint8)


def _captioned(strip: NDArray[np.uint8], titles: Sequence[str], step: int) -> NDArray[np.uint8]:
    from PIL import Image, ImageDraw, ImageFont

    image = Image.fromarray(strip)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(min(13, step / 7))
    for place, title in enumerate(titles):
        draw.text((place * step + 2, 3), title, INK, font)
    return np.asarray(image).copy()
