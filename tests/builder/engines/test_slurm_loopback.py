"""The way through a real Slurm: one node on loopback, that ``.ci/slurm start FOLDER`` starts."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from builder.cli import main
from builder.config import BuildConfig

pytest.importorskip("datatrove", reason="the extra 'cluster' is not installed")

Digest = Callable[[Path], dict[str, str]]
PATIENCE = 200.0
"""Seconds until a test gives a job up; on two busy cores a task takes ten, mostly imports."""


@pytest.fixture(autouse=True)
def slurm(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    folder = os.environ.get("LD_PORTRAIT_SLURM")
    if not folder:
        pytest.skip("LD_PORTRAIT_SLURM names no Slurm of ours (.ci/slurm start FOLDER)")
    if shutil.which("sbatch") is None:
        pytest.skip("slurm-wlm is not installed (.ci/slurm install)")
    for name in [name for name in os.environ if name.startswith("SLURM_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SLURM_CONF", str(Path(folder) / "slurm.conf"))
    before = jobs()
    yield
    for job in jobs() - before:
        subprocess.run(["scancel", job], check=False)


@pytest.fixture
def hold(tmp_path: Path) -> Path:
    """A folder: the task of array index 1 waits, before it begins, while there is a file ``1``."""
    folder = tmp_path / "hold"
    folder.mkdir()
    return folder


@pytest.fixture
def command(people: BuildConfig, tmp_path: Path, hold: Path) -> list[str]:
    activate = Path(sys.prefix) / "bin" / "activate"
    waiting = f"while [ -e {hold}/$SLURM_ARRAY_TASK_ID ]; do sleep 0.1; done"
    return [
        *("regenerate", "--generator", "folder", "--source", str(people.source), "--shards", "3"),
        *("--output", str(tmp_path / "out"), "--workers", "0", "--engine", "slurm"),
        *("--mem-per-cpu", "1", "--time", "0:10:00", "--parallel", "3"),
        *("--env-command", f"source {activate}; {waiting}" if activate.is_file() else waiting),
    ]


def jobs() -> set[str]:
    """The ids of the jobs that are not over, each index of an array by itself."""
    found = subprocess.run(
        ["squeue", "--noheader", "--array", "--format=%i"],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    return set(found.stdout.split())


def wait(true: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, f"not within {PATIENCE:.0f} s: {what}"
        time.sleep(0.2)


def wait_until_over(*ids: str) -> None:
    wait(lambda: not [j for j in jobs() if j.partition("_")[0] in ids], f"jobs {ids} are over")


def submitted(said: str) -> tuple[str, str]:
    """The ids of the array and of the job that finishes, from what the command printed."""
    array = re.search(r"submitted \d+ tasks as job (\d+)", said)
    finish = re.search(r"job (\d+) finishes", said)
    assert array and finish, said
    return array[1], finish[1]


def control(*arguments: str) -> None:
    subprocess.run(["scontrol", *arguments], check=True, capture_output=True, timeout=60)


def test_an_array_makes_the_same_bytes_as_one_process(
    command: list[str], tmp_path: Path, hold: Path, undisturbed: dict[str, str], digest: Digest,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """While its jobs are there, status says so and the same command refuses."""
    output = tmp_path / "out"
    (hold / "2").touch()
    assert main(command) == 0
    array, finish = submitted(capsys.readouterr().out)
    wait(lambda: not jobs() & {f"{array}_0", f"{array}_1"}, "the first two tasks are over")
    assert main(["status", str(output)]) == 3
    said = capsys.readouterr().out
    assert f"{output}: unfinished" in said
    assert "2 of 3 built" in said
    assert main(command) == 1
    refusal = capsys.readouterr().err
    assert "of an earlier submission are not over" in refusal
    assert array in refusal

    (hold / "2").unlink()
    wait_until_over(array, finish)
    assert main(["status", str(output), "--check"]) == 0
    assert "3 verified" in capsys.readouterr().out
    assert digest(output) == undisturbed
    assert main(command) == 0
    assert "already complete" in capsys.readouterr().out


def test_a_cancelled_task_is_named_and_made_again_alone(
    command: list[str], tmp_path: Path, hold: Path, undisturbed: dict[str, str], digest: Digest,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """A task that is requeued, as after the loss of its node, needs nobody's help."""
    output = tmp_path / "out"
    for index in "012":
        (hold / index).touch()
    assert main(command) == 0
    array, finish = submitted(capsys.readouterr().out)
    wait(lambda: running(array) == {"0", "1", "2"}, "all three tasks run")
    subprocess.run(["scancel", f"{array}_1"], check=True)
    control("requeue", f"{array}_2")
    (hold / "0").unlink()
    wait(lambda: running(array) == set(), "none of the three runs")
    assert jobs() & {f"{array}_1", f"{array}_2"} == {f"{array}_2"}
    (hold / "2").unlink()
    wait_until_over(array, finish)
    log = next(output.glob(f".work/cluster/*/finish/slurm_logs/{finish}_0.out")).read_text()
    assert "1 of 3 tasks are not done (1)" in log
    assert not (output / "manifest.json").exists()

    (hold / "0").touch()  # the array of what is left has one index, which is 0
    assert main(command) == 0
    said = capsys.readouterr().out
    assert "submitted 1 tasks" in said
    (hold / "0").unlink()
    wait_until_over(*submitted(said))
    assert digest(output) == undisturbed


def running(array: str) -> set[str]:
    """The indices of an array whose tasks run."""
    found = subprocess.run(
        ["squeue", "--noheader", "--array", "--states=RUNNING", f"--jobs={array}", "--format=%K"],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    return set(found.stdout.split())
