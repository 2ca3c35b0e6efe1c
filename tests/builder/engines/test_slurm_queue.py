"""What is said of Slurm's queue and of tasks that it ended."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from builder.cli import main
from builder.config import BuildConfig
from builder.engines import tasks
from builder.engines.slurm_queue import endings, queued
from builder.engines.tasks import TaskSpec
from builder.pipeline.planner import plan_for_output
from builder.pipeline.run_options import RunOptions
from ld_portrait_20k.errors import PortraitError
from tests.builder.pictures import save_cutouts


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "commands"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder


def command(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/bash\n{script}\n")
    (folder / name).chmod(0o755)


@pytest.fixture
def submitted(tmp_path: Path) -> TaskSpec:
    """A planned build of two shards whose jobs are 7 and 8."""
    source = save_cutouts(tmp_path / "people", 4)
    config = BuildConfig(generator="folder", source=source, count=None, shards=2)
    run = RunOptions.for_config(config, workers=0, world_size=2)
    output = tmp_path / "out"
    plan = plan_for_output(config, output, run)
    note = output / ".work" / "cluster" / "slurm.json"
    note.parent.mkdir(exist_ok=True)
    note.write_text(json.dumps({"array": "7", "finish": "8"}))
    return TaskSpec(output, plan.hash, 2, RunOptions(workers=0))


def test_status_says_what_is_queued(
    submitted: TaskSpec, commands: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command(
        commands, "squeue",
        "[[ $* == *--jobs=7 ]] && printf 'PENDING\\nRUNNING\\nPENDING\\n' || echo PENDING",
    )  # fmt: skip
    assert queued(submitted.output) == {
        "array": {"PENDING": 2, "RUNNING": 1}, "finish": {"PENDING": 1}
    }  # fmt: skip
    assert main(["status", str(submitted.output)]) == 3
    said = capsys.readouterr().out
    assert "Slurm: 2 pending, 1 running" in said and "Slurm: 1 pending" in said
    assert "next: the same" not in said
    command(commands, "squeue", "echo 'slurm_load_jobs error: Invalid job id' >&2; exit 1")
    assert main(["status", str(submitted.output)]) == 3
    assert "are over" in capsys.readouterr().out
    command(commands, "squeue", "echo 'Unable to contact slurm controller' >&2; exit 1")
    assert queued(submitted.output) is None
    assert main(["status", str(submitted.output), "--json"]) == 3
    assert json.loads(capsys.readouterr().out)["queued"] is None


@pytest.mark.parametrize(
    ("name", "script"),
    [
        ("sacct", "printf 'COMPLETED\\nTIMEOUT\\nCANCELLED by 1000\\nTIMEOUT\\n'"),
        ("scontrol", "printf 'JobId=9 JobState=TIMEOUT A=b\\nJobId=8 JobState=TIMEOUT\\n"
                     "JobId=1 JobState=CANCELLED x=y\\n'"),
    ],
)  # fmt: skip
def test_the_finishing_job_says_how_tasks_ended_and_where_their_logs_are(
    submitted: TaskSpec, commands: Path, name: str, script: str
) -> None:
    for absent in {"sacct", "scontrol"} - {name}:
        command(commands, absent, "exit 1")
    command(commands, name, script)
    assert (endings(submitted.output) or "").startswith(
        "Slurm says TIMEOUT of 2, CANCELLED of 1: a longer --time and "
    )
    logs = submitted.state / "logs" / "slurm_logs"
    logs.mkdir(parents=True)
    with pytest.raises(PortraitError) as caught:
        tasks.finish_tasks(submitted)
    assert "Slurm says TIMEOUT of 2" in str(caught.value)
    assert f"logs: {logs};" in str(caught.value)


def test_without_a_submission_nothing_is_asked(tmp_path: Path) -> None:
    assert queued(tmp_path) is None
    assert endings(tmp_path) is None
