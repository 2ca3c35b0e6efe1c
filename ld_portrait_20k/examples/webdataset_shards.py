"""The ``webdataset`` library on our shards; nothing of this project reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import webdataset as wds

from ld_portrait_20k.compositing import composite
from ld_portrait_20k.examples.small_matting import run_example

GREEN = (0, 255, 0)


def run(dataset: str) -> dict[str, Any]:
    """Read a folder's training shards in shuffled order and composite the first sample."""
    shards = sorted(str(path) for path in Path(dataset, "data").glob("train-*.tar"))
    # Decoders by name of column: arrays and parsed JSON, and never a pickle.
    samples = (
        wds.WebDataset(shards, shardshuffle=len(shards), seed=1, empty_check=False)
        .shuffle(8)
        .decode("rgb8", only=["foreground.png"])
        .decode("l8", only=["alpha.png"])
        .decode(only=["json"])
        .rename(foreground="foreground.png", alpha="alpha.png", metadata="json")
    )
    found = list(samples)
    image = composite(found[0]["foreground"], found[0]["alpha"], GREEN)
    return {
        "ids": sorted(sample["metadata"]["id"] for sample in found),
        "shape": list(image.shape),
    }


if __name__ == "__main__":
    run_example(run)
