"""Hugging Face Jobs: machines without a common disk, fed and emptied through a bucket."""

from __future__ import annotations

import time

from builder.engines import exchange, package
from builder.engines import tasks as task_module
from builder.engines.hub_place import hub_place, reaching
from builder.engines.options import ClusterOptions
from builder.engines.tasks import TaskSpec
from builder.plan import Plan
from ld_portrait_20k.errors import PortraitError

POLL_SECONDS = 15


def run(spec: TaskSpec, plan: Plan, options: ClusterOptions) -> None:
    """Run the tasks that are left as Jobs, and download their shards.

    datatrove tries every Job that fails once more; the caller names what is still missing
    then.

    Raises:
        PortraitError: No token, no right to run Jobs, or an exchange that cannot be used.
    """
    missing = task_module.missing_units(spec.output, plan)
    with reaching(str(spec.exchange)):
        place = hub_place(str(spec.exchange))
        if place is not None:
            place.create()
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
    given = package.given_requirements(options)
    wheel = f"a wheel of {package.source_of_wheel()}, put beside the plan" if given is None else ""
    return [
        f"hardware   {options.flavor}, {_limit(options)} a task",
        f"exchange   {exchange.folder_url(spec)}",
        f"installs   {wheel or ', '.join(given or [])}",
    ]


def check(options: ClusterOptions) -> None:
    """Check, before anything is sent, that there is an exchange and something to install.

    Raises:
        PortraitError: There is not.
    """
    if "://" not in (options.exchange or ""):
        raise PortraitError(
            "--engine jobs needs --exchange hf://buckets/NAME/BUCKET: Jobs share no disk "
            "with this machine"
        )
    place = hub_place(str(options.exchange))
    if package.given_requirements(options) is None:
        source = package.source_of_wheel()
        if place is None:
            raise PortraitError(
                "--engine jobs: a Job must be able to install this project, which is here from "
                f"a folder of this machine ({source}); {package.ADVICE}, or an --exchange "
                "hf://..., where a wheel can be put"
            )


def _run(spec: TaskSpec, pending: list[int], options: ClusterOptions) -> None:
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError

    from builder.engines.executors import JobsTasks
    from builder.engines.steps import BuildShards

    executor = JobsTasks(
        [BuildShards(spec.to_dict())],
        tasks=spec.tasks,
        workers=options.parallel or -1,
        logging_dir=f"{exchange.open_folder(spec).resolve_paths('')}",
        flavor=options.flavor,
        dependencies=requirements(spec, options),
        timeout=options.time,
        job_name="ld-portrait",
        poll_interval=POLL_SECONDS,
    )
    executor.pending = tuple(pending)
    try:
        executor.run()
    except HfHubHTTPError as problem:
        raise PortraitError(
            f"Hugging Face Jobs: {problem.server_message or type(problem).__name__}; try: "
            "hf auth login with a token that may run Jobs, then the same command again"
        ) from None
    except httpx2.TransportError as problem:
        raise PortraitError(
            f"Hugging Face Jobs: the Hub cannot be reached ({type(problem).__name__}); Jobs under "
            "way go on; try: the same command again, which fetches what they brought"
        ) from None
    except ValueError as problem:  # no token
        raise PortraitError(str(problem)) from None


def requirements(spec: TaskSpec, options: ClusterOptions) -> list[str]:
    """What a Job installs; a wheel of a checkout is put beside the plan.

    Raises:
        PortraitError: No wheel can be built.
    """
    given = package.given_requirements(options)
    if given is not None:
        return given
    place = hub_place(exchange.folder_url(spec))
    assert place is not None  # check() refused others
    with package.wheel() as wheel:
        name = exchange.put_package(spec, wheel)
    return [f"ld-portrait-20k[{','.join(package.EXTRAS)}] @ {place.url(name)}"]


def _limit(options: ClusterOptions) -> str:
    if options.time is None:
        return "the Hub's time limit"
    return time.strftime("%H:%M:%S", time.gmtime(options.time))
