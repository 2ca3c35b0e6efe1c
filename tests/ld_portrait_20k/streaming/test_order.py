from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ld_portrait_20k.streaming.order import Share, epoch_order, mix, sample_seed

COUNTS = st.lists(st.integers(0, 12), min_size=1, max_size=9)


def shards(counts: list[int]) -> NDArray[np.int64]:
    return np.repeat(np.arange(len(counts)), counts)


def drop_empty(counts: list[int]) -> list[int]:
    return [count for count in counts if count] or [1]


@given(COUNTS.map(drop_empty), st.integers(0, 2**63), st.integers(0, 9), st.integers(0, 9))
def test_an_epoch_is_a_permutation_that_mixes_windows_only(
    counts: list[int], seed: int, epoch: int, window: int
) -> None:
    shard = shards(counts)
    order = epoch_order(shard, seed, epoch, shuffle=True, window=window)
    assert sorted(order) == list(range(len(shard)))
    assert (order == epoch_order(shard, seed, epoch, shuffle=True, window=window)).all()
    # At any time at most `window` shards are begun and not finished.
    left = Counter(shard.tolist())
    begun = set()
    for place in order:
        begun.add(shard[place])
        left[shard[place]] -= 1
        assert window == 0 or len([s for s in begun if left[s]]) <= window
    assert (epoch_order(shard, seed, epoch, shuffle=False) == np.arange(len(shard))).all()


def test_epochs_and_seeds_differ_and_are_pinned() -> None:
    shard = shards([10] * 10)
    orders = [
        tuple(epoch_order(shard, seed, epoch, shuffle=True, window=4))
        for seed in range(3)
        for epoch in range(3)
    ]
    assert len(set(orders)) == 9
    # A saved state must mean the same order in every version to come.
    assert orders[0][:8] == (81, 12, 92, 15, 30, 91, 88, 89)
    assert all(0 <= sample_seed(number, 3, 1) < 2**63 for number in range(100))
    assert sample_seed(42, 0, 0) != sample_seed(42, 0, 1) != sample_seed(43, 0, 1)


def test_shuffling_is_even() -> None:
    shard = shards([50] * 8)
    first = Counter(
        int(epoch_order(shard, 7, epoch, shuffle=True, window=0)[0]) // 50 for epoch in range(800)
    )
    assert all(60 < first[s] < 145 for s in range(8))
    drawn = mix(np.arange(4096), 1, 2)
    bits = np.unpackbits(drawn.view(np.uint8)).mean()
    assert abs(bits - 0.5) < 0.01 and len(set(drawn.tolist())) == 4096


@settings(max_examples=300)
@given(
    st.integers(0, 60), st.integers(1, 5), st.integers(1, 5), st.integers(1, 4), st.integers(0, 60)
)
def test_nothing_is_lost_or_doubled(
    total: int, world: int, workers: int, block: int, start: int
) -> None:
    start = min(start, total)
    everything: Counter[int] = Counter()
    for rank in range(world):
        mine = []
        for worker in range(workers):
            places = Share(rank, world, worker, workers, block, "uneven").places(total, start)
            mine.append(places.tolist())
            everything.update(places.tolist())
        # A loader takes a block from each worker in turn: the rank's order comes back.
        taken, turn = [], 0
        while any(mine):
            taken += mine[turn % workers][:block]
            mine[turn % workers] = mine[turn % workers][block:]
            turn += 1
        assert taken == list(range(start + rank, total, world))
    assert everything == Counter(range(start, total))


@given(st.integers(1, 60), st.integers(1, 5), st.sampled_from(["drop", "pad"]))
def test_ranks_get_equal_counts(total: int, world: int, remainder: str) -> None:
    places = [Share(rank, world, remainder=remainder).places(total) for rank in range(world)]
    counts = {len(p) for p in places} | {Share(0, world, remainder=remainder).count(total)}
    assert len(counts) == 1
    seen = Counter(np.concatenate(places).tolist())
    if remainder == "drop":
        assert max(seen.values(), default=1) == 1 and total - len(seen) < world
    else:
        assert set(seen) == set(range(total)) and sum(seen.values()) - total < world


def test_wrong_shares_are_refused() -> None:
    for arguments in (
        {"rank": 2, "world_size": 2},
        {"worker": -1},
        {"block": 0},
        {"remainder": "x"},
    ):
        with pytest.raises(ValueError):
            Share(**arguments)


@given(st.integers(0, 10**7), st.integers(0, 2**63 - 1), st.integers(0, 10**6))
def test_a_sample_s_seed_is_the_mix_of_its_number(number: int, seed: int, epoch: int) -> None:
    mixed = mix(np.array([number]), seed, epoch, 3)[0]
    assert sample_seed(number, seed, epoch) == int(mixed) >> 1
