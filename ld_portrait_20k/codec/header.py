"""What a picture says of itself in its first bytes, and what is refused undecoded."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

import numpy as np

from ld_portrait_20k.errors import PortraitError

MAX_PIXELS: Final = 8192 * 8192
"""Pictures of more pixels than this are refused undecoded; 192 MiB as RGB."""

MAX_SIDE: Final = 65_500
"""The longest side that every decoder here handles."""

MAX_SCANS: Final = 64
"""A JPEG of more scans is refused undecoded, because each goes over all pixels (0.5 ms for a
megapixel). Encoders write 10 to 20; 64 is chosen by eye."""

PNG_MAGIC: Final = b"\x89PNG\r\n\x1a\n"

_JPEG_FRAMES = frozenset({0xC0, 0xC1, 0xC2})  # baseline, extended, progressive; all Huffman coded
_JPEG_TABLES = frozenset({0xC4, 0xDB, 0xDD, 0xFE, *range(0xE0, 0xF0)})
"""Markers that may stand before the frame header; each has a length. Markers without one (TEM,
RST) are refused: decoders pass over them, so the header that they find may be another one."""


class ImageError(PortraitError):
    """A member is not the picture it should be, or too large to decode."""


@dataclass(frozen=True, slots=True)
class Header:
    """Format and dimensions from a picture's first bytes.

    Attributes:
        format: ``"png"`` or ``"jpeg"``.
        width: In pixels.
        height: In pixels.
        channels: 1 for grey, 3 for RGB.
    """

    format: str
    width: int
    height: int
    channels: int


def read_header(data: bytes) -> Header:
    """Format and dimensions of a picture, from its first bytes alone.

    Raises:
        ImageError: Neither an 8-bit grey or RGB PNG nor an 8-bit grey or YCbCr JPEG.
    """
    if data[:8] == PNG_MAGIC:
        return _png_header(data)
    if data[:3] == b"\xff\xd8\xff":
        return _jpeg_header(data)
    raise ImageError(f"neither PNG nor JPEG (starts with {bytes(data[:8])!r})")


def _png_header(data: bytes) -> Header:
    if len(data) < 33 or data[8:16] != b"\x00\x00\x00\rIHDR":
        raise ImageError("corrupt png (no IHDR)")
    width, height, depth, colour = struct.unpack(">IIBB", data[16:26])
    if depth != 8 or colour not in (0, 2):
        raise ImageError(f"a PNG of {depth} bits and colour type {colour}; need 8-bit grey or RGB")
    if not width or not height:
        raise ImageError(f"corrupt png ({width}x{height})")
    return Header("png", width, height, 3 if colour == 2 else 1)


def _jpeg_header(data: bytes) -> Header:
    position = 2
    # Segments before the frame header are few in an honest file.
    for _ in range(64):
        if data[position : position + 1] != b"\xff":
            break
        while data[position : position + 1] == b"\xff" and position < len(data):
            position += 1
        marker = data[position] if position < len(data) else 0
        segment = data[position + 1 : position + 9]
        if len(segment) < 8:
            break
        length, depth, height, width, channels = struct.unpack(">HBHHB", segment)
        if marker in _JPEG_FRAMES:
            if depth != 8 or channels not in (1, 3) or not width or not height:
                raise ImageError(f"a JPEG of {depth} bits, {channels} channels, {width}x{height}")
            return Header("jpeg", width, height, channels)
        if marker not in _JPEG_TABLES or length < 2:
            break
        position += 1 + length
    raise ImageError("corrupt jpeg (no frame header)")


def count_scans(data: bytes) -> int:
    """Start-of-scan markers; within coded data their two bytes mean nothing else.

    Not ``data.count``, which takes ten times as long.
    """
    octets = np.frombuffer(data, np.uint8)
    return int(np.count_nonzero(octets[np.flatnonzero(octets == 0xDA) - 1] == 0xFF))
