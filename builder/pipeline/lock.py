"""A lock on an output folder that dies with its owner."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ld_portrait_20k.errors import PortraitError


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
        PortraitError: Another process holds it, and ``wait`` is false.
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
        except OSError:
            stream.seek(0)
            owner = stream.read(20).strip() or "unknown"
            raise PortraitError(
                f"{what}: another run (process {owner}) is working on it; "
                "try: wait for it, or stop it"
            ) from None
        stream.seek(0)
        stream.truncate()
        stream.write(f"{os.getpid()}\n")
        stream.flush()
        yield
