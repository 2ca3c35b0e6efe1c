"""``load_dataset`` into the ``Trainer`` of transformers, with our transform on the fly."""

from __future__ import annotations

import tempfile
from typing import Any

import datasets
import numpy as np
import torch
from torch import nn
from transformers import Trainer, TrainingArguments

from ld_portrait_20k import load_dataset
from ld_portrait_20k.compositing import ColourBackgrounds, training_transform
from ld_portrait_20k.examples.small_matting import SIDE, SmallMatting, run_example

STEPS = 4


class WithLoss(nn.Module):
    """The network as the Trainer calls it: keyword arguments in, a dict with the loss out."""

    def __init__(self) -> None:
        super().__init__()
        self.matting = SmallMatting()

    def forward(
        self, image: torch.Tensor, trimap: torch.Tensor, labels: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """Predict alpha, and compare it with ``labels``."""
        alpha = self.matting(image, trimap)
        return {"loss": (alpha - labels).abs().mean(), "logits": alpha}


def prepare(rows: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """Composite, crop and draw trimaps for the rows that the Trainer asks for."""
    transform = training_transform(ColourBackgrounds(), SIDE)
    made = []
    for metadata, foreground, alpha in zip(
        rows["metadata"], rows["foreground"], rows["alpha"], strict=True
    ):
        sample = {
            "seed": metadata["seed"],
            "foreground": np.array(foreground),
            "alpha": np.array(alpha),
        }
        made.append(transform(sample))
    return {
        "image": [one["image"] for one in made],
        "trimap": [one["trimap"] for one in made],
        "labels": [one["alpha"] for one in made],
    }


def run(dataset: str) -> dict[str, Any]:
    """Train a few steps."""
    with tempfile.TemporaryDirectory() as folder:
        rows = load_dataset(dataset, split="train", cache_dir=folder)
        assert isinstance(rows, datasets.Dataset)  # with a split and without streaming
        arguments = TrainingArguments(
            output_dir=folder,
            max_steps=STEPS,
            per_device_train_batch_size=2,
            use_cpu=True,
            report_to=[],
            save_strategy="no",
            logging_steps=1,
            remove_unused_columns=False,  # `prepare` makes the columns that the model takes
            disable_tqdm=True,
        )
        done = Trainer(
            model=WithLoss(), args=arguments, train_dataset=rows.with_transform(prepare)
        ).train()
    return {"steps": done.global_step, "loss": done.training_loss}


if __name__ == "__main__":
    run_example(run)
