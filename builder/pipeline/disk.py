"""How much room a build takes on disk."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from builder.plan import Plan
from ld_portrait_20k.errors import PortraitError

BYTES_A_PIXEL: Final = {"png": 1.6, "jpeg": 0.8}
"""Upper end of what an encoded foreground and alpha take, in bytes a pixel. PNG: measured on
the procedural demo and on real portraits, 0.8 to 1.5. JPEG: half of that, estimated, not
measured."""
HEADROOM: Final = 64 * 2**20
"""Bytes for plan, notes, card and pictures; chosen by eye."""


@dataclass(frozen=True)
class DiskNeed:
    """Upper estimates, in bytes.

    Attributes:
        final: The finished dataset, all subsets together.
        peak: The most while it is built. Where quality control takes samples out, the shards
            are dealt anew, and until the last is written the old ones lie beside them; else
            a finished shard is moved, and the peak stays close to ``final``.
        known: Whether sizes are planned; those of a folder's pictures are not.
    """

    final: int
    peak: int
    known: bool


def disk_need(plan: Plan, built: int = 0) -> DiskNeed:
    """What the samples of a plan take.

    Args:
        plan: The plan.
        built: How many samples at its start are there already.
    """
    rows = plan.rows[built:]
    pixels = sum(row.width * row.height for row in rows)
    subsets = int(pixels * BYTES_A_PIXEL[plan.foreground_format] * len(plan.subsets))
    known = all(row.width and row.height for row in rows)
    return DiskNeed(subsets + HEADROOM, 2 * subsets + HEADROOM, known)


def check_space(output: Path, plan: Plan, built: int) -> None:
    """Refuse to begin what the disk cannot hold.

    Args:
        output: The dataset folder; need not exist.
        plan: The plan.
        built: How many samples at its start are there already.

    Raises:
        PortraitError: Less is free than the finished dataset takes.
    """
    needed = disk_need(plan, built).final
    existing = next(path for path in (output, *output.resolve().parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if free < needed:
        raise PortraitError(
            f"{output}: about {needed / 2**30:.1f} GiB needed, {free / 2**30:.1f} GiB free; "
            "try: --output on a larger disk, a smaller --count, or --foreground-format jpeg"
        )
