"""Writing a derived dataset: shards copied member by member, then card and manifest, verified."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builder.deriving.planning import Derivation
from builder.files import WORK_FOLDER
from builder.pipeline.disk import HEADROOM
from builder.pipeline.finish import finish_dataset
from builder.pipeline.output_folder import finished, refuse_foreign, sweep
from builder.pipeline.work_folder import UnitLog, UnitResult, WorkFolder
from builder.plan import Plan, Unit, difference
from ld_portrait_20k.common.locks import held
from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.format import schema
from ld_portrait_20k.format.integrity import verify
from ld_portrait_20k.format.manifest import FILE_NAME, Manifest
from ld_portrait_20k.format.shard_writer import ShardWriter
from ld_portrait_20k.format.shards import RawSample


@dataclass(frozen=True)
class DerivationReport:
    """What came of a derivation.

    Attributes:
        manifest: The new dataset's manifest.
        was_complete: Whether it was there already.
        written: Units written by this run.
        found: Units that an earlier run had written.
    """

    manifest: Manifest
    was_complete: bool = False
    written: int = 0
    found: int = 0


def write(
    derivation: Derivation,
    output: Path,
    progress: Callable[[int], object] = lambda samples: None,
) -> DerivationReport:
    """Write a planned dataset, or go on with one, and verify it.

    Args:
        derivation: What to write.
        output: The new folder; made if need be.
        progress: Called with the number of samples that were copied.

    Raises:
        PortraitError: Another dataset in the output, no space, a damaged source, or an output
            that is not what it should be.
    """
    plan = derivation.plan
    _refuse_source(derivation, output)
    manifest = finished(output, plan)
    if manifest is None:
        check_output(output, plan)
        _check_space(derivation, output)
        with held(output / WORK_FOLDER / "lock", str(output)):
            report = _write(derivation, output, progress)
    else:
        report = DerivationReport(manifest, was_complete=True)
    found = verify(output)
    if not found.ok:
        raise PortraitError(
            f"{output}: is not sound: {found.problems[0]}; try: delete it and run the same "
            "command again"
        )
    # Nothing can be added to a derived dataset, so its work folder is of no more use.
    shutil.rmtree(output / WORK_FOLDER, ignore_errors=True)
    return report


def check_output(output: Path, plan: Plan) -> None:
    """Check that a plan may be written to a folder.

    Raises:
        PortraitError: The folder holds other things or another plan.
    """
    saved = Plan.load(output / WORK_FOLDER)
    if (output / FILE_NAME).exists() and (saved is None or "derived" not in saved.header):
        raise PortraitError(f"{output}: holds another dataset; try: --output another folder")
    refuse_foreign(output)
    differing = None if saved is None else difference(saved, plan)
    if differing is not None:
        raise PortraitError(
            f"{output}: was begun otherwise: {differing}; try: the same command as before, or "
            "--output another folder"
        )


def _write(
    derivation: Derivation, output: Path, progress: Callable[[int], object]
) -> DerivationReport:
    plan = derivation.plan
    sweep(output)
    if Plan.load(output / WORK_FOLDER) is None:
        plan.save(output / WORK_FOLDER)
    work = WorkFolder(output, plan)
    results: list[UnitResult] = []
    written = 0
    logs = _logs(plan, derivation.rejected)
    for unit in plan.units():
        result = work.load(unit)
        if result is None:
            result = _copy(derivation, work, unit, logs.get(unit.name, ()))
            written += 1
        results.append(result)
        progress(len(unit.rows))
    manifest = finish_dataset(plan, work, results)
    return DerivationReport(manifest, written=written, found=len(results) - written)


def _logs(plan: Plan, rejected: Sequence[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """The lines of rejected attempts by unit: beside the sample that came of a later attempt."""
    units = list(plan.units())
    names = {row.id: unit.name for unit in units for row in unit.rows}
    logs: dict[str, list[dict[str, Any]]] = {}
    for line in rejected:
        logs.setdefault(names.get(line["id"], units[0].name), []).append(line)
    return logs


def _copy(
    derivation: Derivation, work: WorkFolder, unit: Unit, rejected: Sequence[dict[str, Any]]
) -> UnitResult:
    """Copy a unit's samples into its shards, subset by subset, and note that it is done."""
    shards = {}
    metadata: list[dict[str, Any]] = []
    for subset in work.subsets:
        path = work.shard_file(unit.name, subset)
        with ShardWriter(path, work.foreground_format) as writer:
            for row in unit.rows:
                number, old_id = derivation.origins[row.id]
                sample = derivation.sources[number].read(subset, old_id)
                content = _renumbered(sample, row.id)
                writer.add(row.id, sample.foreground, sample.alpha, content)
                if subset == "default":
                    metadata.append({**sample.declared_metadata(), "id": row.id})
        name = schema.shard_name(subset, unit.split, unit.index, unit.count)
        shards[subset] = writer.record(name, subset, unit.split).compact()
    for source in derivation.sources:
        source.close()
    result = UnitResult(unit.name, shards, len(metadata))
    work.note(unit, result, UnitLog(metadata, list(rejected)))
    return result


def _renumbered(sample: RawSample, new_id: str) -> bytes:
    """A sample's metadata as it is, or with its new id in it."""
    if sample.id == new_id:
        return sample.json
    return schema.encode_metadata({**sample.declared_metadata(), "id": new_id})


def _refuse_source(derivation: Derivation, output: Path) -> None:
    for source in derivation.sources:
        if os.path.realpath(output) == os.path.realpath(source.root):
            raise PortraitError(
                f"{output}: is a dataset to derive from; try: --output a new folder"
            )


def copied_bytes(derivation: Derivation) -> int:
    """About how many bytes the shards will have: the members of all samples that go over."""
    wanted: dict[int, set[str]] = {}
    for number, old_id in derivation.origins.values():
        wanted.setdefault(number, set()).add(old_id)
    return sum(
        derivation.sources[number].size(subset, ids)
        for subset in derivation.plan.subsets
        for number, ids in wanted.items()
    )


def _check_space(derivation: Derivation, output: Path) -> None:
    need = copied_bytes(derivation) + HEADROOM
    existing = next(path for path in (output, *output.resolve().parents) if path.exists())
    there = sum(path.stat().st_size for path in output.rglob("*.tar")) if output.exists() else 0
    free = shutil.disk_usage(existing).free + there
    if free < need:
        raise PortraitError(
            f"{output}: about {need / 2**30:.1f} GiB needed, {free / 2**30:.1f} GiB free; "
            "try: --output on a larger disk"
        )
