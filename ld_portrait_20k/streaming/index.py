"""The table of all samples and their places, from the manifest or from the shards."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ld_portrait_20k.common.files import write_bytes
from ld_portrait_20k.errors import PortraitError, UnreadableShardError
from ld_portrait_20k.format import schema
from ld_portrait_20k.format.manifest import Manifest, ShardRecord
from ld_portrait_20k.format.shards import index_shard, read_samples
from ld_portrait_20k.format.ustar import BLOCK
from ld_portrait_20k.streaming.caches import cache_file
from ld_portrait_20k.streaming.sources import DatasetSource, ListedSource

_Rows = tuple[tuple[int, int, int, int], ...]


@dataclass(frozen=True, slots=True)
class SampleTable:
    """All samples of some shards; every array is (N,).

    Attributes:
        paths: The shards.
        shard: int32, index into ``paths`` of the sample's shard.
        number: int64, 42 for ``ldp-0000042``.
        offset: int64, byte offset of its first header.
        length: int64, bytes to the end of its last padding.
        crc32: int64, checksum of those bytes; -1 where it is not known.
    """

    paths: tuple[str, ...]
    shard: NDArray[np.int32]
    number: NDArray[np.int64]
    offset: NDArray[np.int64]
    length: NDArray[np.int64]
    crc32: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.number)

    @classmethod
    def from_records(cls, records: Sequence[ShardRecord]) -> SampleTable:
        """From the manifest's records of the shards."""
        columns: list[tuple[NDArray[np.integer[Any]], ...]] = []
        for place, record in enumerate(records):
            rows = record.rows()
            sizes = rows[:, 1:]
            length = (BLOCK + sizes + (-sizes) % BLOCK).sum(axis=1)
            shard = np.full(len(rows), place, np.int32)
            offset = np.cumsum(length) - length
            columns.append((shard, rows[:, 0], offset, length, record.checksums()))
        if not columns:
            empty = np.zeros(0, np.int64)
            return cls((), empty.astype(np.int32), empty, empty, empty, empty)
        merged = [np.concatenate(column) for column in zip(*columns, strict=True)]
        return cls(tuple(r.path for r in records), *merged)


def open_table(
    source: DatasetSource, subset: str = "default", split: str | None = "train"
) -> tuple[SampleTable, str]:
    """The samples of a dataset's subset and split.

    Returns:
        The table, and a hash of its samples' ids that saved states are compared by.

    Raises:
        PortraitError: No such subset or split.
    """
    if isinstance(source, ListedSource):
        records = listed_records(source)
        return SampleTable.from_records(records), _identity(records)
    manifest = source.manifest()
    records = manifest.select(subset, split)
    if not records:
        splits = sorted({shard.split for shard in manifest.select(subset)})
        raise PortraitError(
            f"{source.name}: nothing in subset {subset!r}, split {split!r}; there is "
            f"{', '.join(manifest.subsets())} with {', '.join(splits) or 'no split'}"
        )
    return SampleTable.from_records(records), _identity(records)


def listed_records(source: ListedSource) -> list[ShardRecord]:
    """Records of listed shards, their paths as they were listed.

    Raises:
        PortraitError: A shard cannot be read.
    """
    return [_listed_record(source, path) for path in source.paths]


def _identity(records: Sequence[ShardRecord]) -> str:
    """A hash of the samples' ids in order; the same for other bytes under the same ids."""
    digest = hashlib.sha256()
    for record in records:
        digest.update(record.rows()[:, 0].astype("<i8").tobytes() + b"|")
    return digest.hexdigest()[:16]


def _listed_record(source: ListedSource, path: str) -> ShardRecord:
    """A shard's record from the manifest beside it, else from the shard, cached."""
    known = _beside(source, path)
    if known is not None:
        return known
    cache = _cache_file(source, path)
    rows: _Rows | None = None
    if cache is not None:
        try:
            rows = tuple(
                (int(a), int(b), int(c), int(d)) for a, b, c, d in json.loads(cache.read_text())
            )
        except (ValueError, TypeError, OSError):
            rows = None
    if rows is None:
        rows = _scan(source, path)
        if cache is not None:
            # A folder that cannot be written costs another scan next time, nothing else.
            with contextlib.suppress(OSError):
                write_bytes(cache, json.dumps(rows).encode(), sync=False)
    return ShardRecord(path, "default", "train", 0, "", rows)


def _beside(source: ListedSource, path: str) -> ShardRecord | None:
    """The record in the ``manifest.json`` of the dataset that the shard belongs to."""
    base, _, name = path.rpartition("/")
    root, _, folder = base.rpartition("/")
    if folder not in schema.SUBSETS.values():
        return None
    manifest = source.manifest_at(root)
    relative = f"{folder}/{name}"
    for shard in manifest.shards if isinstance(manifest, Manifest) else ():
        if shard.path == relative:
            return ShardRecord(
                path, shard.subset, shard.split, shard.bytes, shard.sha256, shard.index, shard.crc32
            )
    return None


def _scan(source: ListedSource, path: str) -> _Rows:
    if not source.is_remote(path):
        return index_shard(Path(path))
    # Read it whole: three small requests a sample would cost more than the bytes.
    with source.open(path) as stream:
        return tuple(
            (int(s.id[4:]), len(s.foreground), len(s.alpha), len(s.json))
            for s in read_samples(stream, source.locate(path))
        )


def _cache_file(source: ListedSource, path: str) -> Path | None:
    """The cache file of a shard, named by its address and version; None without a home."""
    if source.is_remote(path):
        with source.client.open(path, 0, 1) as stream:
            stream.read(1)
            version = f"{stream.size} {stream.tag}"
    else:
        try:
            stat = Path(path).stat()
        except OSError as problem:
            raise UnreadableShardError(path, f"cannot be read ({problem.strerror})") from problem
        path = str(Path(path).resolve())
        version = f"{stat.st_size} {stat.st_mtime_ns}"
    mark = hashlib.sha256(f"{path} {version}".encode()).hexdigest()[:32]
    return cache_file("index", f"{mark}.json")
