"""The tasks of a build on several machines: which shards each builds, and when it is done."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from builder.engines import slurm_queue
from builder.engines.heartbeat import Heartbeat
from builder.files import WORK_FOLDER, write_text
from builder.pipeline.build import BuildReport, build
from builder.pipeline.output_folder import finished, frozen_plan
from builder.pipeline.run_options import RunOptions
from builder.pipeline.work_folder import UnitResult, WorkFolder
from builder.plan import Plan, Unit
from ld_portrait_20k.errors import PortraitError

NO_MESSAGE = "they were killed and left no message"
READERS = 8
"""Threads that hash shards; hashing releases the interpreter's lock."""


@dataclass(frozen=True)
class TaskSpec:
    """All that a task needs beside its rank; it travels as JSON.

    What to build is not in here: a task reads the plan that is saved in the output.

    Attributes:
        output: The dataset folder, absolute, at the same path on every machine.
        plan_hash: The saved plan; a task refuses to work on another.
        tasks: How many tasks share the shards: task ``r`` builds every ``tasks``-th shard
            from the ``r``-th on.
        run: How a task is run, its paths absolute; the rank is each task's own.
        beats: Folder of heartbeats; None where no watchdog reads them.
        exchange: URL of a folder that carries plan and shards where no file system is
            shared.
    """

    output: Path
    plan_hash: str
    tasks: int
    run: RunOptions
    beats: Path | None = None
    exchange: str | None = None

    @property
    def state(self) -> Path:
        """Where logs and notes of these tasks lie, inside the work folder."""
        return self.output / WORK_FOLDER / "cluster" / f"{self.plan_hash[:12]}-{self.tasks}"

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {
            "output": str(self.output),
            "plan_hash": self.plan_hash,
            "tasks": self.tasks,
            "run": self.run.to_dict(),
            "beats": None if self.beats is None else str(self.beats),
            "exchange": self.exchange,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TaskSpec:
        """Back from :meth:`to_dict`."""
        beats = values["beats"]
        return cls(
            output=Path(values["output"]),
            plan_hash=values["plan_hash"],
            tasks=values["tasks"],
            run=RunOptions.from_dict(values["run"]),
            beats=None if beats is None else Path(beats),
            exchange=values["exchange"],
        )


def units_of(plan: Plan, rank: int, tasks: int) -> tuple[Unit, ...]:
    """The shards that a task makes."""
    return plan.units()[rank::tasks]


def missing_units(output: Path, plan: Plan) -> list[Unit]:
    """The shards that are not there or do not hash to what their note says.

    A finished dataset misses none, even where packing took a shard apart.
    """
    if finished(output, plan) is not None:
        return []
    work, units = WorkFolder(output, plan), plan.units()
    with ThreadPoolExecutor(READERS) as threads:
        found = list(threads.map(work.load, units))
    return [unit for unit, result in zip(units, found, strict=True) if result is None]


def pending_ranks(plan: Plan, missing: Iterable[Unit], tasks: int) -> list[int]:
    """The tasks that own a missing shard, in order."""
    rank_of = {unit.name: number % tasks for number, unit in enumerate(plan.units())}
    return sorted({rank_of[unit.name] for unit in missing})


def run_task(
    spec: TaskSpec, rank: int, on_unit: Callable[[UnitResult], None] = lambda _: None
) -> int:
    """Make a task's shards that are not there yet, and read them back.

    Args:
        spec: The build.
        rank: Which task, 0 to ``spec.tasks - 1``.
        on_unit: Called with every shard that was made.

    Returns:
        How many shards were made now.

    Raises:
        PortraitError: Another plan lies in the output, a shard does not read back as it was
            written, or as :func:`builder.pipeline.build.build`. The reason is noted for
            :func:`failures` too.
    """
    note = note_file(spec, rank)
    note.unlink(missing_ok=True)
    pulse = Heartbeat(spec.beats / f"{rank:05d}.json") if spec.beats else None
    try:
        with pulse or nullcontext():
            return _run_task(spec, rank, pulse.sample if pulse else lambda: None, on_unit)
    except Exception as problem:
        write_text(note, str(problem) or type(problem).__name__)
        raise


def _run_task(
    spec: TaskSpec,
    rank: int,
    on_sample: Callable[[], None],
    on_unit: Callable[[UnitResult], None],
) -> int:
    plan = frozen_plan(spec.output, spec.plan_hash)
    run = replace(spec.run, rank=rank, world_size=spec.tasks, on_sample=on_sample, on_unit=on_unit)
    report = build(plan, spec.output, run, part="units")
    if report.manifest is None:
        work = WorkFolder(spec.output, plan)
        for unit in units_of(plan, rank, spec.tasks):
            if work.load(unit) is None:
                raise PortraitError(
                    f"{work.shard_file(unit.name, 'default')}: does not read back as it was "
                    "written; try: check that disk, then run the same command again"
                )
    return report.run.built


def finish_tasks(spec: TaskSpec) -> BuildReport:
    """Finish a dataset whose shards are all there; none is built here.

    Raises:
        PortraitError: Shards are missing: their tasks are named, with what stopped them.
    """
    plan = frozen_plan(spec.output, spec.plan_hash)
    report = build(plan, spec.output, RunOptions(workers=0), part="finish")
    if report.manifest is None:
        ranks = pending_ranks(plan, missing_units(spec.output, plan), spec.tasks)
        ended = slurm_queue.endings(spec.output)
        raise PortraitError(unfinished(spec, ranks, ended or NO_MESSAGE))
    return report


def failures(spec: TaskSpec, ranks: Sequence[int]) -> dict[int, str]:
    """What stopped tasks, by rank, where they left a message."""
    found = {}
    for rank in ranks:
        if (note := note_file(spec, rank)).is_file():
            found[rank] = note.read_text(encoding="utf-8")
    return found


def forget_failures(spec: TaskSpec, ranks: Sequence[int]) -> None:
    """Remove the messages of an earlier run, before tasks are started again."""
    for rank in ranks:
        note_file(spec, rank).unlink(missing_ok=True)


def unfinished(spec: TaskSpec, ranks: Sequence[int], otherwise: str = NO_MESSAGE) -> str:
    """One line that says which tasks are not done, and why.

    Args:
        spec: The build.
        ranks: The tasks.
        otherwise: The reason where no task left a message.
    """
    said = failures(spec, ranks)
    first = next(iter(said.items()), None)
    listed = ", ".join(map(str, ranks[:8])) + (", ..." if len(ranks) > 8 else "")
    reason = f"task {first[0]}: {first[1]}" if first else otherwise
    return (
        f"{spec.output}: {len(ranks)} of {spec.tasks} tasks are not done ({listed}); {reason}; "
        f"logs: {_logs(spec)}; try: the same command again once that is put right"
    )


def _logs(spec: TaskSpec) -> Path:
    """Where to look: tasks of Slurm write into a folder of its own."""
    of_slurm = spec.state / "logs" / "slurm_logs"
    return of_slurm if of_slurm.is_dir() else spec.state


def note_file(spec: TaskSpec, rank: int) -> Path:
    """Where a task leaves a message on what stopped it."""
    return spec.state / "errors" / f"{rank:05d}.txt"
