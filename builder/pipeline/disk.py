"""How much room a build takes on disk."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from builder.plan import Plan, PlanRow
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
        peak: The most while it is built: the whole dataset, and one unit more for each that is
            made or packed at the same time. A unit is there twice while its samples become
            shards, and once more where a near-duplicate is taken out or the file system has no
            hard links.
        known: Whether sizes are planned; those of a folder's pictures are not.
    """

    final: int
    peak: int
    known: bool


def disk_need(plan: Plan, built: int = 0, at_once: int = 1) -> DiskNeed:
    """What the samples of a plan take.

    Args:
        plan: The plan.
        built: How many samples at its start are there already.
        at_once: How many units are made or packed at the same time.
    """
    rows = plan.rows[built:]
    units = plan.units()
    subsets = _estimate(plan, rows)
    twice = min(at_once, len(units)) * max(_estimate(plan, unit.rows) for unit in units)
    known = all(row.width and row.height for row in rows)
    return DiskNeed(subsets + HEADROOM, subsets + twice + HEADROOM, known)


def _estimate(plan: Plan, rows: Sequence[PlanRow]) -> int:
    pixels = sum(row.width * row.height for row in rows)
    return int(pixels * BYTES_A_PIXEL[plan.foreground_format] * len(plan.subsets))


def check_space(output: Path, plan: Plan, built: int, at_once: int = 1) -> None:
    """Refuse to begin what the disk cannot hold.

    Args:
        output: The dataset folder; need not exist.
        plan: The plan.
        built: How many samples at its start are there already.
        at_once: How many units are made or packed at the same time.

    Raises:
        PortraitError: Less is free than the build takes at its peak.
    """
    need = disk_need(plan, built, at_once)
    existing = next(path for path in (output, *output.resolve().parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if free < need.peak:
        raise PortraitError(
            f"{output}: about {need.peak / 2**30:.1f} GiB needed while it is built, "
            f"{need.final / 2**30:.1f} GiB when finished, {free / 2**30:.1f} GiB free; "
            "try: --output on a larger disk, a smaller --count, or --foreground-format jpeg"
        )
