"""Near-duplicates by perceptual hash, judged in plan order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from builder.quality.thresholds import Thresholds
from ld_portrait_20k.codec.perceptual_hash import differing_bits, hash_words, perceptual_hash

__all__ = ["Duplicate", "find_duplicate_words", "find_duplicates", "perceptual_hash"]

_BITS: Final = 128
_BLOCK: Final = 32768
"""Hashes that are judged at a time; it bounds memory. Chosen by eye."""
_PAIRS: Final = 2**20
"""Pairs whose distances are computed at a time; it bounds memory. Chosen by eye."""

Words = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A sample that looks like an earlier one.

    Attributes:
        position: Its place in the sequence that was judged.
        of: The place of the earlier, kept sample.
        distance: Bits in which their hashes differ.
    """

    position: int
    of: int
    distance: int


def find_duplicates(
    hashes: Sequence[str], limit: int = Thresholds().max_duplicate_distance
) -> list[Duplicate]:
    """Find the samples that are near a kept earlier one.

    Args:
        hashes: Perceptual hashes, in plan order.
        limit: Bits of 128 up to which two samples count as the same; -1 finds none.
    """
    return find_duplicate_words(hash_words(hashes), limit) if hashes else []


def find_duplicate_words(words: Words, limit: int) -> list[Duplicate]:
    """:func:`find_duplicates` of hashes as numbers.

    The outcome depends on the order of the sequence alone: in plan order it is the same
    however many workers made the samples.

    The search is exact and looks at few pairs (multi-index hashing: Norouzi, Punjani and Fleet,
    "Fast Search in Hamming Space", CVPR 2012). The bits are dealt to ``limit // 2 + 1``
    substrings. Two hashes that differ in ``limit`` bits at most then agree in one of them to
    within one bit, so each substring is looked up as it is and with every single bit flipped.

    Hashes are judged in blocks. What earlier blocks kept is looked up in sorted arrays, which
    take 16 bytes a hash and substring; the hashes of a block itself in dictionaries.

    Args:
        words: (N, 2) uint64, of :func:`ld_portrait_20k.codec.perceptual_hash.hash_words`.
        limit: As there.
    """
    found: list[Duplicate] = []
    if limit < 0 or not len(words):
        return found
    parts = _deal_bits(words, limit // 2 + 1)
    earlier = [_Kept() for _ in parts]
    for first in range(0, len(words), _BLOCK):
        block = words[first : first + _BLOCK]
        keys = _keys(block, parts)
        before = _Nearest(len(block))
        for kept, own, part in zip(earlier, keys, parts, strict=True):
            for flip in _flips(part):
                kept.search(own ^ np.uint64(flip), block, words, before)
        inside = _judge_block(words, first, keys, parts, before, limit)
        found += inside
        lost = {duplicate.position - first for duplicate in inside}
        stay = np.array([place for place in range(len(block)) if place not in lost], np.int64)
        for kept, own in zip(earlier, keys, strict=True):
            kept.add(own[stay], stay + first)
    return found


class _Nearest:
    """For every hash of a block the nearest kept one of the blocks before."""

    def __init__(self, count: int) -> None:
        self.distance = np.full(count, _BITS + 1, np.int64)
        self.place = np.full(count, np.iinfo(np.int64).max)

    def offer(
        self, asking: NDArray[np.int64], places: NDArray[np.int64], distances: NDArray[np.int64]
    ) -> None:
        """Take what is nearer, or as near and earlier."""
        order = np.lexsort((places, distances, asking))
        asking, places, distances = asking[order], places[order], distances[order]
        first = np.ones(len(asking), bool)
        first[1:] = asking[1:] != asking[:-1]
        asking, places, distances = asking[first], places[first], distances[first]
        known, of = self.distance[asking], self.place[asking]
        better = (distances < known) | ((distances == known) & (places < of))
        self.distance[asking[better]] = distances[better]
        self.place[asking[better]] = places[better]


class _Kept:
    """Kept hashes of earlier blocks, by one substring."""

    def __init__(self) -> None:
        self._keys: Words = np.empty(0, np.uint64)
        self._places: NDArray[np.int64] = np.empty(0, np.int64)

    def add(self, keys: Words, places: NDArray[np.int64]) -> None:
        keys, places = np.concatenate((self._keys, keys)), np.concatenate((self._places, places))
        order = np.argsort(keys, kind="stable")
        self._keys, self._places = keys[order], places[order]

    def search(self, keys: Words, block: Words, words: Words, nearest: _Nearest) -> None:
        """Offer all kept hashes whose substring is the one that each hash of a block asks for."""
        begin = np.searchsorted(self._keys, keys, "left")
        count = np.searchsorted(self._keys, keys, "right") - begin
        asking = np.flatnonzero(count)
        ends = np.cumsum(count[asking])
        done = 0
        while done < len(asking):
            reached = int(ends[done - 1]) if done else 0
            stop = max(done + 1, int(np.searchsorted(ends, reached + _PAIRS, "right")))
            some = asking[done:stop]
            sizes = count[some]
            inner = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
            places = self._places[np.repeat(begin[some], sizes) + inner]
            owner = np.repeat(some, sizes)
            nearest.offer(owner, places, differing_bits(words[places], block[owner]))
            done = stop


def _judge_block(
    words: Words,
    first: int,
    keys: list[Words],
    parts: list[NDArray[np.intp]],
    before: _Nearest,
    limit: int,
) -> list[Duplicate]:
    """The near-duplicates of a block, in order: of earlier blocks or of the block itself."""
    found: list[Duplicate] = []
    flips = [_flips(part) for part in parts]
    # Places of the kept hashes by substring; a list only where several share one.
    tables: list[dict[int, int | list[int]]] = [{} for _ in parts]
    for own, row in enumerate(zip(*(column.tolist() for column in keys), strict=True)):
        position = first + own
        known = int(before.distance[own]), int(before.place[own])
        near = min(known, _nearest(words, position, _candidates(tables, row, flips)))
        if near[0] <= limit:
            found.append(Duplicate(position, near[1], near[0]))
            continue
        for table, key in zip(tables, row, strict=True):
            there = table.setdefault(key, position)
            if isinstance(there, list):
                there.append(position)
            elif there != position:
                table[key] = [there, position]
    return found


def _candidates(
    tables: list[dict[int, int | list[int]]], keys: tuple[int, ...], flips: list[list[int]]
) -> list[int]:
    """Places of kept hashes that agree in a substring to within one bit; some of them twice."""
    found: list[int] = []
    for table, key, masks in zip(tables, keys, flips, strict=True):
        for mask in masks:
            there = table.get(key ^ mask)
            if there is None:
                continue
            if isinstance(there, int):
                found.append(there)
            else:
                found += there
    return found


def _nearest(words: Words, position: int, candidates: list[int]) -> tuple[int, int]:
    """Distance and place of the nearest candidate, the earliest of equally near ones."""
    if not candidates:
        return _BITS + 1, -1
    places = np.array(candidates)
    differing = differing_bits(words[places], words[position])
    nearest = int(differing.min())
    return nearest, int(places[differing == nearest].min())


def _deal_bits(words: Words, count: int) -> list[NDArray[np.intp]]:
    """Deal the 128 bits to substrings so that each gets as telling bits as the others.

    Any dealing gives the same answer. A bit that is nearly always 1 tells little, and a substring
    of such bits would have most hashes in one bucket.
    """
    ones = np.zeros(_BITS)
    for first in range(0, len(words), _BLOCK):
        ones += _bits(words[first : first + _BLOCK]).sum(axis=0, dtype=np.int64)
    telling = np.argsort(np.abs(ones / len(words) - 0.5), kind="stable")
    return [telling[start::count] for start in range(min(count, _BITS))]


def _keys(words: Words, parts: list[NDArray[np.intp]]) -> list[Words]:
    """The substrings of every hash as numbers, one array a substring.

    Where a substring has more than 64 bits, its two halves are combined by exclusive or: equal
    substrings still have equal keys, and one flipped bit flips one bit of the key.
    """
    bits = _bits(words)
    keys = []
    for part in parts:
        packed = np.zeros((len(words), _BITS // 8), np.uint8)
        some = np.packbits(bits[:, part], axis=1, bitorder="little")
        packed[:, : some.shape[1]] = some
        halves = packed.view("<u8")
        keys.append(halves[:, 0] ^ halves[:, 1])
    return keys


def _flips(part: NDArray[np.intp]) -> list[int]:
    """What changes a substring's key by no bit, and by each single one."""
    return [0, *(1 << bit for bit in range(min(len(part), 64)))]


def _bits(words: Words) -> NDArray[np.uint8]:
    """(N, 128) uint8, the bits of (N, 2) uint64."""
    return np.unpackbits(words.view(np.uint8), axis=1)
