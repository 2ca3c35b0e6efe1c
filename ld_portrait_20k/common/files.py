"""Files that appear whole or not at all: a temporary name, fsync, then a rename.

A process holds a lock on what it writes under a temporary name. The kernel releases it when
the process ends, however it ends, so the next process that writes into the folder knows what a
killed one left there, and removes it.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

from ld_portrait_20k.common.locks import Taken, try_lock

_TEMPORARY: Final = re.compile(r"\..+\.\d+(\.\d+)?\.tmp")
_NO_FOLDER_SYNC: Final = frozenset({errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS, errno.EBADF})
"""What file systems answer that keep folders in other ways (FUSE, SMB, some NFS)."""
_OF_THE_DISK: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
_LONGEST_NAME: Final = 250
"""Bytes of a temporary file's name: 255 is what file systems allow, and links add five."""
_swept: set[Path] = set()
"""Folders that this process has rid of what others left."""


class PendingFile:
    """A file under a temporary name, until :meth:`commit` gives it its own.

    Args:
        path: Where the file shall be; its folder is made if need be.
        buffering: Size of the write buffer in bytes, as for ``open``.
        sync: Whether the content is on disk before the file takes its name. Without it a
            loss of power may leave an empty file, which is fine for caches and copies.

    Attributes:
        stream: The binary stream to write to.
    """

    def __init__(self, path: Path, *, buffering: int = -1, sync: bool = True) -> None:
        self.path = path
        self._sync = sync
        sweep_once(path.parent)
        self._temporary, self.stream = _open_temporary(path, buffering)

    def commit(self) -> None:
        """Put the content on disk and rename the file; an older one is replaced."""
        self.stream.flush()
        if self._sync:
            os.fsync(self.stream.fileno())
        if os.name != "posix":  # Windows renames no open file
            self.stream.close()
        self._temporary.replace(self.path)
        self.stream.close()  # not before, because the lock keeps others from sweeping the file
        if self._sync:
            sync_folder(self.path.parent)

    def discard(self) -> None:
        """Remove what was written; an older file stays as it is."""
        try:
            with suppress(OSError):  # a full disk: what is buffered does not go there either
                self.stream.close()
        finally:
            self._temporary.unlink(missing_ok=True)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Say which file it was when a disk fails: writes to an open file do not tell."""
    try:
        yield
    except OSError as problem:
        if problem.errno in _OF_THE_DISK and problem.filename is None:
            problem.filename = str(path)
        raise


@contextmanager
def replacing(path: Path, *, sync: bool = True) -> Iterator[BinaryIO]:
    """Open a file for writing that takes its name only when it is complete.

    Args:
        path: Where the file shall be; its folder is made if need be.
        sync: As for :class:`PendingFile`.

    Yields:
        A binary stream. If the block raises, nothing is left and an older file stays.
    """
    pending = PendingFile(path, sync=sync)
    try:
        with naming(path):
            yield pending.stream
            pending.commit()
    except BaseException:
        pending.discard()
        raise


def write_bytes(path: Path, content: bytes, *, sync: bool = True) -> None:
    """Write a whole file, or none of it; see :func:`replacing`."""
    with replacing(path, sync=sync) as stream:
        stream.write(content)


@contextmanager
def replacing_folder(path: Path, *, sync: bool = True) -> Iterator[Path]:
    """Fill a folder that takes its name only when it is complete.

    Args:
        path: Where it shall be; an older folder there is replaced.
        sync: As for :class:`PendingFile`, for each of its files.

    Yields:
        An empty folder under a temporary name. If the block raises, nothing is left of it and
        an older one stays.
    """
    sweep_once(path.parent)
    temporary = _temporary(path)
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    holder = os.open(temporary, os.O_RDONLY) if os.name == "posix" else None
    try:
        if holder is not None:
            try_lock(holder)
        with naming(path):
            yield temporary
        for file in temporary.rglob("*") if sync else ():
            if file.is_file():
                with file.open("rb") as stream:
                    os.fsync(stream.fileno())
        shutil.rmtree(path, ignore_errors=True)
        temporary.replace(path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    finally:
        if holder is not None:
            os.close(holder)
    sync_folder(path.parent)


def link(source: Path, target: Path) -> None:
    """Give a file a second name, or copy it where the file system has no hard links.

    Args:
        source: A file that exists.
        target: Its other name; an older file there is replaced.
    """
    # This name is swept by builds alone: it is the same file as another and cannot be locked.
    temporary = _temporary(target).with_suffix(".link.tmp")
    temporary.unlink(missing_ok=True)
    try:
        os.link(source, temporary)
    except OSError:
        shutil.copyfile(source, temporary)
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())
    temporary.replace(target)
    # Renaming one name of a file over another name of the same file leaves both.
    temporary.unlink(missing_ok=True)
    sync_folder(target.parent)


def sync_folder(folder: Path) -> None:
    """Make renames in a folder durable, where the system can."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows cannot open a folder
        return
    try:
        os.fsync(descriptor)
    except OSError as problem:
        if problem.errno not in _NO_FOLDER_SYNC:
            raise
    finally:
        os.close(descriptor)


def sweep_once(folder: Path) -> None:
    """Remove what killed processes left unfinished in a folder, at this process's first look.

    What another process is writing is locked and stays.
    """
    place = folder.absolute()
    if place in _swept:
        return
    _swept.add(place)
    try:
        with os.scandir(place) as entries:
            left = [Path(entry.path) for entry in entries if _TEMPORARY.fullmatch(entry.name)]
    except OSError:
        return
    for path in left:
        with suppress(OSError):
            _remove_abandoned(path)


def _remove_abandoned(path: Path) -> None:
    is_folder = path.is_dir()
    descriptor = os.open(path, os.O_RDONLY if is_folder else os.O_RDWR)
    try:
        if try_lock(descriptor) is not Taken.MINE or not _is_still(path, descriptor):
            return
        if is_folder:
            shutil.rmtree(path)
        else:
            path.unlink()
    finally:
        os.close(descriptor)


def _open_temporary(path: Path, buffering: int) -> tuple[Path, BinaryIO]:
    """A file beside another that no other process, and nobody else in this one, writes."""
    number = 0
    while True:
        temporary = _temporary(path, number)
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
        try:
            if try_lock(descriptor) is Taken.ELSEWHERE:
                number += 1
            elif _is_still(temporary, descriptor):
                os.ftruncate(descriptor, 0)
                return temporary, os.fdopen(descriptor, "wb", buffering=buffering)
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _is_still(path: Path, descriptor: int) -> bool:
    """Whether a path names an open file: another process may have swept it before its lock."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _temporary(path: Path, number: int = 0) -> Path:
    """A hidden name beside a file, in a folder that exists, for this process alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    again = f".{number}" if number else ""
    return hidden_beside(path, f".{os.getpid()}{again}.tmp")


def hidden_beside(path: Path, suffix: str) -> Path:
    """A hidden name beside a file, made of its own; of a very long name the middle goes.

    Args:
        path: The file.
        suffix: What follows its name.
    """
    name = path.name
    room = _LONGEST_NAME - len(os.fsencode(f".{suffix}"))
    if len(os.fsencode(name)) > room:
        digest = hashlib.sha256(os.fsencode(name)).hexdigest()[:16]
        name = f"{name[:32]}.{digest}{path.suffix[:8]}"
    return path.with_name(f".{name}{suffix}")
