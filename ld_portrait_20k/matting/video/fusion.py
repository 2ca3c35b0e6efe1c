"""Mattes that flicker where the mask says otherwise: the steady mask is mixed in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from ld_portrait_20k.compositing.trimaps import UNKNOWN
from ld_portrait_20k.matting.video.alphas import Matted
from ld_portrait_20k.matting.video.frames import Pixels, scaled
from ld_portrait_20k.matting.video.lookahead import neighbours
from ld_portrait_20k.matting.video.motion import (
    FLOW_SIDE,
    Moved,
    disagreement,
    reduced_places,
    sampled,
    shrunk,
)

REACH: Final = 8.0
"""Pixels around a pixel over which mask and matte are compared, at 1024: twice the least band, so
that a matte that only draws the mask's edge sharper contradicts it nowhere. 6 to 10 came out
alike."""
CONTRADICTION: Final = (13.0, 38.0)
"""Mean difference of mask and matte, of 255, at which mixing begins and is full: 5 % and 15 %."""
FLICKER: Final = (4.0, 16.0)
"""Mean change of the matte along the motion, of 255, at which mixing begins and is full. On the
clips of ``tests/benchmarks/bench_video.py`` over the coast and the desk, mattes that changed by
less than 4 were better than MediaPipe's masks, and those that changed by more than 8 worse."""


@dataclass(frozen=True, slots=True)
class _Reduced:
    """A matted frame with its matte at the size of the flow."""

    matted: Matted
    alpha: Pixels


def fused(matted: Iterable[Matted]) -> Iterator[Matted]:
    """Mix the steady mask into mattes where they flicker and contradict it.

    A model that cannot tell the person from what is behind decides anew in each frame. Its matte
    changes along the motion over whole areas, and differs from the mask there. Both are needed:
    hair flickers and agrees with the mask on average, a fuzzy mask differs from a sure matte that
    holds still.

    Args:
        matted: Mattes of single frames, with masks; those that are not believed stay.
    """
    reduced = (_Reduced(one, shrunk(one.alpha, FLOW_SIDE)) for one in matted)
    for before, current, after in neighbours(reduced):
        one = current.matted
        # Masks that jump agree by chance in single frames.
        trust = min(near.matted.trust for near in (before, current, after) if near)
        if one.mask is None or not trust:
            yield one
            continue
        pairs = ((before, one.before), (after, one.after))
        linked = [Moved.along(motion, other.alpha) for other, motion in pairs if other and motion]
        changes = disagreement(current.alpha, linked)
        mask = _resized(one.mask, current.alpha)
        share = trust * _share(current.alpha, mask, changes, one.trimap)
        yield replace(one, alpha=_mixed(one, mask, share))


def _mixed(matted: Matted, mask: Pixels, share: NDArray[np.float32]) -> Pixels:
    """The matte with the mask's share in the unknown band; mask and share are (h, w)."""
    places = np.nonzero(matted.trimap == UNKNOWN)
    alpha = matted.alpha.copy()
    if not places[0].size:
        return alpha
    small = reduced_places(places, alpha.shape, share.shape)
    own = alpha[places].astype(np.float32)
    difference = sampled(mask, *small).astype(np.float32) - own
    alpha[places] = np.rint(own + sampled(share, *small) * difference)
    return alpha


def _share(alpha: Pixels, mask: Pixels, changes: Pixels, trimap: Pixels) -> NDArray[np.float32]:
    """The mask's share of each pixel, (h, w) float32, 0..1, for planes of one size."""
    band = (_resized(trimap, alpha, cv2.INTER_NEAREST) == UNKNOWN).astype(np.float32)
    side = 2 * round(scaled(REACH, alpha.shape)) + 1
    difference = cv2.subtract(mask, alpha, dtype=cv2.CV_32F)
    contradiction = np.abs(_mean(np.asarray(difference, np.float32), side))
    flicker = _mean(changes * band, side)
    flicker /= np.maximum(_mean(band, side), np.float32(1e-3))
    return _ramp(contradiction, CONTRADICTION) * _ramp(flicker, FLICKER)


def _resized(plane: Pixels, like: Pixels, interpolation: int = cv2.INTER_LINEAR) -> Pixels:
    """A plane at the size of another."""
    if plane.shape == like.shape:
        return plane
    height, width = like.shape
    return np.asarray(cv2.resize(plane, (width, height), interpolation=interpolation), np.uint8)


def _mean(plane: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """The mean of a plane (h, w) over squares."""
    return np.asarray(cv2.blur(plane, (side, side)), np.float32)


def _ramp(values: NDArray[np.float32], ends: tuple[float, float]) -> NDArray[np.float32]:
    low, high = ends
    return np.clip((values - np.float32(low)) / np.float32(high - low), 0, 1)
