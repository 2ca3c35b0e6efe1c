"""The way through Slurm, against stand-ins of its commands that run the array here."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from builder.cli import main
from builder.config import BuildConfig
from tests.builder.engines import stand_ins

pytest.importorskip("datatrove", reason="the extra 'cluster' is not installed")

Digest = Callable[[Path], dict[str, str]]


@pytest.fixture
def command(people: BuildConfig, tmp_path: Path) -> list[str]:
    return [
        *("regenerate", "--generator", "folder", "--source", str(people.source), "--shards", "3"),
        *("--output", str(tmp_path / "out"), "--workers", "0", "--engine", "slurm"),
        *("--partition", "gpu", "--time", "1-02:03:04", "--cpus-per-task", "6"),
        *("--gpus-per-task", "1", "--parallel", "2", "--sbatch", "account=me"),
    ]


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "slurm"
    stand_ins.install(folder, tmp_path / "out")
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    for name in [name for name in os.environ if name.startswith("SLURM_")]:
        monkeypatch.delenv(name)
    return folder


def jobs(slurm: Path) -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = json.loads((slurm / "jobs.json").read_text())
    return found


def test_the_array_and_the_job_after_it_make_the_same_bytes(
    command: list[str], slurm: Path, tmp_path: Path, undisturbed: dict[str, str], digest: Digest,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """The first time one task is killed: the finishing job says so, and only it is repeated."""
    output = tmp_path / "out"
    (slurm / "kill-1").touch()
    assert main(command) == 0
    said = capsys.readouterr().out
    assert "submitted 3 tasks as job 1000" in said
    array, finish = jobs(slurm)["1000"], jobs(slurm)["1001"]
    assert array["codes"] == [0, 137, 0]
    assert finish["codes"] != [0]
    assert "--dependency=afterany:1000" in finish["arguments"]  # type: ignore[operator]
    log = next(output.glob(".work/cluster/*/finish/slurm_logs/1001_0.out")).read_text()
    assert "1 of 3 tasks are not done (1); they were killed and left no message" in log
    assert not (output / "manifest.json").exists()

    (slurm / "queue").write_text("1001\n")
    assert main(command) == 1
    assert "Slurm jobs 1001 of an earlier submission are not over" in capsys.readouterr().err
    (slurm / "queue").unlink()

    assert main([*command, "--json"]) == 0
    submission = json.loads(capsys.readouterr().out)
    assert (submission["array"], submission["finish"], submission["tasks"]) == ("1002", "1003", 1)
    assert jobs(slurm)["1002"]["codes"] == [0]
    assert jobs(slurm)["1003"]["codes"] == [0]
    assert digest(output) == undisturbed
    assert main(command) == 0
    assert "already complete" in capsys.readouterr().out
    assert len(jobs(slurm)) == 4


def test_a_dry_run_prints_the_script_and_writes_nothing(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], slurm: Path
) -> None:
    assert main([*command, "--dry-run"]) == 0
    script = capsys.readouterr().out
    assert not (tmp_path / "out").exists()
    assert not (slurm / "jobs.json").exists()
    directives = dict(re.findall(r"^#SBATCH --([a-z-]+)=?(.*)$", script.split("# then")[0], re.M))
    assert directives["partition"] == "gpu"
    assert directives["time"] == "26:03:04"
    assert directives["array"] == "0-2%2"
    assert (directives["cpus-per-task"], directives["gpus"]) == ("6", "1")
    assert (directives["account"], directives["requeue"]) == ("me", "")
    finish = script.split("# then")[1]
    assert "--gpus" not in finish
    assert "%2" not in re.findall(r"--array=\S+", finish)[0]
    # The script is the one that is submitted.
    (slurm / "hold").touch()
    assert main(command) == 0
    submitted = (slurm / "1000.slurm").read_text()
    assert submitted.strip() in script


def test_what_cannot_be_submitted_is_told(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(command) == 1
    assert "sbatch: not found" in capsys.readouterr().err
    refusing = tmp_path / "sbatch"
    refusing.write_text("#!/bin/sh\nexit 3\n")
    refusing.chmod(0o755)
    assert main(command) == 1
    assert "sbatch refused (exit code 3" in capsys.readouterr().err
