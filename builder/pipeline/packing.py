"""From finished units to the final shards: a shard a unit, near-duplicates left out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from builder.pipeline.work_folder import UnitResult, WorkFolder
from builder.plan import Plan, Unit
from builder.quality import find_duplicates
from ld_portrait_20k import schema
from ld_portrait_20k.errors import PortraitError
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


def accepted_samples(results: Iterable[UnitResult], *, max_distance: int | None) -> AcceptedSamples:
    """Gather the accepted samples and leave out near-duplicates of an earlier one.

    Args:
        results: Every finished unit.
        max_distance: Bits in which the hashes of near-duplicates differ at most; None keeps
            them.
    """
    results = list(results)
    samples = sorted((item for result in results for item in result.samples), key=_id)
    rejected = [line for result in results for line in result.rejected]
    hashes = [item["quality"]["perceptual_hash"] for item in samples]
    duplicates = [] if max_distance is None else find_duplicates(hashes, max_distance)
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
    """Gives the finished units of a dataset their final names.

    A shard is the accepted samples of one unit, so a sample that is lost changes its own shard
    and no other. What is lost while a unit is built is not in its file; a near-duplicate is found
    only at the end, and such a unit is copied without it, member by member. A unit that lost all
    its samples has no shard.

    Units are moved one by one: as soon as a unit's shards are in place its note says where, and
    the file in the work folder goes. So a run that is stopped here goes on where it stood, a
    dataset that grows finds its old units, and the disk holds one unit twice at most.

    Args:
        plan: The plan.
        work: The work folder with every unit done.
        results: Every unit's result.
    """

    def __init__(self, plan: Plan, work: WorkFolder, results: Sequence[UnitResult]) -> None:
        self._plan = plan
        self._work = work
        self._results = {result.name: result for result in results}

    def write(self, accepted: AcceptedSamples) -> list[ShardRecord]:
        """Write all shards of all subsets under their final names.

        Returns:
            Their records, subset by subset, in path order.
        """
        taken = {item["id"] for item in accepted.samples}
        lines: dict[str, list[dict[str, Any]]] = {}
        for line in accepted.rejected:
            lines.setdefault(line["id"], []).append(line)
        units = {split: [unit for unit in self._plan.units() if unit.split == split]
                 for split in schema.SPLITS}  # fmt: skip
        filled = {
            split: [unit for unit in found if self._kept(unit, taken)]
            for split, found in units.items()
        }
        names = {
            (unit.name, subset): schema.shard_name(subset, split, index, len(found))
            for split, found in filled.items()
            for index, unit in enumerate(found)
            for subset in self._plan.subsets
        }
        self._clear_targets(names)
        for unit in self._plan.units():
            self._move(unit, names, self._kept(unit, taken), lines)
        return [
            self._results[unit.name].shards[subset]
            for subset in self._plan.subsets
            for found in filled.values()
            for unit in found
        ]

    def _kept(self, unit: Unit, taken: set[str]) -> list[dict[str, Any]]:
        return [item for item in self._results[unit.name].samples if item["id"] in taken]

    def _clear_targets(self, names: dict[tuple[str, str], str]) -> None:
        """Bring units out of the way that lie where another one belongs.

        That happens where a lost unit was built again and has more or fewer samples than before.
        """
        owners = {path: name for (name, _), path in names.items()}
        for result in self._results.values():
            for subset, record in result.shards.items():
                owner = owners.get(record.path)
                source = self._work.locate(result.name, subset, record)
                if source == self._work.output / record.path and owner not in (None, result.name):
                    link(source, self._work.shard_file(result.name, subset))

    def _move(
        self,
        unit: Unit,
        names: dict[tuple[str, str], str],
        kept: list[dict[str, Any]],
        lines: dict[str, list[dict[str, Any]]],
    ) -> None:
        """Put a unit's shards in place, note it, and drop what the work folder has of them."""
        result = self._results[unit.name]
        ids = [str(item["id"]) for item in kept]
        staying = set(ids)
        shards = {
            subset: self._write_shard(unit.name, subset, names.get((unit.name, subset)), ids)
            for subset in self._plan.subsets
        }
        lost = {item["id"] for item in result.samples} - staying
        # Near-duplicates of earlier samples stay so: what is before them never changes.
        rejected = [line for line in result.rejected if line["id"] not in lost]
        rejected += [line for key in lost for line in lines[key]]
        rejected.sort(key=lambda line: (line["id"], line["attempt"]))
        moved = replace(result, shards=shards, samples=kept, rejected=rejected)
        if moved != result:
            self._work.note(unit, moved)
            self._results[unit.name] = moved
        for subset in self._plan.subsets:
            self._work.shard_file(unit.name, subset).unlink(missing_ok=True)

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
        return writer.record(path, subset, record.split)
