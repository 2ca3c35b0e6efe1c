"""Checkpoints: everything that the next step depends on, in files that are whole or absent.

A folder a checkpoint, ``checkpoints/step-00000500``: ``model.safetensors``,
``average.safetensors``, ``optimizer.safetensors`` and ``state.json``. The learning rate, the
crops and torch's random numbers follow from the step and the seed, so no state of theirs is
kept. No pickle.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ld_portrait_20k.common.files import replacing_folder
from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.matting.models.saving import AVERAGE
from ld_portrait_20k.matting.training.optimization import MovingAverage

FOLDER: Final = "checkpoints"
_NAME: Final = re.compile(r"step-(\d{8})")


def checkpoints(output: Path) -> dict[int, Path]:
    """The checkpoints of a run by step, oldest first."""
    found = {}
    for path in sorted((output / FOLDER).glob("step-*")):
        named = _NAME.fullmatch(path.name)
        if named and (path / "state.json").is_file():
            found[int(named[1])] = path
    return found


def save_checkpoint(
    output: Path,
    step: int,
    module: nn.Module,
    average: MovingAverage,
    optimizer: torch.optim.Optimizer,
    *,
    keep: int,
) -> Path:
    """Write a checkpoint after ``step`` steps, and remove older ones.

    Args:
        output: Folder of the run.
        step: Steps done.
        module: The network, not wrapped.
        average: Of its weights.
        optimizer: With its moments.
        keep: How many to keep, this one among them.

    Returns:
        The checkpoint's folder.

    Raises:
        PortraitError: It cannot be written: a full disk.
    """
    folder = output / FOLDER / f"step-{step:08d}"
    with replacing_folder(folder) as temporary:
        _save(module.state_dict(), temporary / "model.safetensors")
        _save(average.weights, temporary / AVERAGE)
        _save(_flatten(module, optimizer), temporary / "optimizer.safetensors")
        state = {"step": step, "average_updates": average.updates}
        (temporary / "state.json").write_text(json.dumps(state) + "\n")
    for _, old in sorted(checkpoints(output).items())[:-keep]:
        shutil.rmtree(old, ignore_errors=True)
    return folder


def load_checkpoint(
    folder: Path, module: nn.Module, average: MovingAverage, optimizer: torch.optim.Optimizer
) -> int:
    """Put a checkpoint's state in place.

    Returns:
        The number of steps done.

    Raises:
        PortraitError: A file is damaged or of another model.
    """
    try:
        state = json.loads((folder / "state.json").read_text())
        updates, step = int(state["average_updates"]), int(state["step"])
        weights, mean, moments = (
            load_file(folder / name)
            for name in ("model.safetensors", AVERAGE, "optimizer.safetensors")
        )
        _check(weights, module.state_dict(), "the model")
        _check(mean, average.weights, "the average")
        _check(moments, _moments_of(module, moments), "the optimiser")
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as problem:
        reason = str(problem).split("\n", 1)[0]
        raise PortraitError(
            f"{folder}: not a checkpoint of this run ({reason}); try: remove it, --resume "
            "then takes the one before"
        ) from problem
    module.load_state_dict(weights)
    for name, value in mean.items():
        average.weights[name].copy_(value)
    _unflatten(module, optimizer, moments)
    average.updates = updates
    return step


def _save(tensors: dict[str, Tensor], path: Path) -> None:
    try:
        save_file({name: v.detach().cpu().contiguous() for name, v in tensors.items()}, path)
    except SafetensorError as problem:
        raise PortraitError(
            f"{path}: cannot be written ({problem}); try: --resume when there is room"
        ) from problem


def _check(found: dict[str, Tensor], wanted: Mapping[str, Tensor], of: str) -> None:
    """Check that tensors are those of this run: names, shapes, and numbers all of them.

    Raises:
        ValueError: They are not.
    """
    odd = found.keys() ^ wanted.keys()
    if odd:
        raise ValueError(f"{of} has {len(odd)} tensors too few or too many, such as {min(odd)}")
    for name, value in found.items():
        if value.shape != wanted[name].shape:
            raise ValueError(f"{of} has {name} of {tuple(value.shape)}")
        if not value.isfinite().all():
            raise ValueError(f"{of} has values that are no numbers in {name}")


def _moments_of(module: nn.Module, moments: dict[str, Tensor]) -> dict[str, Tensor]:
    """What AdamW keeps of the parameters that are named in its state, by the state's names.

    A parameter that never had a gradient has no state.
    """
    parameters = dict(module.named_parameters())
    wanted = {}
    for name in {entry.partition("/")[2] for entry in moments}:
        wanted[f"step/{name}"] = torch.zeros(())
        wanted |= {f"{key}/{name}": parameters[name] for key in ("exp_avg", "exp_avg_sq")}
    return wanted


def _names(module: nn.Module) -> dict[int, str]:
    return {id(parameter): name for name, parameter in module.named_parameters()}


def _flatten(module: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimiser's state by the parameters' names: ``exp_avg/encoder.0.weight``."""
    names = _names(module)
    return {
        f"{key}/{names[id(parameter)]}": torch.as_tensor(value)
        for parameter, state in optimizer.state.items()
        for key, value in state.items()
    }


def _unflatten(
    module: nn.Module, optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]
) -> None:
    names = _names(module)
    state: dict[str, dict[str, Any]] = {}
    for entry, value in tensors.items():
        key, _, name = entry.partition("/")
        state.setdefault(name, {})[key] = value
    # Through the optimiser's own loading, which puts each tensor on the right device.
    current = optimizer.state_dict()
    order = [names[id(p)] for group in optimizer.param_groups for p in group["params"]]
    current["state"] = {number: state[name] for number, name in enumerate(order) if name in state}
    optimizer.load_state_dict(current)
