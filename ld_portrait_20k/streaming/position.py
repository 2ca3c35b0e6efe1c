"""Where a stream stands, and which process reads it: loader workers, ranks."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Position:
    """Epoch and start of a stream; loader workers that outlive an epoch see it move."""

    def __init__(self) -> None:
        self._values: Any = [0, 0]
        self.share()

    def share(self) -> None:
        """Move into shared memory, if torch is imported."""
        torch = sys.modules.get("torch")
        if torch is not None and isinstance(self._values, list):
            self._values = torch.tensor(self._values, dtype=torch.int64).share_memory_()

    @property
    def epoch(self) -> int:
        """The current epoch."""
        return int(self._values[0])

    @property
    def start(self) -> int:
        """Samples of the epoch's global order that were used before the position was set."""
        return int(self._values[1])

    def set(self, epoch: int, start: int) -> None:
        """Move to a place, seen by all processes that share the position."""
        self._values[0] = epoch
        self._values[1] = start


_thread = threading.local()


@contextmanager
def as_loader_worker(number: int, count: int) -> Iterator[None]:
    """Make this thread a loader's worker of a number, one of ``count``."""
    _thread.worker = (number, count)
    try:
        yield
    finally:
        del _thread.worker


def loader_worker() -> tuple[int, int]:
    """Number of this loader worker and how many there are; (0, 1) outside of a loader."""
    return _current_worker() or (0, 1)


def in_loader_worker() -> bool:
    """Whether this is a loader's worker, which reads ahead of the loop that uses it."""
    return _current_worker() is not None


def _current_worker() -> tuple[int, int] | None:
    worker: tuple[int, int] | None = getattr(_thread, "worker", None)
    if worker is not None:
        return worker
    if sys.modules.get("torch") is not None:
        from torch.utils.data import get_worker_info

        info = get_worker_info()
        if info is not None:
            return info.id, info.num_workers
    return None


def distributed_rank() -> tuple[int, int]:
    """Rank and world size of ``torch.distributed``; (0, 1) where it is not initialised."""
    torch = sys.modules.get("torch")
    if (
        torch is not None
        and torch.distributed.is_available()
        and torch.distributed.is_initialized()
    ):
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    return 0, 1
