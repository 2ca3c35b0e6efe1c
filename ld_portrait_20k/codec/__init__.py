"""Encoding pictures deterministically and decoding them within bounds."""

from ld_portrait_20k.codec.decode import (
    decode_alpha,
    decode_foreground,
    decoders,
    foreground_header,
)
from ld_portrait_20k.codec.encode import JPEG_QUALITY, encode_alpha, encode_foreground
from ld_portrait_20k.codec.header import (
    MAX_PIXELS,
    MAX_SCANS,
    MAX_SIDE,
    Header,
    ImageError,
    read_header,
)

__all__ = [
    "JPEG_QUALITY",
    "MAX_PIXELS",
    "MAX_SCANS",
    "MAX_SIDE",
    "Header",
    "ImageError",
    "decode_alpha",
    "decode_foreground",
    "decoders",
    "encode_alpha",
    "encode_foreground",
    "foreground_header",
    "read_header",
]
