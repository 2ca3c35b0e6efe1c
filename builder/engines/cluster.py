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

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

from builder.build import BuildReport, build
from builder.config import BuildConfig
from builder.engines import tasks as task_module
from builder.engines.driver import ROOT, Drive
from builder.engines.heartbeat import Limits, Watch
from builder.engines.tasks import TaskSpec
from builder.files import write_text
from builder.plan import Plan
from builder.run import RunOptions
from ld_portrait_20k.errors import PortraitError, missing_extra

ENGINES = ("local", "slurm", "ray", "jobs")
FRUITLESS = 3
"""A run is given up after so many starts in a row that brought no shard."""
POLL = 0.5
"""Seconds between looks at the heartbeats."""


@dataclass(frozen=True)
class ClusterOptions:
    """Where and how tasks run; none of it changes a byte of the dataset.

    Attributes:
        engine: One of :data:`ENGINES`.
        tasks: Among how many tasks the shards are dealt; None for one a shard.
        parallel: How many tasks at a time; None for as many as there is room for.
        workers: CPU processes of a task; None for one a CPU of it.
        cpus_per_task: CPUs of a task.
        gpus_per_task: GPUs of a task.
        mem_per_cpu: GiB of memory for each CPU.
        time: What one task may take, in seconds; None for the engine's own limit.
        partition: Slurm's partition; None for the cluster's default.
        sbatch: Further sbatch options, name to value ("" for a flag).
        env_command: What a Slurm job runs first; None activates this environment.
        max_array_size: Slurm's largest job array; more tasks go as several arrays.
        ray_address: Of a running Ray cluster.
        exchange: URL of the folder that carries plan and shards to and from HF Jobs.
        flavor: Hardware of HF Jobs.
        packages: What HF Jobs install.
        limits: How long tasks may be silent (``local`` and ``ray``).
    """

    engine: str
    tasks: int | None = None
    parallel: int | None = None
    workers: int | None = None
    cpus_per_task: int = 1
    gpus_per_task: int = 0
    mem_per_cpu: int = 4
    time: int | None = None
    partition: str | None = None
    sbatch: dict[str, str] = field(default_factory=dict)
    env_command: str | None = None
    max_array_size: int = 1001
    ray_address: str | None = None
    exchange: str | None = None
    flavor: str = "cpu-basic"
    packages: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True)
class Submission:
    """Jobs that go on by themselves.

    Attributes:
        output: The dataset folder to come.
        array: Id of the job array; None where only finishing was left.
        finish: Id of the job that finishes the dataset.
        tasks: How many tasks were submitted.
        logs: Where their logs go.
    """

    output: Path
    array: str | None
    finish: str
    tasks: int
    logs: Path


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
        PortraitError: As :func:`builder.build.build`; also a package or program of the
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
    spec = make_spec(config, output, report.plan, options)
    if options.engine == "slurm":
        return slurm.submit(spec, report.plan, options)
    if options.engine == "jobs":
        from builder.engines import jobs

        jobs.run(spec, report.plan, options)
    else:
        _supervise(spec, report.plan, options, on_samples)
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
    from builder.build import plan_for

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
    for package in ("datatrove", *(["ray"] if options.engine == "ray" else [])):
        if find_spec(package) is None:
            raise missing_extra(package, "cluster")
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


def _supervise(
    spec: TaskSpec,
    plan: Plan,
    options: ClusterOptions,
    on_samples: Callable[[int], object],
) -> None:
    """Run a driver until its tasks are done; start it again where it died or hangs.

    Bounded: a start that brings no shard counts, and the third in a row is the last one.
    Tasks that said why they failed are not tried again.
    """
    ended, fruitless, attempt = 0, 0, 0
    missing = task_module.missing_units(spec.output, plan)
    limits = replace(options.limits, task=options.time)
    while missing:
        attempt += 1
        pending = task_module.pending_ranks(plan, missing, spec.tasks)
        beats = spec.state / "beats" / f"{os.getpid()}-{attempt}"
        drive = Drive(
            engine=options.engine,
            spec=replace(spec, beats=beats).to_dict(),
            pending=pending,
            parallel=options.parallel,
            cpus_per_task=options.cpus_per_task,
            gpus_per_task=options.gpus_per_task,
            mem_per_cpu_gb=options.mem_per_cpu,
            address=options.ray_address,
        )
        watch = Watch(beats, limits)
        with _driver(spec, drive) as (process, log):
            while not _over(process):
                problem = watch.look()
                on_samples(ended + watch.samples)
                if problem is not None:
                    log.write(f"\n{problem}: ending this start and trying again\n".encode())
                    break
                time.sleep(POLL)
        ended += watch.samples
        shutil.rmtree(beats, ignore_errors=True)
        before, missing = missing, task_module.missing_units(spec.output, plan)
        fruitless = fruitless + 1 if len(missing) == len(before) else 0
        left = task_module.pending_ranks(plan, missing, spec.tasks)
        given_up = len(task_module.failures(spec, left)) == len(left)
        if missing and (given_up or fruitless == FRUITLESS):
            raise PortraitError(task_module.unfinished(spec, left))


@contextmanager
def _driver(spec: TaskSpec, drive: Drive) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
    """A driver with a process group of its own, all of it gone afterwards."""
    folder = spec.state
    write_text(folder / "drive.json", drive.to_json())
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    with (folder / "driver.log").open("ab", buffering=0) as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "builder.engines.driver", str(folder / "drive.json")],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            start_new_session=True,
        )
        try:
            yield process, log
        finally:
            _end(process)


def _over(process: subprocess.Popen[Any]) -> bool:
    """Whether it has ended, without reaping it: until then its group keeps its number."""
    found = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    return found is not None


def _end(process: subprocess.Popen[Any]) -> None:
    with suppress(ProcessLookupError):
        # Also after it has left by itself: of its group somebody may still be at work.
        os.killpg(process.pid, signal.SIGKILL)
    assert process.stdin is not None
    process.stdin.close()
    process.wait()
