"""Decoding pictures within bounds.

Decoding reads the header first and refuses any format that shards do not hold and any picture
over the size limit before a decoder sees it.
"""

from __future__ import annotations

import functools
import importlib.util
import io
from collections.abc import Callable
from dataclasses import replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from ld_portrait_20k.codec.header import (
    MAX_PIXELS,
    MAX_SCANS,
    MAX_SIDE,
    Header,
    ImageError,
    count_scans,
    read_header,
)
from ld_portrait_20k.codec.rows import may_be_shortened, shorten

_Decoder = Callable[[bytes, Header], NDArray[np.uint8]]


def decode_foreground(
    data: bytes, *, max_pixels: int = MAX_PIXELS, rows: int | None = None
) -> NDArray[np.uint8]:
    """Decode a foreground member, whole or its first rows.

    The first rows of a PNG take the time of those rows. The CRCs of its data are compared to
    the end, so damage beyond those rows is found; data that was coded wrongly there in the
    first place and has the right CRC is not. A JPEG is decoded whole.

    Args:
        data: An 8-bit RGB PNG or JPEG.
        max_pixels: Refuse a picture of more pixels, however few rows are wanted.
        rows: Decode so many rows from the top; None for all.

    Returns:
        (H, W, 3) uint8, straight sRGB, contiguous and writable; (rows, W, 3) with ``rows``,
        the same values as in the whole picture.

    Raises:
        ImageError: Not such a picture, too large, truncated or corrupt.
        ValueError: ``rows`` is less than 1 or more than the height.
    """
    header = foreground_header(data, max_pixels=max_pixels)
    if rows is None or rows == header.height:
        return _decode(data, header, max_pixels)
    if not 1 <= rows <= header.height:
        raise ValueError(f"rows is 1 to {header.height}, not {rows}")
    if _stops_early(data, header):
        try:
            return _decode(shorten(data, rows), replace(header, height=rows), max_pixels)
        except ImageError:
            pass  # Decoding it whole decides whether it is damaged, and says how.
    return _decode(data, header, max_pixels)[:rows]


def foreground_header(data: bytes, *, max_pixels: int = MAX_PIXELS) -> Header:
    """Format and dimensions of a foreground member, decoded no further.

    Raises:
        ImageError: Neither an RGB PNG nor an RGB JPEG, or too large to decode.
    """
    header = read_header(data)
    if header.channels != 3:
        raise ImageError(f"a foreground must be RGB, this {header.format} is grey")
    _check_size(header, max_pixels)
    return header


def decode_alpha(data: bytes, *, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
    """Decode an alpha member.

    Args:
        data: An 8-bit grey PNG.
        max_pixels: Refuse a picture of more pixels.

    Returns:
        (H, W) uint8, 0 transparent, 255 opaque, contiguous and writable.

    Raises:
        ImageError: Not such a picture, too large, truncated or corrupt.
    """
    header = read_header(data)
    if header.format != "png" or header.channels != 1:
        raise ImageError(f"an alpha must be a grey PNG, this is a {header.format}")
    return _decode(data, header, max_pixels)


def decoders() -> dict[str, str]:
    """Which library decodes each format here: ``{"png": "kornia_rs", "jpeg": ...}``."""
    return {"png": _png_decoder()[0], "jpeg": _jpeg_decoder()[0]}


def _stops_early(data: bytes, header: Header) -> bool:
    # kornia_rs passes over the rest and compares its CRCs. cv2 decompresses it all the same and
    # warns on standard error; Pillow needs longer for two thirds than kornia_rs for the whole.
    return header.format == "png" and _png_decoder()[0] == "kornia_rs" and may_be_shortened(data)


def _check_size(header: Header, max_pixels: int) -> None:
    if header.width * header.height > max_pixels or max(header.width, header.height) > MAX_SIDE:
        raise ImageError(
            f"a {header.format} of {header.width}x{header.height}, "
            f"over the limit of {max_pixels} pixels"
        )


def _decode(data: bytes, header: Header, max_pixels: int) -> NDArray[np.uint8]:
    _check_size(header, max_pixels)
    if header.format == "jpeg" and count_scans(data) > MAX_SCANS:
        raise ImageError(f"a jpeg of more than {MAX_SCANS} scans")
    name, decode = _png_decoder() if header.format == "png" else _jpeg_decoder()
    try:
        picture = decode(data, header)
    except (MemoryError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as problem:
        # Each library has error types of its own, and a panic of Rust is no Exception.
        raise ImageError(f"corrupt {header.format} ({name}: {problem})") from problem
    shape = (header.height, header.width) + ((3,) if header.channels == 3 else ())
    if picture.size != header.height * header.width * header.channels:
        raise ImageError(f"corrupt {header.format} ({name} gave {picture.shape}, not {shape})")
    return picture.reshape(shape)


@functools.cache
def _png_decoder() -> tuple[str, _Decoder]:
    # Measured on 1024x1024 portraits: kornia_rs 8 ms, cv2 20 ms, Pillow 25 ms; all three
    # check the chunks' CRCs.
    try:
        from kornia_rs.io import decode_image_png_u8
    except ImportError:
        pass
    else:
        return "kornia_rs", lambda data, header: decode_image_png_u8(
            data, (header.height, header.width), "rgb" if header.channels == 3 else "mono"
        )
    if importlib.util.find_spec("cv2"):
        return "cv2", _decode_cv2
    return "pillow", _decode_pillow


@functools.cache
def _jpeg_decoder() -> tuple[str, _Decoder]:
    # cv2 is not used: it may return a partly grey picture for damaged data.
    try:
        from kornia_rs.io import decode_image_jpegturbo
    except ImportError:
        return "pillow", _decode_pillow
    return "kornia_rs", lambda data, header: decode_image_jpegturbo(
        data, "rgb" if header.channels == 3 else "mono"
    )


def _decode_pillow(data: bytes, header: Header) -> NDArray[np.uint8]:
    from PIL import Image

    with Image.open(io.BytesIO(data), formats=[header.format.upper()]) as picture:
        return np.array(picture)


def _decode_cv2(data: bytes, header: Header) -> NDArray[np.uint8]:
    import cv2

    flags = cv2.IMREAD_COLOR_RGB if header.channels == 3 else cv2.IMREAD_GRAYSCALE
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), flags | cv2.IMREAD_IGNORE_ORIENTATION)
    if picture is None:
        raise ValueError("cannot be decoded")
    return cast("NDArray[np.uint8]", picture)
