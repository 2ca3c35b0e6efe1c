"""The whole way: a configuration in, a publishable dataset folder out."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from builder.config import BuildConfig
from builder.files import WORK_FOLDER
from builder.generation import registry
from builder.pipeline.finish import finish
from builder.pipeline.lock import held
from builder.pipeline.planner import make_plan
from builder.pipeline.unit_builder import RunOptions, RunReport, UnitBuilder
from builder.pipeline.work_folder import UnitResult, WorkFolder
from builder.plan import Plan, difference, grows, settle
from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.manifest import FILE_NAME as MANIFEST_NAME
from ld_portrait_20k.manifest import Manifest

BYTES_A_PIXEL = 1.6
"""Upper end of what an encoded foreground and alpha take, in bytes a pixel (measured on the
procedural demo and on real portraits: 0.8 to 1.5)."""
HEADROOM = 64 * 2**20
Part = Literal["all", "units", "finish"]
"""What of a build to do: everything, only the shards, or only what comes after them."""


@dataclass
class BuildReport:
    """What a build led to.

    Attributes:
        output: The dataset folder.
        plan: Its plan.
        manifest: Its manifest; None after a dry run.
        rejected: Rejected samples that were not made up for, by reason.
        retried: Rejected attempts whose sample a later attempt filled, by reason.
        run: What this run did of it.
        waiting_for: Shards that other ranks have still to build; 0 when finished.
        fidelity: Mean SAD and MSE, raw and refined, where truth is known.
    """

    output: Path
    plan: Plan
    manifest: Manifest | None = None
    rejected: dict[str, int] = field(default_factory=dict)
    retried: dict[str, int] = field(default_factory=dict)
    run: RunReport = field(default_factory=RunReport)
    waiting_for: int = 0
    fidelity: dict[str, float] = field(default_factory=dict)

    @property
    def was_complete(self) -> bool:
        """Whether there was nothing left to do."""
        return self.manifest is not None and not self.run.built and not self.run.found


def build(
    config: BuildConfig,
    output: Path,
    options: RunOptions | None = None,
    *,
    part: Part = "all",
    on_plan: Callable[[Plan, int], None] = lambda plan, done: None,
) -> BuildReport:
    """Plan and build a dataset, or go on with one.

    Args:
        config: What to build.
        output: The dataset folder; made if need be.
        options: How to run.
        part: ``units`` leaves finished shards to a later ``finish``, which builds none: the
            tasks of a cluster, and the job after them.
        on_plan: Called once before work starts, with the plan and how many of its samples
            lie in units that are already done.

    Raises:
        PortraitError: Anything a person can mend: another plan in the output, a foreign
            folder, no space, a bad source or prompt file, nothing accepted.
    """
    options = options or RunOptions()
    options.source = config.source
    options.device_options = registry.device_options(config)
    if not 0 <= options.rank < options.world_size:
        raise PortraitError("--rank is 0 to one less than --world-size")
    plan, saved = plan_for(config, output)
    report = BuildReport(output, plan)
    try:
        with _locked(output, options):
            _build(report, saved, options, part, on_plan)
    except OSError as problem:
        raise _disk_error(problem, output) from problem
    if report.manifest is not None:
        about = report.manifest.about
        report.rejected = dict(about.get("rejected", {}))
        report.retried = dict(about.get("retried", {}))
        report.fidelity = dict(about.get("fidelity", {}))
    return report


def _build(
    report: BuildReport,
    saved: Plan | None,
    options: RunOptions,
    part: Part,
    on_plan: Callable[[Plan, int], None],
) -> None:
    output, plan = report.output, report.plan
    report.manifest = finished(output, plan)
    if report.manifest is not None:
        return
    if saved is None or saved.hash != plan.hash:
        _check_space(output, plan, 0 if saved is None else len(saved.rows))
        plan.save(output / WORK_FOLDER)
    if options.world_size == 1:
        _sweep(output)
    work = WorkFolder(output, plan)
    units = plan.units()
    results: dict[str, UnitResult] = {}
    own = [] if part == "finish" else units[options.rank :: options.world_size]
    for unit in own:
        done = work.load(unit)
        if done is not None:
            results[unit.name] = done
            for shard in work.final_shards(unit, done):
                options.on_shard(*shard)
    missing = [unit for unit in own if unit.name not in results]
    report.run.found = len(results)
    planned = sum(len(unit.rows) for unit in own)
    on_plan(plan, planned - sum(len(unit.rows) for unit in missing))
    builder = UnitBuilder(plan, work, options)
    for result in builder.build(missing):
        results[result.name] = result
    report.run.built, report.run.seconds = builder.report.built, builder.report.seconds
    if part == "units":
        return
    # Of several ranks the last to arrive here finds every unit done, and finishes.
    with held(output / WORK_FOLDER / "lock.finish", str(output), wait=True):
        report.manifest = finished(output, plan)
        if report.manifest is not None:
            return
        others = [unit for unit in units if unit.name not in results]
        # Lengths first: only the last rank should read what all the others wrote.
        report.waiting_for = sum(work.load(unit, check=False) is None for unit in others)
        for unit in others if not report.waiting_for else ():
            done = work.load(unit)
            if done is None:
                report.waiting_for += 1
            else:
                results[unit.name] = done
        if not report.waiting_for:
            report.manifest = finish(plan, work, [results[unit.name] for unit in units])


@contextmanager
def _locked(output: Path, options: RunOptions) -> Iterator[None]:
    """One run alone, or the ranks of one run together, each rank once."""
    folder = output / WORK_FOLDER
    several = options.world_size > 1
    with held(folder / "lock", str(output), shared=several):
        if not several:
            yield
            return
        name = f"{options.rank}-of-{options.world_size}"
        with held(folder / f"lock.{name}", f"{output}, rank {name}"):
            yield


def plan_for(config: BuildConfig, output: Path) -> tuple[Plan, Plan | None]:
    """The plan to build in an output folder, and the plan that is saved there.

    A larger count than the saved one adds a stage to it and changes nothing before.

    Returns:
        The plan, and the saved one or None for a fresh folder.

    Raises:
        PortraitError: A bad configuration or source; a file is in the way, the folder holds
            other things, or another plan.
    """
    plan = make_plan(config)
    if output.exists() and not output.is_dir():
        raise PortraitError(f"{output}: a file is in the way; mend: --output another folder")
    saved = Plan.load(output / WORK_FOLDER)
    if saved is None:
        strangers = [] if not output.exists() else [
            path.name for path in sorted(output.iterdir()) if path.name != WORK_FOLDER
        ]  # fmt: skip
        if strangers:
            raise PortraitError(
                f"{output}: holds {strangers[0]!r} and no plan of ours; "
                "mend: --output a new or empty folder"
            )
        return plan, None
    plan = settle(saved, plan, config.shards)
    differing = None if grows(saved, plan) else difference(saved, plan)
    if differing is not None:
        raise PortraitError(
            f"{output}: was planned otherwise: {differing}; "
            "mend: the same options as before, or --output another folder"
        )
    if saved.environment != plan.environment and finished(output, plan) is None:
        name = next(k for k in plan.environment if saved.environment.get(k) != plan.environment[k])
        raise PortraitError(
            f"{output}: begun with {name} {saved.environment.get(name)}, here is "
            f"{plan.environment[name]}: bytes could differ; mend: install that version, "
            "or --output another folder"
        )
    return plan, saved


def finished(output: Path, plan: Plan) -> Manifest | None:
    """The manifest of a finished output whose files are all there with their sizes.

    ``python -m builder verify`` compares the hashes too.
    """
    if not (output / MANIFEST_NAME).exists():
        return None
    try:
        manifest = Manifest.load(output)
    except PortraitError:
        return None
    if manifest.plan_hash != plan.hash:
        return None
    sizes = {shard.path: shard.bytes for shard in manifest.shards}
    sizes.update({path: int(item["bytes"]) for path, item in manifest.files.items()})
    for path, size in sizes.items():
        file = output / path
        if not file.is_file() or file.stat().st_size != size:
            return None
    return manifest


def _sweep(output: Path) -> None:
    """Remove the temporary files of runs that were killed; nobody else is at work here."""
    for folder in (output, *(path for path in output.iterdir() if path.is_dir())):
        for pattern in (".*.tmp", ".*.part"):
            for path in folder.glob(pattern):
                path.unlink(missing_ok=True)
    for pattern in (".*.tmp", ".*.part"):
        for path in (output / WORK_FOLDER).rglob(pattern):
            path.unlink(missing_ok=True)


def _check_space(output: Path, plan: Plan, built: int) -> None:
    pixels = sum(row.width * row.height for row in plan.rows[built:])
    needed = int(pixels * BYTES_A_PIXEL * len(plan.subsets)) + HEADROOM
    existing = next(path for path in (output, *output.resolve().parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if free < needed:
        raise PortraitError(
            f"{output}: about {needed / 2**30:.1f} GiB needed, {free / 2**30:.1f} GiB free; "
            "mend: --output on a larger disk, a smaller --count, or --foreground-format jpeg"
        )


def _disk_error(problem: OSError, output: Path) -> PortraitError:
    where = problem.filename or output
    reason = problem.strerror or type(problem).__name__
    return PortraitError(
        f"{where}: {reason}; what is done is kept: mend that and run the same command again"
    )
