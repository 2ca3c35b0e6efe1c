"""Accelerate with two processes on one machine, over gloo: no sample twice, none left out."""

from __future__ import annotations

import json
import os
import socket
import tempfile
from pathlib import Path
from typing import Any

import torch

from ld_portrait_20k.examples.small_matting import SmallMatting, make_loader, run_example

PROCESSES = 2


def train(rank: int, dataset: str, folder: str, port: int) -> None:
    """What each process runs; ``accelerate launch`` would set these variables.

    Args:
        rank: Number of the process.
        dataset: A dataset folder, or OWNER/NAME on the Hub.
        folder: Where its findings go, as ``RANK.json``.
        port: Of the process group, on this machine.
    """
    os.environ.update(
        RANK=str(rank),
        LOCAL_RANK=str(rank),
        WORLD_SIZE=str(PROCESSES),
        MASTER_ADDR="127.0.0.1",
        MASTER_PORT=str(port),
        ACCELERATE_USE_CPU="true",
    )
    from accelerate import Accelerator

    torch.set_num_threads(1)
    torch.manual_seed(0)
    accelerator = Accelerator(cpu=True)
    # The stream asks for rank and world size itself, so it is made after the Accelerator.
    model = SmallMatting()
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    model, optimizer, loader = accelerator.prepare(model, optimizer, make_loader(dataset))
    seen: list[str] = []
    for batch in loader:
        loss = (model(batch["image"], batch["trimap"]) - batch["alpha"]).abs().mean()
        optimizer.zero_grad()
        accelerator.backward(loss)
        optimizer.step()
        seen += batch["id"]
    weights = [float(parameter.detach().sum()) for parameter in model.parameters()]
    found = {"ids": seen, "weights": weights, "state": loader.state_dict()}
    Path(folder, f"{rank}.json").write_text(json.dumps(found))
    accelerator.end_training()


def free_port() -> int:
    """A port that nothing listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def run(dataset: str) -> dict[str, Any]:
    """Train one epoch in two processes and compare what they saw and learnt."""
    from torch.multiprocessing import spawn

    with tempfile.TemporaryDirectory() as folder:
        spawn(train, (dataset, folder, free_port()), nprocs=PROCESSES)
        found = [json.loads(Path(folder, f"{rank}.json").read_text()) for rank in range(PROCESSES)]
    first, second = found
    return {
        "ids": sorted(first["ids"] + second["ids"]),
        "samples_a_process": [len(part["ids"]) for part in found],
        "same_weights": first["weights"] == second["weights"],
        "same_loader_state": first["state"] == second["state"],
    }


if __name__ == "__main__":
    run_example(run)
