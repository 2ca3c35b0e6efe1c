"""Plan and shards through a folder on the Hub or in a bucket, where no disk is shared.

``python -m builder regenerate --engine jobs`` puts the saved plan there. Each Job takes it,
makes its shards on its own disk and uploads each as soon as it is done, its note last. The
machine that submitted downloads them, hashes them and finishes the dataset.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from builder.engines import tasks
from builder.engines.tasks import TaskSpec, note_file, units_of
from builder.files import WORK_FOLDER, replacing, write_text
from builder.pipeline.output_folder import frozen_plan
from builder.pipeline.work_folder import UnitResult, WorkFolder
from builder.plan import HEADER_FILE, ROWS_FILE, Plan, Unit
from ld_portrait_20k.errors import PortraitError


def open_folder(spec: TaskSpec) -> Any:
    """The folder of this plan inside the exchange, a datatrove ``DataFolder``."""
    from datatrove.io import get_datafolder

    return get_datafolder(folder_url(spec))


def folder_url(spec: TaskSpec) -> str:
    """The address of :func:`open_folder`."""
    assert spec.exchange is not None
    return f"{spec.exchange.rstrip('/')}/{spec.plan_hash[:12]}"


def put_plan(spec: TaskSpec) -> None:
    """Upload the saved plan to where the Jobs look."""
    folder = open_folder(spec)
    for name in (ROWS_FILE, HEADER_FILE):
        _put(spec.output / WORK_FOLDER / name, folder, f"plan/{name}")


def put_package(spec: TaskSpec, wheel: Path) -> str:
    """Upload a wheel beside the plan.

    Returns:
        Its path in the folder.
    """
    name = f"package/{wheel.name}"
    _put(wheel, open_folder(spec), name)
    return name


def take_units(spec: TaskSpec, plan: Plan, units: Sequence[Unit]) -> list[Unit]:
    """Fetch shards that are at the exchange and not here.

    Returns:
        Those that are here now, whole.
    """
    folder, work = open_folder(spec), WorkFolder(spec.output, plan)
    folder.fs.invalidate_cache()
    there = {Path(name).name for name in _list(folder, "units")}
    found = []
    for unit in units:
        names = [work.shard_file(unit.name, subset).name for subset in plan.subsets]
        note = f"{unit.name}.json"
        if {note, *names} <= there:
            for name in [*names, note]:
                _take(folder, f"units/{name}", work.folder / name)
            if work.load(unit) is not None:
                found.append(unit)
    return found


def run_task(spec: TaskSpec, rank: int) -> int:
    """A task on a machine of its own: plan in, shards out.

    Returns:
        How many shards were made now.

    Raises:
        PortraitError: As :func:`builder.engines.tasks.run_task`.
    """
    folder = open_folder(spec)
    with tempfile.TemporaryDirectory(prefix="ld-portrait-") as temporary:
        here = replace(spec, output=Path(temporary) / "dataset", exchange=None)
        note = note_file(here, rank)
        try:
            return _run_task(spec, here, rank)
        except Exception as problem:
            if not note.exists():
                write_text(note, str(problem) or type(problem).__name__)
            _put(note, folder, _note(rank))
            raise


def _run_task(spec: TaskSpec, here: TaskSpec, rank: int) -> int:
    """Fetch the plan and what is there of this task's shards, and build the rest.

    Args:
        spec: The task as it was submitted.
        here: The same with an output on this machine.
        rank: Which task.
    """
    folder, output = open_folder(spec), here.output
    for name in (HEADER_FILE, ROWS_FILE):
        _take(folder, f"plan/{name}", output / WORK_FOLDER / name)
    plan = frozen_plan(output, spec.plan_hash)
    take_units(replace(spec, output=output), plan, units_of(plan, rank, spec.tasks))
    work = WorkFolder(output, plan)

    def put(result: UnitResult) -> None:
        for subset in plan.subsets:
            path = work.shard_file(result.name, subset)
            _put(path, folder, f"units/{path.name}")
        _put(work.folder / f"{result.name}.json", folder, f"units/{result.name}.json")

    return tasks.run_task(here, rank, put)


def take_notes(spec: TaskSpec, ranks: Sequence[int]) -> None:
    """Fetch what stopped tasks, for :func:`builder.engines.tasks.failures`."""
    folder = open_folder(spec)
    for rank in ranks:
        if folder.isfile(_note(rank)):
            _take(folder, _note(rank), note_file(spec, rank))


def drop_notes(spec: TaskSpec, ranks: Sequence[int]) -> None:
    """Forget what stopped tasks the last time."""
    folder = open_folder(spec)
    tasks.forget_failures(spec, ranks)
    for rank in ranks:
        if folder.isfile(_note(rank)):
            folder.rm(_note(rank))


def _note(rank: int) -> str:
    return f"errors/{rank:05d}.txt"


def _put(path: Path, folder: Any, name: str) -> None:
    with path.open("rb") as source, folder.open(name, "wb") as target:
        shutil.copyfileobj(source, target, 2**20)
    folder.fs.invalidate_cache()
    sent, arrived = path.stat().st_size, int(folder.size(name))
    if sent != arrived:
        raise PortraitError(
            f"{name}: {arrived} bytes arrived of {sent}; try: run the same command again"
        )


def _take(folder: Any, name: str, path: Path) -> None:
    try:
        with folder.open(name, "rb") as source, replacing(path) as target:
            shutil.copyfileobj(source, target, 2**20)
    except FileNotFoundError:
        raise PortraitError(f"{folder.resolve_paths(name)}: not there; try: submit again") from None


def _list(folder: Any, name: str) -> list[str]:
    try:
        return list(folder.list_files(name))
    except FileNotFoundError:
        return []
