"""Iterators that see their neighbours, and iterators that run ahead in threads."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

_PATIENCE = 5.0  # seconds; a thread may hang in a read of standard input


def neighbours(items: Iterable[T]) -> Iterator[tuple[T | None, T, T | None]]:
    """Each item with the one before and the one after it; None at the ends."""
    before: T | None = None
    current: T | None = None
    for after in items:
        if current is not None:
            yield before, current, after
            before = current
        current = after
    if current is not None:
        yield before, current, None


def run_ahead(items: Iterable[T], count: int = 2) -> Generator[T, None, None]:
    """The same items, made in a thread of its own up to ``count`` before they are wanted.

    OpenCV, PyAV and torch let other threads run while they compute, so that the stages
    before this one share the cores with those after it.

    Args:
        items: What to make ahead.
        count: How many wait at most.

    Raises:
        BaseException: Whatever the items raise, where it is raised.
    """
    waiting: queue.Queue[tuple[T | None, BaseException | None]] = queue.Queue(count)
    left = threading.Event()

    def put(item: T | None, problem: BaseException | None) -> None:
        while not left.is_set():
            try:
                waiting.put((item, problem), timeout=0.1)
                return
            except queue.Full:
                continue

    def make() -> None:
        try:
            for item in items:
                put(item, None)
                if left.is_set():
                    return
            put(None, StopIteration())
        except BaseException as problem:
            put(None, problem)
        finally:
            if isinstance(items, Generator):
                items.close()

    thread = threading.Thread(target=make, daemon=True)
    thread.start()
    try:
        while True:
            item, problem = waiting.get()
            if isinstance(problem, StopIteration):
                return
            if problem is not None:
                raise problem
            assert item is not None
            yield item
    finally:
        left.set()
        thread.join(_PATIENCE)
