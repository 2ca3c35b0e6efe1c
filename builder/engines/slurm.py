"""Submitting to Slurm: a job array for the shards, and a job after it that finishes."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from builder.engines import tasks as task_module
from builder.engines.options import ClusterOptions, Submission
from builder.engines.slurm_queue import NOTE, job_numbers
from builder.engines.tasks import TaskSpec
from builder.files import WORK_FOLDER, write_text
from builder.plan import Plan
from ld_portrait_20k.errors import PortraitError

DEFAULT_TIME = 24 * 3600


def submit(spec: TaskSpec, plan: Plan, options: ClusterOptions) -> Submission:
    """Submit the tasks that are left, and the job that finishes the dataset.

    Raises:
        PortraitError: sbatch refused.
    """
    missing = task_module.missing_units(spec.output, plan)
    pending = task_module.pending_ranks(plan, missing, spec.tasks)
    task_module.forget_failures(spec, pending)
    array, finish = _executors(spec, pending, options)
    try:
        finish.launch_job()  # and first of all the array, which it depends on
    except subprocess.CalledProcessError as problem:
        raise PortraitError(
            f"sbatch refused (exit code {problem.returncode}, its message is above); "
            f"the script: {array.logging_dir.resolve_paths('launch_script.slurm')}"
        ) from None
    first = None if array.job_id == -1 else str(array.job_id)
    note = {"array": first, "finish": str(finish.job_id)}
    write_text(spec.output / WORK_FOLDER / "cluster" / NOTE, json.dumps(note) + "\n")
    logs = Path(array.slurm_logs_folder)
    return Submission(spec.output, first, str(finish.job_id), len(pending), logs)


def scripts(spec: TaskSpec, pending: list[int], options: ClusterOptions) -> str:
    """Both sbatch scripts as :func:`submit` would hand them in; nothing is written."""
    array, finish = _executors(spec, pending, options)
    parts = [finish.script(1)]
    if pending:
        parts.insert(0, array.script(len(pending)))
    title = f"# then, with --dependency={'afterany:ID' if pending else '(none)'}:\n"
    return f"\n{title}".join(part.strip() + "\n" for part in parts)


def refuse_while_running(output: Path) -> None:
    """Look whether the jobs of an earlier submission are still there.

    Raises:
        PortraitError: They are; two arrays would make the same shards.
    """
    ids = list(job_numbers(output).values())
    if not ids:
        return
    try:
        found = subprocess.run(
            ["squeue", "--noheader", "--format=%A", f"--jobs={','.join(ids)}"],  # noqa: S607
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return
    # squeue fails for ids that it has forgotten: those are over.
    alive = sorted(set(found.stdout.split())) if found.returncode == 0 else []
    if alive:
        raise PortraitError(
            f"{output}: Slurm jobs {', '.join(alive)} of an earlier submission are not over; "
            f"try: wait for them, or scancel {' '.join(ids)}"
        )


def _executors(spec: TaskSpec, pending: list[int], options: ClusterOptions) -> tuple[Any, Any]:
    from builder.engines.executors import SlurmTasks, environment_command
    from builder.engines.steps import BuildShards, FinishDataset

    common = {
        "time": _clock(options.time or DEFAULT_TIME),
        "partition": options.partition,
        "mem_per_cpu_gb": options.mem_per_cpu,
        "sbatch_args": dict(options.sbatch),
        "env_command": environment_command(options.env_command),
        "qos": None,
        "run_on_dependency_fail": True,
    }
    array = SlurmTasks(
        [BuildShards(spec.to_dict())],
        tasks=spec.tasks,
        workers=options.parallel or -1,
        cpus_per_task=options.cpus_per_task,
        gpus_per_task=options.gpus_per_task,
        max_array_size=options.max_array_size,
        job_name="ld-portrait",
        logging_dir=str(spec.state / "logs"),
        **common,
    )
    array.pending = tuple(pending)
    finish = SlurmTasks(
        [FinishDataset(replace(spec, run=replace(spec.run, workers=0)).to_dict())],
        tasks=1,
        cpus_per_task=min(2, options.cpus_per_task),
        job_name="ld-portrait-finish",
        logging_dir=str(spec.state / "finish"),
        depends=array,
        **common,
    )
    finish.pending = (0,)
    # Without a command of the caller's own the jobs run in this environment, with this Python.
    array.python = finish.python = "python" if options.env_command else shlex.quote(sys.executable)
    return array, finish


def _clock(seconds: int) -> str:
    """Seconds as Slurm writes them: hours, minutes, seconds."""
    minutes, rest = divmod(seconds, 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest:02d}"
