"""Networks: ViTMatte and the portrait network learn, are saved, loaded and published."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.matting.models.hint_unet import create as create_hint_unet
from ld_portrait_20k.matting.models.portrait import PortraitUNet
from ld_portrait_20k.matting.models.saving import load_pretrained, push_to_hub, save_pretrained
from ld_portrait_20k.matting.models.torch_model import NetworkMatting, open_pretrained
from ld_portrait_20k.matting.models.vitmatte import VitMatte, create
from ld_portrait_20k.matting.training.config import LossWeights
from ld_portrait_20k.matting.training.losses import MattingLoss, fix_known
from tests.hub import HubServer

from .conftest import portrait, tiny_config

CARD = "---\nlicense: cc-by-4.0\n---\n\n# A model\n"


def tiny_portrait() -> PortraitUNet:
    return PortraitUNet({"widths": [8, 8, 12, 12, 16], "depths": [1] * 5, "size": 64})


def one_batch(size: int = 64, count: int = 2) -> dict[str, torch.Tensor]:
    rows: dict[str, list[torch.Tensor]] = {}
    for number in range(count):
        colour, alpha = portrait(number, size)
        behind = np.full_like(colour, 40 + 100 * number)
        trimap = np.where((alpha > 0) & (alpha < 255), 128, alpha)
        weight = alpha[..., None] / 255
        planes = {
            "image": colour * weight + behind * (1 - weight), "foreground": colour,
            "background": behind, "alpha": alpha[..., None], "trimap": trimap[..., None],
        }  # fmt: skip
        for name, plane in planes.items():
            tensor = torch.from_numpy(np.asarray(plane, np.float32) / 255).permute(2, 0, 1)
            rows.setdefault(name, []).append(tensor)
    return {name: torch.stack(values) for name, values in rows.items()}


def overfit(module: Any, steps: int, rate: float) -> tuple[float, float]:
    """The first and the least loss of training on one batch."""
    batch, loss = one_batch(), MattingLoss(LossWeights())
    optimizer = torch.optim.AdamW(module.parameters(), rate)
    inputs, losses = module.prepare(batch["image"], batch["trimap"]), []
    for _ in range(steps):
        alpha = module.train()(inputs)
        if module.needs_trimap:
            alpha = fix_known(alpha, batch["trimap"])
        total, _ = loss(alpha, batch)
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        losses.append(float(total.detach()))
        if losses[-1] < losses[0] / 10:
            break
    return losses[0], min(losses)


def test_tiny_vitmatte_overfits_one_batch_to_a_tenth(tiny: VitMatte) -> None:
    first, least = overfit(tiny, 400, 5e-3)
    assert least < first / 10


def test_portrait_network_overfits_one_batch_to_a_tenth_without_a_trimap() -> None:
    torch.manual_seed(0)
    first, least = overfit(tiny_portrait(), 400, 5e-3)
    assert least < first / 10


def test_vitmatte_small_has_the_papers_size_and_takes_a_step() -> None:
    torch.manual_seed(0)
    module: Any = create("vitmatte-small")
    assert sum(p.numel() for p in module.parameters()) == 25_814_753
    weight = module.decoder.matting_head.matting_convs[0].weight
    before = weight.detach().clone()
    overfit(module, 1, 1e-3)
    assert not torch.equal(before, weight)


@pytest.mark.parametrize("kind", ["vitmatte", "portrait", "hint"])
def test_saved_and_loaded_it_says_the_same(kind: str, tiny: VitMatte, tmp_path: Path) -> None:
    make = {"vitmatte": lambda: tiny, "portrait": tiny_portrait,
            "hint": lambda: create_hint_unet("hint-unet")}[kind]  # fmt: skip
    module: Any = make()
    overfit(module, 2, 1e-3)
    save_pretrained(module, tmp_path, card=CARD)
    loaded = load_pretrained(tmp_path)
    batch = one_batch()
    inputs = module.prepare(batch["image"], batch["trimap"])
    with torch.no_grad():
        assert torch.equal(module.eval()(inputs), loaded(inputs))
    assert loaded.config == json.loads((tmp_path / "config.json").read_text())
    assert not list(tmp_path.glob("*.bin"))


def test_transformers_loads_what_is_saved_and_the_other_way_round(
    tiny: VitMatte, tmp_path: Path
) -> None:
    from transformers import VitMatteForImageMatting

    overfit(tiny, 2, 1e-3)
    save_pretrained(tiny, tmp_path / "ours", card=CARD)
    theirs = VitMatteForImageMatting.from_pretrained(tmp_path / "ours")
    inputs = torch.rand(1, 4, 64, 96)
    with torch.no_grad():
        alpha: torch.Tensor = tiny.eval()(inputs)
        assert torch.equal(theirs(pixel_values=inputs).alphas, alpha)
        theirs.save_pretrained(tmp_path / "theirs")
        assert torch.equal(load_pretrained(tmp_path / "theirs")(inputs), alpha)
    processor = json.loads((tmp_path / "ours/preprocessor_config.json").read_text())
    assert processor["image_mean"] == [0.5] * 3 and processor["size_divisor"] == 32


def test_what_is_no_model_is_named(tiny: VitMatte, tmp_path: Path) -> None:
    with pytest.raises(PortraitError, match=r"config\.json is missing"):
        load_pretrained(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(PortraitError, match="bert"):
        load_pretrained(tmp_path)
    save_pretrained(tiny, tmp_path, card=CARD)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(PortraitError, match=re.escape(str(weights))):
        load_pretrained(tmp_path)
    weights.unlink()
    with pytest.raises(PortraitError, match=r"no model\.safetensors"):
        load_pretrained(tmp_path)
    save_pretrained(VitMatte(tiny_config()), tmp_path, card=CARD)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(
        json.dumps({**config, "fusion_hidden_sizes": [24, 16, 12, 4]})
    )
    with pytest.raises(PortraitError, match="does not fit"):
        load_pretrained(tmp_path)


def test_behind_the_interface_known_pixels_are_exact_and_any_size_goes(tiny: VitMatte) -> None:
    overfit(tiny, 20, 5e-3)  # fresh, it says one half everywhere
    model = NetworkMatting(tiny, name="tiny", licence="none")
    colour, _ = portrait(0, 75)
    image = np.asarray(colour[:, :61] / 255, np.float32)
    trimap = np.full((75, 61), 0.5, np.float32)
    trimap[:20], trimap[60:] = 0, 1
    found = model(image, trimap)
    assert found.shape == (75, 61) and found.dtype == np.float32
    assert (found[:20] == 0).all() and (found[60:] == 1).all()
    assert ((found >= 0) & (found <= 1)).all() and np.ptp(found[20:60]) > 0
    with pytest.raises(PortraitError, match="needs a trimap"):
        model(image)
    with pytest.raises(PortraitError, match="differ in size"):
        model(image, trimap[:-1])
    with pytest.raises(PortraitError, match="device"):
        NetworkMatting(tiny, name="tiny", licence="none", device="cuda:7")


def test_large_pictures_go_in_tiles_without_seams() -> None:
    """Where each tile sees known pixels on both sides, tiles say what the whole says."""
    torch.manual_seed(0)
    module = create_hint_unet("hint-unet")
    overfit(module, 3, 1e-3)
    colour, alpha = portrait(1, 640)
    image = np.asarray(colour / 255, np.float32)
    band = cv2.dilate(((alpha > 0) & (alpha < 255)).astype(np.uint8), np.ones((9, 9))) > 0
    trimap = np.where(band, np.float32(0.5), (alpha == 255).astype(np.float32))
    found = []
    for tile in (2048, 320):
        model = NetworkMatting(module, name="m", licence="none")
        model._tile = tile
        found.append(model(image, trimap))
    assert np.abs(found[0] - found[1])[band].mean() < 0.02


def test_without_a_trimap_large_pictures_are_shrunk() -> None:
    model = NetworkMatting(tiny_portrait(), name="p", licence="none")
    image = np.random.default_rng(0).random((200, 150, 3), np.float32)
    alpha = model(image)
    assert alpha.shape == (200, 150) and alpha.min() >= 0 and alpha.max() <= 1
    trimap = np.full((200, 150), 0.5, np.float32)
    trimap[:50] = 1
    assert (model(image, trimap)[:50] == 1).all()


def test_published_and_fetched_it_is_the_same(tiny: VitMatte, tmp_path: Path) -> None:
    save_pretrained(tiny, tmp_path / "model", card=CARD)
    (tmp_path / "model/checkpoints").mkdir()
    (tmp_path / "model/checkpoints/big.safetensors").write_bytes(b"0" * 100)
    (tmp_path / "model/log.csv").write_text("step\n")
    with HubServer() as hub:
        done = subprocess.run(
            [sys.executable, "-c", _PUBLISH, str(tmp_path / "model")],
            env={**os.environ, **hub.environment(), "HF_HOME": str(tmp_path / "cache"),
                 "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True, text=True, cwd=tmp_path,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout.strip().splitlines()[-1])
    assert told["same"] and told["licence"] == "cc-by-4.0"
    assert set(told["files"]) - {".gitattributes"} == {
        "README.md", "config.json", "model.safetensors", "preprocessor_config.json",
    }  # fmt: skip
    assert told["absent"].startswith("tester/none: ")
    # A new version of the repository's weights makes a folder's mattes anew, an old one does not.
    assert told["written"] == [1, 0, 1]


_PUBLISH = """
import json, sys, torch
from huggingface_hub import HfApi
from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.matting import load
from ld_portrait_20k.matting.models.saving import load_pretrained, push_to_hub
folder = sys.argv[1]
push_to_hub(folder, "tester/model")
files = HfApi().list_repo_files("tester/model")
here, there = load_pretrained(folder), load_pretrained("tester/model")
same = all(torch.equal(v, there.state_dict()[k]) for k, v in here.state_dict().items())
try:
    load("tester/none")
except PortraitError as problem:
    absent = str(problem)
import cv2, numpy as np
from pathlib import Path
from safetensors.torch import load_file, save_file
from ld_portrait_20k.matting.prediction.folders import plan, predict
from ld_portrait_20k.matting.prediction.outputs import Outputs
cv2.imwrite("p.png", np.full((32, 32, 3), 99, np.uint8))
cv2.imwrite("t.png", np.repeat(np.uint8([[0], [128], [255], [255]]), 8, 0).repeat(32, 1))
written = []
for change in (False, False, True):
    if change:
        weights = load_file(folder + "/model.safetensors")
        save_file({k: v + 1 if v.ndim == 1 else v for k, v in weights.items()},
                  folder + "/model.safetensors", {"format": "pt"})
        push_to_hub(folder, "tester/model")
    jobs = plan(["p.png"], Path("out"), trimaps=Path("t.png"))
    written.append(len(predict(jobs, Outputs(Path("out")), load("tester/model")).written))
print(json.dumps({"files": files, "same": same, "licence": load("tester/model").licence,
                  "absent": absent, "written": written}))
"""


def test_only_a_model_is_published(tmp_path: Path) -> None:
    with pytest.raises(PortraitError, match=r"config\.json is missing"):
        push_to_hub(tmp_path, "tester/model")


def test_the_cards_licence_is_the_models(tiny: VitMatte, tmp_path: Path) -> None:
    save_pretrained(tiny, tmp_path, card=CARD)
    assert open_pretrained(tmp_path).licence == "cc-by-4.0"
    (tmp_path / "README.md").write_text("no front matter")
    assert open_pretrained(tmp_path).licence == "unknown"
