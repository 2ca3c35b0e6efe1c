"""Streaming with the stock ``datasets`` library, and renamed columns.

Rename while the columns are encoded (``decode(False)``). A decoded picture that is renamed is
encoded again, which costs time and changes its bytes.
"""

from __future__ import annotations

from typing import Any

import datasets

from ld_portrait_20k import PortraitStream
from ld_portrait_20k.examples.small_matting import run_example


def run(dataset: str) -> dict[str, Any]:
    """Stream renamed columns and compare their bytes with those in the shards."""
    rows = datasets.load_dataset(dataset, split="train", streaming=True)
    rows = rows.decode(False)
    rows = rows.rename_columns({"foreground.png": "foreground", "alpha.png": "alpha"})
    renamed = [row["foreground"]["bytes"] for row in rows]
    stored = [sample.foreground for sample in PortraitStream(dataset, decode=False)]
    first = next(iter(rows.decode(True)))
    return {
        "same_bytes": renamed == stored,
        "size": list(first["foreground"].size),
        "alpha_mode": first["alpha"].mode,
    }


if __name__ == "__main__":
    run_example(run)
