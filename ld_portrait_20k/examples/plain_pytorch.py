"""Plain PyTorch: two epochs with a checkpoint in the middle of the first.

The run is made twice, once whole and once stopped and resumed, and both end with the same
order of samples and the same weights.
"""

from __future__ import annotations

import tempfile
from typing import Any

import torch

from ld_portrait_20k.examples.small_matting import SmallMatting, make_loader, run_example

EPOCHS = 2


def train(
    dataset: str, stop_after: int | None = None, checkpoint: dict[str, Any] | None = None
) -> tuple[list[str], dict[str, Any]]:
    """Train, from a checkpoint where one is given.

    Args:
        dataset: A dataset folder, or OWNER/NAME on the Hub.
        stop_after: Stop once so many samples were seen; None trains to the end.
        checkpoint: What an earlier call returned.

    Returns:
        The ids of the samples seen, in order, and a checkpoint of plain tensors and numbers.
    """
    torch.manual_seed(0)
    model, loader = SmallMatting(), make_loader(dataset, workers=2)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    if checkpoint is not None:
        model.load_state_dict(checkpoint["model"])
        optimizer.load_state_dict(checkpoint["optimizer"])
        loader.load_state_dict(checkpoint["loader"])
    seen: list[str] = []
    stopped = False
    while loader.epoch < EPOCHS and not stopped:
        for batch in loader:
            loss = (model(batch["image"], batch["trimap"]) - batch["alpha"]).abs().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            seen += batch["id"]
            stopped = stop_after is not None and len(seen) >= stop_after
            if stopped:
                break
    state = {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "loader": loader.state_dict(),
    }
    return seen, state


def run(dataset: str) -> dict[str, Any]:
    """Compare a whole run with one that was stopped after six samples and resumed."""
    whole, end = train(dataset)
    first, checkpoint = train(dataset, stop_after=6)
    with tempfile.NamedTemporaryFile() as file:
        torch.save(checkpoint, file.name)
        rest, resumed = train(dataset, checkpoint=torch.load(file.name, weights_only=True))
    return {
        "samples": len(whole),
        "same_order": first + rest == whole,
        "same_weights": all(
            torch.equal(end["model"][key], resumed["model"][key]) for key in end["model"]
        ),
    }


if __name__ == "__main__":
    run_example(run)
