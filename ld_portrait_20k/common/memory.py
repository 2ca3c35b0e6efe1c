"""Telling a lack of memory from other errors, whoever raises it."""

from __future__ import annotations

from typing import Final

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
