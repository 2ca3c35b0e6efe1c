"""The whole way: a plan in, a publishable dataset folder out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from builder.files import WORK_FOLDER
from builder.generation import registry
from builder.pipeline.finish import finish_dataset
from builder.pipeline.output_folder import check_output, finished, freeze, sweep
from builder.pipeline.run_options import RunOptions
from builder.pipeline.unit_builder import RunReport, UnitBuilder
from builder.pipeline.work_folder import UnitResult, WorkFolder
from builder.plan import Plan
from ld_portrait_20k.common.in_order import map_in_order
from ld_portrait_20k.common.locks import held
from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.format.manifest import Manifest

Part = Literal["all", "units", "finish"]
"""What of a build to do: everything, only the shards, or only what comes after them."""


@dataclass
class BuildReport:
    """What a build led to.

    Attributes:
        output: The dataset folder.
        plan: Its plan.
        manifest: Its manifest; None as long as the dataset is not finished.
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
    plan: Plan, output: Path, run: RunOptions | None = None, *, part: Part = "all"
) -> BuildReport:
    """Build a planned dataset, or go on with one.

    Args:
        plan: What to build: of :func:`builder.pipeline.planner.plan_for_output`, or the one
            that is saved in the output already.
        output: The dataset folder; made if need be.
        run: How to run.
        part: ``units`` leaves finished shards to a later ``finish``, which builds none: the
            tasks of a cluster, and the job after them.

    Raises:
        PortraitError: Anything a person can put right: another plan in the output, a foreign
            folder, no space, a source or a device that is not there, nothing accepted.
    """
    run = run or RunOptions()
    report = BuildReport(output, plan)
    try:
        check_output(output, plan)
        if part != "finish":
            _check_generator(output, plan, run)
        with one_run(output, run):
            _build(report, run, part)
    except OSError as problem:
        raise _disk_error(problem, output) from problem
    if report.manifest is not None:
        about = report.manifest.about
        report.rejected = dict(about.get("rejected", {}))
        report.retried = dict(about.get("retried", {}))
        report.fidelity = dict(about.get("fidelity", {}))
    return report


def _build(report: BuildReport, run: RunOptions, part: Part) -> None:
    output, plan = report.output, report.plan
    report.manifest = finished(output, plan)
    if report.manifest is not None:
        return
    freeze(output, plan, run.source, at_once=run.units_twice())
    if run.world_size == 1:
        sweep(output)
    work = WorkFolder(output, plan)
    units = plan.units()
    own = () if part == "finish" else units[run.rank :: run.world_size]
    threads = run.packing_threads()
    loaded = map_in_order(work.load, own, threads)
    results = {done.name: done for done in loaded if done is not None}
    missing = [unit for unit in own if unit.name not in results]
    for unit in own:
        if unit.name in results:
            for shard in work.final_shards(unit, results[unit.name]):
                run.on_shard(*shard)
    report.run.found = len(results)
    planned = sum(len(unit.rows) for unit in own)
    run.on_begin(planned, planned - sum(len(unit.rows) for unit in missing))
    builder = UnitBuilder(plan, work, run)
    for result in builder.build(missing):
        results[result.name] = result
    report.run.built, report.run.seconds = builder.report.built, builder.report.seconds
    if part != "units":
        _finish_if_last(report, work, results, threads)


def _finish_if_last(
    report: BuildReport, work: WorkFolder, results: dict[str, UnitResult], threads: int
) -> None:
    """Finish the dataset where every unit is done: of several ranks, the last one finds that."""
    output, plan = report.output, report.plan
    with held(output / WORK_FOLDER / "lock.finish", str(output), wait=True):
        report.manifest = finished(output, plan)
        if report.manifest is not None:
            return
        others = [unit for unit in plan.units() if unit.name not in results]
        # Lengths first: only the last rank should read what all the others wrote.
        report.waiting_for = sum(work.load(unit, check=False) is None for unit in others)
        if not report.waiting_for:
            found = [done for done in map_in_order(work.load, others, threads) if done is not None]
            results.update({done.name: done for done in found})
            report.waiting_for = len(others) - len(found)
        if not report.waiting_for:
            in_order = [results[unit.name] for unit in plan.units()]
            report.manifest = finish_dataset(plan, work, in_order, threads=threads)


def _check_generator(output: Path, plan: Plan, run: RunOptions) -> None:
    """Fail before anything is written where this process cannot generate what is missing.

    Raises:
        PortraitError: No such device.
    """
    if finished(output, plan) is not None:
        return
    work, own = WorkFolder(output, plan), plan.units()[run.rank :: run.world_size]
    if any(work.load(unit, check=False) is None for unit in own):
        registry.check_ready(plan.header["generator"], run.generator_options(), len(plan.rows))


@contextmanager
def one_run(output: Path, run: RunOptions) -> Iterator[None]:
    """Lock an output: for one run alone, or for the ranks of one run together, each rank once.

    Raises:
        PortraitError: Another run is at work there.
    """
    folder = output / WORK_FOLDER
    several = run.world_size > 1
    with held(folder / "lock", str(output), shared=several):
        if not several:
            yield
            return
        name = f"{run.rank}-of-{run.world_size}"
        with held(folder / f"lock.{name}", f"{output}, rank {name}"):
            yield


def _disk_error(problem: OSError, output: Path) -> PortraitError:
    where = problem.filename or output
    reason = problem.strerror or type(problem).__name__
    return PortraitError(
        f"{where}: {reason}; what is done is kept: try: free or repair the disk, then run the "
        "same command again"
    )
