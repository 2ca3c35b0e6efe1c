"""Denormal numbers as zero, for the length of a computation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def flushed() -> bool:
    """Whether this thread takes denormal numbers for zero."""
    smallest = np.float64(5e-324)
    return bool(smallest * np.float64(1.0) == 0.0)


@contextmanager
def flush_denormals() -> Iterator[None]:
    """Take denormal numbers for zero inside the block, and as before after it.

    Weights near zero are denormal at first, and those cost a CPU a hundred times as much. The
    setting belongs to the caller's thread, so it is put back: other code may need denormals.
    """
    before = flushed()
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)
