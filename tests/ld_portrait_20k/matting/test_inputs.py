"""What models and metrics are given by other people's code: refused where it would mislead."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from ld_portrait_20k import matting
from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.matting.cli import main
from ld_portrait_20k.matting.metrics import METRICS, dtssd, messddt, score
from ld_portrait_20k.matting.models.portrait import PortraitUNet
from ld_portrait_20k.matting.models.saving import save_pretrained

MODELS = ("hint-unet", "closed-form", "guided-filter")

IMAGE = np.random.default_rng(0).random((24, 32, 3), dtype=np.float32)
TRIMAP = np.tile(np.repeat(np.array([0, 0.5, 1, 0.5], np.float32), 8), (24, 1))


@pytest.mark.parametrize(
    ("image", "trimap", "told"),
    [
        (IMAGE * 255, TRIMAP, "the picture's values leave 0..1; try: image / 255"),
        ((IMAGE * 255).astype(np.uint8), TRIMAP, "uint8; try:"),
        (np.full_like(IMAGE, np.nan), TRIMAP, "the picture's values leave 0..1"),
        (IMAGE, TRIMAP * 255, "a trimap of float32, 0.0 to 255.0; try: floats"),
        (IMAGE, (TRIMAP * 255).astype(np.uint8), "a trimap of uint8, 0 to 255; try: floats"),
        (IMAGE, TRIMAP > 0, "a trimap of bool"),
        (IMAGE, np.full_like(TRIMAP, np.nan), "a trimap of float32, nan to nan"),
        (IMAGE, TRIMAP[..., None], "differ in size"),
        (torch.from_numpy(IMAGE), TRIMAP, "the picture is a Tensor; try: a numpy array"),
        (IMAGE, torch.from_numpy(TRIMAP), "the trimap is a Tensor; try: a numpy array"),
        (IMAGE[:0], TRIMAP[:0], r"a picture of shape \(0, 32, 3\)"),
        (IMAGE[None], TRIMAP[None], r"a picture of shape \(1, 24, 32, 3\)"),
        (IMAGE, None, "needs a trimap"),
    ],
)
def test_every_model_refuses_what_it_would_take_for_something_else(
    image: Any, trimap: Any, told: str
) -> None:
    for name in MODELS:
        with pytest.raises(PortraitError, match=f"{name}.*{told}"):
            matting.load(name)(image, trimap)


def test_floats_of_any_width_and_trimaps_of_128_by_255_are_taken() -> None:
    half = np.where(TRIMAP == 0.5, np.float32(128 / 255), TRIMAP)
    for name in MODELS:
        model = matting.load(name)
        plain = model(IMAGE, TRIMAP)
        assert np.abs(model(IMAGE, half) - plain).max() < 2e-3
        wide = model(IMAGE.astype(np.float64), TRIMAP.astype(np.float64))
        assert wide.dtype == np.float32
        assert np.array_equal(wide, plain)


def test_a_device_that_holds_no_numbers_is_refused() -> None:
    with pytest.raises(PortraitError, match=r"device 'meta': .*; try: cpu"):
        matting.load("hint-unet", device="meta")


ALPHA = np.random.default_rng(1).random((9, 11))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda alpha: alpha * 255, "divide by 255 first"),
        (lambda alpha: (alpha * 255).astype(np.uint8), "divide by 255 first"),
        (lambda alpha: -alpha, "0..1"),
        (torch.from_numpy, "alpha is a Tensor; try: a numpy array"),
        (lambda alpha: alpha[:0], r"mattes of shapes \(0, 11\)"),
        (lambda alpha: alpha[None], r"mattes of shapes \(1, 9, 11\)"),
    ],
)
def test_metrics_refuse_mattes_on_another_scale(change: Callable[[Any], Any], told: str) -> None:
    given = change(ALPHA)
    with pytest.raises(ValueError, match=told):
        score(given, given, {"mean": None})
    for measure in (dtssd, messddt):
        with pytest.raises(ValueError, match=told):
            measure(given, given, given, given)


def test_metrics_refuse_a_mask_of_another_shape_and_take_rounding() -> None:
    with pytest.raises(ValueError, match=r"a mask of shape \(3, 3\) does not fit"):
        score(ALPHA, ALPHA, {"unknown": np.ones((3, 3), bool)})
    found = score(ALPHA.clip(0.5) * 1.002, ALPHA, {"mean": None})
    assert set(found["mean"]) == set(METRICS)


def test_weights_that_are_no_numbers_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run that diverged, or a damaged file, gave mattes of noise and exit code 0."""
    network = PortraitUNet({"widths": [4, 4], "depths": [1, 1], "size": 32})
    folder = save_pretrained(network, tmp_path / "model", card="")
    weights = load_file(folder / "model.safetensors")
    weights["head.bias"][0] = np.nan
    save_file(weights, folder / "model.safetensors")
    picture = tmp_path / "picture.png"
    cv2.imwrite(str(picture), np.zeros((8, 8, 3), np.uint8))
    code = main(["predict", str(picture), "--model", str(folder), "--output", str(tmp_path / "o")])
    assert code == 1
    assert "model.safetensors: has weights that are no numbers; try:" in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize(
    "more",
    [{"depths": [1, 1, 1, 10**11]}, {"widths": [10**8] * 4}, {"up_depths": [10**400] * 3}],
)
def test_a_config_that_would_take_all_memory_is_refused(
    tmp_path: Path, more: dict[str, Any]
) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "hint-unet", **more}))
    with pytest.raises(PortraitError, match=r"config\.json: not a config of hint-unet \(a number"):
        matting.load(tmp_path)
