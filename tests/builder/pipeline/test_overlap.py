"""What a build does side by side: units are saved while the next ones are built."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from builder.config import BuildConfig
from builder.pipeline.work_folder import FinishedSamples, UnitResult, WorkFolder
from builder.plan import Unit
from builder.workers.pool import WorkerPool
from ld_portrait_20k.errors import PortraitError
from tests.builder.building import plan_and_build
from tests.builder.workers.test_pool import SETUP

Digest = Callable[[Path], dict[str, str]]


def config(cutouts: Path, shards: int) -> BuildConfig:
    return BuildConfig(generator="folder", source=cutouts, count=6, shards=shards)


def test_a_unit_is_saved_while_the_next_is_built(
    cutouts: Path, tmp_path: Path, digest: Digest, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan_and_build(config(cutouts, 3), tmp_path / "plain", workers=1)
    ended = 0
    more = threading.Event()

    def on_sample() -> None:
        nonlocal ended
        ended += 1
        if ended > 2:  # the first unit has two samples
            more.set()

    save = WorkFolder.save

    def save_late(work: WorkFolder, unit: Unit, finished: FinishedSamples) -> UnitResult:
        assert more.wait(30), "nothing was built meanwhile"
        return save(work, unit, finished)

    monkeypatch.setattr(WorkFolder, "save", save_late)
    saved: list[str] = []
    report = plan_and_build(
        config(cutouts, 3),
        tmp_path / "slow",
        workers=1,
        on_sample=on_sample,
        on_unit=lambda result: saved.append(result.name),
    )
    assert report.run.built == len(saved) == 3
    assert digest(tmp_path / "slow") == digest(tmp_path / "plain")


def test_a_disk_that_is_behind_holds_up_the_build(
    cutouts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No more than two units wait for it, and what they hold of the disk with them."""
    open_units = most = 0
    post_init, close = FinishedSamples.__post_init__, FinishedSamples.close

    def opened(samples: FinishedSamples) -> None:
        nonlocal open_units, most
        open_units += 1
        most = max(most, open_units)
        post_init(samples)

    def closed(samples: FinishedSamples) -> None:
        nonlocal open_units
        open_units -= 1
        close(samples)

    save = WorkFolder.save

    def slowly(work: WorkFolder, unit: Unit, finished: FinishedSamples) -> UnitResult:
        time.sleep(0.3)
        return save(work, unit, finished)

    monkeypatch.setattr(FinishedSamples, "__post_init__", opened)
    monkeypatch.setattr(FinishedSamples, "close", closed)
    monkeypatch.setattr(WorkFolder, "save", slowly)
    plan_and_build(config(cutouts, 6), tmp_path / "out")
    assert open_units == 0
    assert most <= 4  # being saved, waiting, just ended, just begun


def test_a_unit_that_cannot_be_saved_ends_the_build(
    cutouts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(work: WorkFolder, unit: Unit, finished: FinishedSamples) -> UnitResult:
        raise OSError(28, "No space left on device", "shard.tar")

    monkeypatch.setattr(WorkFolder, "save", fail)
    with pytest.raises(PortraitError, match=r"shard\.tar: No space left on device"):
        plan_and_build(config(cutouts, 3), tmp_path / "out", workers=1)


def test_a_batch_is_handed_over_without_waiting() -> None:
    """A device begins its next batch while the workers have hardly begun with this one."""
    began = time.monotonic()
    with WorkerPool(SETUP, 1, waiting=8) as pool:
        for number in range(9):
            pool.submit(number, {"slow": 20}, [np.zeros(5, np.uint8)])
        assert time.monotonic() - began < 15
        assert pool.outstanding == 9
