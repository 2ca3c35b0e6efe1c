"""Heartbeats, and the watch that reads them, against a clock of the test's own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from builder.engines.heartbeat import Heartbeat, Limits, Watch
from tests.processes import ROOT

LIMITS = Limits(silent=10, begin=30, task=None)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def beat(folder: Path, rank: int, number: int, *, ended: bool = False, samples: int = 0) -> None:
    body = {"beat": number, "samples": samples, "ended": ended}
    (folder / f"{rank:05d}.json").write_text(json.dumps(body))


def test_silence_counts_once_nobody_else_is_at_work(tmp_path: Path) -> None:
    clock = Clock()
    watch = Watch(tmp_path, LIMITS, clock)
    beat(tmp_path, 3, 1, samples=4)
    beat(tmp_path, 4, 1)
    for second in range(0, 40, 5):  # task 3 is dead, task 4 works on
        clock.now = second
        beat(tmp_path, 4, second, samples=second)
        assert watch.look() is None
    assert watch.samples == 39
    beat(tmp_path, 4, 99, ended=True, samples=35)
    clock.now = 40
    assert watch.look() is None
    clock.now = 51
    assert watch.look() == "task 3 gave no sign of life for 11 s"


def test_a_run_in_which_nothing_begins_is_ended(tmp_path: Path) -> None:
    clock = Clock()
    watch = Watch(tmp_path / "not there yet", LIMITS, clock)
    clock.now = 29
    assert watch.look() is None
    clock.now = 31
    assert watch.look() == "no task began for 31 s"


def test_a_task_has_its_time(tmp_path: Path) -> None:
    clock = Clock()
    watch = Watch(tmp_path, Limits(silent=10, begin=30, task=20), clock)
    for second in range(0, 20, 4):
        clock.now = second
        beat(tmp_path, 7, second)
        assert watch.look() is None
    clock.now = 21
    beat(tmp_path, 7, 21)
    assert watch.look() == "task 7 took longer than 20 s"


def test_half_written_and_foreign_files_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "00001.json").write_text('{"beat": 1, "sam')
    (tmp_path / ".00001.json.77").write_text("{}")
    assert Watch(tmp_path, LIMITS, Clock()).look() is None


def test_an_end_is_told_from_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "beats" / "00000.json"
    with pytest.raises(ValueError, match="x"), Heartbeat(path) as pulse:
        pulse.sample()
        raise ValueError("x")
    assert {"samples": 1, "ended": True}.items() <= json.loads(path.read_text()).items()

    script = (
        "import sys, time; from pathlib import Path\n"
        "from builder.engines.heartbeat import Heartbeat\n"
        "with Heartbeat(Path(sys.argv[1])): time.sleep(60)\n"
    )
    victim = tmp_path / "beats" / "00001.json"
    process = subprocess.Popen([sys.executable, "-c", script, str(victim)], cwd=ROOT)
    try:
        deadline = time.monotonic() + 20
        while not victim.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        assert json.loads(victim.read_text())["pid"] == process.pid
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert json.loads(victim.read_text())["ended"] is False
    watch = Watch(victim.parent, Limits(silent=0.2))
    assert watch.look() is None
    time.sleep(0.3)
    assert "task 1 gave no sign of life" in str(watch.look())
