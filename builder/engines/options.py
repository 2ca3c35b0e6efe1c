"""Where and how an engine runs tasks, and what a submission to it returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from builder.engines.heartbeat import Limits

ENGINES = ("local", "slurm", "ray", "jobs")


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
