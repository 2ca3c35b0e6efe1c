"""The watchdog of local and Ray runs: a driver in a process group of its own, watched."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import IO, Any, Final

from builder.engines import tasks as task_module
from builder.engines.driver import Drive
from builder.engines.heartbeat import Watch
from builder.engines.options import ClusterOptions
from builder.engines.tasks import TaskSpec
from builder.files import write_text
from builder.pipeline.output_folder import frozen_plan
from builder.workers import children
from ld_portrait_20k.errors import PortraitError

FRUITLESS: Final = 3
"""A run is given up after so many starts in a row that brought no shard. Chosen by eye."""
POLL: Final = 0.5
"""Seconds between looks at the heartbeats."""


def supervise(
    spec: TaskSpec,
    options: ClusterOptions,
    on_samples: Callable[[int], object],
) -> None:
    """Run a driver until its tasks are done; start it again where it died or hangs.

    After three starts in a row without a new shard it gives up. Tasks that left a message
    when they failed are not tried again.

    Args:
        spec: The tasks; their plan is saved in the output.
        options: Where and how.
        on_samples: Called with how many samples this run has ended so far.

    Raises:
        PortraitError: Tasks that are not done, named with their reason.
    """
    plan = frozen_plan(spec.output, spec.plan_hash)
    ended, fruitless, attempt = 0, 0, 0
    missing = task_module.missing_units(spec.output, plan)
    limits = replace(options.limits, task=options.time)
    shutil.rmtree(spec.state / "beats", ignore_errors=True)
    task_module.forget_failures(spec, task_module.pending_ranks(plan, missing, spec.tasks))
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
        watch, problem = Watch(beats, limits), None
        with _driver(spec, drive) as (process, log):
            while not _over(process):
                problem = watch.look()
                on_samples(ended + watch.samples)
                if problem is not None:
                    log.write(f"\n{problem}: ended this start\n".encode())
                    break
                time.sleep(POLL)
        watch.look()
        ended += watch.samples
        on_samples(ended)
        shutil.rmtree(beats, ignore_errors=True)
        before, missing = missing, task_module.missing_units(spec.output, plan)
        fruitless = fruitless + 1 if len(missing) == len(before) else 0
        left = task_module.pending_ranks(plan, missing, spec.tasks)
        given_up = len(task_module.failures(spec, left)) == len(left)
        if missing and (given_up or fruitless == FRUITLESS):
            raise PortraitError(task_module.unfinished(spec, left, _reason(spec, problem, process)))


@contextmanager
def _driver(spec: TaskSpec, drive: Drive) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
    """Start a driver in a process group of its own; the whole group is killed afterwards."""
    folder = spec.state
    write_text(folder / "drive.json", drive.to_json())
    with (folder / "driver.log").open("ab", buffering=0) as log:
        process = subprocess.Popen(
            children.module_command("builder.engines.driver", str(folder / "drive.json")),
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=children.environment(),
            start_new_session=True,
        )
        try:
            yield process, log
        finally:
            _end(process)


def _reason(spec: TaskSpec, problem: str | None, process: subprocess.Popen[Any]) -> str:
    """Why a driver failed, where its tasks left no message."""
    if problem is not None:
        return problem
    if process.returncode < 0:
        return f"the process that ran them was killed (signal {-process.returncode})"
    text = (spec.state / "driver.log").read_text(encoding="utf-8", errors="replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if process.returncode and lines else task_module.NO_MESSAGE


def _over(process: subprocess.Popen[Any]) -> bool:
    """Whether it has ended, without reaping it: until then its group keeps its number."""
    found = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    return found is not None


def _end(process: subprocess.Popen[Any]) -> None:
    with suppress(ProcessLookupError):
        # Also after it has ended by itself: other processes of its group may still run.
        os.killpg(process.pid, signal.SIGKILL)
    assert process.stdin is not None
    process.stdin.close()
    process.wait()
