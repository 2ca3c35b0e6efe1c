"""Files that appear whole or not at all: a temporary name, fsync, then a rename."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


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
        self._temporary = _temporary(path)
        self.stream: BinaryIO = self._temporary.open("wb", buffering=buffering)

    def commit(self) -> None:
        """Put the content on disk and rename the file; an older one is replaced."""
        self.stream.flush()
        if self._sync:
            os.fsync(self.stream.fileno())
        self.stream.close()
        self._temporary.replace(self.path)
        if self._sync:
            sync_folder(self.path.parent)

    def discard(self) -> None:
        """Remove what was written; an older file stays as it is."""
        self.stream.close()
        self._temporary.unlink(missing_ok=True)


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
        yield pending.stream
        pending.commit()
    except BaseException:
        pending.discard()
        raise


def write_bytes(path: Path, content: bytes, *, sync: bool = True) -> None:
    """Write a whole file, or none of it; see :func:`replacing`."""
    with replacing(path, sync=sync) as stream:
        stream.write(content)


def link(source: Path, target: Path) -> None:
    """Give a file a second name, or copy it where the file system has no hard links.

    Args:
        source: A file that exists.
        target: Its other name; an older file there is replaced.
    """
    temporary = _temporary(target)
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
    finally:
        os.close(descriptor)


def _temporary(path: Path) -> Path:
    """A hidden name beside a file, in a folder that exists, for this process alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")
