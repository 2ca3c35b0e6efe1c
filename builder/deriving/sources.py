"""The datasets that a new one is derived from, read sample by sample."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ld_portrait_20k.common.printable import printable
from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.format import json_text, schema
from ld_portrait_20k.format.manifest import Manifest
from ld_portrait_20k.format.shard_reader import ShardReader
from ld_portrait_20k.format.shards import RawSample

REJECTED_FILE: Final = "rejected.jsonl"
_JSON_BUFFER: Final = 4096  # the metadata of a sample has about 2,500 bytes


@dataclass(frozen=True)
class Sample:
    """A sample of a source that may go over into the new dataset.

    Attributes:
        source: The number of its source.
        old_id: Its id there.
        id: Its id in the new dataset.
        split: Its split in the new dataset.
        metadata: Its metadata in the source, complete.
    """

    source: int
    old_id: str
    id: str
    split: str
    metadata: dict[str, Any]


class Source:
    """A finished dataset in a folder.

    Args:
        root: The folder.

    Raises:
        PortraitError: No finished dataset is there, or it has no samples.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.manifest = Manifest.load(root)
        self._shards = {
            subset: _by_id(root, self.manifest, subset) for subset in self.manifest.subsets()
        }
        if not self._shards.get("default"):
            raise PortraitError(
                f"{root}: has no samples of the subset default; try: another folder"
            )
        self._open: ShardReader | None = None

    @property
    def plan(self) -> dict[str, Any]:
        """The header of the plan that it was built from; empty where it is not recorded."""
        return dict(self.manifest.about.get("plan") or {})

    def ids(self, subset: str = "default") -> Sequence[str]:
        """The ids of a subset's samples, in order; none where it has no such subset."""
        return sorted(self._shards.get(subset, ()))

    def lacks(self, subset: str, ids: Sequence[str]) -> bool:
        """Whether one of the samples is not in a subset."""
        there = self._shards.get(subset, {})
        return any(key not in there for key in ids)

    def samples(self, number: int) -> Iterator[Sample]:
        """Every sample of the subset ``default``, in shard order, with its own id and split.

        Only metadata is read, so no checksum is compared: :meth:`read` and :meth:`check` do that.

        Args:
            number: Which source this is.

        Raises:
            PortraitError: A shard that cannot be read, or metadata that is damaged.
        """
        form = self.manifest.foreground_format
        for shard in self.manifest.select():
            path = self.root / shard.path
            with ShardReader(path, shard, form, buffering=_JSON_BUFFER) as reader:
                for key in shard.ids():
                    metadata = self._metadata(reader, key)
                    yield Sample(number, key, key, shard.split, metadata)

    def _metadata(self, reader: ShardReader, sample_id: str) -> dict[str, Any]:
        content = reader.member(sample_id, "json")
        try:
            metadata = schema.complete(json_text.parse(content))
            if metadata["id"] != sample_id:
                raise ValueError(f"its metadata has the id {metadata['id']!r}")
        except ValueError as problem:
            raise PortraitError(
                f"{reader.name}, sample {sample_id}: {printable(problem)}; "
                f"try: python -m builder verify --deep {self.root}"
            ) from problem
        return metadata

    def read(self, subset: str, sample_id: str) -> RawSample:
        """A sample as it is encoded, compared with its checksum.

        Raises:
            ShardError: It is damaged or cannot be read.
        """
        return self._reader(subset, sample_id).sample(sample_id)

    def check(self, sample_id: str) -> None:
        """Compare a sample with its checksum, which :meth:`samples` does not.

        Raises:
            ShardError: It is damaged or cannot be read.
        """
        self.read("default", sample_id)

    def size(self, subset: str, ids: Collection[str]) -> int:
        """The bytes of some samples of a subset, headers and padding left out."""
        return sum(
            sum(sizes)
            for shard in self.manifest.select(subset)
            for number, *sizes in shard.index
            if schema.sample_id(number) in ids
        )

    def identity(self) -> dict[str, Any]:
        """What names it in a manifest: its plan, and a hash over all its shards."""
        digest = hashlib.sha256()
        for shard in self.manifest.shards:
            digest.update(f"{shard.path} {shard.sha256}\n".encode())
        log = self.manifest.files.get(REJECTED_FILE, {})
        digest.update(str(log.get("sha256")).encode())
        return {
            "plan_hash": self.manifest.plan_hash,
            "generator": self.manifest.generator,
            "samples": sum(self.manifest.splits.values()),
            "sha256": digest.hexdigest(),
        }

    def rejected(self) -> list[dict[str, Any]]:
        """The lines of its log of rejected attempts.

        Raises:
            PortraitError: The log is not what the manifest says.
        """
        listed = self.manifest.files.get(REJECTED_FILE)
        if listed is None:
            return []
        path = self.root / REJECTED_FILE
        try:
            content = path.read_bytes()
            if hashlib.sha256(content).hexdigest() != listed["sha256"]:
                raise ValueError("its sha256 differs from the manifest's")
            return [_line(json_text.parse(line)) for line in content.splitlines()]
        except (OSError, ValueError) as problem:
            raise PortraitError(
                f"{path}: {problem}; try: python -m builder verify {self.root}"
            ) from problem

    def close(self) -> None:
        """Close the shard that was read last."""
        if self._open is not None:
            self._open.close()
            self._open = None

    def _reader(self, subset: str, sample_id: str) -> ShardReader:
        """The reader of a sample's shard; one shard is open at a time."""
        reader = self._shards[subset][sample_id]
        if reader is not self._open:
            self.close()
            self._open = reader
        return reader


def _by_id(root: Path, manifest: Manifest, subset: str) -> dict[str, ShardReader]:
    readers = [
        ShardReader(root / shard.path, shard, manifest.foreground_format)
        for shard in manifest.select(subset)
    ]
    return {key: reader for reader in readers for key in reader.record.ids()}


def _line(value: Any) -> dict[str, Any]:
    line = {"attempt": 0, "reason": "unknown", **value} if isinstance(value, dict) else {}
    key, attempt = line.get("id"), line.get("attempt")
    if not isinstance(key, str) or not schema.is_sample_id(key) or type(attempt) is not int:
        raise ValueError("a line of it is no rejected attempt")
    return line
