"""A dry run: everything is opened, two steps are timed, nothing is written."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from ld_portrait_20k.common.printable import say
from ld_portrait_20k.matting.training.config import TrainingConfig
from ld_portrait_20k.matting.training.logging import duration
from ld_portrait_20k.matting.training.loop import open_run


def rehearse(config: TrainingConfig, output: Path, *, resume: bool = False) -> dict[str, Any]:
    """Do what a run does before and in its first steps, but leave no trace.

    Returns:
        ``loss`` of the first step, ``seconds_a_step`` and ``seconds_a_batch`` (of the model,
        and of one worker's data) and ``left``, the time that the steps will take in words.

    Raises:
        PortraitError: Whatever would stop the run.
    """
    with open_run(config, output, resume=resume) as run:
        for line in run.lines():
            say(line, error=True)
        stream = run.stream(workers=0)
        losses, data, model = [], [], []
        for _ in range(min(3, config.steps - run.done)):
            start = time.perf_counter()
            batch = next(stream)
            between = time.perf_counter()
            losses.append(float(run.step(batch)[0]))
            run.done += 1
            data.append(between - start)
            model.append(time.perf_counter() - between)
    if not losses:
        return {"left": "nothing: the run is done"}
    # The first of each warms up: files are opened, kernels chosen.
    a_step, a_batch = min(model), min(data)
    whole = max(a_step, a_batch / max(1, run.workers)) * (config.steps - run.done)
    return {
        "loss": losses[0], "seconds_a_step": a_step, "seconds_a_batch": a_batch,
        "left": duration(whole),
    }  # fmt: skip
