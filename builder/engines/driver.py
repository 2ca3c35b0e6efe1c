"""The process that runs a datatrove executor, watched from outside.

``python -m builder.engines.driver FILE`` with a JSON file as :class:`Drive` writes it. It is
a process of its own because datatrove waits for ever for a worker that was killed: whoever
started it can end it, with all its workers, and start it again.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from builder.workers import children


@dataclass(frozen=True)
class Drive:
    """What to run.

    Attributes:
        engine: ``local`` or ``ray``.
        spec: :meth:`builder.engines.tasks.TaskSpec.to_dict`.
        pending: The ranks to run.
        parallel: How many at a time; None for as many as there is room for.
        cpus_per_task: CPUs that Ray sets aside for a task.
        gpus_per_task: GPUs of a task.
        mem_per_cpu_gb: GiB that Ray sets aside for each CPU.
        address: Of a running Ray cluster; None for RAY_ADDRESS or one on this machine.
    """

    engine: str
    spec: Mapping[str, Any]
    pending: Sequence[int]
    parallel: int | None
    cpus_per_task: int
    gpus_per_task: int
    mem_per_cpu_gb: int
    address: str | None = None

    def to_json(self) -> str:
        """For :func:`main`."""
        return json.dumps(asdict(self))


def main(path: str) -> int:
    """Run an executor to its end."""
    drive = Drive(**json.loads(Path(path).read_text(encoding="utf-8")))
    # Not through sys.stdin: a child that is forked while a thread reads it would wait for its
    # lock for ever.
    threading.Thread(target=_die_with_parent, args=(os.dup(0),), daemon=True).start()
    executor = _executor(drive)
    if drive.engine == "ray":
        _join_ray(drive)
    executor.run()
    return 0


def _executor(drive: Drive) -> Any:
    from builder.engines.executors import LocalTasks, RayTasks
    from builder.engines.steps import BuildShards
    from builder.engines.tasks import TaskSpec

    spec = TaskSpec.from_dict(drive.spec)
    steps = [BuildShards(dict(drive.spec))]
    logs = str(spec.state / "logs")
    if drive.engine == "local":
        workers = min(drive.parallel or spec.tasks, len(drive.pending))
        executor = LocalTasks(steps, tasks=spec.tasks, workers=workers, logging_dir=logs)
        executor.gpus_per_task = drive.gpus_per_task
    else:
        executor = RayTasks(
            steps,
            tasks=spec.tasks,
            workers=drive.parallel or -1,
            logging_dir=logs,
            cpus_per_task=drive.cpus_per_task,
            gpus_per_task=drive.gpus_per_task,
            mem_per_cpu_gb=drive.mem_per_cpu_gb,
        )
    executor.pending = tuple(drive.pending)
    return executor


def _join_ray(drive: Drive) -> None:
    # Ray reports usage to its makers unless told before it is imported.
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray

    ray.init(
        address=drive.address,
        include_dashboard=False if drive.address is None else None,
        runtime_env={
            "env_vars": {"PYTHONPATH": children.python_path(), "RAY_USAGE_STATS_ENABLED": "0"}
        },
    )


def _die_with_parent(pipe: int) -> None:
    """End this process and all it started once the pipe from the parent closes."""
    while os.read(pipe, 1):
        pass
    os.killpg(os.getpgid(0), signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
