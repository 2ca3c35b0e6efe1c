"""A real Ray on this machine, two tasks at a time."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from builder.config import BuildConfig
from builder.engines import cluster
from builder.engines.options import ClusterOptions
from builder.engines.heartbeat import Limits
from builder.pipeline.build import BuildReport
from tests.builder.engines.killing import killer, running

pytest.importorskip("datatrove", reason="the extra 'cluster' is not installed")
if not cluster.find_spec("ray"):
    pytest.skip("ray is not installed (pip install ray)", allow_module_level=True)


@pytest.mark.slow
@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="two tasks need two CPUs")
def test_two_workers_make_the_same_bytes(
    people: BuildConfig,
    tmp_path: Path,
    undisturbed: dict[str, str],
    digest: Callable[[Path], dict[str, str]],
) -> None:
    output = tmp_path / "out"
    # One shard is there already, by another engine: datatrove has no figures of it.
    cluster.build(people, output, cluster.RunOptions(workers=0, rank=1, world_size=3), part="units")
    options = ClusterOptions("ray", parallel=2, workers=0, mem_per_cpu=1)
    report = cluster.launch(people, output, options)
    assert isinstance(report, BuildReport)
    assert digest(output) == undisturbed
    log = next(output.glob(".work/cluster/*/driver.log")).read_text()
    assert "Will run pipeline on 2 incomplete ranks out of 3" in log
    assert "Traceback" not in log


@pytest.mark.slow
@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="two tasks need two CPUs")
def test_a_killed_task_is_made_again(
    people: BuildConfig,
    tmp_path: Path,
    undisturbed: dict[str, str],
    digest: Callable[[Path], dict[str, str]],
) -> None:
    """Its actor lives on and waits for it for ever."""
    output = tmp_path / "out"
    limits = Limits(silent=15, begin=120)
    with killer(output, 1) as killed:
        report = cluster.launch(
            people,
            output,
            ClusterOptions("ray", parallel=2, workers=0, mem_per_cpu=1, limits=limits),
        )
    assert len(killed) == 1
    assert isinstance(report, BuildReport)
    assert digest(output) == undisturbed
    assert running(output) == []
