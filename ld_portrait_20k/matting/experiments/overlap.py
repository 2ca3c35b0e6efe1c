"""Whether a test set shares pictures with a training set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ld_portrait_20k.codec.perceptual_hash import (
    NEAR_DUPLICATE,
    differing_bits,
    hash_words,
    perceptual_hash,
)
from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.matting.data.sample import MattingSample


@dataclass(frozen=True, slots=True)
class Looks:
    """What a set of samples looks like.

    Attributes:
        name: Of the set.
        ids: Of its samples.
        hashes: Their perceptual hashes, 32 hex digits each.
    """

    name: str
    ids: tuple[str, ...]
    hashes: tuple[str, ...]


def looks_of(sample: MattingSample) -> str:
    """Perceptual hash of a sample, the same for a foreground and for a picture made of it."""
    colour = sample.foreground if sample.foreground is not None else sample.image
    assert colour is not None
    return perceptual_hash(colour, sample.alpha)


def mirrored(sample: MattingSample) -> MattingSample:
    """The sample seen in a mirror."""

    def flip(picture: NDArray[np.uint8] | None) -> NDArray[np.uint8] | None:
        return None if picture is None else np.ascontiguousarray(cv2.flip(picture, 1))

    alpha = flip(sample.alpha)
    assert alpha is not None
    return MattingSample(sample.sample_id, alpha, flip(sample.foreground), flip(sample.image))


def common(test: Looks, training: Looks) -> list[tuple[str, str, int]]:
    """Samples of a test set that look like one of a training set: its id, that one's, bits."""
    if not training.hashes:
        return []
    known = hash_words(training.hashes)
    found = []
    for name, word in zip(test.ids, hash_words(test.hashes), strict=True):
        bits = differing_bits(known, word)
        nearest = int(bits.argmin())
        if bits[nearest] <= NEAR_DUPLICATE:
            found.append((name, training.ids[nearest], int(bits[nearest])))
    return found


def refuse_overlap(tests: Sequence[Looks], training: Sequence[Looks]) -> None:
    """Check that no test set shares a picture with a training set.

    Raises:
        PortraitError: One does; both sets and a pair are named.
    """
    for test in tests:
        for trained in training:
            pairs = common(test, trained)
            if pairs:
                first, second, bits = pairs[0]
                raise PortraitError(
                    f"test set {test.name}: {len(pairs)} of its {len(test.ids)} pictures are in "
                    f"the training set {trained.name} (for instance {first} and {second}, "
                    f"{bits} of 128 bits apart); try: another --test, or take those pictures out"
                )
