"""Reading shards strictly; :class:`ShardWriter` writes them.

A shard has three members a sample, in order and with one well-formed id; ids rise through
the shard, sizes are bounded, and nothing follows the two zero blocks at the end. Anything
else raises a :class:`~ld_portrait_20k.errors.ShardError` that names shard, sample and byte
offset.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from ld_portrait_20k.common.printable import printable
from ld_portrait_20k.errors import ShardError
from ld_portrait_20k.format import json_text, schema
from ld_portrait_20k.format.shard_writer import ShardWriter
from ld_portrait_20k.format.ustar import BLOCK, MAX_JSON_BYTES, Entry, padding, parse_header

__all__ = [
    "MAX_JSON_BYTES",
    "RawSample",
    "Readable",
    "ShardWriter",
    "index_shard",
    "read_exactly",
    "read_sample",
    "read_samples",
    "split_sample",
]

_BUFFER = 2**20
_FORMATS = {suffix: name for name, suffix in schema.FOREGROUND_MEMBERS.items()}


@dataclass(frozen=True, slots=True)
class RawSample:
    """A sample as it lies in its shard, undecoded.

    Attributes:
        id: ``ldp-0000042``.
        foreground: The foreground member's bytes, PNG or JPEG.
        alpha: The alpha member's bytes, PNG.
        json: The metadata member's bytes.
        format: ``"png"`` or ``"jpeg"``, as the foreground member's name says.
        shard: Path or URL of the shard, for error messages.
        offset: Byte offset of the sample's first header in the shard.
    """

    id: str
    foreground: bytes
    alpha: bytes
    json: bytes
    format: str
    shard: str
    offset: int

    @property
    def metadata(self) -> dict[str, Any]:
        """The metadata, parsed anew at each access; not checked against the schema.

        Integers fit 64 bits, and every string can be encoded.

        Raises:
            ShardError: Not a JSON object.
        """
        try:
            value = json_text.parse(self.json)
        except ValueError as problem:
            raise self.error(f"metadata is not valid JSON ({problem})") from problem
        if not isinstance(value, dict):
            raise self.error("metadata is not a JSON object")
        return value

    def declared_metadata(self) -> dict[str, Any]:
        """The metadata in the form that the schema declares: every key, in order, no other.

        Raises:
            ShardError: It does not follow the schema or is another sample's.
        """
        try:
            metadata = schema.complete(self.metadata)
        except ValueError as problem:
            raise self.error(f"metadata does not follow the schema ({problem})") from problem
        if metadata["id"] != self.id:
            raise self.error(f"metadata has the id {printable(repr(metadata['id']), 60)}")
        return metadata

    def error(self, problem: str) -> ShardError:
        """An error that names this sample, to raise."""
        return ShardError(self.shard, problem, offset=self.offset, sample=self.id)


class Readable(Protocol):
    """A stream as readers need it: ``read`` returns up to so many bytes."""

    def read(self, size: int, /) -> bytes:
        """Up to ``size`` bytes; none at the end."""
        ...


def read_samples(source: Path | str | Readable, name: str | None = None) -> Iterator[RawSample]:
    """Read a shard from front to back, one sample in memory at a time.

    Args:
        source: Path of the shard, or a binary stream at its start (it need not seek).
        name: Name of the shard in error messages; the path by default.

    Yields:
        Every sample, undecoded.

    Raises:
        ShardError: The shard is truncated, altered, malformed or unsafe.
        OSError: It cannot be read.
    """
    if isinstance(source, (str, Path)):
        with Path(source).open("rb", buffering=_BUFFER) as stream:
            yield from _read(stream, name or str(source))
    else:
        yield from _read(source, name or str(getattr(source, "name", "shard")))


class Part(Readable, Protocol):
    """A readable that knows its length and its position."""

    @property
    def length(self) -> int:
        """Its length in bytes."""
        ...

    @property
    def position(self) -> int:
        """Bytes read so far."""
        ...


def read_sample(part: Part, shard: str, offset: int, expected_id: str | None = None) -> RawSample:
    """Parse exactly one sample, headers and padding included.

    Args:
        part: From the sample's first header to the end of its last padding.
        shard: Name for error messages.
        offset: Where the part starts in the shard.
        expected_id: The id that the index gives for this place, if there is an index.

    Raises:
        ShardError: It is not one whole, well-formed sample, or it is another sample.
    """
    try:
        sample = _read_one(part, shard, offset)
    except ShardError as problem:
        if problem.sample is None and expected_id:
            raise problem.at(offset, expected_id) from None
        raise
    if sample is None or (expected_id is not None and sample.id != expected_id):
        found = sample.id if sample else "the end of the shard"
        raise ShardError(
            shard, f"found {found} where the index has another", offset=offset, sample=expected_id
        )
    if part.position != part.length:
        raise sample.error("is not of the size that the index records")
    return sample


def split_sample(
    block: bytes, shard: str, offset: int, expected_id: str | None = None
) -> RawSample:
    """Parse one sample from bytes; see :func:`read_sample`."""
    return read_sample(_Block(block), shard, offset, expected_id)


class _Block(io.BytesIO):
    """Bytes as a :class:`Part`."""

    def __init__(self, block: bytes) -> None:
        super().__init__(block)
        self.length = len(block)

    @property
    def position(self) -> int:
        return self.tell()


def index_shard(path: Path, limit: int = 1_000_000) -> tuple[tuple[int, int, int, int], ...]:
    """The index of a local shard, from its headers alone.

    Args:
        path: The shard.
        limit: Refuse a shard of more samples than this, to bound memory.

    Returns:
        The rows of :class:`~ld_portrait_20k.format.manifest.ShardRecord`.

    Raises:
        ShardError: The shard is truncated, malformed or unsafe.
    """
    rows: list[tuple[int, int, int, int]] = []
    size = path.stat().st_size
    with path.open("rb") as stream:
        offset = 0
        previous = -1
        while True:
            entries = _read_headers(stream, str(path), offset, size)
            if entries is None:
                _check_end(stream, str(path), offset)
                return tuple(rows)
            number = int(entries[0].name[4:11])
            _check_rising(number, previous, str(path), offset)
            previous = number
            rows.append((number, entries[0].size, entries[1].size, entries[2].size))
            if len(rows) > limit:
                raise ShardError(str(path), f"more than {limit} samples", offset=offset)
            offset = entries[2].offset + entries[2].size + padding(entries[2].size)


def _read(stream: Readable, shard: str) -> Iterator[RawSample]:
    offset = 0
    previous = -1
    while True:
        sample = _read_one(stream, shard, offset)
        if sample is None:
            _check_end(stream, shard, offset)
            return
        number = int(sample.id[4:])
        _check_rising(number, previous, shard, offset)
        previous = number
        for member in (sample.foreground, sample.alpha, sample.json):
            offset += BLOCK + len(member) + padding(len(member))
        yield sample


def _read_one(stream: Readable, shard: str, start: int) -> RawSample | None:
    offset = start
    key = ""
    form = ""
    contents: list[bytes] = []
    for position in range(3):
        entry = parse_header(read_exactly(stream, BLOCK), offset, shard)
        key = _check_member(entry, position, key, shard, offset)
        if entry is None:
            return None
        form = form or _FORMATS[entry.name[len(key) + 1 :]]
        pad = padding(entry.size)
        content = read_exactly(stream, entry.size)
        if len(content) < entry.size or len(read_exactly(stream, pad)) < pad:
            raise ShardError(
                shard, f"truncated in member {entry.name}", offset=entry.offset, sample=key
            )
        contents.append(content)
        offset = entry.offset + entry.size + pad
    return RawSample(key, contents[0], contents[1], contents[2], form, shard, start)


def _read_headers(
    stream: BinaryIO, shard: str, start: int, shard_size: int
) -> tuple[Entry, Entry, Entry] | None:
    offset = start
    key = ""
    entries: list[Entry] = []
    for position in range(3):
        stream.seek(offset)
        entry = parse_header(read_exactly(stream, BLOCK), offset, shard)
        key = _check_member(entry, position, key, shard, offset)
        if entry is None:
            return None
        offset = entry.offset + entry.size + padding(entry.size)
        if offset > shard_size:
            raise ShardError(
                shard, f"truncated in member {entry.name}", offset=entry.offset, sample=key
            )
        entries.append(entry)
    stream.seek(offset)
    return entries[0], entries[1], entries[2]


def _check_member(entry: Entry | None, position: int, key: str, shard: str, offset: int) -> str:
    """The sample id of a member, after checking that the member is in its place."""
    if entry is None:
        if position:
            raise ShardError(shard, "ends within a sample", offset=offset, sample=key)
        return ""
    found, _, suffix = entry.name.partition(".")
    if not schema.is_sample_id(found):
        raise ShardError(shard, f"member {entry.name}: not a sample id", offset=offset)
    if position and found != key:
        raise ShardError(
            shard, f"a member is missing before {entry.name}", offset=offset, sample=key
        )
    wanted = ("foreground", schema.ALPHA_MEMBER, schema.JSON_MEMBER)[position]
    if suffix != wanted and not (position == 0 and suffix in _FORMATS):
        raise ShardError(
            shard, f"member {entry.name} where {wanted} belongs", offset=offset, sample=found
        )
    if position == 2 and entry.size > MAX_JSON_BYTES:
        raise ShardError(
            shard, f"metadata of {entry.size} bytes, over the limit", offset=offset, sample=found
        )
    return found


def _check_rising(number: int, previous: int, shard: str, offset: int) -> None:
    if number <= previous:
        raise ShardError(
            shard,
            f"repeated or out of order, after {schema.sample_id(previous)}",
            offset=offset,
            sample=schema.sample_id(number),
        )


def _check_end(stream: Readable, shard: str, offset: int) -> None:
    """Check that a second zero block and nothing but a few zeros follow the first."""
    position = offset + BLOCK
    block = read_exactly(stream, BLOCK)
    if len(block) < BLOCK:
        raise ShardError(shard, "truncated at its end", offset=position)
    # Other writers pad to a record of 10240 bytes; anything longer is not read.
    rest = read_exactly(stream, 20 * BLOCK + 1)
    if block.strip(b"\0") or rest.strip(b"\0") or len(rest) > 20 * BLOCK:
        raise ShardError(shard, "data after the end of the archive", offset=position)


def read_exactly(stream: Readable, size: int) -> bytes:
    """``size`` bytes of a stream that may give fewer at a time; fewer only at its end."""
    if not size:
        return b""
    content = stream.read(size)
    if len(content) == size:
        return content
    parts = [content]
    missing = size - len(content)
    while missing and parts[-1]:
        parts.append(stream.read(missing))
        missing -= len(parts[-1])
    return b"".join(parts)
