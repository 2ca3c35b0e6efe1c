"""From finished units to the final shards: a shard a unit, near-duplicates left out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from builder.pipeline.tally import number_of
from builder.pipeline.work_folder import UnitLog, UnitResult, WorkFolder
from builder.plan import Plan, Unit
from builder.quality import find_duplicate_words
from ld_portrait_20k.codec.perceptual_hash import hash_words
from ld_portrait_20k.common.files import link
from ld_portrait_20k.common.in_order import map_in_order
from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.format import schema
from ld_portrait_20k.format.manifest import ShardRecord
from ld_portrait_20k.format.shard_reader import ShardReader
from ld_portrait_20k.format.shard_writer import ShardWriter


@dataclass(frozen=True)
class NearDuplicates:
    """Which samples of a dataset look like an earlier one.

    Attributes:
        originals: Number of a near-duplicate to the number of the earlier, kept sample and the
            bits in which their hashes differ.
        kept: Name of each unit to the number of its samples that stay.
    """

    originals: dict[int, tuple[int, int]]
    kept: dict[str, int]

    def split(self, log: UnitLog) -> UnitLog:
        """A unit's log with its near-duplicates among the rejected."""
        dropped = [item for item in log.samples if number_of(item["id"]) in self.originals]
        if not dropped:
            return log
        lost = {item["id"] for item in dropped}
        rejected = [*log.rejected, *map(self._line, dropped)]
        rejected.sort(key=lambda line: (line["id"], line["attempt"]))
        return UnitLog([item for item in log.samples if item["id"] not in lost], rejected)

    def _line(self, item: dict[str, Any]) -> dict[str, Any]:
        original, distance = self.originals[number_of(item["id"])]
        return {
            "id": item["id"],
            "attempt": item["attempt"],
            "seed": item["seed"],
            "reason": "near-duplicate",
            "detail": f"{distance} bits of 128 from {schema.sample_id(original)}",
            "source": item["source"]["file"],
            "prompt": item["prompt"],
            "figures": item["quality"],
        }


def near_duplicates(
    work: WorkFolder, results: Sequence[UnitResult], *, max_distance: int | None
) -> NearDuplicates:
    """Find the accepted samples that look like an earlier one; only hashes are kept in memory.

    Args:
        work: The work folder.
        results: Every finished unit.
        max_distance: Bits in which the hashes of near-duplicates differ at most; None keeps
            them.
    """
    kept = {result.name: result.samples for result in results}
    if max_distance is None or not any(kept.values()):
        return NearDuplicates({}, kept)
    numbers, words = [], []
    for result in results:
        samples = work.log(result.name).samples
        numbers.append(np.array([number_of(item["id"]) for item in samples], np.int64))
        words.append(hash_words([item["quality"]["perceptual_hash"] for item in samples]))
    every = np.concatenate(numbers)
    order = np.argsort(every)
    in_order = every[order]
    originals = {
        int(in_order[found.position]): (int(in_order[found.of]), found.distance)
        for found in find_duplicate_words(np.concatenate(words)[order], max_distance)
    }
    lost = np.array(sorted(originals), np.int64)
    for result, own in zip(results, numbers, strict=True):
        kept[result.name] -= int(np.isin(own, lost).sum())
    return NearDuplicates(originals, kept)


class Packer:
    """Gives the finished units of a dataset their final names.

    A shard is the accepted samples of one unit, so a sample that is lost changes its own shard
    and no other. What is lost while a unit is built is not in its file; a near-duplicate is found
    only at the end, and such a unit is copied without it, member by member. A unit that lost all
    its samples has no shard.

    Units are moved one by one: as soon as a unit's shards are in place its note says where, and
    the file in the work folder goes. So a run that is stopped here goes on where it stood, a
    dataset that grows finds its old units, and the disk holds as many units twice as threads
    move them.

    Args:
        plan: The plan.
        work: The work folder with every unit done.
        results: Every unit's result.
        duplicates: What is left out.
    """

    def __init__(
        self,
        plan: Plan,
        work: WorkFolder,
        results: Sequence[UnitResult],
        duplicates: NearDuplicates,
    ) -> None:
        self._plan = plan
        self._work = work
        self._results = {result.name: result for result in results}
        self._duplicates = duplicates
        self._names: dict[tuple[str, str], str] = {}

    def write(
        self, done: Callable[[Unit, UnitLog], None], *, threads: int = 1
    ) -> list[ShardRecord]:
        """Write all shards of all subsets under their final names.

        Args:
            done: Called with each unit that is in place, in the order of the plan, and with its
                log as it is now.
            threads: How many units are moved side by side; it changes no byte.

        Returns:
            Their records, subset by subset, in path order.
        """
        filled = {
            split: [
                unit for unit in self._plan.units()
                if unit.split == split and self._duplicates.kept[unit.name]
            ]
            for split in schema.SPLITS
        }  # fmt: skip
        self._names = {
            (unit.name, subset): schema.shard_name(subset, split, index, len(found))
            for split, found in filled.items()
            for index, unit in enumerate(found)
            for subset in self._plan.subsets
        }
        self._clear_targets()
        units = self._plan.units()
        logs = map_in_order(self._move, units, threads)
        for unit, log in zip(units, logs, strict=True):
            done(unit, log)
        return [
            self._results[unit.name].shards[subset]
            for subset in self._plan.subsets
            for found in filled.values()
            for unit in found
        ]

    def _clear_targets(self) -> None:
        """Bring units out of the way that lie where another one belongs.

        That happens where a lost unit was built again and has more or fewer samples than before.
        """
        owners = {path: name for (name, _), path in self._names.items()}
        for result in self._results.values():
            for subset, record in result.shards.items():
                owner = owners.get(record.path)
                source = self._work.locate(result.name, subset, record)
                if source == self._work.output / record.path and owner not in (None, result.name):
                    link(source, self._work.shard_file(result.name, subset))

    def _move(self, unit: Unit) -> UnitLog:
        """Put a unit's shards in place, note it, and drop what the work folder has of them.

        A near-duplicate of an earlier sample stays one: what is before it never changes.
        """
        result, before = self._results[unit.name], self._work.log(unit.name)
        log = self._duplicates.split(before)
        ids = [str(item["id"]) for item in log.samples]
        shards = {
            subset: self._write_shard(unit.name, subset, self._names.get((unit.name, subset)), ids)
            for subset in self._plan.subsets
        }
        moved = replace(result, shards=shards, samples=len(ids))
        if moved != result or log is not before:
            self._work.note(unit, moved, log)
            self._results[unit.name] = moved
        for subset in self._plan.subsets:
            self._work.shard_file(unit.name, subset).unlink(missing_ok=True)
        return log

    def _write_shard(self, name: str, subset: str, path: str | None, ids: list[str]) -> ShardRecord:
        record = self._results[name].shards[subset]
        if path is None:
            return replace(record, index=(), crc32=())
        target = self._work.output / path
        source = self._work.locate(name, subset, record)
        if source is None:
            raise PortraitError(
                f"{self._work.shard_file(name, subset)}: gone since it was built; "
                "try: the same command again"
            )
        if record.ids() == ids:
            if source != target:
                link(source, target)
            return replace(record, path=path)
        with (
            ShardReader(source, record, self._plan.foreground_format) as reader,
            ShardWriter(target, self._plan.foreground_format) as writer,
        ):
            for key in ids:
                sample = reader.sample(key)
                writer.add(key, sample.foreground, sample.alpha, sample.json)
        return writer.record(path, subset, record.split).compact()
