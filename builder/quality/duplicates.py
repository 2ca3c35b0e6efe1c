"""Near-duplicates by perceptual hash, judged in plan order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from builder.quality.thresholds import Thresholds
from ld_portrait_20k.perceptual_hash import differing_bits, hash_words, perceptual_hash

__all__ = ["Duplicate", "find_duplicates", "perceptual_hash"]

_BITS: Final = 128
_ROWS: Final = 65536
"""Hashes whose keys are made at a time; it bounds memory. Chosen by eye."""


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

    The outcome depends on the order of the sequence alone: in plan order it is the same
    however many workers made the samples.

    The search is exact and looks at few pairs (multi-index hashing: Norouzi, Punjani and Fleet,
    "Fast Search in Hamming Space", CVPR 2012). The bits are dealt to ``limit // 2 + 1``
    substrings. Two hashes that differ in ``limit`` bits at most then agree in one of them to
    within one bit, so each substring is looked up as it is and with every single bit flipped.

    Args:
        hashes: Perceptual hashes, in plan order.
        limit: Bits of 128 up to which two samples count as the same; -1 finds none.
    """
    found: list[Duplicate] = []
    if limit < 0 or not hashes:
        return found
    words = hash_words(hashes)
    parts = _deal_bits(words, limit // 2 + 1)
    flips = [[0, *(1 << bit for bit in range(len(part)))] for part in parts]
    # Places of the kept hashes by substring; a list only where several share one.
    tables: list[dict[int, int | list[int]]] = [{} for _ in parts]
    for position, keys in enumerate(_keys(words, parts)):
        near = _nearest(words, position, _candidates(tables, keys, flips))
        if near is not None and near[0] <= limit:
            found.append(Duplicate(position, near[1], near[0]))
            continue
        for table, key in zip(tables, keys, strict=True):
            there = table.setdefault(key, position)
            if isinstance(there, list):
                there.append(position)
            elif there != position:
                table[key] = [there, position]
    return found


def _candidates(
    tables: list[dict[int, int | list[int]]], keys: list[int], flips: list[list[int]]
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


def _nearest(
    words: NDArray[np.uint64], position: int, candidates: list[int]
) -> tuple[int, int] | None:
    """Distance and place of the nearest candidate, the earliest of equally near ones."""
    if not candidates:
        return None
    places = np.array(candidates)
    differing = differing_bits(words[places], words[position])
    nearest = int(differing.min())
    return nearest, int(places[differing == nearest].min())


def _deal_bits(words: NDArray[np.uint64], count: int) -> list[NDArray[np.intp]]:
    """Deal the 128 bits to substrings so that each gets as telling bits as the others.

    Any dealing gives the same answer. A bit that is nearly always 1 tells little, and a substring
    of such bits would have most hashes in one bucket.
    """
    ones = np.zeros(_BITS)
    for first in range(0, len(words), _ROWS):
        ones += _bits(words[first : first + _ROWS]).sum(axis=0, dtype=np.int64)
    telling = np.argsort(np.abs(ones / len(words) - 0.5), kind="stable")
    return [telling[start::count] for start in range(min(count, _BITS))]


def _keys(words: NDArray[np.uint64], parts: list[NDArray[np.intp]]) -> Iterator[list[int]]:
    """The substrings of every hash as numbers."""
    for first in range(0, len(words), _ROWS):
        bits = _bits(words[first : first + _ROWS])
        columns = [_number(bits[:, part]) for part in parts]
        yield from zip(*columns, strict=True)


def _number(bits: NDArray[np.uint8]) -> list[int]:
    """Rows of up to 128 bits as whole numbers; the first bit is the lowest."""
    if bits.shape[1] > 62:  # more than an int64 holds: only where the limit is 0, 1, 2 or 3
        packed = np.packbits(bits, axis=1, bitorder="little")
        return [int.from_bytes(row.tobytes(), "little") for row in packed]
    powers = np.left_shift(np.int64(1), np.arange(bits.shape[1], dtype=np.int64))
    numbers: list[int] = (bits @ powers).tolist()
    return numbers


def _bits(words: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """(N, 128) uint8, the bits of (N, 2) uint64."""
    return np.unpackbits(words.view(np.uint8), axis=1)
