"""From finished units to the final shards: duplicates out, equal sizes, same bytes always."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from builder.files import sync_folder
from builder.plan import Plan, equal_parts
from builder.quality import find_duplicates
from builder.units import UnitResult, WorkFolder
from ld_portrait_20k import schema
from ld_portrait_20k.manifest import ShardRecord
from ld_portrait_20k.shards import ShardWriter


@dataclass(frozen=True)
class Selection:
    """What of the finished units enters the dataset.

    Attributes:
        samples: Metadata of the samples, in id order.
        rejected: Log lines of everything that was not taken, in id and attempt order.
    """

    samples: list[dict[str, Any]]
    rejected: list[dict[str, Any]]


def select(results: Iterable[UnitResult]) -> Selection:
    """Take the accepted samples, less those that look like an earlier one of the plan."""
    results = list(results)
    samples = sorted((item for result in results for item in result.samples), key=_id)
    rejected = [line for result in results for line in result.rejected]
    duplicates = find_duplicates([item["quality"]["perceptual_hash"] for item in samples])
    for duplicate in duplicates:
        item, original = samples[duplicate.position], samples[duplicate.of]
        rejected.append(
            {
                "id": item["id"],
                "attempt": item["attempt"],
                "seed": item["seed"],
                "reason": "near-duplicate",
                "detail": f"{duplicate.distance} bits of 128 from {original['id']}",
                "source": item["source"]["file"],
                "prompt": item["prompt"],
                "figures": item["quality"],
            }
        )
    dropped = {duplicate.position for duplicate in duplicates}
    kept = [item for position, item in enumerate(samples) if position not in dropped]
    return Selection(kept, sorted(rejected, key=lambda line: (line["id"], line["attempt"])))


def _id(item: dict[str, Any]) -> str:
    return str(item["id"])


class Packer:
    """Writes the final shards of a dataset from its finished units.

    A split keeps its planned number of shards (fewer only if it has fewer samples), and its
    samples are dealt over them in id order, equal within one. A shard whose samples are
    just those of a unit is that unit's file, linked; any other is copied together member by
    member, nothing decoded.

    Args:
        plan: The plan.
        work: The work folder with every unit done.
        results: Every unit's result.
    """

    def __init__(self, plan: Plan, work: WorkFolder, results: Sequence[UnitResult]) -> None:
        self._plan = plan
        self._work = work
        self._results = list(results)

    def write(self, selection: Selection) -> list[ShardRecord]:
        """Write all shards of all subsets under their final names.

        Returns:
            Their records, subset by subset, in path order.
        """
        split_of = {row.id: row.split for row in self._plan.rows}
        planned = {unit.split: unit.count for unit in self._plan.units()}
        parts: list[tuple[str, int, int, tuple[str, ...]]] = []
        for split, shards in planned.items():
            ids = [item["id"] for item in selection.samples if split_of[item["id"]] == split]
            count = min(shards, len(ids))
            for index, part in enumerate(equal_parts(ids, count) if count else []):
                parts.append((split, index, count, tuple(part)))
        return [
            self._write_shard(subset, split, index, count, ids)
            for subset in self._plan.subsets
            for split, index, count, ids in parts
        ]

    def _write_shard(
        self, subset: str, split: str, index: int, count: int, ids: tuple[str, ...]
    ) -> ShardRecord:
        path = schema.shard_name(subset, split, index, count)
        target = self._work.output / path
        for result in self._results:
            record = result.shards[subset]
            if tuple(record.ids()) == ids:
                source = self._work.locate(result.name, subset, record)
                if source is not None and source != target:
                    _link(source, target)
                return replace(record, path=path)
        with ShardWriter(target, self._plan.foreground_format) as writer:
            self._copy(subset, ids, writer)
        return writer.record(path, subset, split)

    def _copy(self, subset: str, ids: Sequence[str], writer: ShardWriter) -> None:
        wanted = set(ids)
        found: dict[str, tuple[Path, ShardRecord]] = {}
        for result in self._results:
            record = result.shards[subset]
            source = self._work.locate(result.name, subset, record)
            if source is not None:
                found.update(dict.fromkeys(wanted.intersection(record.ids()), (source, record)))
        streams: dict[Path, BinaryIO] = {}
        entries: dict[Path, dict[str, Any]] = {}
        try:
            for key in ids:
                source, record = found[key]
                if source not in streams:
                    streams[source] = source.open("rb")
                    entries[source] = dict(record.entries(self._plan.foreground_format))
                parts = []
                for entry in entries[source][key]:
                    streams[source].seek(entry.offset)
                    parts.append(streams[source].read(entry.size))
                writer.add(key, *parts)
        finally:
            for stream in streams.values():
                stream.close()


def _link(source: Path, target: Path) -> None:
    """Give a file a second name, or copy it where the system has no links."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.part")
    temporary.unlink(missing_ok=True)
    try:
        os.link(source, temporary)
    except OSError:
        shutil.copyfile(source, temporary)
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())
    temporary.replace(target)
    # Renaming one name of a file over another name of the same file leaves both.
    temporary.unlink(missing_ok=True)
    sync_folder(target.parent)
