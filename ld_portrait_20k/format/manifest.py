"""``manifest.json``: the shards of a dataset, their hashes and the places of all samples.

A dataset of more than :data:`INLINE_SAMPLES` has the places in files beside it.
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ld_portrait_20k.common.files import write_bytes
from ld_portrait_20k.common.nearby import suggestion
from ld_portrait_20k.common.printable import printable
from ld_portrait_20k.errors import LFS_ADVICE, PortraitError, is_lfs_pointer
from ld_portrait_20k.format import manifest_checks as checks
from ld_portrait_20k.format import sample_index, schema
from ld_portrait_20k.format.sample_index import IndexChecksums, IndexFiles, IndexRows, ReadFile
from ld_portrait_20k.format.ustar import BLOCK, Entry, padding

FILE_NAME: Final = "manifest.json"
FORMAT: Final = 2
"""1 has every sample's place in the manifest, 2 in index files (:mod:`.sample_index`)."""
INLINE_SAMPLES: Final = 100_000
"""Samples of all subsets up to which the places are kept in the manifest itself: about 4 MB.
One request then opens the dataset, and older versions of this package read it. Chosen by eye."""

_SHARD_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,150}\.tar\Z")


@dataclass(frozen=True, slots=True)
class ShardRecord:
    """One shard.

    Attributes:
        path: Relative to the dataset's root, with forward slashes.
        subset: ``default``, ``raw`` or ``truth``.
        split: ``train``, ``validation`` or ``test``.
        bytes: The file's size.
        sha256: Of the whole file, in hex.
        index: One row a sample, in shard order: its number (42 for ``ldp-0000042``) and the
            sizes in bytes of its foreground, alpha and JSON members. Offsets follow from
            the sizes.
        crc32: One CRC-32 a sample, over all its bytes in the shard (headers and padding too), so
            that a sample can be checked without reading the whole shard; empty if they were
            not recorded.
    """

    path: str
    subset: str
    split: str
    bytes: int
    sha256: str
    index: Sequence[tuple[int, int, int, int]]
    crc32: Sequence[int] = ()

    @property
    def samples(self) -> int:
        """How many samples the shard holds."""
        return len(self.index)

    def ids(self) -> list[str]:
        """The ids of its samples, in order."""
        return [schema.sample_id(row[0]) for row in self.index]

    def rows(self) -> NDArray[np.int64]:
        """(N, 4) int64, the index as an array."""
        if isinstance(self.index, IndexRows):
            return self.index.array()[:, :4].astype(np.int64)
        return np.array(self.index, np.int64).reshape(-1, 4)

    def checksums(self) -> NDArray[np.int64]:
        """(N,) int64, every sample's CRC-32; -1 where they were not recorded."""
        if isinstance(self.crc32, IndexChecksums):
            return self.crc32.array()[:, 4].astype(np.int64)
        return np.array(self.crc32 or [-1] * self.samples, np.int64)

    def compact(self) -> ShardRecord:
        """An equal record with index and checksums in a twentieth of the memory."""
        if len(self.crc32) != self.samples:
            return self
        index, crc32 = sample_index.hold_rows(self.path, self.index, self.crc32)
        return replace(self, index=index, crc32=crc32)

    def entries(self, foreground_format: str) -> Iterator[tuple[str, tuple[Entry, Entry, Entry]]]:
        """Where every member lies, without reading the shard.

        Yields:
            A sample's id and its foreground, alpha and JSON entries.
        """
        suffixes = schema.members(foreground_format)
        offset = 0
        for number, *sizes in self.index:
            key = schema.sample_id(number)
            found = []
            for suffix, size in zip(suffixes, sizes, strict=True):
                found.append(Entry(f"{key}.{suffix}", offset + BLOCK, size))
                offset += BLOCK + size + padding(size)
            yield key, (found[0], found[1], found[2])

    def to_dict(self, *, places: bool = True) -> dict[str, Any]:
        """The record as ``manifest.json`` holds it under its subset.

        Args:
            places: Whether index and checksums are in it, or in an index file.
        """
        record = {
            "path": self.path,
            "split": self.split,
            "samples": self.samples,
            "bytes": self.bytes,
            "sha256": self.sha256,
        }
        if places:
            record["index"] = [list(row) for row in self.index]
            record["crc32"] = list(self.crc32)
        return record

    @classmethod
    def from_dict(
        cls, subset: str, item: Mapping[str, Any], files: IndexFiles | None = None
    ) -> ShardRecord:
        """Read what :meth:`to_dict` returned; the item is not trusted.

        Args:
            subset: Its subset.
            item: The record.
            files: Where the places are, if they are not in the record.

        Raises:
            KeyError, TypeError, ValueError: Not a shard's record, or an unsafe path.
        """
        path = checks.text(item["path"], "a shard's path")
        # A manifest may come from anywhere: its paths must stay inside the dataset.
        folder, _, name = path.partition("/")
        if folder != schema.SUBSETS[subset] or not _SHARD_NAME.match(name):
            raise ValueError(f"unsafe or misplaced shard path {printable(repr(path), 200)}")
        split = checks.one_of(item["split"], schema.SPLITS)
        index: Sequence[tuple[int, int, int, int]]
        crc32: Sequence[int]
        if files is None:
            index = checks.index(item["index"], path)
            crc32 = checks.crc32(item.get("crc32", ()), len(index), path)
        else:
            index, crc32 = files.take(subset, split, item["samples"])
        size, sha256 = item["bytes"], item["sha256"]
        return cls(
            path, subset, split, checks.file_bytes(size, path), checks.sha256(sha256, path),
            index, crc32,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Manifest:
    """A dataset's contents.

    Attributes:
        foreground_format: ``"png"`` or ``"jpeg"``.
        plan_hash: sha256 of the plan it was built from.
        generator: Name of the generator that made every sample.
        splits: Split to its number of samples (of the subset ``default``), in the order of
            :data:`~ld_portrait_20k.format.schema.SPLITS`.
        shards: Every shard of every subset, in path order within a subset.
        files: Other files that are verified (``rejected.jsonl``): path to bytes and sha256.
        about: Versions, counts of rejects, header of the plan.
    """

    foreground_format: str
    plan_hash: str
    generator: str
    splits: dict[str, int]
    shards: tuple[ShardRecord, ...]
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    about: dict[str, Any] = field(default_factory=dict)

    def select(self, subset: str = "default", split: str | None = None) -> list[ShardRecord]:
        """The shards of a subset, of one split or of all."""
        return [
            shard
            for shard in self.shards
            if shard.subset == subset and (split is None or shard.split == split)
        ]

    def subsets(self) -> list[str]:
        """The subsets that have shards, ``default`` first."""
        present = {shard.subset for shard in self.shards}
        return [name for name in schema.SUBSETS if name in present]

    def to_json(self, *, places: bool = True) -> str:
        """The text of ``manifest.json``; the same manifest gives the same text.

        Args:
            places: Whether the places of all samples are in it, or in index files.
        """
        shards: dict[str, list[dict[str, Any]]] = {}
        for shard in self.shards:
            shards.setdefault(shard.subset, []).append(shard.to_dict(places=places))
        body = {
            "name": schema.NAME,
            "format": 1 if places else FORMAT,
            "schema_version": schema.SCHEMA_VERSION,
            "generator": self.generator,
            "plan_hash": self.plan_hash,
            "foreground_format": self.foreground_format,
            "samples": sum(self.splits.values()),
            "splits": self.splits,
            "shards": shards,
            "files": self.files,
            "about": self.about,
        }
        return json.dumps(body, ensure_ascii=False, separators=(",", ":"), sort_keys=True) + "\n"

    def save(self, root: Path) -> Manifest:
        """Write ``manifest.json`` into a dataset folder, after the index files of a large one.

        Returns:
            The manifest as it is there, with the index files among its files.
        """
        possible = set(sample_index.every_index_path())
        files = {path: entry for path, entry in self.files.items() if path not in possible}
        large = sum(shard.samples for shard in self.shards) > INLINE_SAMPLES
        # Whoever wrote shards without checksums wrote few; an index file has them always.
        large = large and all(len(shard.crc32) == shard.samples for shard in self.shards)
        contents = self._index_files() if large else {}
        for path, content in contents.items():
            sha256 = hashlib.sha256(content).hexdigest()
            files[path] = {"bytes": len(content), "sha256": sha256}
        saved = replace(self, files=files)
        text = saved.to_json(places=not large)
        for path, content in contents.items():
            write_bytes(root / path, content)
        write_bytes(root / FILE_NAME, text.encode())
        for path in possible - set(contents):
            (root / path).unlink(missing_ok=True)
        return saved

    def _index_files(self) -> dict[str, bytes]:
        parts: dict[str, list[bytes]] = {}
        for shard in self.shards:
            path = sample_index.index_path(shard.subset, shard.split)
            parts.setdefault(path, []).append(sample_index.encode_rows(shard.index, shard.crc32))
        return {path: b"".join(rows) for path, rows in parts.items()}

    @classmethod
    def from_json(cls, text: str, where: str, read_file: ReadFile | None = None) -> Manifest:
        """Parse and check the text of a ``manifest.json``.

        Args:
            text: The file's text.
            where: Its path or URL, for error messages.
            read_file: Reads the index files beside it, when a sample's place is first asked for.

        Raises:
            PortraitError: Not a manifest of this project, or of a newer format.
        """
        if is_lfs_pointer(text[:64].encode()):
            raise PortraitError(f"{where}: {LFS_ADVICE}")
        try:
            body = checks.parse(text)
            name, form = (
                checks.text(body["name"], "name"),
                checks.whole(body["format"], 2**31, "format"),
            )
            if name == schema.NAME and form <= FORMAT:
                return cls._from_body(body, form, read_file)
        except (KeyError, TypeError, ValueError) as problem:
            raise PortraitError(
                f"{where}: not a valid manifest ({printable(problem)}); "
                "try: build or download it again"
            ) from problem
        if name != schema.NAME:
            raise PortraitError(f"{where}: a manifest of {name[:100]!r}, not {schema.NAME}")
        raise PortraitError(
            f"{where}: format {form} is newer than this package reads; "
            "try: install a newer version of this project"
        )

    @classmethod
    def _from_body(cls, body: dict[str, Any], form: int, read_file: ReadFile | None) -> Manifest:
        listed = checks.shard_items(body["shards"], schema.SUBSETS)
        files = checks.files(body.get("files", {}))
        index = IndexFiles(files, read_file) if form > 1 else None
        return cls(
            foreground_format=checks.one_of(body["foreground_format"], schema.FOREGROUND_MEMBERS),
            plan_hash=checks.text(body["plan_hash"], "plan_hash"),
            generator=checks.text(body["generator"], "generator"),
            splits=checks.counts(body["splits"], schema.SPLITS),
            shards=tuple(
                ShardRecord.from_dict(subset, item, index)
                for subset, items in listed.items()
                for item in _drained(items)
            ),
            files=files,
            about=checks.about(body.get("about", {})),
        )

    @classmethod
    def load(cls, root: Path) -> Manifest:
        """Read ``manifest.json`` of a dataset folder.

        Raises:
            PortraitError: Absent, unreadable or invalid.
        """
        path = root / FILE_NAME
        try:
            with path.open("rb") as stream:
                text = stream.read(checks.MAX_BYTES + 1).decode()
        except FileNotFoundError:
            raise PortraitError(_no_manifest(root)) from None
        except (OSError, UnicodeDecodeError) as problem:
            raise PortraitError(f"{path}: cannot be read ({problem})") from problem
        return cls.from_json(text, str(path), sample_index.local_reader(root))


def count_samples(shards: Iterable[ShardRecord]) -> dict[str, int]:
    """Samples of the subset ``default`` by split; splits without any are left out."""
    counts = dict.fromkeys(schema.SPLITS, 0)
    for shard in shards:
        if shard.subset == "default":
            counts[shard.split] += shard.samples
    return {split: count for split, count in counts.items() if count}


def _no_manifest(root: Path) -> str:
    if not root.is_dir():
        return f"{root}: no such folder; {suggestion(str(root)) or 'try: ls, or check the name'}"
    if (root / ".work").is_dir():
        command = f"python -m builder status {shlex.quote(str(root))}"
        return f"{root / FILE_NAME}: no such file; the dataset is unfinished; try: {command}"
    return f"{root / FILE_NAME}: no such file, so this is no dataset; try: another folder"


def _drained(items: list[Any]) -> Iterator[Any]:
    """The items, each forgotten once it is used: an index as JSON takes much memory."""
    for place in range(len(items)):
        item, items[place] = items[place], None
        yield item


def file_sha256(path: Path) -> str:
    """The sha256 of a file, in hex, read in pieces."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def refuse_dataset(folder: Path) -> None:
    """Refuse a dataset's folder as the place for files that are not part of it.

    Raises:
        PortraitError: There is a manifest.
    """
    if (folder / FILE_NAME).is_file():
        raise PortraitError(f"{folder}: holds a dataset; try: --output with another folder")
