"""Encoding pictures deterministically.

PNG is written by :mod:`ld_portrait_20k.codec.png_writing`. JPEG has quality 98 and 4:4:4.
"""

from __future__ import annotations

import io
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ld_portrait_20k.codec import png_writing
from ld_portrait_20k.codec.header import MAX_PIXELS, MAX_SIDE

JPEG_QUALITY: Final = 98


def encode_foreground(rgb: NDArray[np.uint8], format: str = "png") -> bytes:  # noqa: A002
    """Encode a foreground.

    Args:
        rgb: (H, W, 3) uint8, straight sRGB.
        format: ``"png"`` (lossless) or ``"jpeg"`` (quality 98, no chroma subsampling).

    Returns:
        The file's bytes; the same picture gives the same bytes.

    Raises:
        ValueError: Another shape, dtype or format, or a picture too large to read back.
    """
    _check_array(rgb, 3)
    if format == "png":
        return png_writing.encode(rgb)
    if format != "jpeg":
        raise ValueError(f"foreground format {format!r} is neither 'png' nor 'jpeg'")
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(rgb)).save(
        out, "JPEG", quality=JPEG_QUALITY, subsampling=0
    )
    return out.getvalue()


def encode_alpha(alpha: NDArray[np.uint8]) -> bytes:
    """Encode an alpha matte as an 8-bit grey PNG.

    Args:
        alpha: (H, W) uint8, 0 transparent, 255 opaque.

    Returns:
        The file's bytes; the same matte gives the same bytes.

    Raises:
        ValueError: Another shape or dtype, or a matte too large to read back.
    """
    _check_array(alpha, 1)
    return png_writing.encode(alpha)


def _check_array(picture: NDArray[np.uint8], channels: int) -> None:
    expected = "(H, W, 3)" if channels == 3 else "(H, W)"
    shape_ok = picture.ndim == 2 if channels == 1 else picture.ndim == 3 and picture.shape[2] == 3
    if picture.dtype != np.uint8 or not shape_ok or 0 in picture.shape:
        raise ValueError(
            f"expected {expected} uint8, not empty; got {picture.shape} {picture.dtype}"
        )
    height, width = picture.shape[:2]
    if height * width > MAX_PIXELS or max(height, width) > MAX_SIDE:
        raise ValueError(f"{width}x{height} is over the limit of {MAX_PIXELS} pixels")
