"""Memory of batches is used again only when nobody holds it any more."""

from __future__ import annotations

import gc

import numpy as np
import pytest

from ld_portrait_20k.compositing.buffers import Buffers

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
