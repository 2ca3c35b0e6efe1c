"""Packing alone, as a command: ``python -m tests.builder.packing DRAWN OUTPUT``."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from builder.config import BuildConfig
from builder.files import WORK_FOLDER
from builder.pipeline.build import build
from builder.pipeline.run_options import RunOptions
from builder.plan import Plan
from ld_portrait_20k.common.files import replacing_folder
from tests.builder.building import plan_and_build
from tests.builder.pictures import save_cutouts


def draw(people: Path, output: Path) -> None:
    """Units of a build that is not packed: one near-duplicate in each of two, one unit empty."""
    save_cutouts(people, 8, width=80, height=96)
    for copy in (3, 7):
        shutil.copyfile(people / "person_000.png", people / f"person_{copy:03d}.png")
    for broken in (4, 5):
        (people / f"person_{broken:03d}.png").write_text("not a picture")
    config = BuildConfig(generator="folder", source=people, count=None, shards=4)
    plan_and_build(config, output, part="units")


def main(words: Sequence[str]) -> int:
    """Pack a copy of drawn units with three threads, or go on with it."""
    drawn, output = map(Path, words)
    if not output.exists():
        with replacing_folder(output) as folder:
            shutil.copytree(drawn, folder, dirs_exist_ok=True)
    plan = Plan.load(output / WORK_FOLDER)
    assert plan is not None
    report = build(plan, output, RunOptions(workers=3), part="finish")
    return 0 if report.manifest is not None and report.rejected["near-duplicate"] == 2 else 1
