"""A worker process: reads tasks from its standard input, answers on its standard output.

Started by :mod:`builder.workers.pool` as ``python -m builder.workers.worker``, so that it
needs nothing of the parent's ``__main__`` and dies with the pipe when the parent is gone.
"""

from __future__ import annotations

import os
import sys
import traceback
from importlib import import_module
from typing import Any, Protocol

from builder.workers import frames
from ld_portrait_20k.errors import PortraitError


class Handler(Protocol):
    """What a worker does: built once from a setup message, then called for every task."""

    def __call__(
        self, message: frames.Message, blobs: list[bytes]
    ) -> tuple[frames.Message, frames.Blobs]:
        """Do one task and give its answer."""
        ...


def make_handler(setup: frames.Message) -> Handler:
    """Build the handler that a setup names.

    Args:
        setup: ``{"handler": "module:Class", "options": {...}}``.
    """
    module, _, name = setup["handler"].partition(":")
    if not module.startswith(("builder.", "tests.")):
        raise ValueError(f"not a handler of this project: {module}")
    factory: Any = getattr(import_module(module), name)
    handler: Handler = factory(**setup["options"])
    return handler


def _open(setup: frames.Message) -> Handler:
    """The handler; where it cannot be built for a reason with a name, one that says so."""
    try:
        return make_handler(setup)
    except PortraitError as problem:
        reason = str(problem)

    def refuse(message: frames.Message, blobs: list[bytes]) -> tuple[frames.Message, frames.Blobs]:
        raise PortraitError(reason)

    return refuse


def main() -> int:
    """Serve tasks until the parent closes the pipe."""
    tasks = sys.stdin.buffer
    # Answers keep the real standard output; whatever prints goes to standard error.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    try:
        setup, _ = frames.receive(tasks)
        import cv2

        cv2.setNumThreads(1)
        handler = _open(setup)
        while True:
            message, blobs = frames.receive(tasks)
            try:
                answer, parts = handler(message, blobs)
            except PortraitError as problem:
                answer, parts = {"error": str(problem)}, ()
            except Exception:
                answer, parts = {"crash": traceback.format_exc()}, ()
            frames.send(answers, answer, parts)
    except (EOFError, BrokenPipeError, KeyboardInterrupt):
        return 0


if __name__ == "__main__":
    # The parent may have been killed: end at once, without flushing pipes that are closed.
    os._exit(main())
