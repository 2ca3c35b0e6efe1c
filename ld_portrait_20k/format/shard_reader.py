"""Reading a shard at the places that its record in the manifest gives.

:class:`ShardReader` serves everything that reads samples by the manifest, except training:
:mod:`ld_portrait_20k.streaming.reader` reads many shards at once, ahead of their use.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final

from ld_portrait_20k.errors import ShardError, UnreadableShardError
from ld_portrait_20k.format.manifest import ShardRecord
from ld_portrait_20k.format.shards import RawSample, Readable, read_exactly, split_sample
from ld_portrait_20k.format.ustar import BLOCK, END, Entry, padding

MEMBERS: Final = ("foreground", "alpha", "json")
"""The members of a sample in their order in the shard."""

_BUFFER = 2**20
_Entries = tuple[Entry, Entry, Entry]


class ShardReader:
    """Reads the samples of one shard by their ids.

    A context manager: a shard given by path is opened at the first read and closed on
    leaving; it may be entered again. A stream that was passed in is left open.

    Args:
        source: Path of the shard, or a binary stream at its start. A stream that cannot
            seek must be read in the order of the shard.
        record: What the manifest says of the shard.
        foreground_format: The manifest's, ``"png"`` or ``"jpeg"``; it names the members.
        name: Name of the shard in error messages; by default the path, else the record's.
        buffering: Bytes that are read at once from a shard given by path. Few are best where
            small members are read and the pictures between them are not.

    Raises:
        ShardError: Raised by every method that reads, for a shard that cannot be read.
    """

    def __init__(
        self,
        source: Path | Readable,
        record: ShardRecord,
        foreground_format: str,
        name: str | None = None,
        *,
        buffering: int = _BUFFER,
    ) -> None:
        self._buffering = buffering
        self.record = record
        self.foreground_format = foreground_format
        self.name = name or (str(source) if isinstance(source, Path) else record.path)
        self._path = source if isinstance(source, Path) else None
        self._file: BinaryIO | None = None
        self._stream = None if isinstance(source, Path) else source
        self._position = 0

    def samples(self) -> Iterator[RawSample]:
        """Every sample in the order of the shard, each checked like :meth:`sample`."""
        for sample_id in self.record.ids():
            yield self.sample(sample_id)

    def sample(self, sample_id: str) -> RawSample:
        """One sample, undecoded, that is what the record says.

        Raises:
            ShardError: It is truncated, malformed, another sample, or of another checksum.
            KeyError: The shard has no such sample.
        """
        block = self.block(sample_id)
        sample = self.parse(sample_id, block)
        self.check_checksum(sample, block)
        return sample

    def member(self, sample_id: str, member: str) -> bytes:
        """The content of one member, read alone, so that no checksum covers it.

        Args:
            sample_id: The sample.
            member: One of :data:`MEMBERS`.

        Raises:
            ShardError: The shard ends before the member does.
            KeyError: The shard has no such sample.
        """
        entry = self._entries[sample_id][MEMBERS.index(member)]
        content = self._read_at(entry.offset, entry.size)
        if len(content) < entry.size:
            raise ShardError(
                self.name, f"truncated in {entry.name}", offset=entry.offset, sample=sample_id
            )
        return content

    def block(self, sample_id: str) -> bytes:
        """All bytes of a sample, headers and padding included; fewer if the shard ends there.

        Raises:
            KeyError: The shard has no such sample.
        """
        entries = self._entries[sample_id]
        start = entries[0].offset - BLOCK
        return self._read_at(start, _end(entries) - start)

    def parse(self, sample_id: str, block: bytes) -> RawSample:
        """The sample of a block that :meth:`block` gave; its checksum is not compared.

        Raises:
            ShardError: The block is not this sample, whole and well formed.
        """
        offset = self._entries[sample_id][0].offset - BLOCK
        sample = split_sample(block, self.name, offset, sample_id)
        if sample.format != self.foreground_format:
            raise sample.error(f"the foreground's name says {sample.format}")
        return sample

    def check_checksum(self, sample: RawSample, block: bytes) -> None:
        """Compare a sample's block with the checksum of the record, where it has one.

        Raises:
            ShardError: They differ.
        """
        expected = self._checksums.get(sample.id)
        if expected is not None and zlib.crc32(block) != expected:
            raise sample.error("checksum differs from the manifest's")

    def ends_as_written(self) -> bool:
        """Whether the end of the archive, and nothing else, follows the last sample."""
        return self._read_at(self.end, len(END) + 1) == END

    @property
    def end(self) -> int:
        """Byte offset after the last sample."""
        if not self._entries:
            return 0
        return _end(self._entries[self.record.ids()[-1]])

    def close(self) -> None:
        """Close the file that was opened, if any."""
        if self._file is not None:
            self._file.close()
            self._file = self._stream = None
            self._position = 0

    @cached_property
    def _entries(self) -> dict[str, _Entries]:
        return dict(self.record.entries(self.foreground_format))

    @cached_property
    def _checksums(self) -> dict[str, int]:
        return dict(zip(self.record.ids(), self.record.crc32, strict=bool(self.record.crc32)))

    def _read_at(self, offset: int, size: int) -> bytes:
        try:
            if self._stream is None:
                assert self._path is not None
                self._file = self._path.open("rb", buffering=self._buffering)
                self._stream = self._file
            if self._position != offset:
                # Only a stream that cannot seek lacks it, and that one is read in order.
                self._stream.seek(offset)  # type: ignore[attr-defined]
            content = read_exactly(self._stream, size)
        except OSError as problem:
            reason = problem.strerror or problem
            raise UnreadableShardError(self.name, f"cannot be read ({reason})") from problem
        self._position = offset + len(content)
        return content

    def __enter__(self) -> ShardReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _end(entries: _Entries) -> int:
    """Byte offset after the padding of a sample's last member."""
    return entries[2].offset + entries[2].size + padding(entries[2].size)
