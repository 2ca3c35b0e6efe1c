"""Locks on files that end with their owner, and what to say where a file system has none."""

from __future__ import annotations

import enum
import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ld_portrait_20k.errors import PortraitError

_HELD: Final = frozenset({errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES})
"""What says that another process holds the lock; EACCES where flock is made of fcntl locks."""


class Taken(enum.Enum):
    """What became of a lock that was asked for."""

    MINE = "this process holds it now"
    ELSEWHERE = "another holder has it"
    UNSUPPORTED = "nobody knows: the file system or the machine has no such locks"


def try_lock(descriptor: int) -> Taken:
    """Take a file's lock if it is free; never waits and never raises.

    Args:
        descriptor: An open file or folder; the lock ends when it is closed.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        return Taken.UNSUPPORTED
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as problem:
        return Taken.ELSEWHERE if problem.errno in _HELD else Taken.UNSUPPORTED
    return Taken.MINE


@contextmanager
def held(path: Path, what: str, *, shared: bool = False, wait: bool = False) -> Iterator[None]:
    """Hold a file's lock for as long as the block runs.

    The kernel releases it when the process ends, however it ends.

    Args:
        path: The lock file; made if need be, and left there.
        what: What is locked, for the message.
        shared: Whether others may hold it too, if they share it.
        wait: Whether to wait for it.

    Raises:
        LockedError: Another process holds it, and ``wait`` is false.
        PortraitError: The file system cannot lock.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as stream:
        try:
            import fcntl
        except ImportError:  # no such locks on Windows; two runs there are on their own
            yield
            return
        try:
            kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
            fcntl.flock(stream, kind if wait else kind | fcntl.LOCK_NB)
        except OSError as problem:
            if problem.errno not in _HELD:
                raise _cannot_lock(path, problem) from problem
            stream.seek(0)
            owner = stream.read(20).strip() or "unknown"
            raise LockedError(
                f"{what}: another run (process {owner}) is working on it; "
                "try: wait for it, or stop it"
            ) from None
        stream.seek(0)
        stream.truncate()
        stream.write(f"{os.getpid()}\n")
        stream.flush()
        yield


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep others that ask for it out of a folder while the block runs; leaves nothing there.

    Where folders cannot be locked, nobody is kept out.

    Args:
        folder: Made if need be.

    Raises:
        LockedError: Another process, or another thread, is in it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except PermissionError:  # Windows opens no folders
        yield
        return
    try:
        if try_lock(descriptor) is Taken.ELSEWHERE:
            raise LockedError(
                f"{folder}: another run is working on it; try: wait for it, or stop it"
            )
        yield
    finally:
        os.close(descriptor)


class LockedError(PortraitError):
    """Another process is at work here."""


def _cannot_lock(path: Path, problem: OSError) -> PortraitError:
    name = errno.errorcode.get(problem.errno or 0, "")
    said = f"{path}: the file system cannot lock files ({problem.strerror}{name and ', ' + name})"
    advice = {
        errno.ENOLCK: "NFS without its lock service, or out of locks: start rpc.statd there, or "
        "mount with -o local_lock=flock if one machine alone builds",
        errno.EOPNOTSUPP: "Lustre, or an overlay, without them: mount Lustre with -o flock",
        errno.ENOSYS: "Lustre, or FUSE, without them: mount Lustre with -o flock",
        errno.EIO: "the server of NFS does not answer, or the disk fails: see dmesg",
    }.get(problem.errno or 0, "a network file system may need a mount option for it")
    return PortraitError(f"{said}; {advice}; try: that, or --output on a local disk")
