"""What the training examples share: a very small network, a loader, and their command line."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from ld_portrait_20k import PortraitLoader, PortraitStream
from ld_portrait_20k.compositing import ColourBackgrounds, training_transform
from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.format import schema

SIDE = 32
"""Side of a training crop in pixels, small so that an example takes seconds on a CPU."""


class SmallMatting(nn.Module):
    """Image (B, 3, H, W) and trimap (B, 1, H, W) in, alpha (B, 1, H, W) out; all 0 to 1."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(4, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 1, 1))

    def forward(self, image: torch.Tensor, trimap: torch.Tensor) -> torch.Tensor:
        """Predict alpha."""
        alpha: torch.Tensor = self.layers(torch.cat([image, trimap], dim=1)).sigmoid()
        return alpha


def make_loader(dataset: str, workers: int = 0) -> PortraitLoader:
    """Shuffled training batches of two, composited over plain colours.

    Args:
        dataset: A dataset folder, or OWNER/NAME on the Hub.
        workers: Loader processes; 0 for none.
    """
    stream = PortraitStream(
        dataset,
        shuffle=True,
        seed=1,
        batch_size=2,
        transform=training_transform(ColourBackgrounds(), SIDE),
    )
    return PortraitLoader(stream, num_workers=workers)


def run_example(run: Callable[[str], dict[str, Any]]) -> None:
    """Run an example over the dataset that the command line names, and print what it found.

    Args:
        run: The example; what it returns is printed as one line of JSON.
    """
    description = sys.modules[run.__module__].__doc__
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "dataset",
        nargs="?",
        default=schema.NAME,
        metavar="DATASET",
        help=f"dataset folder, or OWNER/NAME on the Hub (default: {schema.NAME})",
    )
    options = parser.parse_args()
    torch.set_num_threads(1)  # the network is too small for more to help
    try:
        print(json.dumps(run(options.dataset)))
    except PortraitError as problem:
        sys.exit(f"error: {problem}")
