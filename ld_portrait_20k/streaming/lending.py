"""Shared memory that a loader's workers lend to the training process and get back.

Memory that is shared anew for every batch costs a worker as much as cropping: the system clears
its pages and takes them back, 1.5 ms for a training sample of 512 px. So a block says in its first
byte whether it is lent. The worker sets the byte, the training process clears it when nobody
holds the batch any more.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_HEADER: Final = 64  # bytes before the pictures; a line of the processor's cache
_BLOCKS: Final = 16
"""Blocks of a size that a worker keeps: five batches, each with three pictures of that size, are
on their way or in use at a time with two loaded ahead."""
_SIZES: Final = 4  # a batch has two; another two for a second stream


@dataclass(frozen=True, slots=True)
class Lent:
    """A batch of which some tensors lie in lent blocks.

    Attributes:
        batch: A dict; these tensors may be in lists.
        keys: Of those tensors.
    """

    batch: dict[str, Any]
    keys: frozenset[str]


class Lender:
    """A worker's blocks."""

    def __init__(self) -> None:
        self._blocks: dict[int, list[_Block]] = {}
        self._epoch = 0
        self._places: set[int] = set()  # addresses of what the next batch is made of

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
            block = _Block(shared_memory(_HEADER + size))
            if len(blocks) < _BLOCKS:
                blocks.append(block)
        block.epoch = self._epoch
        block.memory[0] = 1
        self._places.add(block.memory.data_ptr())
        return block.memory[_HEADER:]

    def lent(self, batch: dict[str, Any]) -> Lent:
        """A batch on its way to the training process."""
        keys = frozenset(key for key, value in batch.items() if self._holds(value))
        self._places.clear()
        return Lent(batch, keys)

    def _holds(self, value: Any) -> bool:
        first = value[0] if isinstance(value, list) and value else value
        storage = getattr(first, "untyped_storage", None)
        return storage is not None and storage().data_ptr() in self._places


class _Block:
    """Shared memory whose first byte is 1 while it is lent, and the epoch it was lent in."""

    def __init__(self, memory: Any) -> None:
        self.memory = memory
        self.epoch = 0

    @property
    def lent(self) -> bool:
        return bool(self.memory[0])


def shared_memory(size: int) -> Any:
    """A tensor (size,) of uint8 in memory that other processes can map."""
    import torch

    # As torch's own collation does it: share_memory_() would copy what is not written yet.
    return torch.empty(0, dtype=torch.uint8).set_(torch.UntypedStorage._new_shared(size))


def received(batch: Any) -> Any:
    """A batch as the training process may hand it on, its blocks given back with its end."""
    if not isinstance(batch, Lent):
        return batch
    return {
        key: _received(value) if key in batch.keys else value for key, value in batch.batch.items()
    }


def _received(value: Any) -> Any:
    import torch

    if isinstance(value, list):
        return [_received(one) for one in value]
    block = torch.empty(0, dtype=torch.uint8).set_(value.untyped_storage())
    owner = _Holder(block.numpy())
    weakref.finalize(owner, _give_back, block).atexit = False
    return torch.from_numpy(np.asarray(owner)).as_strided(
        value.shape, value.stride(), value.storage_offset()
    )


def _give_back(block: Any) -> None:
    block[0] = 0


class _Holder:
    """Lends a block's memory by the array interface; tensors over it keep it alive."""

    def __init__(self, block: NDArray[np.uint8]) -> None:
        self.__array_interface__ = block.__array_interface__


LENDER: Lender | None = None
"""That of this process, if it is a worker of a loader that gives blocks back."""


def begin() -> Lender:
    """Lend from now on; called in a worker as an epoch begins."""
    global LENDER
    LENDER = LENDER or Lender()
    LENDER.begin()
    return LENDER
