"""Where a stream stands, and which process reads it: loader workers, ranks."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from ld_portrait_20k.common.arguments import whole_number
from ld_portrait_20k.errors import PortraitError


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


class Taken:
    """Samples that this worker took since a position was set; none once it has moved.

    The main process moves the position that workers share, so they find out here.
    """

    def __init__(self, position: Position) -> None:
        self._position = position
        self.begin(0)

    def begin(self, count: int, worker: Mapping[str, int] | None = None) -> None:
        """Count on from ``count`` at the present position; ``worker`` says whose state it is."""
        self._place = (self._position.epoch, self._position.start)
        self._count = count
        self._worker = worker

    def add(self, count: int) -> None:
        """Count so many more."""
        self._count += count

    @property
    def count(self) -> int:
        """Samples taken, skipped ones too."""
        return self._count if self._stays() else 0

    @property
    def worker(self) -> Mapping[str, int] | None:
        """The state of a worker that the next iteration goes on from, if there is one."""
        return self._worker if self._stays() else None

    def _stays(self) -> bool:
        return self._place == (self._position.epoch, self._position.start)


WORKER_FIELDS: Final = ("taken", "worker", "workers", "rank", "world_size", "batch_size")


def place_of(
    state: Any, own: Mapping[str, Any], total: int
) -> tuple[int, int, dict[str, int] | None]:
    """Epoch, start and worker of a stream's saved state.

    Args:
        state: As a stream's ``state_dict`` gave it, or what became of it in a file.
        own: The state of the stream that is to go on from it.
        total: Samples of that stream.

    Raises:
        PortraitError: The state belongs to another stream, or to none.
    """
    if not isinstance(state, Mapping):
        raise PortraitError(f"not a state of a stream ({type(state).__name__})")
    if state.get("version") != own["version"]:
        raise PortraitError(f"a state of version {state.get('version')!r}, not {own['version']}")
    for name in ("identity", "seed", "shuffle", "window"):
        if state.get(name) != own[name]:
            raise PortraitError(
                f"the state's {name} is {state.get(name)!r}, the stream's {own[name]!r}; "
                "make the stream as it was made"
            )
    try:
        epoch = whole_number("epoch", state.get("epoch"), 0)
        start = whole_number("start", state.get("start"), 0)
        worker = state.get("worker")
        if worker is not None:
            worker = {name: whole_number(name, worker[name], 0) for name in WORKER_FIELDS}
        if start > total:
            raise ValueError(f"start {start} is beyond the {total} samples")
    except (KeyError, TypeError, ValueError) as problem:
        raise PortraitError(f"not a state of a stream ({problem})") from None
    return epoch, start, worker


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
