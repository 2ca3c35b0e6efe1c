"""What a frame is, and what is known of a clip before its frames are read."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

CLIP_SUFFIXES: Final = frozenset({".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpg", ".ts", ".webm",
                                  ".y4m"})  # fmt: skip
"""Files that are taken for clips where a colour, a picture or a clip may stand."""

REFERENCE_SIDE: Final = 1024
"""Widths in pixels are given for a longer side of 1024 and grow with the frame."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame, upright.

    Attributes:
        index: From 0, within the in- and out-point.
        time: Seconds since the first of these frames.
        duration: Seconds that it is shown.
        colour: (H, W, 3) uint8 sRGB, straight.
        alpha: (H, W) uint8 of the file; None where it has none.
    """

    index: int
    time: Fraction
    duration: Fraction
    colour: Pixels
    alpha: Pixels | None = None


@dataclass(frozen=True, slots=True)
class ClipInfo:
    """What is known of a clip.

    Attributes:
        name: For messages.
        width: Of the upright frames, in pixels.
        height: Of the upright frames, in pixels.
        rate: Frames a second, the average where it varies.
        time_base: Unit of the time stamps in seconds.
        start: Where the first frame lies in the file, in seconds.
        frames: How many there are, as far as that is known.
        audio: Whether the file has sound.
        aspect: Width of a pixel over its height, of the upright frames.
        see_through: Whether the first frame has an alpha channel that is not opaque.
    """

    name: str
    width: int
    height: int
    rate: Fraction
    time_base: Fraction
    start: Fraction = Fraction(0)
    frames: int | None = None
    audio: bool = False
    aspect: Fraction = Fraction(1)
    see_through: bool = False


def scaled(pixels: float, shape: tuple[int, ...]) -> float:
    """A width that is given for a longer side of 1024, in pixels of a frame of this shape."""
    return pixels * max(shape[:2]) / REFERENCE_SIDE
