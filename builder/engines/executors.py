"""datatrove's executors, changed to run the ranks whose shards are missing. Needs datatrove.

datatrove counts a task as done when an empty marker file is there. Here the submitting process
hashes the shards and lists the ranks that are left. datatrove hands its executor to tasks as a
pickle of our own objects in our own work folder; who can write there can change the code too.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from datatrove.executor import (
    JobsPipelineExecutor,
    LocalPipelineExecutor,
    RayPipelineExecutor,
    SlurmPipelineExecutor,
)
from datatrove.utils.stats import PipelineStats

from builder.workers import children


class _Proven:
    """Runs the ranks in ``pending``, whatever marker files say.

    Attributes:
        pending: The ranks to run.
    """

    pending: tuple[int, ...] = ()

    def is_rank_completed(self, rank: int) -> bool:
        """Whether a rank was done before this submission."""
        return rank not in self.pending

    def get_incomplete_ranks(self, ranks: Any = None, skip_completed: Any = None) -> list[int]:
        """The ranks to run, of those asked for."""
        return [rank for rank in self.pending if ranks is None or rank in ranks]


class LocalTasks(_Proven, LocalPipelineExecutor):
    """Processes of this machine.

    Attributes:
        gpus_per_task: CUDA devices that each process gets for its own.
    """

    gpus_per_task: int = 0

    def _run_for_rank(self, rank: int, local_rank: int = 0, node_rank: int = -1) -> Any:
        self._choose_devices()
        try:
            return super()._run_for_rank(rank, local_rank, node_rank)
        except Exception:
            # The error is logged and noted already. Raised here it would end the whole pool,
            # and with it the tasks that are fine.
            return PipelineStats()

    def _choose_devices(self) -> None:
        """Choose this process's devices, once: CUDA cannot change them afterwards."""
        if not self.gpus_per_task or os.environ.get("LD_PORTRAIT_DEVICES"):
            return
        import multiprocess

        number = (multiprocess.current_process()._identity or (1,))[0] - 1
        first = number % self.workers * self.gpus_per_task
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        names = visible.split(",") if visible else [str(first + n) for n in range(64)]
        offset = first if visible else 0
        chosen = ",".join(names[offset : offset + self.gpus_per_task])
        os.environ["CUDA_VISIBLE_DEVICES"] = os.environ["LD_PORTRAIT_DEVICES"] = chosen


class RayTasks(_Proven, RayPipelineExecutor):
    """Actors of a Ray cluster; the output folder is on a file system that all nodes see."""

    def run(self) -> Any:
        """Run the pending ranks; Ray tries those again whose actor is lost."""
        for rank in set(range(self.world_size)) - set(self.pending):
            # datatrove sums the figures of all ranks, also of those done by another engine.
            if not self.logging_dir.isfile(name := f"stats/{rank:05d}.json"):
                with self.logging_dir.open(name, "w") as stream:
                    stream.write("[]")
        return super().run()


class SlurmTasks(_Proven, SlurmPipelineExecutor):
    """A job array, a task an index.

    Attributes:
        python: The Python that a job's shell calls, quoted for it.
    """

    python: str = "python"

    def get_sbatch_args(self, max_array: int = 1) -> dict[str, Any]:
        """The directives of the script: only what was asked for, nothing written.

        A cluster without a quality of service called "normal", or with a default
        partition, is left to its defaults.
        """
        log = str(Path(self.slurm_logs_folder) / "%A_%a.out")
        most = f"%{self.workers}" if self.workers != -1 else ""
        asked = {
            "job-name": self.job_name,
            "partition": self.partition,
            "time": self.time,
            "nodes": 1,
            "cpus-per-task": self.cpus_per_task,
            "mem-per-cpu": f"{self.mem_per_cpu_gb}G",
            "gpus": self.gpus_per_task or None,
            "array": f"0-{max_array - 1}{most}",
            "output": log,
            "error": log,
        }
        return {
            **{key: value for key, value in asked.items() if value is not None},
            "requeue": "",
            **self._sbatch_args,
        }

    def script(self, tasks: int) -> str:
        """The sbatch script for so many tasks, as :meth:`launch_job` submits it."""
        pickled = self.logging_dir.resolve_paths("executor.pik")
        array = min(tasks, self.max_array_size)
        return self.get_launch_file_contents(
            self.get_sbatch_args(array),
            f"srun  -l -n {self.nodes_per_task} launch_pickled_pipeline {pickled}",
        )

    def get_launch_file_contents(self, sbatch_args: dict[str, Any], run_script: str) -> str:
        """The sbatch script; it needs no command of datatrove's on PATH, only its module."""
        module = f"{self.python} -m datatrove.tools.launch_pickled_pipeline"
        text: str = super().get_launch_file_contents(
            sbatch_args, run_script.replace("launch_pickled_pipeline", module, 1)
        )
        return text

    def launch_job(self) -> None:
        """Submit it, after what it depends on."""
        Path(self.slurm_logs_folder).mkdir(parents=True, exist_ok=True)
        super().launch_job()

    def launch_merge_stats(self) -> None:
        """Submit no third job: datatrove's would wait for ever after a task that failed."""


class JobsTasks(_Proven, JobsPipelineExecutor):
    """Hugging Face Jobs; plan and shards travel by :mod:`builder.engines.exchange`."""

    def _merge_stats(self) -> None:
        """Merge nothing: figures are read from the shards themselves."""


def environment_command(given: str | None) -> str:
    """What a job's shell does first: the caller's own command, or this environment.

    The project's root goes onto the path for the case that it is not installed.
    """
    activate = Path(sys.prefix) / "bin" / "activate"
    if given is None and sys.prefix != sys.base_prefix and activate.is_file():
        given = f"source {activate}"
    path = f'export PYTHONPATH="{children.ROOT}${{PYTHONPATH:+:$PYTHONPATH}}"'
    # As deep as datatrove's template, which takes off the indentation that all lines share.
    return "\n".join(filter(None, [given, path])).replace("\n", "\n        ")
