"""Near-duplicates by perceptual hash, judged in plan order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from builder.quality.thresholds import Thresholds

_SIDE: Final = 32
_KEPT: Final = 8
"""Side of the shrunk picture, and of the square of low frequencies that is kept: the sizes of
the usual perceptual hash."""


def perceptual_hash(foreground: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> str:
    """Hash of what a sample looks like: 64 bits of its grey composite, 64 of its alpha.

    Each half is the sign pattern of the 8 x 8 lowest frequencies of a discrete cosine
    transform around their median (the usual "pHash").

    Args:
        foreground: (H, W, 3) uint8, straight sRGB.
        alpha: (H, W) uint8.

    Returns:
        32 hex digits.
    """
    small_alpha = cv2.resize(alpha, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    small = cv2.resize(foreground, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    opacity = small_alpha.astype(np.float32) / 255.0
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32)
    composite = grey * opacity + 128.0 * (1.0 - opacity)
    return _signs(composite) + _signs(small_alpha.astype(np.float32))


def _signs(plane: NDArray[np.float32]) -> str:
    # Rounding keeps differences between machines in a transform's last bit out of the hash.
    low = np.round(cv2.dct(plane)[:_KEPT, :_KEPT].ravel(), 2)
    bits = low > np.median(low[1:])
    return np.packbits(bits).tobytes().hex()


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
    for position, text in enumerate(hashes):
        value = np.frombuffer(bytes.fromhex(text), ">u8").astype(np.uint64)
        if places:
            differing = np.bitwise_count(kept[: len(places)] ^ value).sum(axis=1)
            nearest = int(differing.argmin())
            if differing[nearest] <= limit:
                found.append(Duplicate(position, places[nearest], int(differing[nearest])))
                continue
        kept[len(places)] = value
        places.append(position)
    return found
