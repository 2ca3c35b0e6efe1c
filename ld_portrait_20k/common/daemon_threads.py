"""Threads that wait for servers and keep nobody from leaving."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeVar

Answer = TypeVar("Answer")


class DaemonThreads:
    """As ``concurrent.futures.ThreadPoolExecutor``, but Python does not wait for them at exit.

    A request to a server that stalls takes minutes until it is given up, and so long would Ctrl-C.

    Args:
        count: How many threads at most; each is started when there is work for it.
        name: What their names begin with.
    """

    def __init__(self, count: int, name: str) -> None:
        self._count = count
        self._name = name
        self._threads = 0
        self._tasks: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None]
        self._tasks = queue.SimpleQueue()

    def submit(self, function: Callable[..., Answer], *arguments: Any) -> Future[Answer]:
        """Have a function called in one of the threads."""
        future: Future[Answer] = Future()
        self._tasks.put((future, lambda: function(*arguments)))
        if self._threads < self._count:
            name = f"{self._name}-{self._threads}"
            self._threads += 1
            threading.Thread(target=_work, args=(self._tasks,), name=name, daemon=True).start()
        return future

    def close(self) -> None:
        """Drop what has not begun, and let the threads end when they have done what they are at."""
        with suppress(queue.Empty):
            while True:
                task = self._tasks.get_nowait()
                if task is not None:
                    task[0].cancel()
        for _ in range(self._threads):
            self._tasks.put(None)


def _work(tasks: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None]) -> None:
    while (task := tasks.get()) is not None:
        future, call = task
        if future.set_running_or_notify_cancel():
            try:
                future.set_result(call())
            except BaseException as problem:
                future.set_exception(problem)
        del task, future, call  # a thread that waits holds no answer
