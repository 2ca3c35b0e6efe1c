"""Linear light of pictures and back."""

from __future__ import annotations

import functools
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ld_portrait_20k.compositing.composite import to_linear, to_srgb
from ld_portrait_20k.matting.data.pictures import Samples

Light = NDArray[np.float32]
"""(H, W, 3) or (H, W) of linear light, 1 where a picture is white."""

Map = NDArray[np.float32]
"""(H, W) float32."""

Screen = Literal["green", "blue"]

CHANNELS: dict[Screen, int] = {"green": 1, "blue": 2}
"""Each screen's channel among R, G, B."""


def to_light(samples: Samples) -> Light:
    """Linear light of a picture.

    Args:
        samples: (H, W, 3) uint8 or uint16 sRGB.

    Returns:
        (H, W, 3) float32, 0..1.
    """
    return _forth(256 if samples.dtype == np.uint8 else 65536)[samples]


def to_samples(light: Light, bits: int = 8) -> Samples:
    """The nearest sRGB picture.

    Args:
        light: Linear light; what is beyond 0..1 is clipped.
        bits: 8 or 16 a channel.

    Returns:
        uint8 or uint16 sRGB of the same shape.
    """
    if bits == 16:
        return np.rint(to_srgb(np.clip(light, 0, 1)) * 65535).astype(np.uint16)
    table = _back()
    return table[(np.clip(light, 0, 1) * np.float32(len(table) - 1) + np.float32(0.5)).astype("i4")]


def excess(light: Light, screen: Screen) -> Map:
    """How much a colour's screen channel exceeds both others: the colour difference.

    Vlahos, US patent 4,100,569 (1978), in linear light. It is 0 for grey, negative for
    colours that lean away from the screen, and falls in proportion as a foreground without
    screen colour covers the screen.

    Args:
        light: (..., 3) linear light.
        screen: Colour of the screen.

    Returns:
        (...) float32.
    """
    chosen = CHANNELS[screen]
    one, other = (channel for channel in range(3) if channel != chosen)
    return np.asarray(light[..., chosen] - np.maximum(light[..., one], light[..., other]))


@functools.cache
def _forth(values: int) -> NDArray[np.float32]:
    return to_linear(np.arange(values) / (values - 1)).astype(np.float32)


@functools.cache
def _back() -> NDArray[np.uint8]:
    # Fine enough that every 8-bit value survives the way there and back.
    return np.rint(to_srgb(np.linspace(0, 1, 2**16)) * 255).astype(np.uint8)
