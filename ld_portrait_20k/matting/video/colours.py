"""Decoded frames of any pixel format, range and colour space to upright 8-bit sRGB."""

from __future__ import annotations

import functools
from fractions import Fraction
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ld_portrait_20k.matting.video.frames import Pixels

_UNSPECIFIED: Final = 2
_BT709: Final = 1
_BT601: Final = 6
_GBR: Final = 0
_BT2020: Final = (9, 10)
_PQ: Final = 16
_HLG: Final = 18
_HD_HEIGHT: Final = 720  # untagged video of this height on is taken for BT.709, as players do

_PAPER_WHITE: Final = 203.0  # cd/m2, of diffuse white: ITU-R BT.2408
_TO_BT709: Final = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]],
    np.float32,
)
"""Linear BT.2020 to linear BT.709: ITU-R BT.2087."""
_KNEE: Final = 0.8  # highlights above this share of paper white are compressed; chosen by eye


def has_alpha(frame: Any) -> bool:
    """Whether a decoded frame's pixel format holds alpha."""
    return any(component.is_alpha for component in frame.format.components)


def see_through(alpha: Pixels | None) -> bool:
    """Whether there is alpha, and not opaque all over; (H, W) uint8."""
    return alpha is not None and int(alpha.min()) < 255


def upright_aspect(frame: Any, stream: Any) -> Fraction:
    """Width of a pixel over its height in the upright frame; 1 where the stream does not say."""
    stored = Fraction(stream.sample_aspect_ratio or 1)
    return 1 / stored if round(frame.rotation / 90) % 2 else stored


def to_srgb(frame: Any) -> tuple[Pixels, Pixels | None]:
    """A decoded frame as sRGB.

    Args:
        frame: An ``av.VideoFrame``: any pixel format, 8 bits or more, either range, BT.601,
            BT.709 or BT.2020; PQ and HLG (HDR) are tone-mapped.

    Returns:
        (H, W, 3) uint8 sRGB, upright, and (H, W) uint8 alpha where the format has it.
    """
    matrix = int(frame.colorspace)
    if matrix in (_UNSPECIFIED, _GBR):
        matrix = _BT709 if frame.height >= _HD_HEIGHT else _BT601
    source: dict[str, Any] = {} if frame.format.is_rgb else {"src_colorspace": _swscale(matrix)}
    alpha = None
    if int(frame.color_trc) in (_PQ, _HLG):
        deep = frame.reformat(format="rgb48le", **source).to_ndarray()
        colour = _tone_mapped(deep, int(frame.color_trc))
        if has_alpha(frame):
            alpha = frame.reformat(format="rgba", **source).to_ndarray()[..., 3]
    elif has_alpha(frame):
        planes = frame.reformat(format="rgba", **source).to_ndarray()
        colour, alpha = planes[..., :3], planes[..., 3]
    else:
        colour = frame.reformat(format="rgb24", **source).to_ndarray()
    turns = round(frame.rotation / 90) % 4
    if turns:
        colour = np.rot90(colour, turns)
        alpha = None if alpha is None else np.rot90(alpha, turns)
    upright = np.ascontiguousarray(colour)
    return upright, None if alpha is None else np.ascontiguousarray(alpha)


def _swscale(matrix: int) -> Any:
    from av.video.reformatter import Colorspace

    if matrix in _BT2020:
        return Colorspace.BT2020
    return Colorspace.ITU709 if matrix == _BT709 else Colorspace.ITU601


def _tone_mapped(deep: NDArray[np.uint16], transfer: int) -> Pixels:
    """HDR to sRGB: linear light relative to paper white, BT.709 primaries, a soft knee."""
    light = _table(transfer)[deep]
    light = np.maximum(light @ _TO_BT709.T, 0)
    peak = light.max(axis=2, keepdims=True)
    room = np.float32(1 - _KNEE)
    over = np.maximum(peak - np.float32(_KNEE), 0)
    mapped = np.where(peak > _KNEE, _KNEE + room * over / (over + room), peak)
    light *= mapped / np.maximum(peak, 1e-6)
    return _encoded()[np.rint(np.clip(light, 0, 1) * 4095).astype(np.uint16)]


@functools.cache
def _table(transfer: int) -> NDArray[np.float32]:
    """Linear light in units of paper white for each 16-bit code (SMPTE ST 2084, BT.2100)."""
    code = np.arange(65536) / 65535
    if transfer == _PQ:
        power = code ** (1 / 78.84375)
        light = np.maximum(power - 0.8359375, 0) / (18.8515625 - 18.6875 * power)
        return (10000 / _PAPER_WHITE * light ** (1 / 0.1593017578125)).astype(np.float32)
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(code <= 0.5, code**2 / 3, (np.exp((code - c) / a) + b) / 12)
    # A display of 1000 cd/m2 has a gamma of 1.2; it is applied to each channel here.
    return (1000 / _PAPER_WHITE * scene**1.2).astype(np.float32)


@functools.cache
def _encoded() -> Pixels:
    """SRGB codes of 4096 steps of linear light."""
    from ld_portrait_20k.compositing.composite import to_srgb as encode

    return np.rint(encode(np.linspace(0, 1, 4096)) * 255).astype(np.uint8)
