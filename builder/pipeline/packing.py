"""From finished units to the final shards: near-duplicates left out, shards of equal size."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any

from builder.pipeline.work_folder import UnitResult, WorkFolder
from builder.plan import Plan, Unit, equal_parts
from builder.quality import find_duplicates
from ld_portrait_20k import schema
from ld_portrait_20k.files import link
from ld_portrait_20k.manifest import ShardRecord
from ld_portrait_20k.shard_reader import ShardReader
from ld_portrait_20k.shard_writer import ShardWriter


@dataclass(frozen=True)
class AcceptedSamples:
    """The samples of finished units that enter the dataset, and those that do not.

    Attributes:
        samples: Metadata of the samples, in id order.
        rejected: Log lines of all rejected attempts and near-duplicates, in id and attempt order.
    """

    samples: list[dict[str, Any]]
    rejected: list[dict[str, Any]]


def accepted_samples(
    results: Iterable[UnitResult], *, max_distance: int, reject: bool = True
) -> AcceptedSamples:
    """Gather the accepted samples and leave out near-duplicates of an earlier one.

    Args:
        results: Every finished unit.
        max_distance: Bits in which the hashes of near-duplicates differ at most.
        reject: Whether near-duplicates are left out.
    """
    results = list(results)
    samples = sorted((item for result in results for item in result.samples), key=_id)
    rejected = [line for result in results for line in result.rejected]
    hashes = [item["quality"]["perceptual_hash"] for item in samples]
    duplicates = find_duplicates(hashes, max_distance) if reject else []
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
    return AcceptedSamples(kept, sorted(rejected, key=lambda line: (line["id"], line["attempt"])))


def _id(item: dict[str, Any]) -> str:
    return str(item["id"])


class Packer:
    """Writes the final shards of a dataset from its finished units.

    A split keeps its planned number of shards (fewer only if it has fewer samples). Its samples
    are divided over them in id order, in numbers that differ by one at most; each stage of
    growth is divided by itself. A shard that has exactly the samples of a unit is a link to that
    unit's file. Any other shard is copied member by member, and nothing is decoded.

    Args:
        plan: The plan.
        work: The work folder with every unit done.
        results: Every unit's result.
    """

    def __init__(self, plan: Plan, work: WorkFolder, results: Sequence[UnitResult]) -> None:
        self._plan = plan
        self._work = work
        self._results = list(results)

    def write(self, accepted: AcceptedSamples) -> list[ShardRecord]:
        """Write all shards of all subsets under their final names.

        Returns:
            Their records, subset by subset, in path order.
        """
        taken = {item["id"] for item in accepted.samples}
        parts: dict[str, list[Sequence[str]]] = {}
        for split, units in self._stages():
            ids = [row.id for unit in units for row in unit.rows if row.id in taken]
            count = min(len(units), len(ids))
            parts.setdefault(split, []).extend(equal_parts(ids, count) if count else [])
        records = [
            self._write_shard(subset, split, index, len(cut), tuple(ids))
            for subset in self._plan.subsets
            for split, cut in parts.items()
            for index, ids in enumerate(cut)
        ]
        self._note_places(records)
        return records

    def _stages(self) -> list[tuple[str, list[Unit]]]:
        """The units of each stage and split, in the order in which the plan has them."""
        bounds = list(accumulate(samples for samples, _ in self._plan.stages))
        found: dict[tuple[str, int], list[Unit]] = {}
        for unit in self._plan.units():
            stage = bisect_right(bounds, int(unit.rows[0].id.rpartition("-")[2]))
            found.setdefault((unit.split, stage), []).append(unit)
        return [(split, units) for (split, _), units in found.items()]

    def _note_places(self, records: Sequence[ShardRecord]) -> None:
        """Record final shard paths in the units' notes.

        This comes before the links in the work folder are deleted.
        """
        place = {(record.subset, record.sha256): record for record in records}
        units = {unit.name: unit for unit in self._plan.units()}
        for result in self._results:
            moved = {
                subset: place.get((subset, record.sha256), record)
                for subset, record in result.shards.items()
            }
            if moved != result.shards:
                self._work.note(units[result.name], replace(result, shards=moved))

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
                    link(source, target)
                return replace(record, path=path)
        with ShardWriter(target, self._plan.foreground_format) as writer:
            self._copy(subset, ids, writer)
        return writer.record(path, subset, split)

    def _copy(self, subset: str, ids: Sequence[str], writer: ShardWriter) -> None:
        wanted = set(ids)
        found: dict[str, ShardReader] = {}
        for result in self._results:
            record = result.shards[subset]
            source = self._work.locate(result.name, subset, record)
            if source is not None:
                reader = ShardReader(source, record, self._plan.foreground_format)
                found.update(dict.fromkeys(wanted.intersection(record.ids()), reader))
        with ExitStack() as stack:
            for reader in set(found.values()):
                stack.enter_context(reader)
            for key in ids:
                sample = found[key].sample(key)
                writer.add(key, sample.foreground, sample.alpha, sample.json)
