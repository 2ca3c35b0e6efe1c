"""Loader workers that are threads of the training process."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Generator, Iterator
from typing import Any, Final

from ld_portrait_20k.streaming.position import as_loader_worker

_END: Final = object()
_POLL: Final = 0.1  # seconds after which a thread that cannot hand over looks whether to stop
_LEAVE: Final = 2.0
"""Seconds that a loop waits for its threads when it ends. One may wait for a server that stalls,
for minutes; it is left to itself, and ends when it finds that it should."""


def read_in_threads(
    make: Callable[[], Iterator[Any]],
    count: int,
    prefetch: int,
    on_worker: Callable[[int], None] | None = None,
) -> Generator[Any, None, None]:
    """Take turns with ``count`` iterators, each in a thread of its own.

    Args:
        make: Makes an iterator; called in each thread, which is a loader's worker there
            (:func:`~ld_portrait_20k.streaming.position.loader_worker`).
        count: How many threads.
        prefetch: Items that each thread holds ready.
        on_worker: Called in each thread with its number when it starts.

    Yields:
        One item of each in turn, until the first of them has none.

    Raises:
        BaseException: What an iterator raises, in its turn.
    """
    ready: list[queue.Queue[tuple[Any, BaseException | None]]]
    ready = [queue.Queue(prefetch) for _ in range(count)]
    stop = threading.Event()

    def hand_over(place: int, item: Any, problem: BaseException | None = None) -> None:
        while not stop.is_set():
            try:
                return ready[place].put((item, problem), timeout=_POLL)
            except queue.Full:
                continue

    def work(place: int) -> None:
        with as_loader_worker(place, count):
            try:
                if on_worker:
                    on_worker(place)
                for item in make():
                    hand_over(place, item)
                    if stop.is_set():
                        return
                hand_over(place, _END)
            except BaseException as problem:
                hand_over(place, None, problem)

    threads = [
        threading.Thread(target=work, args=(place,), name=f"portraits-{place}", daemon=True)
        for place in range(count)
    ]
    for thread in threads:
        thread.start()
    try:
        turn = 0
        while True:
            item, problem = ready[turn].get()
            if problem is not None:
                raise problem
            if item is _END:
                return
            yield item
            turn = (turn + 1) % count
    finally:
        stop.set()
        last = time.monotonic() + _LEAVE
        for thread in threads:
            thread.join(max(0.0, last - time.monotonic()))
