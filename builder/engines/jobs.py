"""Hugging Face Jobs: machines without a common disk, fed and emptied through a bucket."""

from __future__ import annotations

import time

from builder.engines import exchange
from builder.engines import tasks as task_module
from builder.engines.options import ClusterOptions
from builder.engines.tasks import TaskSpec
from builder.plan import Plan
from ld_portrait_20k.errors import PortraitError, requirement_elsewhere

POLL_SECONDS = 15


def run(spec: TaskSpec, plan: Plan, options: ClusterOptions) -> None:
    """Run the tasks that are left as Jobs, and download their shards.

    datatrove tries every Job that fails once more; the caller names what is still missing
    then.

    Raises:
        PortraitError: No token, or no right to run Jobs.
    """
    missing = task_module.missing_units(spec.output, plan)
    exchange.put_plan(spec)
    home = {unit.name for unit in exchange.take_units(spec, plan, missing)}
    missing = [unit for unit in missing if unit.name not in home]
    if missing:
        ranks = task_module.pending_ranks(plan, missing, spec.tasks)
        exchange.drop_notes(spec, ranks)
        _run(spec, ranks, options)
        exchange.take_units(spec, plan, missing)
        exchange.take_notes(spec, ranks)


def describe(spec: TaskSpec, options: ClusterOptions) -> list[str]:
    """Lines for ``--dry-run``."""
    return [
        f"hardware   {options.flavor}, {_limit(options)} a task",
        f"exchange   {options.exchange}/{spec.plan_hash[:12]}",
        f"installs   {', '.join(requirements(options))}",
    ]


def _run(spec: TaskSpec, pending: list[int], options: ClusterOptions) -> None:
    from huggingface_hub.errors import HfHubHTTPError

    from builder.engines.executors import JobsTasks
    from builder.engines.steps import BuildShards

    executor = JobsTasks(
        [BuildShards(spec.to_dict())],
        tasks=spec.tasks,
        workers=options.parallel or -1,
        logging_dir=f"{exchange.open_folder(spec).resolve_paths('')}",
        flavor=options.flavor,
        dependencies=requirements(options),
        timeout=options.time,
        job_name="ld-portrait",
        poll_interval=POLL_SECONDS,
    )
    executor.pending = tuple(pending)
    try:
        executor.run()
    except ValueError as problem:  # no token
        raise PortraitError(str(problem)) from None
    except HfHubHTTPError as problem:
        raise PortraitError(
            f"Hugging Face Jobs: {problem.server_message or type(problem).__name__}; try: "
            "hf auth login with a token that may run Jobs, then the same command again"
        ) from None


def requirements(options: ClusterOptions) -> list[str]:
    """What a Job installs: what ``--package`` says, else the project from where we have it.

    Raises:
        PortraitError: We have it from a folder, which Jobs cannot reach.
    """
    if options.packages:
        return list(options.packages)
    requirement = requirement_elsewhere("generate", "cluster")
    if requirement is None:
        raise PortraitError(
            "--engine jobs: Jobs cannot install this project from a folder of this machine; try: "
            "--package 'ld-portrait-20k[generate,cluster] @ git+https://HOST/REPOSITORY'"
        )
    return [requirement]


def _limit(options: ClusterOptions) -> str:
    if options.time is None:
        return "the Hub's time limit"
    return time.strftime("%H:%M:%S", time.gmtime(options.time))
