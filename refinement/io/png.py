"""What of a PNG decides its pixels: the chunks that a decoder gets; all others are left out.

People's files have chunks in the wrong place, of the wrong length, or of sizes that decoders
refuse to expand (PNG 1.2 and 3, sections 5.6 and 11). None of that touches the pixels, so a
file is reduced to what does before a decoder sees it, and a good picture in odd company is kept.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from refinement.options import PictureError

SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
MAX_PROFILE: Final = 16 << 20
"""Largest colour profile in bytes; those of scanners and presses have up to some megabytes."""
_MAX_CHUNKS: Final = 1_000_000
"""libpng writes 8 KiB a chunk by default, so a picture of 160 million pixels has 80,000."""
_MAX_TEXT: Final = 1 << 20  # what Pillow expands
_NEEDED: Final = frozenset([b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"])
_COLOUR_LENGTHS: Final = {b"sRGB": 1, b"gAMA": 4, b"cHRM": 32, b"cICP": 4}
_TEXTS: Final = frozenset([b"tEXt", b"zTXt", b"iTXt"])
_TURNING: Final = (b"Raw profile type exif\0", b"Raw profile type APP1\0", b"XML:com.adobe.xmp\0")
"""Texts from which Pillow reads the orientation."""


@dataclass(slots=True)
class Essence:
    """A PNG reduced to what decides its picture.

    Attributes:
        data: The file with the chunks of pixels, transparency and orientation alone.
        colour: The chunks that say what the colours mean, as they are, without the profile.
        profile: The ICC profile, expanded; None if there is none that can be read.
        animated: Whether the file has frames beside its picture.
    """

    data: bytes
    colour: bytes = b""
    profile: bytes | None = None
    animated: bool = False


def chunk(kind: bytes, body: bytes) -> bytes:
    """A chunk of a PNG: length, kind, body, CRC-32."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def essence(data: bytes) -> Essence:
    """Reduce a PNG; that a file is cut off is left for the decoder to find.

    Args:
        data: The whole file.

    Raises:
        PictureError: It does not begin with its header, the check sum of what decides the
            pixels is wrong, or it has a profile or a number of chunks beyond all measure.
    """
    result = Essence(b"")
    kept: list[memoryview] = [memoryview(data)[: len(SIGNATURE)]]
    seen: set[bytes] = set()
    frames = 0
    for kind, start, end in _chunks(data):
        whole = memoryview(data)[start:end]
        if not seen and kind != b"IHDR":
            raise PictureError("unreadable", "broken PNG: no header; try: another copy")
        key = _role(kind, data[start + 8 : start + 40], pixels=b"IDAT" in seen)
        if kind == b"acTL" and b"IDAT" not in seen:
            frames = int.from_bytes(data[start + 8 : start + 12], "big")
        elif kind == b"fdAT":
            result.animated = frames > 1
        if key is None or (key in seen and kind != b"IDAT"):
            continue
        if kind in _NEEDED:
            _check_sum(kind, whole)
        elif not _is_sound(kind, whole):
            continue  # decoders pass over it too, and the pixels do not need it
        seen.add(key)
        if kind in _COLOUR_LENGTHS:
            result.colour += bytes(whole)
        elif kind == b"iCCP":
            result.profile = _profile(bytes(whole[8:-4]))
        else:
            kept.append(whole)
    result.data = b"".join(kept)
    return result


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and end of each chunk; the last one may be cut off."""
    place = len(SIGNATURE)
    for _ in range(_MAX_CHUNKS):
        kind = data[place + 4 : place + 8]
        if len(kind) < 4:
            return
        end = place + 12 + int.from_bytes(data[place : place + 4], "big")
        yield kind, place, end
        if kind == b"IEND":
            return
        place = end
    raise PictureError("unreadable", f"broken PNG: over {_MAX_CHUNKS:,} chunks; try: save it anew")


def _role(kind: bytes, begin: bytes, *, pixels: bool) -> bytes | None:
    """What a chunk is kept as; None for one that decides nothing or comes too late."""
    if kind in (b"IHDR", b"IDAT", b"IEND", b"eXIf"):
        return kind
    if kind in _TEXTS:
        return next((text for text in _TURNING if begin.startswith(text)), None)
    wanted = kind in (b"PLTE", b"tRNS", b"iCCP") or kind in _COLOUR_LENGTHS
    return kind if wanted and not pixels else None


def _check_sum(kind: bytes, whole: memoryview) -> None:
    """Compare a chunk's CRC, which Pillow does not do for pixels."""
    cut_off = len(whole) < 12 or int.from_bytes(whole[:4], "big") != len(whole) - 12
    if not cut_off and zlib.crc32(whole[4:-4]) != int.from_bytes(whole[-4:], "big"):
        raise PictureError(
            "unreadable",
            f"broken PNG: the check sum of {kind.decode()} is wrong; try: another copy",
        )


def _is_sound(kind: bytes, whole: memoryview) -> bool:
    """Whether a chunk that a decoder may leave out is whole and of a size that it reads."""
    body = whole[8:-4]
    if len(whole) < 12 or int.from_bytes(whole[:4], "big") != len(body):
        return False
    if zlib.crc32(whole[4:-4]) != int.from_bytes(whole[-4:], "big"):
        return False
    if kind in _COLOUR_LENGTHS:
        return len(body) == _COLOUR_LENGTHS[kind]
    if kind == b"iCCP":
        return True
    return len(body) <= _MAX_TEXT and _is_small_text(kind, bytes(body))


def _is_small_text(kind: bytes, body: bytes) -> bool:
    """Whether a text expands to no more than a decoder accepts."""
    rest = body.partition(b"\0")[2]
    if kind == b"zTXt":
        packed = rest[1:]
    elif kind == b"iTXt" and rest[:1] == b"\1":
        packed = rest[2:].partition(b"\0")[2].partition(b"\0")[2]
    else:
        return True
    try:
        return _expanded(packed, _MAX_TEXT) is not None
    except zlib.error:
        return False


def _profile(body: bytes) -> bytes | None:
    packed = body.partition(b"\0")[2][1:]
    try:
        found = _expanded(packed, MAX_PROFILE)
    except zlib.error:
        return None  # broken: the colours are taken as they are
    if found is None:
        raise PictureError(
            "too-large",
            f"a colour profile of over {MAX_PROFILE >> 20} MB; try: convert the picture to sRGB",
        )
    return found or None


def _expanded(packed: bytes, limit: int) -> bytes | None:
    """The expanded bytes; None if there are more than the limit."""
    found = zlib.decompressobj().decompress(packed, limit + 1)
    return found if len(found) <= limit else None
