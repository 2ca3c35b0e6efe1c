"""Checkpoints that were tampered with, are foreign, or could not be written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.matting import load
from ld_portrait_20k.matting.cli import main
from ld_portrait_20k.matting.training.checkpoints import checkpoints
from tests.ld_portrait_20k.common.test_files import files_of_at_most

from .test_training import FLAGS, settings, train


def _without_one(tensors: dict[str, Tensor]) -> None:
    del tensors[min(tensors)]


def _narrow(tensors: dict[str, Tensor]) -> None:
    name = next(name for name, value in tensors.items() if value.ndim == 4 and len(value) > 1)
    tensors[name] = tensors[name][:1].contiguous()  # broadcasting would take it


def _no_number(tensors: dict[str, Tensor]) -> None:
    name = next(name for name, value in tensors.items() if value.ndim == 4)
    tensors[name].view(-1)[0] = np.nan


def _foreign(tensors: dict[str, Tensor]) -> None:
    tensors["exp_avg/other"] = torch.zeros(3)


@pytest.mark.parametrize("part", ["model", "average", "optimizer"])
@pytest.mark.parametrize("change", [_without_one, _narrow, _no_number, _foreign])
def test_a_checkpoint_of_other_tensors_is_refused(
    part: str, change: Callable[[dict[str, Tensor]], Any], pairs: Path, tmp_path: Path
) -> None:
    """Missing ones were taken from the fresh network, or ended in a traceback of torch."""
    run = tmp_path / "run"
    train(settings(pairs, 2), run)
    path = checkpoints(run)[2] / f"{part}.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)
    with pytest.raises(PortraitError, match=r"not a checkpoint of this run .*; try: remove it"):
        train(settings(pairs, 4), run, resume=True)


def test_a_full_disk_is_one_line_and_the_run_goes_on_later(
    pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    flags = ["--data", f"p={pairs}", "--output", str(run), "--workers", "0", *FLAGS]
    assert main(["train", *flags, "--steps", "2"]) == 0
    with files_of_at_most(1_000_000):
        assert main(["train", "--resume", "--output", str(run), "--steps", "4"]) == 1
    told = capsys.readouterr().err.splitlines()[-1]
    assert "cannot be written" in told and "; try: --resume" in told
    assert list(checkpoints(run)) == [2]
    assert not list((run / "checkpoints").glob(".*"))
    assert main(["train", "--resume", "--output", str(run), "--steps", "4"]) == 0
    assert max(checkpoints(run)) == 4


def test_checkpoints_can_be_compared(pairs: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    train(settings(pairs, 4, checkpoint_every=2), run, licence="cc0-1.0")
    image = np.random.default_rng(0).random((32, 32, 3), np.float32)
    trimap = np.repeat(np.array([0, 0.5, 0.5, 1], np.float32), 8)[None].repeat(32, 0)
    found = {step: load(path) for step, path in checkpoints(run).items()}
    alphas = {step: model(image, trimap) for step, model in found.items()}
    assert np.array_equal(alphas[4], load(run)(image, trimap))
    assert not np.array_equal(alphas[2], alphas[4])
    assert found[2].licence == "cc0-1.0"
