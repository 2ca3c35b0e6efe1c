"""Shared memory that a loader's workers lend to the training process and get back.

Memory that is shared anew for every batch costs a worker as much as cropping: the system clears
its pages and takes them back, 1.5 ms for a training sample of 512 px. So a block says in its first
byte whether it is lent. The worker sets the byte, the training process clears it when nobody
holds the batch any more.

The training process maps a block when it gets it for the first time and keeps it. Later the worker
names the block by its number: sending its descriptor, mapping it and unmapping it for every batch
cost the processes together 1 ms of a training sample.
"""

from __future__ import annotations

import multiprocessing
import os
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

_HEADER: Final = 64  # bytes before the pictures; a line of the processor's cache
_BLOCKS: Final = 16
"""Blocks of a size that a worker keeps: five batches, each with three pictures of that size, are
on their way or in use at a time with two loaded ahead."""
_SIZES: Final = 4  # a batch has two; another two for a second stream


class _Block:
    """Shared memory whose first byte is 1 while it is lent, and the epoch it was lent in.

    Attributes:
        number: Of this block among all of its worker.
        memory: A tensor (bytes,) of uint8.
        epoch: When it was lent last.
    """

    def __init__(self, number: int, memory: Any) -> None:
        self.number = number
        self.memory = memory
        self.epoch = 0

    @property
    def lent(self) -> bool:
        return bool(self.memory[0])


class _Part(NamedTuple):
    """A tensor of uint8 within a block, as a worker names it."""

    block: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    offset: int


@dataclass(frozen=True, slots=True)
class Lent:
    """A batch on its way; in the training process it arrives as a dict with tensors again.

    Attributes:
        lender: The worker's process id, and a random number because ids come again.
        batch: A dict; parts instead of the tensors that lie in blocks, which may be in lists.
        new: The memory of those blocks that the training process has not had yet, by number.
        gone: The blocks that the worker has given up since.
    """

    lender: tuple[int, int]
    batch: dict[str, Any]
    new: dict[int, Any]
    gone: tuple[int, ...]

    def __reduce__(self) -> tuple[Callable[..., dict[str, Any]], tuple[Any, ...]]:
        return _arrived, (self.lender, self.batch, self.new, self.gone)


class Lender:
    """A worker's blocks."""

    def __init__(self) -> None:
        self._name = (os.getpid(), int.from_bytes(os.urandom(8)))
        self._blocks: dict[int, list[_Block]] = {}
        self._made = 0
        self._epoch = 0
        self._places: dict[int, _Block] = {}  # by address, what the next batch is made of
        self._known: set[int] = set()  # numbers that the training process has

    def begin(self) -> None:
        """Forget blocks lent before the last epoch: one that was broken off leaves some lent."""
        self._epoch += 1
        for size, blocks in self._blocks.items():
            self._blocks[size] = [x for x in blocks if not x.lent or x.epoch >= self._epoch - 1]

    def take(self, size: int) -> Any:
        """A tensor (size,) of uint8, in a block that is lent from now on."""
        blocks = self._blocks.pop(size, [])
        self._blocks[size] = blocks  # the latest size is the last one
        while len(self._blocks) > _SIZES:
            del self._blocks[next(iter(self._blocks))]
        block = next((block for block in blocks if not block.lent), None)
        if block is None:
            self._made += 1
            block = _Block(self._made, shared_memory(_HEADER + size))
            if len(blocks) < _BLOCKS:
                blocks.append(block)
        block.epoch = self._epoch
        block.memory[0] = 1
        self._places[block.memory.data_ptr()] = block
        return block.memory[_HEADER:]

    def lent(self, batch: dict[str, Any]) -> Lent:
        """A batch on its way to the training process; batches must be sent in this order."""
        used: dict[int, Any] = {}
        named = {key: self._named(value, used) for key, value in batch.items()}
        self._places.clear()
        new = {number: memory for number, memory in used.items() if number not in self._known}
        self._known |= used.keys()
        kept = {block.number for blocks in self._blocks.values() for block in blocks}
        gone = self._known - kept - used.keys()
        self._known -= gone
        return Lent(self._name, named, new, tuple(sorted(gone)))

    def _named(self, value: Any, used: dict[int, Any]) -> Any:
        """A tensor, or a list of them, by its block; anything else as it is."""
        if isinstance(value, list):
            return [self._named(one, used) for one in value]
        storage = getattr(value, "untyped_storage", None)
        block = self._places.get(storage().data_ptr()) if storage is not None else None
        if block is None:
            return value
        used[block.number] = block.memory
        return _Part(block.number, tuple(value.shape), value.stride(), value.storage_offset())


_MAPPED: dict[tuple[int, int], dict[int, NDArray[np.uint8]]] = {}
"""The blocks of each lender that this process has mapped, by number."""


def _arrived(
    lender: tuple[int, int], batch: dict[str, Any], new: dict[int, Any], gone: tuple[int, ...]
) -> dict[str, Any]:
    """A batch as the loop may have it: its blocks are given back with the last view of them."""
    mapped = _MAPPED.get(lender)
    if mapped is None:
        mapped = _MAPPED[lender] = {}
        for process in multiprocessing.active_children():
            if process.pid == lender[0]:  # the blocks are needed no longer than the worker
                weakref.finalize(process, _MAPPED.pop, lender, None).atexit = False
    mapped.update((number, memory.numpy()) for number, memory in new.items())
    arrived = {key: _tensors(value, mapped) for key, value in batch.items()}
    for number in gone:
        mapped.pop(number, None)
    return arrived


def _tensors(value: Any, mapped: dict[int, NDArray[np.uint8]]) -> Any:
    if isinstance(value, list):
        return [_tensors(one, mapped) for one in value]
    if not isinstance(value, _Part):
        return value
    import torch

    block = mapped[value.block]
    owner = _Holder(block)
    weakref.finalize(owner, _give_back, block).atexit = False
    return torch.from_numpy(np.asarray(owner)).as_strided(value.shape, value.stride, value.offset)


def _give_back(block: NDArray[np.uint8]) -> None:
    block[0] = 0


class _Holder:
    """Lends a block's memory by the array interface; tensors over it keep it alive."""

    def __init__(self, block: NDArray[np.uint8]) -> None:
        self.__array_interface__ = block.__array_interface__


def shared_memory(size: int) -> Any:
    """A tensor (size,) of uint8 in memory that other processes can map."""
    import torch

    # As torch's own collation does it: share_memory_() would copy what is not written yet.
    return torch.empty(0, dtype=torch.uint8).set_(torch.UntypedStorage._new_shared(size))


LENDER: Lender | None = None
"""That of this process, if it is a worker of a loader that gives blocks back."""


def begin() -> Lender:
    """Lend from now on; called in a worker as an epoch begins."""
    global LENDER
    LENDER = LENDER or Lender()
    LENDER.begin()
    return LENDER
