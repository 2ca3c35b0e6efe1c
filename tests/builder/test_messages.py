"""What commands say next: for the shell, with the right name, in a log too."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from builder.cli import main
from ld_portrait_20k.common import progress
from tests.builder.pictures import save_cutouts

STRANGE = 'it\'s a $HOME; "x" folder'


def build(tmp_path: Path, output: Path, *more: str) -> int:
    source = tmp_path / "people"
    if not source.exists():
        save_cutouts(source, 6)
    return main(["regenerate", "--generator", "folder", "--source", str(source), "--output",
                 str(output), "--workers", "0", *more])  # fmt: skip


def test_commands_are_quoted_for_the_shell(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / STRANGE
    assert build(tmp_path, output) == 0
    verify, load = re.findall(r"python -.*", capsys.readouterr().out)
    assert shlex.split(verify) == ["python", "-m", "builder", "verify", str(output)]
    words = shlex.split(load)
    assert words[:2] == ["python", "-c"] and len(words) == 3
    assert compile(words[2], "printed", "exec")
    assert repr(str(output)) in words[2]
    assert words[2] == f"import datasets; print(datasets.load_dataset({str(output)!r}))"


def test_growing_with_as_many_shards_says_what_to_change(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert build(tmp_path, tmp_path / "out", "--count", "4", "--shards", "2") == 0
    assert build(tmp_path, tmp_path / "out", "--count", "6", "--shards", "2") == 1
    said = capsys.readouterr().err
    assert "4 samples in 2 shards" in said
    assert "try: --shards 3, or leave --shards out" in said
    assert build(tmp_path, tmp_path / "out", "--count", "6", "--shards", "3") == 0


def test_a_status_of_nothing_names_what_is_near(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert build(tmp_path, tmp_path / "portraits") == 0
    for wrong in ("portrait", "Portraits"):
        assert main(["status", str(tmp_path / wrong)]) == 1
        said = capsys.readouterr().err
        assert f"did you mean {str(tmp_path / 'portraits')!r}" in said
        assert "regenerate" not in said
    assert main(["verify", str(tmp_path / "portrait")]) == 1
    assert "did you mean" in capsys.readouterr().out
    assert main(["status", str(tmp_path / "else")]) == 1
    assert "regenerate" not in capsys.readouterr().err


def test_off_a_terminal_there_are_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert build(tmp_path, tmp_path / "quiet") == 0
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(progress, "EVERY", 0.0)
    assert build(tmp_path, tmp_path / "told") == 0
    lines = capsys.readouterr().err.splitlines()
    assert any("6/6" in line for line in lines)
    assert all("portraits" in line and "\r" not in line for line in lines)
