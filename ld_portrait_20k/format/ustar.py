"""Reading and writing plain USTAR headers.

``tarfile`` does not do: a shard must have the same bytes everywhere (fixed mtime, owner and
mode), and an untrusted shard must be refused in bounded memory. Only regular files with flat
names are allowed; links, devices, long-name extensions and paths are errors.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from ld_portrait_20k.errors import LFS_ADVICE, ShardError, UnreadableShardError, is_lfs_pointer

BLOCK: Final = 512
END: Final = bytes(2 * BLOCK)
MAX_MEMBER_BYTES: Final = 256 * 2**20
"""A member that declares more than this is refused unread; chosen far above any picture."""

MAX_JSON_BYTES: Final = 2**20
"""The same limit for a sample's metadata, which has a few kilobytes."""

_NAME = re.compile(rb"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}\Z")


@dataclass(frozen=True, slots=True)
class Entry:
    """A member's header.

    Attributes:
        name: The member's name; flat, ASCII.
        offset: Byte offset of its content in the shard.
        size: Its content's length in bytes.
    """

    name: str
    offset: int
    size: int


def padding(size: int) -> int:
    """Zero bytes that follow ``size`` bytes of content up to the next block."""
    return -size % BLOCK


def encode_header(name: str, size: int) -> bytes:
    """The 512-byte header of a regular file: mode 0644, owner 0, mtime 0.

    Raises:
        ValueError: A name that is not flat ASCII of at most 100 bytes, or a size that the
            eleven octal digits of USTAR do not hold.
    """
    raw = name.encode("ascii", errors="replace")
    if not _NAME.match(raw):
        raise ValueError(f"not a flat member name: {name!r}")
    if not 0 <= size < 8**11:
        raise ValueError(f"member {name}: {size} bytes do not fit USTAR")
    header = bytearray(BLOCK)
    header[0 : len(raw)] = raw
    header[100:108] = b"0000644\0"
    header[108:116] = b"0000000\0"
    header[116:124] = b"0000000\0"
    header[124:136] = b"%011o\0" % size
    header[136:148] = b"00000000000\0"
    header[148:156] = b" " * 8
    header[156:157] = b"0"
    header[257:265] = b"ustar\x0000"
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)


def parse_header(block: bytes, offset: int, shard: str) -> Entry | None:
    """Read one header block.

    Args:
        block: 512 bytes.
        offset: Where the block starts in the shard.
        shard: Name for error messages.

    Returns:
        The entry, or None for the zero block that ends an archive.

    Raises:
        ShardError: Anything but a regular file with a flat name and a bounded size.
    """

    def refuse(problem: str) -> ShardError:
        return ShardError(shard, problem, offset=offset)

    if offset == 0 and is_lfs_pointer(block):
        raise UnreadableShardError(shard, LFS_ADVICE)
    if len(block) < BLOCK:
        raise refuse("truncated in a header")
    if not block.strip(b"\0"):
        return None
    stored = _octal(block[148:156])
    if stored is None or sum(block[:148]) + 8 * 32 + sum(block[156:]) != stored:
        raise refuse("header checksum does not match (altered, or not a tar)")
    if block[156:157] not in (b"0", b"\0"):
        raise refuse(f"member of type {block[156:157]!r}; only regular files are allowed")
    name = block[:100].rstrip(b"\0")
    if block[345:500].strip(b"\0") or not _NAME.match(name):
        raise refuse(f"unsafe member name {name[:60]!r}")
    size = _octal(block[124:136])
    if size is None:
        raise refuse("unreadable member size")
    if size > MAX_MEMBER_BYTES:
        raise refuse(f"member {name.decode()} declares {size} bytes, over the limit")
    return Entry(name.decode(), offset + BLOCK, size)


def _octal(field: bytes) -> int | None:
    text = field.strip(b"\0 ")
    try:
        return int(text, 8) if text.isdigit() else None
    except ValueError:
        return None


def read_entries(stream: BinaryIO, shard: str) -> Iterator[tuple[Entry, bytes]]:
    """Read a shard from front to back, one member in memory at a time.

    Args:
        stream: Binary stream at the start of the shard; need not seek.
        shard: Name for error messages.

    Yields:
        Each member's entry and content.

    Raises:
        ShardError: The shard is truncated, altered or unsafe.
    """
    offset = 0
    while True:
        entry = parse_header(_read_exactly(stream, BLOCK), offset, shard)
        if entry is None:
            return
        content = _read_exactly(stream, entry.size)
        pad = padding(entry.size)
        if len(content) < entry.size or len(_read_exactly(stream, pad)) < pad:
            raise ShardError(shard, f"truncated in member {entry.name}", offset=entry.offset)
        offset = entry.offset + entry.size + pad
        yield entry, content


def _read_exactly(stream: BinaryIO, size: int) -> bytes:
    content = stream.read(size)
    while len(content) < size:
        more = stream.read(size - len(content))
        if not more:
            break
        content += more
    return content
