"""Real processes, really killed: whatever happens, the same command ends with the same bytes."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from builder.config import BuildConfig
from tests.builder.building import plan_and_build
from tests.processes import ROOT

KILLS = int(os.environ.get("LD_PORTRAIT_KILLS", "10"))
"""How many kills the random test makes; more by hand."""


def command(cutouts: Path, output: Path, workers: int = 2) -> list[str]:
    return [
        *(sys.executable, "-m", "builder", "regenerate", "--generator", "folder"),
        *("--source", str(cutouts), "--shards", "6", "--output", str(output)),
        *("--workers", str(workers)),
    ]


def start(arguments: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        arguments, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.fixture
def undisturbed(
    cutouts: Path, tmp_path: Path, digest: Callable[[Path], dict[str, str]]
) -> dict[str, str]:
    config = BuildConfig(generator="folder", source=cutouts, count=None, shards=6)
    plan_and_build(config, tmp_path / "undisturbed")
    return digest(tmp_path / "undisturbed")


def children(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    try:
        found = [int(child) for child in listed.read_text().split()]
        tasks = Path(f"/proc/{pid}/task").iterdir()
        return sorted(
            {*found, *(int(c) for task in tasks for c in (task / "children").read_text().split())}
        )
    except (FileNotFoundError, ProcessLookupError):
        return []


@pytest.mark.skipif(sys.platform != "linux", reason="finds children through /proc")
def test_random_kills_change_nothing(
    cutouts: Path,
    tmp_path: Path,
    undisturbed: dict[str, str],
    digest: Callable[[Path], dict[str, str]],
) -> None:
    chance = random.Random(5)
    output = tmp_path / "out"
    killed = 0
    for _ in range(KILLS * 20):
        process = start(command(cutouts, output))
        # Until late in the run: start-up takes most of a second, the whole about two.
        deadline = time.monotonic() + chance.uniform(0.3, 2.2)
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        if process.poll() is not None:
            assert process.returncode == 0, process.communicate()[1]
            assert digest(output) == undisturbed
            if killed >= KILLS:
                break
            for path in output.rglob("*-00003-of-*"):  # something to do for the next round
                path.unlink(missing_ok=True)
            continue
        victims = [process.pid, *children(process.pid)]
        victim = chance.choice(victims)
        os.kill(victim, signal.SIGKILL)
        killed += 1
        if victim == process.pid:
            process.wait(timeout=20)
        else:  # a worker died: the run itself must get over it
            _, errors = process.communicate(timeout=60)
            assert process.returncode == 0, errors
        process.communicate()
    assert killed >= KILLS
    final = start(command(cutouts, output))
    _, errors = final.communicate(timeout=60)
    assert final.returncode == 0, errors
    assert digest(output) == undisturbed
    assert not [path for path in output.rglob(".*") if path.suffix in {".tmp", ".part"}]


def test_ctrl_c_ends_soon_and_the_next_run_goes_on(
    tmp_path: Path, cutouts: Path, undisturbed: dict[str, str],
    digest: Callable[[Path], dict[str, str]],
) -> None:  # fmt: skip
    output = tmp_path / "out"
    process = start(command(cutouts, output))
    while not (output / ".work" / "units").exists() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    pressed = time.monotonic()
    _, errors = process.communicate(timeout=20)
    assert time.monotonic() - pressed < 5.0  # it ends the shard that is being written
    assert process.returncode == 130
    assert "run the same command again" in errors
    assert "Traceback" not in errors
    again = start(command(cutouts, output))
    _, errors = again.communicate(timeout=60)
    assert again.returncode == 0, errors
    assert digest(output) == undisturbed


def test_files_cut_by_a_power_failure(
    tmp_path: Path, cutouts: Path, undisturbed: dict[str, str],
    digest: Callable[[Path], dict[str, str]],
) -> None:  # fmt: skip
    """A unit whose shard lost its tail, or whose JSON did, counts as not done."""
    output = tmp_path / "out"
    config = BuildConfig(generator="folder", source=cutouts, count=None, shards=6)
    seen = []

    def stop(result: object) -> None:
        seen.append(result)
        if len(seen) == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        plan_and_build(config, output, on_unit=stop)
    units = output / ".work" / "units"
    shards, notes = sorted(units.glob("*.tar")), sorted(units.glob("*.json"))
    shards[0].write_bytes(shards[0].read_bytes()[:-1024])
    notes[1].write_bytes(notes[1].read_bytes()[:-10])
    altered = bytearray(shards[-1].read_bytes())
    altered[len(altered) // 2] ^= 1
    shards[-1].write_bytes(bytes(altered))
    report = plan_and_build(config, output)
    assert report.run.found == len(notes) - 3  # a unit or two may be saved beside the fourth
    assert digest(output) == undisturbed


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits of a process")
def test_a_full_disk_is_one_line_and_nothing_is_lost(
    tmp_path: Path, cutouts: Path, undisturbed: dict[str, str],
    digest: Callable[[Path], dict[str, str]],
) -> None:  # fmt: skip
    output = tmp_path / "out"
    # A limit on the size of a file stands in for a disk that fills up.
    limited = (
        "import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (90000, -1)); "
    )
    run = "sys.argv[0] = 'builder'; runpy.run_module('builder', run_name='__main__')"
    arguments = command(cutouts, output)[3:]
    process = start([sys.executable, "-c", limited + run, *arguments])
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "File too large; what is done is kept" in errors
    assert "Traceback" not in errors
    again = start(command(cutouts, output))
    _, errors = again.communicate(timeout=60)
    assert again.returncode == 0, errors
    assert digest(output) == undisturbed
