"""Work on many things by a few threads, with the answers in order and little held at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")

MOST_THREADS: Final = 4
"""Hashing and copying wait for the disk beyond that, and each thread that packs may hold a unit
twice on it. Chosen by eye."""


def threads_for(workers: int) -> int:
    """How many threads a build of so many workers gives to hashing and packing."""
    return max(1, min(workers, MOST_THREADS))


def map_in_order(
    function: Callable[[Item], Answer], items: Iterable[Item], threads: int
) -> Iterator[Answer]:
    """``map`` by threads, at most one answer a thread ahead of the one that is used.

    Args:
        function: What is done; for the most part it hashes, compresses, reads or writes,
            which threads do side by side.
        items: To what.
        threads: How many; 1 does it in this thread.

    Yields:
        The answers, in the order of the items. The first exception, in that order, is raised,
        and what was not begun is not done.
    """
    if threads <= 1:
        yield from map(function, items)
        return
    pool = ThreadPoolExecutor(threads, thread_name_prefix="in-order")
    under_way: deque[Future[Answer]] = deque()
    try:
        for item in items:
            under_way.append(pool.submit(function, item))
            if len(under_way) > threads:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
