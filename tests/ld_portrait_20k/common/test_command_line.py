"""How a command ends."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import pytest

from ld_portrait_20k.common.command_line import run_to_exit_code
from ld_portrait_20k.matting.cli import main as matting
from refinement.cli import main as refinement


@pytest.mark.parametrize(
    "problem",
    [
        MemoryError("Unable to allocate 112. GiB"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
        cv2.error("(-4:Insufficient memory) Failed to allocate 9000000000 bytes"),
    ],
)
def test_a_lack_of_memory_is_one_line(
    capsys: pytest.CaptureFixture[str], problem: Exception
) -> None:
    def command() -> int:
        raise problem

    assert run_to_exit_code(command) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: not enough memory; try: ") and said.count("\n") == 1


def test_what_nobody_foresaw_is_raised() -> None:
    def command() -> int:
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        run_to_exit_code(command)


@pytest.mark.parametrize(
    ("command", "before"), [(refinement, []), (matting, ["predict"]), (matting, ["video"])]
)
def test_a_file_whose_name_begins_with_a_dash_is_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: Callable[[list[str]], int],
    before: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("-dash.png").touch()
    with pytest.raises(SystemExit) as end:
        command([*before, "-dash.png", "--output", "out"])
    assert end.value.code == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.endswith("; -dash.png is read as options, for its dash; try: ./-dash.png")
