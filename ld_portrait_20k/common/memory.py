"""Telling a lack of memory from other errors, whoever raises it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from ld_portrait_20k.errors import PortraitError

_TEXTS: Final = (
    "out of memory",  # CUDA, by torch
    "can't allocate memory",  # torch on a CPU
    "_status_alloc_failed",  # cuBLAS and cuDNN, about their workspaces
    "insufficient memory",  # OpenCV
    "memoryerror",  # of a data worker, which torch repeats as text
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that a device, or the machine, has no memory left."""
    if isinstance(error, MemoryError):
        return True
    by_text = isinstance(error, RuntimeError) or type(error).__module__ == "cv2"
    return by_text and any(text in str(error).lower() for text in _TEXTS)


@contextmanager
def lack_of_memory_told(text: str, *signs: str) -> Iterator[None]:
    """Turn a lack of memory into one line.

    Args:
        text: The line.
        signs: Further texts that mean a lack of memory in the errors that may come here.

    Raises:
        PortraitError: The memory did not suffice.
    """
    try:
        yield
    except Exception as problem:
        if is_out_of_memory(problem) or any(sign in str(problem) for sign in signs):
            raise PortraitError(text) from problem
        raise
