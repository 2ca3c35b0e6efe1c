"""Local tasks through datatrove, with real processes that are really killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from builder.config import BuildConfig
from builder.engines import supervision
from builder.engines.heartbeat import Limits
from builder.engines.options import ClusterOptions
from builder.pipeline.build import BuildReport
from builder.plan import Plan
from ld_portrait_20k.errors import PortraitError
from tests.builder.building import plan_and_build
from tests.builder.engines.killing import killer, running
from tests.builder.engines.launching import launch
from tests.processes import ROOT

pytest.importorskip("datatrove", reason="the extra 'cluster' is not installed")

Digest = Callable[[Path], dict[str, str]]
OPTIONS = ClusterOptions("local", parallel=2, workers=0, limits=Limits(silent=3, begin=60))


def test_a_killed_task_is_made_again(
    people: BuildConfig, tmp_path: Path, undisturbed: dict[str, str], digest: Digest
) -> None:
    """datatrove alone waits for it for ever."""
    output = tmp_path / "out"
    seen: list[int] = []
    began = time.monotonic()
    with killer(output, 1) as killed:
        report = launch(people, output, OPTIONS, on_samples=seen.append)
    assert len(killed) == 1
    assert time.monotonic() - began < 60
    assert isinstance(report, BuildReport)
    assert digest(output) == undisturbed
    assert max(seen) <= 9 + 3  # the killed task's samples may count twice
    assert running(output) == []
    log = next(output.glob(".work/cluster/*/driver.log")).read_text()
    assert "gave no sign of life" in log
    again = launch(people, output, OPTIONS)
    assert isinstance(again, BuildReport)
    assert again.was_complete


@pytest.mark.slow
def test_tasks_that_always_die_are_given_up(people: BuildConfig, tmp_path: Path) -> None:
    output = tmp_path / "out"
    options = ClusterOptions("local", 1, 1, workers=0, limits=Limits(silent=2, begin=60))
    with killer(output, 99) as killed, pytest.raises(PortraitError) as caught:
        launch(people, output, options)
    assert len(killed) == supervision.FRUITLESS
    assert "1 of 1 tasks are not done (0); the process that ran them was killed (signal 9)" in str(
        caught.value
    )
    assert running(output) == []


def test_a_driver_that_cannot_start_is_told(people: BuildConfig, tmp_path: Path) -> None:
    output = tmp_path / "out"
    report = plan_and_build(people, output, part="finish")
    state = output / ".work" / "cluster" / f"{report.plan.hash[:12]}-3"
    state.mkdir(parents=True)
    (state / "logs").write_text("where datatrove wants a folder")
    with pytest.raises(PortraitError, match=r"3 of 3 tasks are not done .*Error: .*logs"):
        launch(people, output, OPTIONS)


def test_one_failed_task_leaves_the_others_alone(people: BuildConfig, tmp_path: Path) -> None:
    output = tmp_path / "out"
    plan_and_build(people, output, part="finish")
    units = output / ".work" / "units"
    # Where the third shard's note should go, there is a folder with something in it.
    plan = Plan.load(output / ".work")
    assert plan is not None
    blocked = units / f"{plan.units()[2].name}.json" / "in the way"
    blocked.mkdir(parents=True)
    with pytest.raises(PortraitError, match=r"1 of 3 tasks are not done \(2\); task 2: "):
        launch(people, output, OPTIONS)
    assert len([path for path in units.glob("*.json") if path.is_file()]) == 2
    blocked.rmdir()
    blocked.parent.rmdir()
    assert isinstance(launch(people, output, OPTIONS), BuildReport)


def test_all_of_it_ends_with_the_command(people: BuildConfig, tmp_path: Path) -> None:
    """Killed at work, the submitting process leaves nobody behind."""
    output = tmp_path / "out"
    command = [
        *(sys.executable, "-m", "builder", "regenerate", "--generator", "folder"),
        *("--source", str(people.source), "--shards", "3", "--workers", "0"),
        *("--output", str(output), "--parallel", "2"),
    ]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        if list(output.glob(".work/cluster/*/beats/*/*.json")):
            break
        time.sleep(0.005)
    assert process.poll() is None
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 10
    while running(output) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert running(output) == []


def test_every_process_has_gpus_of_its_own(tmp_path: Path) -> None:
    script = (
        "import json, os, time\n"
        "from pathlib import Path\n"
        "from builder.engines.executors import LocalTasks\n"
        "folder = Path(__file__).parent\n"  # a fork server has no arguments
        "def look(data, rank, world_size):\n"
        "    time.sleep(0.3)\n"
        "    note = {'pid': os.getpid(), 'gpus': os.environ['CUDA_VISIBLE_DEVICES']}\n"
        "    (folder / f'{rank}.json').write_text(json.dumps(note))\n"
        "if __name__ == '__main__':\n"
        "    run = LocalTasks([look], tasks=6, workers=2, logging_dir=f'{folder}/logs')\n"
        "    run.gpus_per_task, run.pending = 2, tuple(range(6))\n"
        "    run.run()\n"
    )
    (tmp_path / "look.py").write_text(script)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": "4,5,6,7"}
    subprocess.run(
        [sys.executable, str(tmp_path / "look.py")],
        env=environment,
        check=True,
        capture_output=True,
        timeout=60,
    )
    notes = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(6)]
    by_process = {note["pid"]: note["gpus"] for note in notes}
    assert sorted(by_process.values()) == ["4,5", "6,7"]
    assert all(by_process[note["pid"]] == note["gpus"] for note in notes)
