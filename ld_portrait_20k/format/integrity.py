"""Verification of a built or downloaded dataset folder against its manifest.

A shallow check reads the manifest, compares size and sha256 of every shard and listed file,
and finds files that are not listed. A deep check also reads every sample, compares it with
index and checksum, decodes it, and compares its metadata with the schema and the picture.
The samples of a damaged shard are always read, so that the report names the sample and the
byte offset, not only the file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from ld_portrait_20k import codec
from ld_portrait_20k.common.printable import MAX_MESSAGE, printable
from ld_portrait_20k.errors import PortraitError, ShardError
from ld_portrait_20k.format import schema
from ld_portrait_20k.format.manifest import FILE_NAME, Manifest, ShardRecord, file_sha256
from ld_portrait_20k.format.shard_reader import ShardReader
from ld_portrait_20k.format.shards import RawSample, read_samples
from ld_portrait_20k.format.ustar import BLOCK, END

MAX_PROBLEMS_A_SHARD: Final = 20
"""After so many problems a shard is not read on; enough to see a pattern."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        path: The file concerned, relative to the dataset's root.
        problem: What is wrong, one line.
        sample: Id of the sample concerned, if one is.
        offset: Byte offset in the file, if known.
    """

    path: str
    problem: str
    sample: str | None = None
    offset: int | None = None

    def __str__(self) -> str:
        where = f" at byte {self.offset}" if self.offset is not None else ""
        who = f", sample {self.sample}" if self.sample else ""
        return printable(f"{self.path}{where}{who}: {self.problem}", MAX_MESSAGE)


@dataclass(slots=True)
class VerificationReport:
    """What :func:`verify` found.

    Attributes:
        root: The folder that was checked.
        deep: Whether every sample was decoded.
        shards: Shards checked.
        samples: Samples that the manifest lists.
        bytes: Bytes of the shards read.
        problems: Everything that is wrong; empty when the dataset is sound.
    """

    root: str
    deep: bool
    shards: int = 0
    samples: int = 0
    bytes: int = 0
    problems: list[Problem] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    def to_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return {"ok": self.ok, **asdict(self)}


def verify(
    root: Path,
    *,
    deep: bool = False,
    subset: str | None = None,
    split: str | None = None,
    strays: bool = True,
    workers: int = 1,
    progress: Callable[[int], object] | None = None,
) -> VerificationReport:
    """Check a dataset folder.

    Args:
        root: The folder that holds ``manifest.json``.
        deep: Also read and decode every sample.
        subset: Check the shards of this subset only.
        split: Check the shards of this split only.
        strays: Report files in the shard folders that the manifest does not list, and
            shards that it lists but the folder lacks; False for a partial download, where
            absent shards are fine and those present are checked.
        workers: Threads; hashing releases the interpreter's lock, decoding by kornia_rs does not.
        progress: Called with a shard's size when it is done.

    Returns:
        The report; problems in shard order, whatever the number of workers.
    """
    report = VerificationReport(str(root), deep)
    try:
        manifest = Manifest.load(root)
    except PortraitError as problem:
        report.problems.append(Problem(FILE_NAME, str(problem)))
        return report
    report.problems += _check_files(root, manifest)
    try:
        report.problems += _check_manifest(manifest)
    except PortraitError as problem:  # of an index file
        report.problems.append(Problem(FILE_NAME, str(problem)))
        return report
    if strays:
        report.problems += _find_strays(root, manifest)
    chosen = [
        shard
        for shard in manifest.shards
        if (subset is None or shard.subset == subset) and (split is None or shard.split == split)
    ]
    if not strays:
        chosen = [shard for shard in chosen if (root / shard.path).exists()]
    with ThreadPoolExecutor(max(1, workers)) as pool:
        found = pool.map(
            lambda shard: verify_shard(root, shard, manifest.foreground_format, deep=deep), chosen
        )
        for shard, problems in zip(chosen, found, strict=True):
            report.shards += 1
            report.samples += shard.samples
            report.bytes += shard.bytes
            report.problems += problems
            if progress:
                progress(shard.bytes)
    return report


def verify_shard(
    root: Path, shard: ShardRecord, foreground_format: str, *, deep: bool = False
) -> list[Problem]:
    """Check one shard against its record.

    Args:
        root: The dataset's folder.
        shard: What the manifest says of it.
        foreground_format: The manifest's; it fixes the member names.
        deep: Decode every sample even if the shard's hash is right.

    Returns:
        What is wrong, sample by sample where it can be told.
    """
    path = root / shard.path
    try:
        size = path.stat().st_size
        whole = size == shard.bytes and file_sha256(path) == shard.sha256
    except OSError as problem:
        return [Problem(shard.path, f"cannot be read ({problem.strerror or problem})")]
    if whole and not deep:
        return []
    problems = []
    if size != shard.bytes:
        problems.append(Problem(shard.path, f"{size} bytes, the manifest says {shard.bytes}"))
    elif not whole:
        problems.append(Problem(shard.path, "sha256 differs from the manifest's"))
    for found in _check_samples(path, shard, foreground_format):
        if len(problems) == MAX_PROBLEMS_A_SHARD:
            problems.append(Problem(shard.path, "more problems follow"))
            break
        problems.append(found)
    return problems


def check_sample(sample: RawSample) -> dict[str, Any]:
    """Decode a sample and compare it with what it says of itself.

    Args:
        sample: A sample from :func:`~ld_portrait_20k.format.shards.read_samples`.

    Returns:
        Its metadata.

    Raises:
        ShardError: Metadata incomplete or of another sample, a picture that does not
            decode, or dimensions that differ between foreground, alpha and metadata.
    """
    metadata = sample.metadata
    try:
        canonical = schema.encode_metadata(metadata)
    except ValueError as problem:
        raise sample.error(f"metadata does not follow the schema ({problem})") from problem
    missing = _missing(metadata, schema.METADATA)
    if missing:
        raise sample.error(f"metadata lacks {', '.join(missing[:5])}")
    if canonical != sample.json:
        raise sample.error("metadata is not in its canonical form (sorted, compact, 6 digits)")
    if metadata["id"] != sample.id:
        raise sample.error(f"metadata has the id {printable(repr(metadata['id']), 60)}")
    try:
        form = codec.read_header(sample.foreground).format
        foreground = codec.decode_foreground(sample.foreground)
    except codec.ImageError as problem:
        raise sample.error(f"foreground: {problem}") from problem
    if form != sample.format:
        raise sample.error(f"the foreground is a {form}, its name says {sample.format}")
    try:
        alpha = codec.decode_alpha(sample.alpha)
    except codec.ImageError as problem:
        raise sample.error(f"alpha: {problem}") from problem
    sizes = {
        "foreground": (foreground.shape[1], foreground.shape[0]),
        "alpha": (alpha.shape[1], alpha.shape[0]),
        "metadata": (metadata["width"], metadata["height"]),
    }
    if len(set(sizes.values())) > 1:
        told = ", ".join(f"{name} {width}x{height}" for name, (width, height) in sizes.items())
        raise sample.error(f"dimensions differ: {told}")
    return metadata


def _check_samples(path: Path, shard: ShardRecord, foreground_format: str) -> Iterator[Problem]:
    if len(shard.crc32) == shard.samples and path.stat().st_size == shard.bytes:
        yield from _check_indexed(path, shard, foreground_format)
    else:
        yield from _check_sequential(path, shard)


def _check_indexed(path: Path, shard: ShardRecord, foreground_format: str) -> Iterator[Problem]:
    """Check each sample where the index places it: one bad sample hides no other."""
    with ShardReader(path, shard, foreground_format, shard.path) as reader:
        for sample_id in shard.ids():
            try:
                block = reader.block(sample_id)
                sample = reader.parse(sample_id, block)
                check_sample(sample)
                reader.check_checksum(sample, block)
            except ShardError as problem:
                yield Problem(
                    shard.path, problem.problem, problem.sample or sample_id, problem.offset
                )
        if not reader.ends_as_written():
            yield Problem(shard.path, "is not ended as written", None, reader.end)


def _check_sequential(path: Path, shard: ShardRecord) -> Iterator[Problem]:
    expected = shard.ids()
    seen = 0
    try:
        for sample in read_samples(path, shard.path):
            wanted = expected[seen] if seen < len(expected) else "the end"
            if sample.id != wanted:
                yield Problem(shard.path, f"the index has {wanted} here", sample.id, sample.offset)
                return
            seen += 1
            try:
                check_sample(sample)
            except ShardError as problem:
                yield Problem(shard.path, problem.problem, problem.sample, problem.offset)
    except ShardError as problem:
        sample_id = problem.sample or (expected[seen] if seen < len(expected) else None)
        yield Problem(shard.path, problem.problem, sample_id, problem.offset)
        return
    if seen < len(expected):
        yield Problem(shard.path, f"ends after {seen} of {len(expected)} samples", expected[seen])


def _check_manifest(manifest: Manifest) -> Iterator[Problem]:
    counts = dict.fromkeys(manifest.splits, 0)
    paths: set[str] = set()
    for shard in manifest.shards:
        if shard.path in paths:
            yield Problem(FILE_NAME, f"{shard.path} is listed twice")
        paths.add(shard.path)
        if shard.subset == "default":
            counts[shard.split] = counts.get(shard.split, 0) + shard.samples
        sizes = shard.rows()[:, 1:]
        laid = len(END) + int((BLOCK + sizes + (-sizes) % BLOCK).sum())
        if laid != shard.bytes:
            yield Problem(
                FILE_NAME, f"{shard.path}: its index makes {laid} bytes, not {shard.bytes}"
            )
    for subset in manifest.subsets():
        yield from _find_repeated(manifest.select(subset))
    if {k: v for k, v in counts.items() if v} != {k: v for k, v in manifest.splits.items() if v}:
        yield Problem(FILE_NAME, f"splits say {manifest.splits}, the shards hold {counts}")


def _find_repeated(shards: list[ShardRecord]) -> Iterator[Problem]:
    """Samples that are in two shards of a subset."""
    numbers = np.concatenate([shard.rows()[:, 0] for shard in shards])
    owner = np.repeat(np.arange(len(shards)), [shard.samples for shard in shards])
    known, first = np.unique(numbers, return_index=True)
    again = np.ones(len(numbers), bool)
    again[first] = False
    for place in np.flatnonzero(again):
        number = int(numbers[place])
        one = shards[owner[first[np.searchsorted(known, number)]]].path
        other = shards[owner[place]].path
        if one != other:
            yield Problem(FILE_NAME, f"in {one} and in {other}", schema.sample_id(number))


def _check_files(root: Path, manifest: Manifest) -> Iterator[Problem]:
    for name, expected in sorted(manifest.files.items()):
        if name.startswith("/") or "\\" in name or ".." in name.split("/"):
            yield Problem(FILE_NAME, f"unsafe path {printable(repr(name), 200)}")
            continue
        path = root / name
        try:
            if path.stat().st_size != expected.get("bytes"):
                yield Problem(name, f"{path.stat().st_size} bytes, not {expected.get('bytes')}")
            elif file_sha256(path) != expected.get("sha256"):
                yield Problem(name, "sha256 differs from the manifest's")
        except OSError as problem:
            yield Problem(name, f"cannot be read ({problem.strerror or problem})")


def _find_strays(root: Path, manifest: Manifest) -> Iterator[Problem]:
    listed = {shard.path for shard in manifest.shards} | set(manifest.files)
    for folder in schema.SUBSETS.values():
        if not (root / folder).is_dir():
            continue
        for path in sorted((root / folder).rglob("*")):
            name = path.relative_to(root).as_posix()
            if not path.is_dir() and name not in listed:
                yield Problem(name, "not listed in the manifest; try: move it away")


def _missing(value: Any, declared: Any, prefix: str = "") -> list[str]:
    """Dotted names of declared keys that are absent."""
    found: list[str] = []
    if isinstance(declared, dict):
        for key, kind in declared.items():
            if not isinstance(value, dict) or key not in value:
                found.append(prefix + key)
            else:
                found += _missing(value[key], kind, f"{prefix}{key}.")
    elif isinstance(declared, list):
        for item in value or []:
            found += _missing(item, declared[0], prefix)
    return found
