"""The README's recipes as they run: ``python -m tests.ld_portrait_20k.recipes NAME DATA``.

Each trains a tiny matting network for a few steps and prints what the tests look at.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ld_portrait_20k import PortraitLoader, PortraitStream, load_dataset
from ld_portrait_20k.compositing import ColourBackgrounds, composite, training_transform

torch.set_num_threads(1)


class Matting(nn.Module):
    """Image and trimap in, alpha out."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(4, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 1, 1))

    def forward(self, image: torch.Tensor, trimap: torch.Tensor) -> torch.Tensor:
        return self.layers(torch.cat([image, trimap], dim=1)).sigmoid()


def make_loader(data: str, workers: int = 0, rank: int | None = None, world: int | None = None):
    stream = PortraitStream(
        data, shuffle=True, seed=1, batch_size=2, rank=rank, world_size=world,
        transform=training_transform(ColourBackgrounds(), 32),
    )  # fmt: skip
    return PortraitLoader(stream, num_workers=workers)


def plain(data: str) -> dict[str, Any]:
    """Plain PyTorch, with a checkpoint in the middle of an epoch."""

    def run(stop: int | None, checkpoint: dict | None) -> tuple[list[str], dict]:
        torch.manual_seed(0)
        model, loader = Matting(), make_loader(data, workers=2)
        optimizer = torch.optim.Adam(model.parameters(), 1e-2)
        seen: list[str] = []
        if checkpoint:
            model.load_state_dict(checkpoint["model"])
            optimizer.load_state_dict(checkpoint["optimizer"])
            loader.load_state_dict(checkpoint["loader"])
        while loader.epoch < 2:
            for batch in loader:
                loss = (model(batch["image"], batch["trimap"]) - batch["alpha"]).abs().mean()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                seen += batch["id"]
                if stop and len(seen) >= stop:
                    return seen, {
                        "model": model.state_dict(),
                        "optimizer": optimizer.state_dict(),
                        "loader": loader.state_dict(),
                    }
        return seen, {"model": model.state_dict()}

    whole, end = run(None, None)
    first, checkpoint = run(6, None)
    with tempfile.NamedTemporaryFile() as file:
        torch.save(checkpoint, file.name)
        rest, resumed = run(None, torch.load(file.name, weights_only=True))
    same = all(torch.equal(end["model"][key], resumed["model"][key]) for key in end["model"])
    return {"order": first + rest == whole, "weights": same, "count": len(whole)}


def lightning(data: str) -> dict[str, Any]:
    """The shape of a Lightning run: any iterable is a loader; its state goes in a hook."""

    class Module(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = Matting()
            self.loader = make_loader(data)

        def train_dataloader(self) -> PortraitLoader:
            return self.loader

        def training_step(self, batch: dict[str, Any], number: int) -> torch.Tensor:
            predicted = self.model(batch["image"], batch["trimap"])
            return (predicted - batch["alpha"]).abs().mean()

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.Adam(self.parameters(), 1e-2)

        def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
            checkpoint["loader"] = self.loader.state_dict()

        def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
            self.loader.load_state_dict(checkpoint["loader"])

    def fit(module: Module, steps: int | None = None) -> list[str]:
        optimizer = module.configure_optimizers()
        seen: list[str] = []
        for number, batch in enumerate(module.train_dataloader()):
            loss = module.training_step(batch, number)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            seen += batch["id"]
            if steps and number + 1 == steps:
                break
        return seen

    whole = fit(Module())
    module, checkpoint = Module(), {}
    first = fit(module, 2)
    module.on_save_checkpoint(checkpoint)
    again = Module()
    again.on_load_checkpoint(checkpoint)
    return {"order": first + fit(again) == whole}


def accelerated(data: str) -> dict[str, Any]:
    """Accelerate with two processes over gloo."""
    with tempfile.TemporaryDirectory() as folder:
        import torch.multiprocessing as processes

        processes.spawn(_accelerate_process, (data, folder), nprocs=2)
        parts = [json.loads(Path(folder, f"{rank}.json").read_text()) for rank in (0, 1)]
    return {
        "ids": sorted(parts[0]["ids"] + parts[1]["ids"]),
        "counts": [len(part["ids"]) for part in parts],
        "same_weights": parts[0]["weights"] == parts[1]["weights"],
        "state": parts[0]["state"] == parts[1]["state"],
    }


def _accelerate_process(rank: int, data: str, folder: str) -> None:
    os.environ.update(
        RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE="2", MASTER_ADDR="127.0.0.1",
        MASTER_PORT="29517", ACCELERATE_USE_CPU="true",
    )  # fmt: skip
    from accelerate import Accelerator

    torch.set_num_threads(1)
    torch.manual_seed(0)
    accelerator = Accelerator(cpu=True)
    # The stream finds rank and world size itself, so it is made after the Accelerator.
    model = Matting()
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    model, optimizer, loader = accelerator.prepare(model, optimizer, make_loader(data))
    seen = []
    for batch in loader:
        loss = (model(batch["image"], batch["trimap"]) - batch["alpha"]).abs().mean()
        optimizer.zero_grad()
        accelerator.backward(loss)
        optimizer.step()
        seen += batch["id"]
    weights = [float(p.detach().sum()) for p in model.parameters()]
    body = {"ids": seen, "weights": weights, "state": loader.state_dict()}
    Path(folder, f"{rank}.json").write_text(json.dumps(body))
    accelerator.end_training()


def webdataset(data: str) -> dict[str, Any]:
    """The ``webdataset`` library on our shards."""
    import webdataset as wds

    shards = sorted(str(path) for path in Path(data, "data").glob("train-*.tar"))
    # handler=warn would hide damage; "rgb8"/"l8" decode to arrays, no pickles anywhere.
    samples = (
        wds.WebDataset(shards, shardshuffle=len(shards), seed=1, empty_check=False)
        .shuffle(8)
        .decode("rgb8", only=["foreground.png"])
        .decode("l8", only=["alpha.png"])
        .decode(only=["json"])
        .rename(foreground="foreground.png", alpha="alpha.png", metadata="json")
    )
    found = list(samples)
    image = composite(found[0]["foreground"], found[0]["alpha"], (0, 255, 0))
    return {
        "ids": sorted(sample["metadata"]["id"] for sample in found),
        "shape": list(image.shape),
    }


def streamed(data: str) -> dict[str, Any]:
    """``datasets`` streaming: rename encoded columns, or pictures are encoded again."""
    import datasets

    rows = datasets.load_dataset(data, split="train", streaming=True)
    rows = rows.decode(False).rename_columns({"foreground.png": "fg", "alpha.png": "matte"})
    exact = [row["fg"]["bytes"] for row in rows]
    raw = [sample.foreground for sample in PortraitStream(data, decode=False)]
    first = next(iter(rows.decode(True)))
    return {"exact": exact == raw, "size": list(first["fg"].size), "mode": first["matte"].mode}


def trainer(data: str) -> dict[str, Any]:
    """``load_dataset`` into the Trainer of transformers."""
    import numpy as np
    from transformers import Trainer, TrainingArguments

    class Model(Matting):
        def forward(self, image, trimap, labels):  # type: ignore[no-untyped-def, override]
            logits = super().forward(image, trimap)
            return {"loss": (logits - labels).abs().mean(), "logits": logits}

    transform = training_transform(ColourBackgrounds(), 32)

    def prepare(rows: dict[str, list[Any]]) -> dict[str, list[Any]]:
        made = []
        for number, (foreground, alpha) in enumerate(
            zip(rows["foreground"], rows["alpha"], strict=True)
        ):
            sample = {
                "seed": number, "foreground": np.array(foreground), "alpha": np.array(alpha),
            }  # fmt: skip
            made.append(transform(sample))
        return {
            "image": [m["image"] for m in made],
            "trimap": [m["trimap"] for m in made],
            "labels": [m["alpha"] for m in made],
        }

    with tempfile.TemporaryDirectory() as folder:
        rows = load_dataset(data, split="train", cache_dir=folder).with_transform(prepare)
        arguments = TrainingArguments(
            output_dir=folder, max_steps=4, per_device_train_batch_size=2, use_cpu=True,
            report_to=[], save_strategy="no", logging_steps=1, remove_unused_columns=False,
            disable_tqdm=True,
        )  # fmt: skip
        done = Trainer(model=Model(), args=arguments, train_dataset=rows).train()
    return {"steps": done.global_step, "loss": done.training_loss}


RECIPES = {
    function.__name__: function
    for function in (plain, lightning, accelerated, webdataset, streamed, trainer)
}


def main(arguments: list[str]) -> Iterator[str]:
    name, data = arguments
    yield json.dumps(RECIPES[name](data))


if __name__ == "__main__":
    for line in main(sys.argv[1:]):
        print(line)
