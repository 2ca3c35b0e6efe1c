"""How a command ends."""

from __future__ import annotations

import cv2
import pytest

from ld_portrait_20k.common.command_line import run_to_exit_code


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
