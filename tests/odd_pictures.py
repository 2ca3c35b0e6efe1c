"""Picture files as people have them: good ones in odd company, and bad ones."""

from __future__ import annotations

import io
import zlib
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from refinement.io.png import chunk
from tests.builder.pictures import cutout

RGBA: Final[NDArray[np.uint8]] = cutout(3)
"""The pixels of every good picture."""


def encoded(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    """A picture's file."""
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


PLAIN: Final = encoded(Image.fromarray(RGBA))
WEBP: Final = encoded(Image.fromarray(RGBA), "WEBP", lossless=True, exact=True)
SRGB: Final = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def early(*chunks: bytes, png: bytes = PLAIN) -> bytes:
    """Chunks right behind the header."""
    return png[:33] + b"".join(chunks) + png[33:]


def late(*chunks: bytes, png: bytes = PLAIN) -> bytes:
    """Chunks behind the pixels."""
    return png[:-12] + b"".join(chunks) + png[-12:]


def between(*chunks: bytes) -> bytes:
    """The pixels in two chunks, with others between them."""
    at = PLAIN.index(b"IDAT") - 4
    length = int.from_bytes(PLAIN[at : at + 4], "big")
    body = PLAIN[at + 8 : at + 8 + length]
    cut = [chunk(b"IDAT", body[:100]), *chunks, chunk(b"IDAT", body[100:])]
    return PLAIN[:at] + b"".join(cut) + PLAIN[at + 12 + length :]


def profile_chunk(profile: bytes) -> bytes:
    return chunk(b"iCCP", b"icc\0\0" + zlib.compress(profile))


def miscounted(kind: bytes, body: bytes) -> bytes:
    """A chunk whose CRC is wrong."""
    return chunk(kind, body)[:-4] + b"\0\0\0\0"


def webp_with(kind: bytes, body: bytes) -> bytes:
    """An extended WebP with a chunk of metadata behind the pixels."""
    height, width = RGBA.shape[:2]
    flags = {b"EXIF": 0x18, b"ICCP": 0x30, b"XMP ": 0x14}[kind]
    sizes = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    header = b"VP8X" + (10).to_bytes(4, "little") + bytes([flags, 0, 0, 0]) + sizes
    extra = kind + len(body).to_bytes(4, "little") + body + bytes(len(body) % 2)
    parts = header + extra + WEBP[12:] if kind == b"ICCP" else header + WEBP[12:] + extra
    return b"RIFF" + (len(parts) + 4).to_bytes(4, "little") + b"WEBP" + parts


BOMB: Final = zlib.compress(bytes(80_000_000), 9)
"""80 MB of zeros in 80 kB."""
BAD_EXIF: Final = {
    "of four bytes": b"Exif",
    "empty": b"",
    "with a header of BigTIFF": b"II+\0\x08\0\0\0" + bytes(8),
    "with no directory": b"II*\0\xff\xff\xff\x7f",
    "with an entry too many": b"MM\0*\0\0\0\x08\xff\xff" + bytes(24),
    "with text as orientation": b"II*\0\x08\0\0\0\1\0\x12\1\2\0\4\0\0\0abc\0" + bytes(4),
    "with a strange orientation": b"II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\x63\0\0\0" + bytes(4),
}

GOOD: Final = {
    **{f"png, exif {name}": early(chunk(b"eXIf", body)) for name, body in BAD_EXIF.items()},
    **{f"png, late exif {name}": late(chunk(b"eXIf", body)) for name, body in BAD_EXIF.items()},
    **{f"webp, exif {name}": webp_with(b"EXIF", body) for name, body in BAD_EXIF.items()},
    "profile behind the pixels": late(profile_chunk(SRGB)),
    "broken profile behind the pixels": late(chunk(b"iCCP", b"icc\0\0not zlib")),
    "endless profile behind the pixels": late(chunk(b"iCCP", b"icc\0\0" + BOMB)),
    "profile between the pixels": between(profile_chunk(SRGB)),
    "profile without a name": early(chunk(b"iCCP", b"\0\0" + zlib.compress(SRGB))),
    "empty profile": early(chunk(b"iCCP", b"")),
    "profile of two megabytes": early(profile_chunk(SRGB + bytes(2_000_000))),
    "webp profile of two megabytes": webp_with(b"ICCP", SRGB + bytes(2_000_000)),
    "profile that is no profile": early(profile_chunk(b"no profile")),
    "webp profile that is none": webp_with(b"ICCP", b"none"),
    "profile with a wrong sum": early(miscounted(b"iCCP", b"icc\0\0")),
    "long text": early(chunk(b"tEXt", b"Comment\0" + b"x" * 3_000_000)),
    "packed text bomb": early(chunk(b"zTXt", b"Comment\0\0" + BOMB)),
    "international text bomb": late(chunk(b"iTXt", b"Comment\0\1\0\0\0" + BOMB)),
    "turning text bomb": early(chunk(b"zTXt", b"Raw profile type exif\0\0" + BOMB)),
    "xmp bomb": early(chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + BOMB)),
    "many texts": early(*[chunk(b"tEXt", b"Comment\0" + b"x" * 900_000)] * 80),
    "text with a wrong sum": early(miscounted(b"tEXt", b"Comment\0x")),
    "text without a key": early(chunk(b"tEXt", b""), chunk(b"zTXt", b""), chunk(b"iTXt", b"")),
    "raw exif that is no hex": early(chunk(b"tEXt", b"Raw profile type exif\0\nexif\n 9\nzz")),
    "xmp that is no xml": early(chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0<x:xmp tiff:Or")),
    "gamma of three bytes": early(chunk(b"gAMA", b"\0\0\1")),
    "primaries of five bytes": early(chunk(b"cHRM", b"12345")),
    "resolution of one byte": early(chunk(b"pHYs", b"1")),
    "empty rendering intent": early(chunk(b"sRGB", b"")),
    "a second header behind the pixels": late(chunk(b"IHDR", PLAIN[16:29])),
    "a larger second header": early(chunk(b"IHDR", b"\0\0\xff\xff" * 2 + PLAIN[24:29])),
    "palette behind the pixels": late(chunk(b"PLTE", bytes(768)), chunk(b"tRNS", bytes(6))),
    "unknown chunks": early(chunk(b"quQu", bytes(9)), chunk(b"prVt", b"")),
    "frames announced but not there": early(chunk(b"acTL", b"\0\0\0\2\0\0\0\0")),
    "an empty announcement of frames": early(chunk(b"acTL", b"")),
    "frame control without an animation": early(chunk(b"fcTL", bytes(26))),
    "more behind the end": PLAIN + bytes(1000),
    "no end": PLAIN[:-12],
}
"""Files that hold :data:`RGBA`, and something that is no reason to refuse them."""


def png(width: int, height: int, *, depth: int = 8, kind: int = 6, body: bytes = b"") -> bytes:
    """A PNG of these dimensions; its pixels need not be there."""
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([depth, kind, 0, 0, 0])
    pixels = chunk(b"IDAT", zlib.compress(body, 9))
    return PLAIN[:8] + chunk(b"IHDR", header) + pixels + chunk(b"IEND", b"")


def animated(kind: str) -> bytes:
    picture = Image.fromarray(RGBA)
    return encoded(picture, kind, save_all=True, append_images=[picture.rotate(90)])


BAD: Final = {
    "nothing": (b"", "not-a-picture"),
    "a signature alone": (PLAIN[:8], "not-a-picture|unreadable"),
    "a jpeg": (encoded(Image.new("RGB", (100, 100)), "JPEG"), "not-a-picture|no-alpha"),
    "no alpha": (encoded(Image.new("RGB", (100, 100))), "no-alpha"),
    "a moving png": (animated("PNG"), "animated"),
    "a moving webp": (animated("WEBP"), "animated"),
    "half of it": (PLAIN[: len(PLAIN) // 2], "unreadable"),
    "half of a webp": (WEBP[: len(WEBP) // 2], "not-a-picture|unreadable"),
    "wrong sum of the pixels": (PLAIN[:-16] + bytes(4) + PLAIN[-12:], "unreadable"),
    "an iphone's png": (
        PLAIN[:8] + chunk(b"CgBI", b"\x50\0\x20\x06") + PLAIN[8:],
        "not-a-picture|unreadable",
    ),
    "header of four bytes": (PLAIN[:8] + chunk(b"IHDR", b"1234") + PLAIN[33:], "unreadable"),
    "no pixels": (PLAIN[:33] + PLAIN[-12:], "unreadable"),
    "size nought": (png(0, 100), "too-small|unreadable|not-a-picture"),
    "unknown depth": (png(100, 100, depth=3), "not-a-picture|unreadable"),
    "huge": (png(100_000, 100_000), "too-large"),
    "of two thousand million each way": (png(2**31 - 1, 2**31 - 1), "too-large"),
    "endless profile": (early(chunk(b"iCCP", b"icc\0\0" + BOMB)), "too-large"),
    "sixteen bits, one colour transparent": (
        early(chunk(b"tRNS", bytes(6)), png=png(100, 100, depth=16, kind=2, body=bytes(60_100))),
        "unreadable",
    ),
}
"""Files that are refused, and for what reason."""

LONG: Final = png(70_000, 64, body=bytes(64 * (70_000 * 4 + 1)))
"""A whole picture with a side that no shard takes."""
