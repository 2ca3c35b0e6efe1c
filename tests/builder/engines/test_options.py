"""The options of ``--engine``, and what is said where they make no sense."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder.cli import main
from builder.cli.cluster_options import parse_time
from builder.engines import cluster
from ld_portrait_20k.errors import PortraitError, install_command
from tests.processes import run_code

REFUSED = [
    (["--engine", "ray", "--partition", "gpu"], "--partition goes with --engine slurm"),
    (["--flavor", "a10g-small"], "--flavor goes with --engine jobs"),
    (["--tasks", "2"], "--tasks needs --parallel"),
    (["--engine", "ray", "--rank", "1", "--world-size", "2"], "are for other launchers"),
    (["--engine", "slurm", "--push-to-hub", "a/b"], "python -m builder publish"),
    (["--engine", "slurm", "--time", "90"], "write it as 4:00:00"),
    (["--engine", "slurm", "--sbatch", "array=0-3"], "needs that one for itself"),
    (["--engine", "slurm", "--sbatch", "a=b\n#SBATCH"], "write it as account=me"),
    (["--parallel", "0"], "--parallel is 1 or more"),
    (["--engine", "slurm", "--gpus-per-task", "-1"], "--gpus-per-task is 0 or more"),
]


@pytest.mark.parametrize(("options", "message"), REFUSED)
def test_options_that_do_not_go_together(
    options: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["regenerate", "--output", str(tmp_path / "out"), *options]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_missing_package_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "find_spec", lambda name: None)
    assert main(["regenerate", "--output", str(tmp_path), "--engine", "slurm", "--dry-run"]) == 1
    assert "needs datatrove" in (error := capsys.readouterr().err)
    assert f"try: {install_command('cluster')}" in error


def test_a_missing_ray_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "find_spec", lambda name: None if name == "ray" else name)
    assert main(["regenerate", "--output", str(tmp_path), "--engine", "ray", "--dry-run"]) == 1
    assert "pip install ray" in capsys.readouterr().err


def test_nothing_of_datatrove_is_imported_by_the_engines() -> None:
    """Only the modules that say so import it, and they are imported where they are used."""
    script = (
        "import sys\n"
        "sys.modules.update({'datatrove': None, 'ray': None, 'torch': None})\n"
        "import builder.engines.cluster, builder.engines.slurm, builder.engines.jobs\n"
        "import builder.engines.driver, builder.engines.exchange\n"
    )
    done = run_code(script, timeout=60)
    assert done.returncode == 0, done.stderr


def test_times() -> None:
    assert parse_time("4:00:00") == 14_400
    assert parse_time("2-12:00:30") == 216_030
    for text in ("4h", "0:00:00", "1:60:00", "-1:00:00", ""):
        with pytest.raises(PortraitError, match="--time"):
            parse_time(text)


def test_more_tasks_than_shards(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("datatrove", reason="the extra 'cluster' is not installed")
    arguments = ["regenerate", "--output", str(tmp_path / "out"), "--parallel", "2", "--dry-run"]
    assert main([*arguments, "--tasks", "9"]) == 1
    assert "--tasks is 1 to 4, the number of shards" in capsys.readouterr().err
    assert main([*arguments, "--tasks", "2"]) == 0
    assert "2 of 2 tasks to run, 4 shards" in capsys.readouterr().out
    assert not (tmp_path / "out").exists()
