"""The first rows of a PNG at the cost of those rows.

A PNG codes its rows from top to bottom, and a decoder stops at the height that the header
states. With a smaller height in the header (and the header's CRC made anew) it therefore
gives the first rows, the same as in the whole picture, and leaves the rest compressed.
"""

from __future__ import annotations

import struct
import zlib
from typing import Final

_HEADER_END: Final = 33  # 8 bytes of signature, then IHDR with length, name, 13 bytes and CRC
_INTERLACE: Final = 28  # the byte of IHDR that says how; 0 is not at all


def may_be_shortened(data: bytes) -> bool:
    """Whether a PNG's header is sound and its first rows do not depend on its height.

    Interlaced, they do. The header's CRC is compared here, because the shortened one is new.
    """
    (crc,) = struct.unpack_from(">I", data, _HEADER_END - 4)
    return data[_INTERLACE] == 0 and zlib.crc32(data[12 : _HEADER_END - 4]) == crc


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
