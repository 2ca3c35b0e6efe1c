"""Builds on several processes or machines, through datatrove's executors.

All engines work the same way: the submitting process saves the plan in the output, hashes the
shards that are there already, and hands out only the tasks that own a missing one. A task
reads the plan, builds, then reads its shards back before it counts as done. Finishing
(packing, card, manifest) happens once, when all shards are there:

- ``local``, ``ray``, ``jobs``: in the submitting process, which waits for the tasks anyway.
- ``slurm``: in a job of its own that depends on the array (``afterany``), not in the last
  task. That job needs no GPU and no file lock between nodes (many cluster file systems have
  none), and it runs when tasks failed too, to name them: with ``afterok`` it would wait in the
  queue for ever.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from builder.engines import tasks as task_module
from builder.engines.options import ClusterOptions, Submission
from builder.engines.supervision import supervise
from builder.engines.tasks import TaskSpec
from builder.files import WORK_FOLDER
from builder.pipeline.build import one_run
from builder.pipeline.output_folder import check_output, finished, freeze
from builder.pipeline.run_options import RunOptions
from builder.plan import Plan
from ld_portrait_20k.common.locks import held
from ld_portrait_20k.errors import PortraitError, missing_extra


def check_engine(
    output: Path, run: RunOptions, options: ClusterOptions, *, submitting: bool = True
) -> None:
    """Check that an engine can be used, before anything is planned.

    Args:
        output: The dataset folder.
        run: How a task would be run.
        options: Where and how.
        submitting: Whether tasks will be handed in, or only described.

    Raises:
        PortraitError: A package or program of the engine is missing, an earlier submission
            still runs, or tasks could not see what they need.
    """
    _require(options, submitting=submitting)
    if options.engine == "slurm" and submitting:
        from builder.engines import slurm

        slurm.refuse_while_running(output)
    if options.engine == "jobs":
        for folder in filter(None, (run.source, *run.model_folders.values())):
            raise PortraitError(
                f"{folder}: Jobs cannot see this folder; try: another --engine, or a --generator "
                "and models that need no folder of this machine"
            )


def run_tasks(
    plan: Plan,
    output: Path,
    run: RunOptions,
    options: ClusterOptions,
    *,
    on_samples: Callable[[int], object] = lambda count: None,
) -> Submission | None:
    """Have every shard of a plan made; finishing the dataset is left to the caller.

    Args:
        plan: What to build.
        output: The dataset folder; made if need be.
        run: How a task is run; its rank and callbacks are not used.
        options: Where and how.
        on_samples: Called with how many samples this run has ended so far.

    Returns:
        None when every shard is there and hashes right; what was submitted where the
        engine does not wait.

    Raises:
        PortraitError: As :func:`check_engine` and :func:`builder.pipeline.build.build`; also
            tasks that failed, named with their reason.
    """
    output = output.resolve()
    check_engine(output, run, options)
    check_output(output, plan)
    if finished(output, plan) is not None:
        return None
    spec = make_spec(plan, output, run, options)
    with one_run(output, RunOptions()):
        # Tasks on machines of their own make their units on their own disks.
        freeze(
            output, plan, run.source, at_once=run.units_twice(1 if spec.exchange else spec.tasks)
        )
    with held(output / WORK_FOLDER / "lock.engine", str(output)):
        return _run_tasks(plan, spec, options, on_samples)


def _run_tasks(
    plan: Plan, spec: TaskSpec, options: ClusterOptions, on_samples: Callable[[int], object]
) -> Submission | None:
    if options.engine == "slurm":
        from builder.engines import slurm

        return slurm.submit(spec, plan, options)
    if options.engine == "jobs":
        from builder.engines import jobs

        jobs.run(spec, plan, options)
    else:
        supervise(spec, options, on_samples)
    missing = task_module.missing_units(spec.output, plan)
    if missing:
        ranks = task_module.pending_ranks(plan, missing, spec.tasks)
        raise PortraitError(task_module.unfinished(spec, ranks))
    return None


def make_spec(plan: Plan, output: Path, run: RunOptions, options: ClusterOptions) -> TaskSpec:
    """What every task is told.

    Raises:
        PortraitError: More tasks than shards.
    """
    shards = len(plan.units())
    tasks = options.tasks or shards
    if tasks > shards:
        raise PortraitError(f"--tasks is 1 to {shards}, the number of shards")
    workers = options.workers
    if workers is None and options.engine != "jobs":  # a Job has its machine for itself
        workers = options.cpus_per_task
    exchange = options.exchange if options.engine == "jobs" else None
    task_run = RunOptions.from_dict({**run.to_dict(), "workers": workers, "rank": 0})
    return TaskSpec(output, plan.hash, tasks, task_run, exchange=exchange)


def explain(plan: Plan, output: Path, run: RunOptions, options: ClusterOptions) -> str:
    """What :func:`run_tasks` would do; nothing is written and nothing submitted.

    Returns:
        The sbatch script for Slurm; a description of the run for others.

    Raises:
        PortraitError: As :func:`run_tasks`, as far as it can be known beforehand.
    """
    output = output.resolve()
    check_engine(output, run, options, submitting=False)
    spec = make_spec(plan, output, run, options)
    missing = task_module.missing_units(output, plan)
    pending = task_module.pending_ranks(plan, missing, spec.tasks)
    if options.engine == "slurm":
        from builder.engines import slurm

        return slurm.scripts(spec, pending, options)
    workers = spec.run.workers
    lines = [
        f"engine     {options.engine}, {len(pending)} of {spec.tasks} tasks to run, "
        f"{len(missing)} shards",
        f"a task     {options.cpus_per_task} CPUs, {options.gpus_per_task} GPUs, "
        f"worker processes {'one a core' if workers is None else workers}",
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
            "sbatch: not found; try: run this where Slurm's commands are, or look at the "
            "script with --dry-run"
        )
    if options.engine == "jobs":
        from builder.engines import jobs

        jobs.check(options)
