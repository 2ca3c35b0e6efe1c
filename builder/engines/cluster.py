"""Builds on several processes or machines, through datatrove's executors.

One way for all engines: the submitting process freezes the plan, hashes the shards that are
there already, and hands out only the tasks that own a missing one. A task builds, then reads
its shards back before it counts as done. Finishing (packing, card, manifest) happens once,
when all is there:

- ``local``, ``ray``, ``jobs``: in the submitting process, which waits for the tasks anyway.
- ``slurm``: in a job of its own that depends on the array (``afterany``), not in the last
  task. It needs no GPU and leaves the last task's to others, it relies on no file lock
  between nodes (many cluster file systems have none), and it runs when tasks failed too, so
  that somebody says which: with ``afterok`` it would sit in the queue for ever.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from builder.config import BuildConfig
from builder.engines import tasks as task_module
from builder.engines.options import ClusterOptions, Submission
from builder.engines.supervision import supervise
from builder.engines.tasks import TaskSpec
from builder.files import WORK_FOLDER
from builder.pipeline.build import BuildReport, build
from builder.pipeline.lock import held
from builder.pipeline.unit_builder import RunOptions
from builder.plan import Plan
from ld_portrait_20k.errors import PortraitError, missing_extra


def launch(
    config: BuildConfig,
    output: Path,
    options: ClusterOptions,
    *,
    on_samples: Callable[[int], object] = lambda count: None,
) -> BuildReport | Submission:
    """Build a dataset with an engine, or go on with one.

    Args:
        config: What to build.
        output: The dataset folder; made if need be.
        options: Where and how.
        on_samples: Called with how many samples this run has ended so far.

    Returns:
        The finished build, or what was submitted where the engine does not wait.

    Raises:
        PortraitError: As :func:`run_tasks`.
    """
    submission = run_tasks(config, output, options, on_samples=on_samples)
    if submission is not None:
        return submission
    return build(home_config(config), output.resolve(), RunOptions(workers=0), part="finish")


def run_tasks(
    config: BuildConfig,
    output: Path,
    options: ClusterOptions,
    *,
    on_samples: Callable[[int], object] = lambda count: None,
) -> Submission | None:
    """Have every shard made; finishing the dataset is left to the caller.

    Args:
        config: What to build.
        output: The dataset folder; made if need be.
        options: Where and how.
        on_samples: Called with how many samples this run has ended so far.

    Returns:
        None when every shard is there and hashes right; what was submitted where the
        engine does not wait.

    Raises:
        PortraitError: As :func:`builder.pipeline.build.build`; also a package or program of the
            engine that is missing, an earlier submission that still runs, and tasks that
            failed, named with their reason.
    """
    _require(options)
    if options.engine == "slurm":
        from builder.engines import slurm

        slurm.refuse_while_running(output)
    config, output = task_module.elsewhere(task_module.absolute(config)), output.resolve()
    report = build(task_module.planning(config), output, RunOptions(workers=0), part="finish")
    if report.manifest is not None:
        return None
    with held(output / WORK_FOLDER / "lock.engine", str(output)):
        return _run_tasks(config, report, options, on_samples)


def _run_tasks(
    config: BuildConfig,
    report: BuildReport,
    options: ClusterOptions,
    on_samples: Callable[[int], object],
) -> Submission | None:
    output = report.output
    spec = make_spec(config, output, report.plan, options)
    if options.engine == "slurm":
        from builder.engines import slurm

        return slurm.submit(spec, report.plan, options)
    if options.engine == "jobs":
        from builder.engines import jobs

        jobs.run(spec, report.plan, options)
    else:
        supervise(spec, options, on_samples)
    missing = task_module.missing_units(output, report.plan)
    if missing:
        ranks = task_module.pending_ranks(report.plan, missing, spec.tasks)
        raise PortraitError(task_module.unfinished(spec, ranks))
    return None


def home_config(config: BuildConfig) -> BuildConfig:
    """The configuration for the machine that plans and finishes; it may have no GPU."""
    return task_module.planning(task_module.elsewhere(task_module.absolute(config)))


def make_spec(config: BuildConfig, output: Path, plan: Plan, options: ClusterOptions) -> TaskSpec:
    """What every task is told.

    Raises:
        PortraitError: More tasks than shards, or none.
    """
    shards = len(plan.units())
    tasks = options.tasks or shards
    if tasks > shards:
        raise PortraitError(f"--tasks is 1 to {shards}, the number of shards")
    workers = options.workers
    if workers is None and options.engine != "jobs":  # a Job has its machine for itself
        workers = options.cpus_per_task
    exchange = options.exchange if options.engine == "jobs" else None
    return TaskSpec(config, output, plan.hash, tasks, workers, exchange=exchange)


def explain(config: BuildConfig, output: Path, options: ClusterOptions) -> str:
    """What :func:`launch` would do; nothing is written and nothing submitted.

    Returns:
        The sbatch script for Slurm; a description of the run for others.

    Raises:
        PortraitError: As :func:`launch`, as far as it can be known beforehand.
    """
    from builder.pipeline.build import plan_for

    _require(options, submitting=False)
    config, output = task_module.elsewhere(task_module.absolute(config)), output.resolve()
    plan, _ = plan_for(task_module.planning(config), output)
    spec = make_spec(config, output, plan, options)
    missing = task_module.missing_units(output, plan)
    pending = task_module.pending_ranks(plan, missing, spec.tasks)
    if options.engine == "slurm":
        from builder.engines import slurm

        return slurm.scripts(spec, pending, options)
    lines = [
        f"engine     {options.engine}, {len(pending)} of {spec.tasks} tasks to run, "
        f"{len(missing)} shards",
        f"a task     {options.cpus_per_task} CPUs, {options.gpus_per_task} GPUs, "
        f"worker processes {'one a core' if spec.workers is None else spec.workers}",
        f"at a time  {options.parallel or 'as many as there is room for'}",
        f"logs       {spec.state}",
    ]
    if options.engine == "ray":
        lines.append(f"cluster    {options.ray_address or 'RAY_ADDRESS, or this machine'}")
    if options.engine == "jobs":
        from builder.engines import jobs

        lines += jobs.describe(spec, options)
    return "\n".join(lines)


def _require(options: ClusterOptions, *, submitting: bool = True) -> None:
    if find_spec("datatrove") is None:
        raise missing_extra("datatrove", "cluster")
    if options.engine == "ray" and find_spec("ray") is None:
        # Not in the extra: it is far larger than all the rest, and a cluster has its own.
        raise PortraitError(
            "--engine ray needs ray, which is not installed: pip install ray, in the version "
            "of the cluster"
        )
    if options.engine == "slurm" and submitting and shutil.which("sbatch") is None:
        raise PortraitError(
            "sbatch: not found; mend: run this where Slurm's commands are, or look at the "
            "script with --dry-run"
        )
    if options.engine == "jobs" and "://" not in (options.exchange or ""):
        raise PortraitError(
            "--engine jobs needs --exchange hf://buckets/NAME/BUCKET: Jobs share no disk "
            "with this machine"
        )
