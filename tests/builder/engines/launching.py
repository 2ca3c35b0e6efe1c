"""Planning, running tasks and finishing in one step, as the command does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from builder.config import BuildConfig
from builder.engines import cluster
from builder.engines.options import ClusterOptions, Submission
from builder.pipeline.build import BuildReport, build
from builder.pipeline.planner import plan_for_output
from builder.pipeline.run_options import RunOptions


def launch(
    config: BuildConfig,
    output: Path,
    options: ClusterOptions,
    *,
    on_samples: Callable[[int], object] = lambda count: None,
) -> BuildReport | Submission:
    """Build with an engine, or go on; what was submitted where the engine does not wait."""
    run = RunOptions.for_config(config)
    plan = plan_for_output(config, output, run)
    submission = cluster.run_tasks(plan, output, run, options, on_samples=on_samples)
    return submission or build(plan, output, run, part="finish")


def explain(config: BuildConfig, output: Path, options: ClusterOptions) -> str:
    """What :func:`launch` would do."""
    run = RunOptions.for_config(config)
    return cluster.explain(plan_for_output(config, output, run), output, run, options)
