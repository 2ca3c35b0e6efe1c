"""Near-duplicates by perceptual hash, judged in plan order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from builder.quality.thresholds import Thresholds
from ld_portrait_20k.perceptual_hash import differing_bits, hash_words, perceptual_hash

__all__ = ["Duplicate", "find_duplicates", "perceptual_hash"]


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

    Args:
        hashes: Perceptual hashes, in plan order.
        limit: Bits of 128 up to which two samples count as the same; -1 finds none.
    """
    kept = np.zeros((len(hashes), 2), np.uint64)
    places: list[int] = []
    found: list[Duplicate] = []
    for position, value in enumerate(hash_words(hashes)):
        if places:
            differing = differing_bits(kept[: len(places)], value)
            nearest = int(differing.argmin())
            if differing[nearest] <= limit:
                found.append(Duplicate(position, places[nearest], int(differing[nearest])))
                continue
        kept[len(places)] = value
        places.append(position)
    return found
