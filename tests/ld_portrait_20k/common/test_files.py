"""Whole files: what a full disk leaves, and names as long as a file system allows."""

from __future__ import annotations

import errno
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ld_portrait_20k.common.command_line import run_to_exit_code
from ld_portrait_20k.common.files import link, replacing, replacing_folder, write_bytes


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """No file can grow beyond it, as on a disk that is full; the error is another number."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("size", [2000, 2_000_000])
def test_a_full_disk_leaves_nothing_and_the_error_names_the_file(tmp_path: Path, size: int) -> None:
    """What waited in the buffer failed again while it was closed, and the file stayed."""
    path = tmp_path / "matte.png"
    write_bytes(path, b"before")
    with files_of_at_most(1000), pytest.raises(OSError, match=r"matte\.png") as raised:
        write_bytes(path, bytes(size))
    assert raised.value.filename == str(path)
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_errors_that_are_not_the_files_own_keep_their_words(tmp_path: Path) -> None:
    with pytest.raises(ConnectionError, match="reset"), replacing(tmp_path / "shard.tar") as stream:
        stream.write(b"begun")
        raise ConnectionError("reset")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["n" * 251 + ".png", "ä" * 125 + ".webm", "n" * 255])
def test_names_as_long_as_the_file_system_allows(tmp_path: Path, name: str) -> None:
    write_bytes(tmp_path / name, b"whole")
    assert (tmp_path / name).read_bytes() == b"whole"
    with replacing_folder(tmp_path / "folders" / name) as folder:
        (folder / "file").write_bytes(b"in it")
    link(tmp_path / name, tmp_path / "links" / name)
    assert (tmp_path / "links" / name).read_bytes() == b"whole"
    assert [len(list((tmp_path / sub).iterdir())) for sub in (".", "folders", "links")] == [3, 1, 1]


def test_a_full_disk_has_its_advice(capsys: pytest.CaptureFixture[str]) -> None:
    def command() -> int:
        raise OSError(errno.ENOSPC, "No space left on device", "there")

    assert run_to_exit_code(command) == 1
    said = capsys.readouterr().err
    assert said == (
        "error: there: No space left on device; try: free space, then run the same command again\n"
    )
