"""The shape of a Lightning run, without Lightning.

Lightning takes any iterable as a loader; the loader's state goes into the checkpoint by two
hooks. ``Module`` would derive from ``LightningModule``, and ``fit`` is what its trainer does.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from ld_portrait_20k import PortraitLoader
from ld_portrait_20k.examples.small_matting import SmallMatting, make_loader, run_example


class Module(nn.Module):
    """The methods that Lightning asks for."""

    def __init__(self, dataset: str) -> None:
        super().__init__()
        self.model = SmallMatting()
        self.loader = make_loader(dataset)

    def train_dataloader(self) -> PortraitLoader:
        """The loader; its order is kept over epochs and resumption."""
        return self.loader

    def training_step(self, batch: dict[str, Any], number: int) -> torch.Tensor:
        """The loss of a batch."""
        predicted = self.model(batch["image"], batch["trimap"])
        loss: torch.Tensor = (predicted - batch["alpha"]).abs().mean()
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """The optimizer."""
        return torch.optim.Adam(self.parameters(), 1e-2)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Put the loader's position beside the weights."""
        checkpoint["loader"] = self.loader.state_dict()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on where the checkpoint was saved."""
        self.loader.load_state_dict(checkpoint["loader"])


def fit(module: Module, steps: int | None = None) -> list[str]:
    """One epoch, or its first steps; returns the ids in the order seen."""
    optimizer = module.configure_optimizers()
    seen: list[str] = []
    for number, batch in enumerate(module.train_dataloader()):
        loss = module.training_step(batch, number)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seen += batch["id"]
        if number + 1 == steps:
            break
    return seen


def run(dataset: str) -> dict[str, Any]:
    """Compare a whole epoch with one that was stopped after two steps and resumed."""
    whole = fit(Module(dataset))
    module = Module(dataset)
    first = fit(module, steps=2)
    checkpoint: dict[str, Any] = {}
    module.on_save_checkpoint(checkpoint)
    resumed = Module(dataset)
    resumed.on_load_checkpoint(checkpoint)
    return {"samples": len(whole), "same_order": first + fit(resumed) == whole}


if __name__ == "__main__":
    run_example(run)
