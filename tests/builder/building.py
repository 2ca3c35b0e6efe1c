"""Planning and building in one step, as the commands do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from builder.config import BuildConfig
from builder.pipeline.build import BuildReport, Part, build
from builder.pipeline.planner import plan_for_output
from builder.pipeline.run_options import RunOptions


def plan_and_build(
    config: BuildConfig, output: Path, *, part: Part = "all", **options: Any
) -> BuildReport:
    """Plan a configuration for an output and build it, by default in this process alone.

    Args:
        config: What to build.
        output: The dataset folder.
        part: As for :func:`builder.pipeline.build.build`.
        options: Fields of :class:`RunOptions`.
    """
    run = RunOptions.for_config(config, **{"workers": 0, **options})
    return build(plan_for_output(config, output, run), output, run, part=part)
