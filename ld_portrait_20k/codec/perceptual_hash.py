"""What a sample looks like in 128 bits, and in how many of them two samples differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

NEAR_DUPLICATE: Final = 8
"""Bits of 128 up to which two samples count as the same. A picture re-encoded (JPEG 90) or
scaled (to 0.8) differs from itself in 4 at most; of all pairs of 200 procedural and 7 Layer
Diffusion samples the nearest differ in 12 (``tests/benchmarks/bench_quality.py``)."""

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


def hash_words(hashes: Sequence[str]) -> NDArray[np.uint64]:
    """Hashes as numbers, (N, 2) uint64, ready for :func:`differing_bits`."""
    joined = bytes.fromhex("".join(hashes))
    return np.frombuffer(joined, ">u8").astype(np.uint64).reshape(-1, 2)


def differing_bits(words: NDArray[np.uint64], others: NDArray[np.uint64]) -> NDArray[np.int64]:
    """In how many of 128 bits hashes differ.

    Args:
        words: (..., 2) uint64, of :func:`hash_words`.
        others: The same, of a shape that broadcasts with it.

    Returns:
        (...) int64.
    """
    return np.bitwise_count(words ^ others).sum(axis=-1, dtype=np.int64)


def _signs(plane: NDArray[np.float32]) -> str:
    # Rounding keeps differences between machines in a transform's last bit out of the hash.
    low = np.round(cv2.dct(plane)[:_KEPT, :_KEPT].ravel(), 2)
    bits = low > np.median(low[1:])
    return np.packbits(bits).tobytes().hex()
