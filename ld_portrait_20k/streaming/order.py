"""The order in which an epoch reads its samples, and the part of it that each process reads.

Each seed and epoch has one global order, in which ranks and workers take turns. The state
of a whole training job is therefore one number, how many samples of the order are used, and
a job may go on with another number of ranks or workers.

Shuffling sorts by a 64-bit mix of seed, epoch and index, so the order does not depend on
the random generator of any library.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

REMAINDERS: Final = ("drop", "pad", "uneven")

_MASK = 2**64 - 1


def mix(values: NDArray[np.integer[Any]], *keys: int) -> NDArray[np.uint64]:
    """A well-spread 64-bit number for each value, given integer keys.

    The finalizer of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014), once a key.

    Args:
        values: (N,) integers, not negative.
        keys: Further integers that the numbers depend on.

    Returns:
        (N,) uint64.
    """
    state: NDArray[np.uint64] = values.astype(np.uint64)
    for key in (*keys, 0):
        state = _stirred(state, key)
    return state


def _stirred(state: Any, key: int) -> Any:
    """One round of :func:`mix`, for numbers of 64 bits or for one integer of Python's."""
    state = (state * 0x9E3779B97F4A7C15 + (key & _MASK)) & _MASK
    state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _MASK
    return state ^ (state >> 31)


def sample_seed(number: int, seed: int, epoch: int) -> int:
    """The seed, 0..2**63-1, for all random choices about one sample in one epoch."""
    # As mix does it; for one number Python's integers take a tenth of the time.
    state: int = number
    for key in (seed, epoch, 3, 0):
        state = _stirred(state, key)
    # An int64 is the largest integer that a tensor holds.
    return state >> 1


def epoch_order(
    shard: NDArray[np.integer[Any]], seed: int, epoch: int, *, shuffle: bool, window: int = 8
) -> NDArray[np.int64]:
    """The global order of an epoch.

    Shards are permuted; then the samples of every ``window`` consecutive shards are
    permuted among themselves, so that at any time only so many shards are read from.

    Args:
        shard: (N,) shard number of every sample, not falling.
        seed: The run's seed.
        epoch: The epoch.
        shuffle: False gives the order of the shards as they are.
        window: Shards mixed at a time; 0 for all.

    Returns:
        (N,) int64, a permutation of 0..N-1.
    """
    count = len(shard)
    if not shuffle or not count:
        return np.arange(count)
    shards = int(shard[-1]) + 1
    turn = np.empty(shards, np.int64)
    turn[np.argsort(mix(np.arange(shards), seed, epoch, 1), kind="stable")] = np.arange(shards)
    group = turn[shard] // (window or shards)
    return np.lexsort((np.arange(count), mix(np.arange(count), seed, epoch, 2), group))


@dataclass(frozen=True, slots=True)
class Share:
    """Which samples of an epoch this rank and this loader worker read.

    Attributes:
        rank: Number of this process, from 0.
        world_size: How many processes there are.
        worker: Number of this loader worker in its process, from 0.
        workers: How many workers each process has.
        block: Samples that a worker takes in a row. This is the batch size: a loader that
            takes one batch from each worker in turn then keeps the order.
        remainder: What to do where ``world_size`` does not divide the samples: ``"drop"``
            leaves out up to ``world_size - 1`` of the order's last samples (different
            ones in every shuffled epoch), ``"pad"`` repeats the epoch's first ones, ``"uneven"``
            gives the first ranks one more.
    """

    rank: int = 0
    world_size: int = 1
    worker: int = 0
    workers: int = 1
    block: int = 1
    remainder: str = "drop"

    def __post_init__(self) -> None:
        if not 0 <= self.rank < self.world_size or not 0 <= self.worker < self.workers:
            raise ValueError(f"rank or worker out of range: {self}")
        if self.block < 1:
            raise ValueError(f"block {self.block} must be at least 1")
        if self.remainder not in REMAINDERS:
            raise ValueError(f"remainder {self.remainder!r} is none of {', '.join(REMAINDERS)}")

    def count(self, total: int, start: int = 0) -> int:
        """How many samples this rank gets of a global order of ``total`` from ``start`` on."""
        left = max(0, total - start)
        if self.remainder == "drop":
            return left // self.world_size
        if self.remainder == "pad":
            return -(-left // self.world_size)
        return len(range(self.rank, left, self.world_size))

    def places(self, total: int, start: int = 0) -> NDArray[np.int64]:
        """The places in the global order that this worker reads, in its order.

        Args:
            total: Samples in the global order.
            start: How many of them all ranks together have used.

        Returns:
            (M,) int64; with ``"pad"`` the places wrap around.
        """
        turns = np.arange(self.count(total, start))
        mine = turns[(turns // self.block) % self.workers == self.worker]
        places = start + mine * self.world_size + self.rank
        return places % total if total else places
