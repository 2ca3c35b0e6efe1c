"""Tasks in processes of their own: in order, and none lost when a process dies."""

from __future__ import annotations

import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from typing import Any, TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")

_AHEAD = 2  # tasks handed over for each process, so that none waits


def processors() -> int:
    """How many processors this process may use."""
    allowed = getattr(os, "sched_getaffinity", None)
    return len(allowed(0)) if allowed else os.cpu_count() or 1


def in_processes(
    work: Callable[[Task], Result],
    tasks: Sequence[Task],
    workers: int,
    died: Callable[[Task], Result],
) -> Generator[Result, None, None]:
    """Do tasks in processes.

    When a process dies (out of memory, a crash in native code), the tasks that were under
    way are done again, one at a time in a process of their own, and the rest goes on.

    Args:
        work: What to do with a task; a function of a module. Must not raise.
        tasks: What to do it with.
        workers: How many processes.
        died: The result of a task whose process died when it was alone in it, too.

    Yields:
        The results in the order of the tasks.
    """
    queue = deque(range(len(tasks)))
    suspects: deque[int] = deque()
    results: dict[int, Result] = {}
    turn = 0
    while turn < len(tasks):
        alone = bool(suspects)
        source = suspects if alone else queue
        running: dict[Future[Result], int] = {}
        with _pool(1 if alone else workers) as pool:
            try:
                while source or running:
                    while source and len(running) < (1 if alone else _AHEAD * workers):
                        with _deaf():
                            running[pool.submit(_hearing, work, tasks[source[0]])] = source[0]
                        source.popleft()
                    ended = wait(running, return_when=FIRST_COMPLETED).done
                    for future in sorted(ended, key=lambda one: one.exception() is not None):
                        results[running[future]] = future.result()  # the good ones first
                        del running[future]
                    while turn in results:
                        yield results.pop(turn)
                        turn += 1
            except BrokenProcessPool:
                if alone and running:
                    index = next(iter(running.values()))
                    results[index] = died(tasks[index])
                else:
                    suspects.extend(sorted(running.values()))
        while turn in results:
            yield results.pop(turn)
            turn += 1


@contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    # Spawned, because OpenCV's threads do not survive a fork.
    pool = ProcessPoolExecutor(workers, get_context("spawn"), _prepare)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _deaf() -> Iterator[None]:
    """Hold Ctrl-C back while processes are started, which inherit that until they are ready."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _prepare() -> None:
    """Set a new process up: one thread, deaf to Ctrl-C between tasks, never an orphan."""
    import cv2

    cv2.setNumThreads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    threading.Thread(target=_follow, daemon=True).start()


def _follow() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _hearing(work: Callable[[Any], Result], task: Any) -> Result:
    """Do one task so that Ctrl-C ends it, cleaned up behind."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return work(task)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
