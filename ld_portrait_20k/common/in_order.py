"""Work on many things by a few threads, with the answers in order and little held at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")


def map_in_order(
    function: Callable[[Item], Answer],
    items: Iterable[Item],
    threads: int,
    prepare: Callable[[], object] | None = None,
) -> Generator[Answer, None, None]:
    """``map`` by threads, at most one answer a thread ahead of the one that is used.

    Args:
        function: What is done; for the most part it computes in C, hashes, compresses, reads or
            writes, which threads do side by side.
        items: To what. A generator is closed in the end.
        threads: How many; 1 does it in this thread, unless threads are prepared.
        prepare: Called once in each thread before anything else.

    Yields:
        The answers, in the order of the items. The first exception, in that order, is raised,
        and what was not begun is not done.
    """
    if threads <= 1 and prepare is None:
        yield from map(function, items)
        return
    pool = ThreadPoolExecutor(threads, "in-order", initializer=prepare)
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
        if isinstance(items, Generator):
            items.close()
