"""How well the edge of a mask is known: how soft it is, and how far it jumps in time."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from ld_portrait_20k.matting.video.frames import Pixels, scaled

CAP: Final = 28.0
"""Pixels from the edge beyond which nothing belongs to it, at 1024: from a prototype on the dancer
clip, where wider bands ruined closed-form on busy pictures."""
SOFT: Final = (13, 242)
"""Mask values between these, 5 % and 95 %, are soft."""
UNSURE: Final = 64
"""Disagreement with the neighbouring frames' masks, of 255, from which a pixel jumps."""

BELIEVED: Final = 0.5
"""Jump of the edge, in shares of its softness, up to which a mask is believed wholly."""
DISBELIEVED: Final = 1.0
"""Jump of the edge, in shares of its softness, from which a mask is not believed. On the clips of
``tests/benchmarks/bench_video.py`` the masks of RobustVideoMatting jump by 0.1 (the median of the
frames), those of MediaPipe by 0.1 to 0.4, the true ones by 0.7, those with errors by 2 to 3, and by
0.5 to 1 if they are blurred over 9 pixels."""


def from_edge(inside: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Distance of each pixel to the other side of the edge, (H, W) float32, in pixels.

    Args:
        inside: (H, W) bool, the solid part of a mask.
    """
    if inside.all():
        return np.full(inside.shape, np.inf, np.float32)
    planes = inside.view(np.uint8)
    within = cv2.distanceTransform(planes, cv2.DIST_L2, cv2.DIST_MASK_5)
    outside = cv2.distanceTransform(1 - planes, cv2.DIST_L2, cv2.DIST_MASK_5)
    return np.asarray(within + outside, np.float32)


def jumping(unsure: Pixels, distance: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Where the edge jumps from frame to frame.

    Args:
        unsure: (H, W) uint8, disagreement of the masks in time.
        distance: (H, W) float32, as :func:`from_edge` gives it.
    """
    return (unsure >= UNSURE) & (distance <= scaled(CAP, unsure.shape))


def soft(mask: Pixels, distance: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Where the edge of a mask (H, W) uint8 is soft; ``distance`` as for :func:`jumping`."""
    return (mask > SOFT[0]) & (mask < SOFT[1]) & (distance <= scaled(CAP, mask.shape))


def mean_width(zone: NDArray[np.bool_], distance: NDArray[np.float32]) -> float:
    """How wide a zone along the edge is: its area over the length of the edge, in pixels.

    Of the pixels that jump it is how far the edge jumps where it does, over all of it. An edge that
    jumps by so much in places may lie off by as much in all others.
    """
    length = int((distance <= 1).sum()) / 2  # pixels on both of its sides
    return int(zone.sum()) / length if length else 0.0


def softness(mask: Pixels) -> float:
    """How wide the soft edge of a mask (H, W) uint8 is on average, in pixels."""
    distance = from_edge(mask >= 128)
    return mean_width(soft(mask, distance), distance)


def trust(mask: Pixels, unsure: Pixels, softness: float) -> float:
    """How far a mask is believed where model and mask contradict each other.

    A soft edge says itself how far it may be off. If it jumps further than that from frame to
    frame, as a hard edge in the wrong place does, the mask is wrong without knowing it.

    Args:
        mask: (H, W) uint8, the steady mask.
        unsure: (H, W) uint8, disagreement of the segmenter's masks in time.
        softness: Of the segmenter's mask, in pixels; see :func:`softness`.

    Returns:
        0..1.
    """
    distance = from_edge(mask >= 128)
    # Even the edge of a hard mask may lie anywhere in its pixel.
    share = mean_width(jumping(unsure, distance), distance) / (softness + 1)
    return float(np.clip((DISBELIEVED - share) / (DISBELIEVED - BELIEVED), 0, 1))
