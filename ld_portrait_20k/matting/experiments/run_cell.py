"""One cell: train, test, write the result."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable
from contextlib import redirect_stderr
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from ld_portrait_20k.common.files import write_bytes
from ld_portrait_20k.compositing.trimaps import UNKNOWN
from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.matting.data.pictures import read_colour, read_matte, read_trimap, to_8_bit
from ld_portrait_20k.matting.experiments.cells import (
    Cell,
    DataRef,
    cell_folder,
    read_result,
    write_result,
)
from ld_portrait_20k.matting.experiments.prepared import PreparedFolder, read
from ld_portrait_20k.matting.experiments.preparing import background_list
from ld_portrait_20k.matting.metrics.errors import METRICS, score
from ld_portrait_20k.version import __version__

_CHECKPOINT: Final = 500  # steps between checkpoints: half a minute of a small cell
_PACKAGES: Final = ("torch", "numpy", "opencv-python-headless", "scipy", "transformers")


def run_cell(
    cell: Cell, work: Path, *, device: str = "cpu", stopped: Callable[[], bool] = lambda: False
) -> dict[str, Any]:
    """Train and test a cell, unless its result is there.

    On a CPU the figures follow from the cell alone, however often the run was killed.

    Args:
        cell: What to do.
        work: The study's work folder.
        device: ``cpu``, or ``cuda`` for the GPU that this process sees.
        stopped: Asked after each step; once it says yes, a checkpoint is written and
            ``KeyboardInterrupt`` raised.

    Returns:
        The result, as it is in its file.

    Raises:
        PortraitError: Data are missing, or training failed.
        KeyboardInterrupt: ``stopped`` said so.
    """
    found = read_result(work, cell)
    if found is not None:
        return found
    import torch

    threads = int(cell.recipe.get("threads") or 0)
    if threads:
        torch.set_num_threads(threads)
    folder = cell_folder(work, cell)
    started = time.perf_counter()
    steps_timed = _train(cell, work, folder, device, stopped)
    trained = time.perf_counter()
    tests = {test.name: _test(folder, work / test.where, device) for test in cell.tests}
    result = {
        "tests": tests,
        "region": judged_region(cell.recipe["model"]),
        "seconds_training": trained - started,
        "seconds_testing": time.perf_counter() - trained,
        **steps_timed,
        "device": torch.cuda.get_device_name() if device == "cuda" else platform.processor()
        or platform.machine(),
        "threads": torch.get_num_threads(),
        "versions": versions(),
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }  # fmt: skip
    write_result(work, cell, result)
    return read_result(work, cell) or {}


def _train(
    cell: Cell, work: Path, folder: Path, device: str, stopped: Callable[[], bool]
) -> dict[str, float]:
    """Train from the newest checkpoint on; nothing if the model is done."""
    from ld_portrait_20k.matting.training.checkpoints import checkpoints
    from ld_portrait_20k.matting.training.loop import train

    done = folder / "trained.json"
    if done.is_file():
        return {}
    before = max(checkpoints(folder), default=0)
    config = training_config(cell, work, device)
    folder.mkdir(parents=True, exist_ok=True)
    # The loop's own lines go to a log; those of a study are one a cell.
    with (folder / "log.txt").open("a") as log, redirect_stderr(log):
        summary = train(config, folder, resume=True, stopped=stopped)
    timed = cell.steps - before
    figures = {"seconds_a_step": summary.seconds / timed} if timed else {}
    text = json.dumps({"steps": summary.steps, "loss": summary.loss}) + "\n"
    write_bytes(done, text.encode())
    return figures


def training_config(cell: Cell, work: Path, device: str) -> Any:
    """The :class:`~..training.config.TrainingConfig` of a cell.

    Raises:
        PortraitError: A setting is unknown or of a wrong type.
    """
    from ld_portrait_20k.matting.training.config import build

    recipe = dict(cell.recipe)
    network, mark = recipe.pop("network"), recipe.pop("backgrounds")
    recipe.pop("threads")
    init = _fresh(cell, work, recipe["model"], network) if network else None
    return build({
        **recipe, "data": [_text(cell.data, work)], "steps": cell.steps, "seed": cell.seed,
        # Held-out crops for the log only; nothing is chosen by them.
        "validation": [_text(cell.tests[0], work)], "validate_every": cell.steps,
        "validation_samples": recipe["batch_size"], "checkpoint_every": _CHECKPOINT,
        "keep_checkpoints": 1, "log_every": 50, "workers": 0 if device == "cpu" else None,
        "device": "cpu" if device == "cpu" else "auto", "init": init,
        "backgrounds": str(background_list(work, mark)) if mark else None,
    }, where="reproduce")  # fmt: skip


def _text(data: DataRef, work: Path) -> str:
    """A source's text: a prepared folder, or a rival where it lies."""
    folder = work / data.where
    return str(folder) if folder.is_dir() else data.where


def _fresh(cell: Cell, work: Path, model: str, network: dict[str, Any]) -> str:
    """A model folder with fresh weights of the cell's seed, for a network of another size."""
    import torch

    from ld_portrait_20k.matting.models.saving import build_network, save_pretrained

    name = f"{model}-{json.dumps(network, sort_keys=True)}-{cell.seed}"
    folder = work / "fresh" / "".join(c if c.isalnum() else "-" for c in name)
    torch.manual_seed(cell.seed)
    module = build_network({"model_type": model, **network}, folder / "config.json")
    # Written anew each time: two processes write the same bytes, and each file is whole.
    save_pretrained(module, folder, card="Fresh weights for `reproduce`.\n")
    return str(folder)


def _test(model_folder: Path, test: Path, device: str) -> dict[str, Any]:
    """Mean errors over a test set's pictures, and each picture's."""
    from ld_portrait_20k.matting.models.torch_model import open_pretrained

    model = open_pretrained(model_folder, device=device)
    pictures = [_judge(model, read(test), entry.sample_id) for entry in read(test).entries]
    means = {
        metric: float(np.mean([picture[metric] for picture in pictures])) for metric in METRICS
    }
    return {**means, "pictures": pictures}


def _judge(model: Any, folder: PreparedFolder, name: str) -> dict[str, Any]:
    image = read_colour(folder.file("image", name)).astype(np.float32) / np.float32(255)
    true = to_8_bit(read_matte(folder.file("alpha", name))) / 255.0
    given = read_trimap(folder.file("trimap", name))
    unknown = given == UNKNOWN
    known = np.where(unknown, 0.5, given / 255.0).astype(np.float32)
    alpha = model(image, known if model.needs_trimap else None).astype(np.float64)
    region = _region(model.needs_trimap)
    return {"name": name, **score(alpha, true, {"unknown": unknown, "whole": None})[region]}


def judged_region(model: str) -> str:
    """Where a model is judged: ``unknown``, the trimap's region, or ``whole`` without a trimap.

    Args:
        model: A name of the registry.
    """
    from ld_portrait_20k.matting.models.registry import MODELS

    return _region(MODELS[model].needs_trimap)


def _region(needs_trimap: bool) -> str:
    return "unknown" if needs_trimap else "whole"


def versions() -> dict[str, str]:
    """What computed a result."""
    found = {"ld-portrait-20k": __version__, "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    found["cv2"] = cv2.__version__
    return found


def check_model(chosen_model: str) -> None:
    """Check that a model can be trained.

    Raises:
        PortraitError: No such model, or it is not trained.
    """
    from ld_portrait_20k.matting.models.registry import MODELS, require

    trained = [name for name, entry in MODELS.items() if entry.create]
    if chosen_model not in trained:
        raise PortraitError(f"{chosen_model!r} is not trained; try: --model {' or '.join(trained)}")
    require(MODELS[chosen_model])
