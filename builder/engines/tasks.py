"""The tasks of a build on several machines: what each makes, and when it counts as done."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from builder.config import BuildConfig
from builder.engines.heartbeat import Heartbeat
from builder.files import WORK_FOLDER, canonical_json, write_text
from builder.pipeline.build import BuildReport, build, finished
from builder.pipeline.unit_builder import RunOptions
from builder.pipeline.work_folder import UnitResult, WorkFolder
from builder.plan import Plan, Unit
from ld_portrait_20k.errors import PortraitError

READERS = 8
"""Threads that hash shards; hashing releases the interpreter's lock."""


@dataclass(frozen=True)
class TaskSpec:
    """All that a task needs beside its rank; it travels as JSON.

    Attributes:
        config: What to build.
        output: The dataset folder, absolute, at the same path on every machine.
        plan_hash: The frozen plan; a task refuses to work on another.
        tasks: Among how many tasks the shards are dealt: task ``r`` makes every
            ``tasks``-th shard from the ``r``-th on.
        workers: CPU processes of a task, 0 for none but itself, None for one a core.
        beats: Folder of heartbeats, where somebody watches them.
        exchange: URL of a folder that carries plan and shards where no file system is
            shared.
    """

    config: BuildConfig
    output: Path
    plan_hash: str
    tasks: int
    workers: int | None
    beats: Path | None = None
    exchange: str | None = None

    @property
    def state(self) -> Path:
        """Where logs and notes of these tasks lie, inside the work folder."""
        return self.output / WORK_FOLDER / "cluster" / f"{self.plan_hash[:12]}-{self.tasks}"

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        values: dict[str, Any] = json.loads(json.dumps(asdict(self), default=str))
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TaskSpec:
        """Back from :meth:`to_dict`."""
        config = dict(values["config"])
        for name in ("source", "prompts"):
            config[name] = None if config[name] is None else Path(config[name])
        known = {field.name for field in fields(cls)}
        rest = {key: value for key, value in values.items() if key in known - {"config"}}
        for name in ("output", "beats"):
            rest[name] = None if rest[name] is None else Path(rest[name])
        return cls(config=BuildConfig(**config), **rest)


def absolute(config: BuildConfig) -> BuildConfig:
    """The same configuration with paths that do not depend on the working folder."""
    changes: dict[str, Any] = {
        name: getattr(config, name).resolve()
        for name in ("source", "prompts")
        if getattr(config, name) is not None
    }
    if config.layer_diffusion:
        from builder.generation.layer_diffusion.repository import is_local

        changes["layer_diffusion"] = {
            key: str(Path(value).resolve()) if isinstance(value, str) and is_local(value) else value
            for key, value in config.layer_diffusion.items()
        }
    return replace(config, **changes)


def elsewhere(config: BuildConfig) -> BuildConfig:
    """A configuration whose numbers do not hang on whether this machine has a GPU.

    ``auto`` picks the dtype that the tasks' CUDA devices will: the plan names it.
    """
    options = config.layer_diffusion
    if config.generator != "layer-diffusion" or options.get("device", "auto") == "cpu":
        return config
    dtype = options.get("dtype", "auto")
    return replace(
        config,
        layer_diffusion={**options, "dtype": "float16" if dtype == "auto" else dtype},
    )


def planning(config: BuildConfig) -> BuildConfig:
    """The same plan, drawn up where no GPU is: the device is no part of it."""
    if config.generator != "layer-diffusion":
        return config
    return replace(config, layer_diffusion={**config.layer_diffusion, "device": "cpu"})


def units_of(plan: Plan, rank: int, tasks: int) -> list[Unit]:
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
    plan = frozen_plan(spec)
    options = RunOptions(
        workers=spec.workers,
        rank=rank,
        world_size=spec.tasks,
        on_sample=on_sample,
        on_unit=on_unit,
    )
    report = build(spec.config, spec.output, options, part="units")
    if report.manifest is None:
        work = WorkFolder(spec.output, plan)
        for unit in units_of(plan, rank, spec.tasks):
            if work.load(unit) is None:
                raise PortraitError(
                    f"{work.shard_file(unit.name, 'default')}: does not read back as it was "
                    "written; mend: look after that disk, then run the same command again"
                )
    return report.run.built


def frozen_plan(spec: TaskSpec) -> Plan:
    """The plan that was saved before the tasks were started.

    Raises:
        PortraitError: There is none, or it is another one.
    """
    plan = Plan.load(spec.output / WORK_FOLDER)
    if plan is None:
        raise PortraitError(
            f"{spec.output}: no plan there; mend: put --output on a file system that every "
            "machine sees at the same path"
        )
    if plan.hash != spec.plan_hash:
        raise PortraitError(
            f"{spec.output}: the plan changed since this task was submitted "
            f"({spec.plan_hash[:12]} then, {plan.hash[:12]} now); mend: submit again"
        )
    return plan


def finish(spec: TaskSpec) -> BuildReport:
    """Pack, describe and sign a dataset whose shards are all there; builds none itself.

    Raises:
        PortraitError: Shards are missing: their tasks are named, with what stopped them.
    """
    plan = frozen_plan(spec)
    report = build(planning(spec.config), spec.output, RunOptions(workers=0), part="finish")
    if report.manifest is None:
        ranks = pending_ranks(plan, missing_units(spec.output, plan), spec.tasks)
        raise PortraitError(unfinished(spec, ranks))
    return report


def failures(spec: TaskSpec, ranks: Sequence[int]) -> dict[int, str]:
    """What stopped tasks, by rank, where they could still say it."""
    found = {}
    for rank in ranks:
        if (note := note_file(spec, rank)).is_file():
            found[rank] = note.read_text(encoding="utf-8")
    return found


def forget_failures(spec: TaskSpec, ranks: Sequence[int]) -> None:
    """Remove what tasks said the last time, before they are started again."""
    for rank in ranks:
        note_file(spec, rank).unlink(missing_ok=True)


def unfinished(
    spec: TaskSpec, ranks: Sequence[int], otherwise: str = "they died without a word"
) -> str:
    """One line that says which tasks are not done, and why.

    Args:
        spec: The build.
        ranks: The tasks.
        otherwise: The reason where no task said one.
    """
    said = failures(spec, ranks)
    first = next(iter(said.items()), None)
    listed = ", ".join(map(str, ranks[:8])) + (", ..." if len(ranks) > 8 else "")
    reason = f"task {first[0]}: {first[1]}" if first else otherwise
    return (
        f"{spec.output}: {len(ranks)} of {spec.tasks} tasks are not done ({listed}); {reason}; "
        f"logs: {spec.state}; mend that and run the same command again"
    )


def save_spec(spec: TaskSpec, path: Path) -> None:
    """Write a spec where another process will read it."""
    write_text(path, canonical_json(spec.to_dict()) + "\n")


def note_file(spec: TaskSpec, rank: int) -> Path:
    """Where a task says what stopped it."""
    return spec.state / "errors" / f"{rank:05d}.txt"
