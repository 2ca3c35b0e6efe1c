"""A dataset that is being viewed: its samples, their pictures by offset, their metadata."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ld_portrait_20k.errors import PortraitError, ShardError
from ld_portrait_20k.format import json_text, schema
from ld_portrait_20k.format.manifest import Manifest
from ld_portrait_20k.format.shards import RawSample
from ld_portrait_20k.streaming.caches import cache_file
from ld_portrait_20k.streaming.http import RemoteError
from ld_portrait_20k.streaming.index import SampleTable, listed_records
from ld_portrait_20k.streaming.reader import read_row
from ld_portrait_20k.streaming.sources import DatasetSource, ListedSource
from ld_portrait_20k.viewer.columns import FORMAT, Columns, collect
from ld_portrait_20k.viewer.metadata import read_metadata
from ld_portrait_20k.viewer.rejections import Rejected, read_rejected

_REJECTED_BYTES: Final = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Part:
    """The samples of one subset.

    Attributes:
        table: Where they lie.
        splits: (N,) int8, index into :data:`~ld_portrait_20k.format.schema.SPLITS`.
        rows: Number of a sample (42 for ``ldp-0000042``) to its row in the table.
    """

    table: SampleTable
    splits: NDArray[np.int8]
    rows: dict[int, int]


class ViewedDataset:
    """All that a view reads.

    Metadata is read by :meth:`read`, so that pictures can be shown before.

    Args:
        source: Where the files are.
        subset: The subset that is listed; the others are shown beside it.
        split: Only this split.

    Attributes:
        numbers: (N,) int64, the listed samples' numbers, in the order of the shards.
        rejected: Samples that quality control rejected; their rows follow the listed ones.

    Raises:
        PortraitError: It cannot be read, or has no such subset or split.
    """

    def __init__(
        self, source: DatasetSource, subset: str = "default", split: str | None = None
    ) -> None:
        self.source = source
        self.subset = subset
        self.manifest = None if isinstance(source, ListedSource) else source.manifest()
        self.parts = _parts(source, self.manifest, split)
        if subset not in self.parts:
            have = ", ".join(self.parts) or "no samples"
            where = f" in split {split}" if split else ""
            raise PortraitError(f"{source.name}: no subset {subset!r}{where}; it has {have}")
        self.table = self.parts[subset].table
        self.numbers = self.table.number
        self.splits = self.parts[subset].splits
        self.rejected = _rejected(source, self.manifest)
        self.columns = Columns.empty(0)
        self.done = 0
        self.unreadable = 0
        self.ready = threading.Event()
        self.problem: PortraitError | None = None

    @property
    def identity(self) -> str:
        """A name of these samples' contents, for caches."""
        digest = hashlib.sha256(f"{FORMAT} {self.subset} {self.source.name}".encode())
        digest.update("\n".join(self.table.paths).encode())
        for column in (self.numbers, self.table.offset, self.table.length, self.table.crc32):
            digest.update(column.astype("<i8").tobytes())
        return digest.hexdigest()[:32]

    def read(self, progress: Callable[[int], object] | None = None) -> None:
        """Read the metadata of all samples, from a cache if they were read before.

        Sets ``ready`` at the end, and ``problem`` where the dataset as a whole cannot be read.

        Args:
            progress: Called with the number of samples read since the last call.
        """
        try:
            cache = cache_file("viewer", f"{self.identity}.npz")
            known = Columns.load(cache, len(self.numbers)) if cache else None
            if known is None:
                known = collect(self._counted(progress))
                if cache is not None and not self.unreadable:
                    _save(known, cache)
            self.columns = known.joined(collect(item.metadata for item in self.rejected))
        except PortraitError as problem:
            self.problem = problem
        finally:
            self.done = len(self.numbers)
            self.ready.set()

    def _counted(self, progress: Callable[[int], object] | None) -> Iterator[dict[str, Any]]:
        for text in read_metadata(self.source, self.table):
            self.done += 1
            if progress is not None:
                progress(1)
            yield self._parsed(text)

    def _parsed(self, text: bytes | None) -> dict[str, Any]:
        try:
            value = json_text.parse(text) if text is not None else None
        except ValueError:
            value = None
        if isinstance(value, dict):
            return value
        self.unreadable += 1
        return {}

    def row(self, key: str) -> int | None:
        """The row of a listed sample, by its id."""
        return self.parts[self.subset].rows.get(int(key[4:])) if schema.is_sample_id(key) else None

    def subsets_of(self, key: str) -> list[str]:
        """The subsets that have a sample."""
        if not schema.is_sample_id(key):
            return []
        return [name for name, part in self.parts.items() if int(key[4:]) in part.rows]

    def sample(self, subset: str, key: str) -> RawSample:
        """A sample as it lies in its shard, checked.

        Raises:
            KeyError: There is no such sample.
            PortraitError: It is damaged, or cannot be had.
        """
        if not schema.is_sample_id(key):
            raise KeyError(key)
        part = self.parts[subset]
        try:
            outcome = read_row(self.source, part.table, part.rows[int(key[4:])], True)
        except RemoteError as problem:
            raise PortraitError(str(problem)) from problem
        if isinstance(outcome, ShardError):
            raise outcome
        return outcome

    def place_in_split(self, row: int) -> int:
        """A listed sample's place in its split, as ``PortraitStream.sample`` counts."""
        return int(np.count_nonzero(self.splits[:row] == self.splits[row]))


def _parts(source: DatasetSource, manifest: Manifest | None, split: str | None) -> dict[str, Part]:
    if isinstance(source, ListedSource):
        records = listed_records(source)
    else:
        assert manifest is not None
        records = list(manifest.shards)
    parts = {}
    for subset in schema.SUBSETS:
        chosen = [
            record
            for record in records
            if record.subset == subset and (split is None or record.split == split)
        ]
        if not chosen:
            continue
        table = SampleTable.from_records(chosen)
        splits = np.array([schema.SPLITS.index(record.split) for record in chosen], np.int8)
        rows = {number: row for row, number in enumerate(table.number.tolist())}
        parts[subset] = Part(table, splits[table.shard], rows)
    return parts


def _rejected(source: DatasetSource, manifest: Manifest | None) -> list[Rejected]:
    name = "rejected.jsonl"
    if manifest is None or name not in manifest.files:
        return []
    with source.open(name) as stream:
        parts = []
        while part := stream.read(2**20):
            parts.append(part)
            if sum(map(len, parts)) > _REJECTED_BYTES:
                raise PortraitError(f"{source.locate(name)}: more than {_REJECTED_BYTES} bytes")
    return read_rejected(b"".join(parts), source.locate(name))


def _save(columns: Columns, path: Any) -> None:
    try:
        columns.save(path)
    except OSError:  # a folder that cannot be written costs another reading, nothing else
        return
