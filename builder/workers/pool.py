"""A pool of worker processes that survives the death of any of them."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import IO, Any, Final, Protocol, Self

from builder.workers import children, frames
from builder.workers.worker import make_handler
from ld_portrait_20k.errors import PortraitError

if sys.platform == "linux":
    import fcntl

DEATHS_A_TASK: Final = 3
"""A task whose workers die this often in a row is given up: the task is the cause. Chosen by
eye."""

_PIPE: Final = 2**20
"""Bytes that a pipe to or from a worker should hold: the most that Linux allows everybody. A worker
that hands over a sample of 2 MB then waits 2 ms less for us than with the usual 64 KiB."""

_KEPT_MEMORY: Final = ":".join(
    f"glibc.malloc.{setting}"
    for setting in ("hugetlb=1", f"mmap_threshold={2**25}", f"trim_threshold={2**30}")
)
"""glibc, where a worker runs on it, keeps the memory of one sample for the next and takes it in
large pages. Samples take 0.95 times the time then, and a worker 18 MB more."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a task.

    Attributes:
        key: What the task was submitted under.
        message: The head of the answer.
        blobs: Its buffers.
    """

    key: Any
    message: frames.Message
    blobs: list[bytes]


class Pool(Protocol):
    """Takes tasks, gives answers in any order."""

    def submit(self, key: Any, message: frames.Message, blobs: frames.Blobs = ()) -> None:
        """Hand in a task; waits while the queue is full."""
        ...

    def answer(self, *, wait: bool) -> Answer | None:
        """The next answer, or None if there is none yet and ``wait`` is false."""
        ...

    @property
    def outstanding(self) -> int:
        """Tasks submitted whose answers have not been taken."""
        ...

    def close(self) -> None:
        """End it; tasks under way are dropped."""
        ...


def open_pool(setup: frames.Message, workers: int, *, waiting: int = 1) -> WorkerPool | InlinePool:
    """A pool of ``workers`` processes, or one that works in this process for 0.

    Args:
        setup: What the workers do, see :func:`builder.workers.worker.make_handler`.
        workers: How many processes.
        waiting: As for :class:`WorkerPool`.
    """
    return WorkerPool(setup, workers, waiting=waiting) if workers else InlinePool(setup)


class InlinePool:
    """Does each task at once in this process: for debugging and for tiny runs."""

    def __init__(self, setup: frames.Message) -> None:
        self._handler = make_handler(setup)
        self._answers: list[Answer] = []

    def submit(self, key: Any, message: frames.Message, blobs: frames.Blobs = ()) -> None:
        """Do the task now."""
        copies = [memoryview(blob).tobytes() for blob in blobs]
        answer, parts = self._handler(message, copies)
        self._answers.append(Answer(key, answer, [memoryview(part).tobytes() for part in parts]))

    def answer(self, *, wait: bool) -> Answer | None:
        """The oldest answer not yet taken."""
        return self._answers.pop(0) if self._answers else None

    @property
    def outstanding(self) -> int:
        """Answers not yet taken."""
        return len(self._answers)

    def close(self) -> None:
        """Nothing to end."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass(slots=True)
class _Task:
    key: Any
    message: frames.Message
    blobs: frames.Blobs


class WorkerPool:
    """Worker processes behind a bounded queue, a thread of ours beside each.

    A worker that dies (killed, out of memory) is replaced and its task given to another: a
    task may run again, but gives one answer.

    Args:
        setup: What the workers do, see :func:`builder.workers.worker.make_handler`.
        workers: How many processes.
        waiting: How many tasks may wait beside one for each worker. Who submits many at a time
            and then does something else names that many, and is not held up.
    """

    def __init__(self, setup: frames.Message, workers: int, *, waiting: int = 1) -> None:
        self._setup = setup
        self._tasks: queue.Queue[_Task | None] = queue.Queue(maxsize=workers + waiting)
        self._answers: queue.Queue[Answer | BaseException] = queue.Queue()
        self._outstanding = 0
        self._closing = False
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._guard = threading.Lock()
        self._threads = [
            threading.Thread(target=self._serve, args=(number,), daemon=True)
            for number in range(workers)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def outstanding(self) -> int:
        """Tasks submitted whose answers have not been taken."""
        return self._outstanding

    def pids(self) -> list[int]:
        """The process ids of the workers alive at this moment."""
        with self._guard:
            return [process.pid for process in self._processes.values() if process.poll() is None]

    def submit(self, key: Any, message: frames.Message, blobs: frames.Blobs = ()) -> None:
        """Hand in a task; waits while every worker is busy and the queue full."""
        self._outstanding += 1
        self._tasks.put(_Task(key, message, blobs))

    def answer(self, *, wait: bool) -> Answer | None:
        """The next answer in order of completion.

        Args:
            wait: Whether to wait for one.

        Returns:
            An answer, or None where none is ready and ``wait`` is false.

        Raises:
            PortraitError: A task that its workers do not survive, or that failed with a
                message for the user.
            RuntimeError: A defect of ours in a worker, with its traceback.
        """
        try:
            found = self._answers.get(block=wait)
        except queue.Empty:
            return None
        self._outstanding -= 1
        if isinstance(found, BaseException):
            raise found
        if "error" in found.message:
            raise PortraitError(found.message["error"])
        if "crash" in found.message:
            raise RuntimeError(f"a worker failed on {found.key}:\n{found.message['crash']}")
        return found

    def close(self) -> None:
        """Kill the workers; they own nothing on disk."""
        with self._guard:
            self._closing = True
            for process in self._processes.values():
                process.kill()
        while True:  # make room for the end marks
            try:
                self._tasks.get_nowait()
            except queue.Empty:
                break
        for _ in self._threads:
            self._tasks.put(None)
        for thread in self._threads:
            thread.join(timeout=5)
        for number in list(self._processes):
            self._bury(number)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _serve(self, number: int) -> None:
        while (task := self._tasks.get()) is not None and not self._closing:
            self._answers.put(self._perform(number, task))

    def _perform(self, number: int, task: _Task) -> Answer | BaseException:
        for _ in range(DEATHS_A_TASK):
            if self._closing:
                break
            try:
                process = self._process(number)
                assert process.stdin is not None and process.stdout is not None
                frames.send(process.stdin, task.message, task.blobs)  # type: ignore[arg-type]
                message, blobs = frames.receive(process.stdout)  # type: ignore[arg-type]
            except (EOFError, OSError):
                self._bury(number)
                continue
            except Exception as problem:  # a defect of ours must reach the caller, not a thread
                return problem
            return Answer(task.key, message, blobs)
        return PortraitError(
            f"sample {task.key}: {DEATHS_A_TASK} workers died on it (out of memory?); "
            "try: fewer --workers, or a smaller --size"
        )

    def _bury(self, number: int) -> None:
        """Kill a worker if it still runs, and forget it."""
        with self._guard:
            process = self._processes.pop(number, None)
        if process is None:
            return
        process.kill()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        process.wait()

    def _process(self, number: int) -> subprocess.Popen[bytes]:
        process = self._processes.get(number)
        if process is not None:
            return process
        with self._guard:
            if self._closing:
                raise EOFError("closing")
            process = _start()
            self._processes[number] = process
        assert process.stdin is not None
        frames.send(process.stdin, self._setup)  # type: ignore[arg-type]
        return process


def _start() -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        children.module_command("builder.workers.worker"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        # One process a core: threads that libraries start would only compete.
        env=children.environment(
            OMP_NUM_THREADS="1",
            OPENBLAS_NUM_THREADS="1",
            GLIBC_TUNABLES=os.environ.get("GLIBC_TUNABLES", _KEPT_MEMORY),
        ),
        start_new_session=True,  # Ctrl-C is the parent's to handle
    )
    for pipe in (process.stdin, process.stdout):
        _enlarge(pipe)
    return process


def _enlarge(pipe: IO[bytes] | None) -> None:
    """Make a pipe hold more, where the system can and this user has not too many such pipes."""
    if pipe is not None and sys.platform == "linux":
        with suppress(OSError):
            fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, _PIPE)
