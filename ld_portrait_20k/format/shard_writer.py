"""Writing a shard as deterministic USTAR; the file appears complete or not at all."""

from __future__ import annotations

import hashlib
import zlib
from pathlib import Path
from types import TracebackType

from ld_portrait_20k.common.files import PendingFile
from ld_portrait_20k.format import schema
from ld_portrait_20k.format.manifest import ShardRecord
from ld_portrait_20k.format.ustar import END, MAX_JSON_BYTES, encode_header, padding

_BUFFER = 2**20


class ShardWriter:
    """Writes one shard; a context manager.

    The file appears complete and on disk, or not at all: it takes its name on
    :meth:`close`; leaving the context with an exception removes what was written.

    Args:
        path: Where to write the shard; parent folders are made.
        foreground_format: ``"png"`` or ``"jpeg"``; it names the foreground members.

    Attributes:
        bytes: Size of what has been written; of the whole shard after close.
        sha256: Of the whole shard in hex, after close; empty before.
        index: The rows of :class:`~ld_portrait_20k.format.manifest.ShardRecord`.
        crc32: Its checksums, one a sample.
    """

    def __init__(self, path: Path, foreground_format: str = "png") -> None:
        self.path = path
        self.bytes = 0
        self.sha256 = ""
        self.index: list[tuple[int, int, int, int]] = []
        self.crc32: list[int] = []
        self._suffixes = schema.members(foreground_format)
        self._hash = hashlib.sha256()
        self._file: PendingFile | None = PendingFile(path, buffering=_BUFFER)

    def add(self, sample_id: str, foreground: bytes, alpha: bytes, metadata: bytes) -> None:
        """Append one sample.

        Args:
            sample_id: Well-formed, and greater than the one before.
            foreground: The encoded foreground, of the writer's format.
            alpha: The encoded alpha, PNG.
            metadata: The JSON member, from :func:`~ld_portrait_20k.format.schema.encode_metadata`.

        Raises:
            ValueError: An id that is malformed or out of order, or a member that is empty
                or over the limits of the reader.
        """
        if self._file is None:
            raise ValueError(f"{self.path}: the shard is closed")
        if not schema.is_sample_id(sample_id):
            raise ValueError(f"not a sample id: {sample_id!r}")
        number = int(sample_id[4:])
        if self.index and number <= self.index[-1][0]:
            last = schema.sample_id(self.index[-1][0])
            raise ValueError(f"sample {sample_id} after {last}: ids must rise")
        if not foreground or not alpha or not metadata:
            raise ValueError(f"sample {sample_id}: an empty member")
        if len(metadata) > MAX_JSON_BYTES:
            raise ValueError(f"sample {sample_id}: {len(metadata)} bytes of metadata")
        parts: list[bytes] = []
        for suffix, content in zip(self._suffixes, (foreground, alpha, metadata), strict=True):
            parts += (
                encode_header(f"{sample_id}.{suffix}", len(content)),
                content,
                bytes(padding(len(content))),
            )
        block = b"".join(parts)
        self._write(block)
        self.index.append((number, len(foreground), len(alpha), len(metadata)))
        self.crc32.append(zlib.crc32(block))

    def close(self) -> None:
        """End the archive, sync it to disk and give the file its name."""
        if self._file is None:
            return
        self._write(END)
        self._file.commit()
        self._file = None
        self.sha256 = self._hash.hexdigest()

    def abort(self) -> None:
        """Remove what was written."""
        if self._file is not None:
            self._file.discard()
            self._file = None

    def record(self, path: str, subset: str, split: str) -> ShardRecord:
        """The closed shard's record for the manifest.

        Args:
            path: The shard's path relative to the dataset's root.
            subset: ``default``, ``raw`` or ``truth``.
            split: ``train``, ``validation`` or ``test``.
        """
        if not self.sha256:
            raise ValueError(f"{self.path}: the shard is not closed")
        return ShardRecord(
            path, subset, split, self.bytes, self.sha256, tuple(self.index), tuple(self.crc32)
        )

    def _write(self, data: bytes) -> None:
        assert self._file is not None
        self._file.stream.write(data)
        self._hash.update(data)
        self.bytes += len(data)

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()
