"""From settings to a report: prepare, design, deal, write."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ld_portrait_20k.common.locks import held
from ld_portrait_20k.format.manifest import refuse_dataset
from ld_portrait_20k.matting.experiments.cells import Cell, read_result
from ld_portrait_20k.matting.experiments.dealing import label
from ld_portrait_20k.matting.experiments.design import design
from ld_portrait_20k.matting.experiments.preparing import prepare
from ld_portrait_20k.matting.experiments.run_cell import check_model, training_config
from ld_portrait_20k.matting.experiments.settings import Settings
from ld_portrait_20k.matting.experiments.study import WORK, Study, load_study, new_study
from ld_portrait_20k.matting.training.logging import duration

Tell = Callable[[str], None]


def prepared_study(chosen: Settings, output: Path, command: str, tell: Tell) -> Study:
    """Make the data and write ``study.json``; what is there already is kept.

    Args:
        chosen: What to compare.
        output: The report's folder.
        command: The command line, for the report.
        tell: Told what is going on, a line at a time.

    Raises:
        PortraitError: The data or settings do not allow it, or a dataset is in ``output``.
    """
    refuse_dataset(output)  # its work folder has the name of ours
    check_model((chosen.recipe or {})["model"])
    with held(output / WORK / ".lock", str(output)):
        prepared = prepare(chosen, (output / WORK).resolve(), tell)
        study = new_study(output, chosen, prepared, design(chosen, prepared), command)
        study.save()
    return load_study(output)


def forecast(study: Study, processes: int, device: str = "cpu") -> dict[str, Any]:
    """What is left to do and how long it will take.

    A step's time is that of finished cells; without one, a few steps of a cell are made.

    Args:
        study: A prepared study.
        processes: That will share the cells.
        device: ``cpu`` or ``cuda``, for the steps that are made.

    Returns:
        ``cells`` (a line each: its state and label), ``done``, ``left``, ``steps_left``,
        ``seconds_a_step``, ``seconds_a_test``, and ``time_left`` in words.
    """
    results = study.results()
    left = [cell for cell in study.cells if cell.hash not in results]
    steps = sum(cell.steps for cell in left)
    timed = [r["seconds_a_step"] for r in results.values() if "seconds_a_step" in r]
    tested = [r["seconds_testing"] for r in results.values()]
    a_step = statistics.median(timed) if timed else _timed_step(study, left, device)
    # Without a finished cell, tests are counted as a twentieth of training.
    a_test = statistics.median(tested) if tested else a_step * steps / max(1, len(left)) / 20
    seconds = (steps * a_step + len(left) * a_test) / max(1, processes)
    lines = [
        f"{'done' if cell.hash in results else 'to do'}  {cell.steps} steps  {label(study, cell)}"
        for cell in study.cells
    ]
    return {
        "cells": lines, "done": len(results), "left": len(left), "steps_left": steps,
        "seconds_a_step": a_step, "seconds_a_test": a_test, "processes": processes,
        "time_left": duration(seconds) if left else "nothing: all cells are done",
    }  # fmt: skip


def _timed_step(study: Study, left: Sequence[Cell], device: str) -> float:
    """Seconds of a step, from a few of the first cell that is left; nothing is kept."""
    if not left:
        return 0.0
    import torch

    from ld_portrait_20k.matting.training.loop import open_run

    cell = left[0]
    if cell.recipe["threads"]:
        torch.set_num_threads(int(cell.recipe["threads"]))
    taken = []
    config = training_config(cell, study.work, device)
    with open_run(config, study.work / "timing", resume=True) as run:
        stream = run.stream(workers=0)
        for _ in range(min(6, cell.steps)):
            started = time.perf_counter()
            run.step(next(stream))
            run.done += 1
            taken.append(time.perf_counter() - started)
    # The first ones open files and choose kernels.
    return statistics.median(taken[2:] or taken)


def finished(study: Study) -> bool:
    """Whether every cell has its result."""
    return all(read_result(study.work, cell) is not None for cell in study.cells)
