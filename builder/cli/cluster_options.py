"""``--engine`` of ``regenerate``: builds on several processes or machines."""

from __future__ import annotations

import argparse
import os
import re
import shlex
from dataclasses import asdict
from typing import TYPE_CHECKING

from ld_portrait_20k.common.printable import say

if TYPE_CHECKING:
    from builder.config import BuildConfig
    from builder.engines.options import ClusterOptions, Submission
    from builder.pipeline.run_options import RunOptions
    from builder.plan import Plan

_BELONGS = {
    "gpus_per_task": ("local", "slurm", "ray"),
    "cpus_per_task": ("local", "slurm", "ray"),
    "mem_per_cpu": ("slurm", "ray"),
    "partition": ("slurm",),
    "sbatch": ("slurm",),
    "env_command": ("slurm",),
    "ray_address": ("ray",),
    "exchange": ("jobs",),
    "flavor": ("jobs",),
    "package": ("jobs",),
}
"""Options that only some engines know."""
_ONLY_ENGINE = ("tasks", "parallel", "time", *_BELONGS)


def add_cluster_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    from builder.engines.options import ENGINES

    group = parser.add_argument_group(
        "several processes or machines (extra 'cluster'; builder/engines/README.md)"
    )
    group.add_argument(
        "--engine",
        choices=ENGINES,
        default="local",
        help="local: this machine (default; with --parallel through datatrove); slurm: a job "
        "array and a job after it that finishes; ray: a Ray cluster; jobs: Hugging Face Jobs; "
        "--dry-run prints what would be submitted",
    )
    group.add_argument("--tasks", type=int, metavar="N", help="deal the shards to N tasks")
    group.add_argument("--parallel", type=int, metavar="N", help="at most N tasks at a time")
    group.add_argument(
        "--cpus-per-task", type=int, metavar="N", help="CPUs, and workers, of a task"
    )
    group.add_argument(
        "--gpus-per-task", type=int, metavar="N", help="default: 1 for layer-diffusion, else 0"
    )
    group.add_argument("--mem-per-cpu", type=int, metavar="GIB", help="memory a CPU (4)")
    group.add_argument(
        "--time", metavar="[D-]H:MM:SS", help="what one task may take (slurm: 24:00:00)"
    )
    group.add_argument("--partition", metavar="NAME", help="slurm: where to run")
    group.add_argument(
        "--sbatch",
        action="append",
        metavar="NAME[=VALUE]",
        help="slurm: any other sbatch option (account=me, constraint=a100); repeatable",
    )
    group.add_argument(
        "--env-command",
        metavar="COMMAND",
        help="slurm: what a job runs first (default: activates this virtual environment)",
    )
    group.add_argument("--ray-address", metavar="HOST:PORT", help="ray: a running cluster")
    group.add_argument(
        "--exchange",
        metavar="URL",
        help="jobs: folder that carries plan and shards, hf://buckets/NAME/BUCKET; made if need be",
    )
    group.add_argument(
        "--flavor", metavar="NAME", help="jobs: hardware (a10g-small for layer-diffusion)"
    )
    group.add_argument(
        "--package",
        action="append",
        metavar="REQUIREMENT",
        help="jobs: what to install, from where a Job can reach it (default: this project from the "
        "index or repository that it was installed from; of a checkout a wheel, put beside the "
        "plan); repeatable",
    )


def cluster_options(config: BuildConfig, options: argparse.Namespace) -> ClusterOptions | None:
    """Where and how tasks run; None where this process builds by itself.

    Args:
        config: What to build.
        options: Of the command line.

    Raises:
        PortraitError: Options that do not go together.
    """
    from builder.engines.options import ENGINES
    from ld_portrait_20k.errors import PortraitError

    engine = options.engine
    for name in _ONLY_ENGINE:
        known = _BELONGS.get(name, ENGINES)
        if getattr(options, name) is not None and engine not in known:
            raise PortraitError(f"{_flag(name)} goes with --engine {' or '.join(known)}")
    given = [name for name in _ONLY_ENGINE if getattr(options, name) is not None]
    if engine == "local" and options.parallel is None:
        if given:
            raise PortraitError(f"{_flag(given[0])} needs --parallel N with --engine local")
        return None
    if options.world_size > 1:
        raise PortraitError("--rank and --world-size are for other launchers than --engine")
    if engine == "slurm" and options.push_to_hub is not None:
        raise PortraitError(
            "--push-to-hub does not go with --engine slurm, which does not wait; when its jobs "
            f"are over: python -m builder publish {shlex.quote(str(options.output))}"
        )
    return _cluster(config, options)


def explain_tasks(
    plan: Plan, run: RunOptions, where: ClusterOptions, options: argparse.Namespace
) -> None:
    """Print what an engine would run; nothing is started."""
    from builder.engines import cluster
    from builder.files import canonical_json

    text = cluster.explain(plan, options.output, run, where)
    if options.json:
        say(canonical_json({"engine": where.engine, "would_run": text}))
        return
    say(text)
    say("# nothing was started; the same command without --dry-run does")


def run_on_cluster(
    plan: Plan, run: RunOptions, where: ClusterOptions, options: argparse.Namespace
) -> bool:
    """Have an engine make the shards.

    Args:
        plan: What to build.
        run: How a task is run.
        where: Where and how tasks run.
        options: Of the command line.

    Returns:
        Whether every shard is there now; False where jobs go on by themselves.

    Raises:
        PortraitError: As :func:`builder.engines.cluster.run_tasks`.
    """
    from builder.engines import cluster
    from builder.files import canonical_json
    from ld_portrait_20k.common.progress import progress_bar

    bar = progress_bar(unit=" portraits")
    with bar:
        submission = cluster.run_tasks(
            plan, options.output, run, where, on_samples=lambda count: bar.update(count - bar.n)
        )
    if submission is None:
        return True
    if options.json:
        say(canonical_json({**asdict(submission), "output": str(submission.output),
                              "logs": str(submission.logs)}))  # fmt: skip
    else:
        _print(submission)
    return False


def _print(submission: Submission) -> None:
    if submission.array is not None:
        say(f"submitted {submission.tasks} tasks as job {submission.array}")
    say(f"job {submission.finish} finishes the dataset after that; logs: {submission.logs}")
    say(f"next: python -m builder status {shlex.quote(str(submission.output))}")


def _cluster(config: BuildConfig, options: argparse.Namespace) -> ClusterOptions:
    from builder.cli.options import runs_on_device
    from builder.engines.heartbeat import Limits
    from builder.engines.options import ClusterOptions
    from ld_portrait_20k.errors import PortraitError

    for name in ("tasks", "parallel", "cpus_per_task", "mem_per_cpu"):
        if getattr(options, name) is not None and getattr(options, name) < 1:
            raise PortraitError(f"{_flag(name)} is 1 or more")
    if options.gpus_per_task is not None and options.gpus_per_task < 0:
        raise PortraitError("--gpus-per-task is 0 or more")
    on_gpu = runs_on_device(config)
    gpus = options.gpus_per_task if options.gpus_per_task is not None else int(on_gpu)
    cpus = options.cpus_per_task
    if cpus is None and options.engine == "local":
        cpus = max(1, (os.cpu_count() or 1) // options.parallel)
    if cpus is None:
        cpus = {"slurm": 8, "ray": 4}.get(options.engine, 1) if gpus else 1
    # Nodes of a Ray cluster may have to be started first; this machine is there.
    limits = Limits(begin=900.0 if options.engine == "ray" else 120.0)
    return ClusterOptions(
        engine=options.engine,
        tasks=options.tasks,
        parallel=options.parallel,
        workers=options.workers,
        cpus_per_task=cpus,
        gpus_per_task=gpus,
        mem_per_cpu=options.mem_per_cpu or 4,
        time=None if options.time is None else parse_time(options.time),
        partition=options.partition,
        sbatch=_pairs(options.sbatch or []),
        env_command=options.env_command,
        ray_address=options.ray_address,
        exchange=options.exchange,
        flavor=options.flavor or ("a10g-small" if on_gpu else "cpu-basic"),
        packages=tuple(options.package or ()),
        limits=limits,
    )


def parse_time(text: str) -> int:
    """``4:00:00`` or ``2-12:00:00`` (days, hours, minutes, seconds) in seconds.

    Raises:
        PortraitError: Not of that form.
    """
    from ld_portrait_20k.errors import PortraitError

    found = re.fullmatch(r"(?:(\d+)-)?(\d+):([0-5]\d):([0-5]\d)", text)
    parts = [int(part or 0) for part in found.groups()] if found else [0]
    seconds = sum(part * unit for part, unit in zip(parts, (86400, 3600, 60, 1), strict=False))
    if seconds < 1:
        raise PortraitError(f"--time {text!r}: write it as 4:00:00 or 2-12:00:00")
    return seconds


def _pairs(items: list[str]) -> dict[str, str]:
    from ld_portrait_20k.errors import PortraitError

    pairs = {}
    for item in items:
        name, _, value = item.lstrip("-").partition("=")
        if not re.fullmatch(r"[a-z][a-z0-9-]*", name) or "\n" in value:
            raise PortraitError(f"--sbatch {item!r}: write it as account=me, or exclusive")
        if name in ("array", "dependency", "output", "error"):
            raise PortraitError(f"--sbatch {name}: the array needs that one for itself")
        pairs[name] = value
    return pairs


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")
