"""Files that appear whole or not at all, on a disk that fails."""

from __future__ import annotations

import errno
import resource
from pathlib import Path

import pytest

from ld_portrait_20k.common.command_line import run_to_exit_code
from ld_portrait_20k.common.files import replacing


@pytest.mark.parametrize("size", [5_000, 5_000_000], ids=["in the buffer", "beyond it"])
def test_a_file_that_cannot_be_written_is_named_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], size: int
) -> None:
    path = tmp_path / "big"

    def command() -> int:
        with replacing(path) as stream:
            stream.write(bytes(size))
        return 0

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        code = run_to_exit_code(command)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert code == 1 and capsys.readouterr().err.startswith(f"error: {path}: ")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_has_its_advice(capsys: pytest.CaptureFixture[str]) -> None:
    def command() -> int:
        raise OSError(errno.ENOSPC, "No space left on device", "there")

    assert run_to_exit_code(command) == 1
    said = capsys.readouterr().err
    assert said == (
        "error: there: No space left on device; try: free space, then run the same command again\n"
    )
