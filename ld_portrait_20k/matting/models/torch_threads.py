"""How many threads torch computes with, where frames are what runs side by side."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager


def usable_cores() -> int:
    """How many cores this process may use."""
    allowed = getattr(os, "sched_getaffinity", None)
    return len(allowed(0)) if allowed else os.cpu_count() or 1


@contextmanager
def one_thread_each() -> Iterator[Callable[[], None]]:
    """Let torch compute with one thread in each of several; after the block as before.

    The threads of OpenMP wait for one another by spinning. With more of them than cores that are
    free, a network of small layers took seven times the CPU time and as much longer.

    Yields:
        What each thread calls before it computes.
    """
    import torch

    before = torch.get_num_threads()
    try:
        yield lambda: torch.set_num_threads(1)
    finally:
        torch.set_num_threads(before)
