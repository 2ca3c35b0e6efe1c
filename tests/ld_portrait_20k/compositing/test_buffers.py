"""Memory of batches is used again only when nobody holds it any more."""

from __future__ import annotations

import gc
import multiprocessing
import os

import numpy as np
import pytest

from ld_portrait_20k.compositing.buffers import BUFFERS, Buffers

SHAPE = (2, 3, 256, 256)


def test_memory_comes_back_when_the_last_view_is_gone() -> None:
    torch = pytest.importorskip("torch")
    buffers = Buffers()
    first = buffers.take(SHAPE)
    first[:] = 7
    place = first.ctypes.data
    tensor = torch.from_numpy(first)
    part = tensor[1:].permute(0, 2, 3, 1)
    array = part.numpy()
    del first, tensor, part
    gc.collect()
    other = buffers.take(SHAPE)
    assert other.ctypes.data != place
    other[:] = 1
    assert (array == 7).all()
    del array
    gc.collect()
    assert buffers.take(SHAPE).ctypes.data == place


def test_only_a_few_sizes_are_kept() -> None:
    buffers = Buffers()
    for rows in range(256, 266):
        block = buffers.take((4, 3, rows, 256))
        assert block.shape == (4, 3, rows, 256)
        assert block.dtype == np.float32
        assert block.flags.writeable
        del block
    assert len(buffers._free) <= 4


@pytest.mark.skipif(not hasattr(os, "register_at_fork"), reason="this system has no fork")
def test_memory_of_before_a_fork_is_not_used_again() -> None:
    # The fork cuts its large pages into small ones, and floats are made in 2.5 to 3.3 ms, not 2.1.
    shape = (1, 3, 257, 511)
    held, freed = BUFFERS.take(shape), BUFFERS.take(shape)
    size = held.nbytes
    del freed
    gc.collect()
    assert len(BUFFERS._free[size]) == 1
    process = multiprocessing.get_context("fork").Process(target=_take, args=(shape,))
    process.start()
    process.join(30)
    assert process.exitcode == 0, "the child can take memory too"
    later = BUFFERS.take(shape)
    del held
    gc.collect()
    assert not BUFFERS._free[size]
    del later
    gc.collect()
    assert len(BUFFERS._free[size]) == 1


def _take(shape: tuple[int, ...]) -> None:
    BUFFERS.take(shape)[:] = 1
