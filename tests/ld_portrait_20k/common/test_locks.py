"""Locks, and files that are whole or absent, on file systems that are not ext4."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ld_portrait_20k.common import files
from ld_portrait_20k.common.locks import LockedError, held
from ld_portrait_20k.errors import PortraitError
from tests.processes import ROOT


@pytest.mark.parametrize(
    ("number", "says"),
    [
        (errno.ENOLCK, "NFS without its lock service"),
        (errno.EOPNOTSUPP, "mount Lustre with -o flock"),
        (errno.ENOSYS, "mount Lustre with -o flock"),
        (errno.EIO, "NFS does not answer"),
        (errno.EINVAL, "network file system"),
    ],
)
def test_a_file_system_without_locks_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, says: str
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(PortraitError) as caught, held(tmp_path / "lock", "out"):
        pass
    text = str(caught.value)
    assert not isinstance(caught.value, LockedError)
    assert "another run" not in text
    assert str(tmp_path / "lock") in text and says in text and "; try: " in text
    assert errno.errorcode[number] in text
    # Files are written all the same: only a whole run needs a lock to be safe.
    files.write_bytes(tmp_path / "file", b"content")
    assert (tmp_path / "file").read_bytes() == b"content"


def test_another_run_is_named(tmp_path: Path) -> None:
    with (
        held(tmp_path / "lock", "out"),
        pytest.raises(LockedError, match=f"another run \\(process {os.getpid()}\\)"),
        held(tmp_path / "lock", "out"),
    ):
        pass


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_folder_that_cannot_be_synced_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    fsync = os.fsync

    def of_files_only(descriptor: int) -> None:
        if os.path.isdir(f"/dev/fd/{descriptor}"):  # noqa: PTH112
            raise OSError(number, os.strerror(number))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", of_files_only)
    files.write_bytes(tmp_path / "file", b"content")
    with files.replacing_folder(tmp_path / "folder") as folder:
        (folder / "inside").write_bytes(b"content")
    files.link(tmp_path / "file", tmp_path / "second")
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(errno.EIO, "broken")))
    with pytest.raises(OSError, match="broken"):
        files.sync_folder(tmp_path)


def test_nobody_sweeps_a_file_that_takes_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = Path.replace
    sweep = (
        "import pathlib, sys; from ld_portrait_20k.common import files; "
        "files.sweep_once(pathlib.Path(sys.argv[1]))"
    )

    def swept_before(self: Path, target: Path) -> Path:
        subprocess.run([sys.executable, "-c", sweep, str(tmp_path)], cwd=ROOT, check=True)
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", swept_before)
    files.write_bytes(tmp_path / "file", b"content")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_bytes() == b"content"


def test_what_killed_processes_left_is_removed_and_what_is_written_stays(tmp_path: Path) -> None:
    begun = (
        "import os, pathlib, sys; from ld_portrait_20k.common import files; "
        "folder = pathlib.Path(sys.argv[1]); "
        "file = files.PendingFile(folder / 'file'); file.stream.write(b'half'); "
        "context = files.replacing_folder(folder / 'folder'); inner = context.__enter__(); "
        "(inner / 'a').touch(); print('begun', flush=True); sys.stdin.read()"
    )

    def begin() -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", begun, str(tmp_path)],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        return process

    killed, living = begin(), begin()
    killed.kill()
    killed.wait()
    left = sorted(path.name for path in tmp_path.iterdir())
    assert len(left) == 4
    files._swept.discard(tmp_path)
    files.write_bytes(tmp_path / "other", b"")
    stay = {f".file.{living.pid}.tmp", f".folder.{living.pid}.tmp", "other"}
    assert {path.name for path in tmp_path.iterdir()} == stay
    living.kill()
    living.wait()
    files._swept.discard(tmp_path)
    files.write_bytes(tmp_path / "other", b"")
    assert {path.name for path in tmp_path.iterdir()} == {"other"}


def test_two_writers_of_one_file_do_not_mix(tmp_path: Path) -> None:
    one = files.PendingFile(tmp_path / "file")
    two = files.PendingFile(tmp_path / "file")
    one.stream.write(b"one" * 100)
    two.stream.write(b"two")
    one.commit()
    two.commit()
    assert (tmp_path / "file").read_bytes() == b"two"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
