"""Files that are there whole or not at all, also after a kill."""

from __future__ import annotations

import os
import secrets
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

_PART: Final = (".refinement-", ".part")


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that it is there whole or not at all.

    Raises:
        OSError: It cannot be written; names ``path``.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_and_rename(path, data)
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from None


def _write_and_rename(path: Path, data: bytes) -> None:
    temporary = path.parent / secrets.token_hex(8).join(_PART)
    try:
        with temporary.open("xb") as file:
            _lock(file.fileno())
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def sweep(folder: Path) -> None:
    """Remove what :func:`write_whole` left when its process was killed.

    What another process is writing is locked and stays; where files cannot be locked, those of
    the last minute stay.
    """
    for left in folder.glob("*".join(_PART)):
        with suppress(OSError), left.open("r+b") as file:
            free = _lock(file.fileno())
            if free or (free is None and time.time() - left.stat().st_mtime > 60):
                left.unlink()


def _lock(descriptor: int) -> bool | None:
    """Lock an open file until it is closed; False if it is locked, None if nobody can say."""
    try:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except (ImportError, OSError):
        return None
    return True
