"""Signals that stop a command: handled while it runs, as they were before once it has ended."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def handling(handler: Callable[[int, FrameType | None], object], *signals: int) -> Iterator[None]:
    """Let ``handler`` answer signals inside the block; afterwards the former handlers do.

    Python allows only the main thread to set handlers, so in another thread nothing changes.

    Args:
        handler: Called with the signal's number and the frame that it interrupted.
        signals: Such as ``signal.SIGTERM``.
    """
    former = {}
    try:
        if threading.current_thread() is threading.main_thread():
            for number in signals:
                former[number] = signal.signal(number, handler)
        yield
    finally:
        for number, previous in former.items():
            # None stands for a handler that was not set by Python and cannot be set again.
            signal.signal(number, signal.SIG_DFL if previous is None else previous)


@contextmanager
def terminable() -> Iterator[None]:
    """Inside the block SIGTERM raises ``KeyboardInterrupt``, as Ctrl-C does.

    Schedulers and ``kill`` send SIGTERM; a command then cleans up and can be continued.
    """
    with handling(signal.default_int_handler, signal.SIGTERM):
        yield
