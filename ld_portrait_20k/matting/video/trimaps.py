"""Trimaps from steady masks: unknown near the edge, where soft, and where unsure in time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from ld_portrait_20k.compositing.trimaps import BACKGROUND, FOREGROUND, UNKNOWN
from ld_portrait_20k.matting.video.frames import Frame, Pixels, scaled
from ld_portrait_20k.matting.video.masks import Masked
from ld_portrait_20k.matting.video.motion import Motion

BAND: Final = 4.0
"""Pixels to either side of the mask's edge that are unknown in any case, at 1024."""
CAP: Final = 28.0
"""Pixels from the edge beyond which nothing is unknown, at 1024. Both widths come from a
prototype on the dancer clip, where wider bands ruined closed-form on busy pictures."""
LEAST_WIDTH: Final = 2.0
"""Pixels that the band is wide at least, however small the frame: an edge is never sharper."""
SOFT: Final = (13, 242)
"""Mask values between these, 5 % and 95 %, are unknown."""
UNSURE: Final = 64
"""Disagreement with the neighbouring frames' masks, of 255, from which a pixel is unknown."""


@dataclass(frozen=True, slots=True)
class Trimapped:
    """A frame with its trimap.

    Attributes:
        frame: The frame.
        trimap: (H, W) uint8 of 0, 128 and 255.
        before: Motion to the frame before; None for the first.
        after: Motion to the frame after; None for the last.
    """

    frame: Frame
    trimap: Pixels
    before: Motion | None = None
    after: Motion | None = None


def trimaps(masked: Iterable[Masked], *, band: float = BAND) -> Iterator[Trimapped]:
    """A trimap for each mask.

    Args:
        masked: Frames with steady masks.
        band: Least half width of the unknown band, in pixels at a longer side of 1024.
    """
    for one in masked:
        mask, unsure = (_enlarged(plane, one.frame) for plane in (one.mask, one.unsure))
        assert mask is not None
        trimap = trimap_of(mask, unsure, band=band)
        yield Trimapped(one.frame, trimap, one.before, one.after)


def _enlarged(plane: Pixels | None, frame: Frame) -> Pixels | None:
    """A plane at the size of the frame."""
    height, width = frame.colour.shape[:2]
    if plane is None or plane.shape == (height, width):
        return plane
    return np.asarray(cv2.resize(plane, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def trimap_of(mask: Pixels, unsure: Pixels | None = None, *, band: float = BAND) -> Pixels:
    """The trimap of one mask.

    Args:
        mask: (H, W) uint8, hard or soft.
        unsure: (H, W) uint8, disagreement in time; None for none.
        band: As for :func:`trimaps`.

    Returns:
        (H, W) uint8 of 0, 128 and 255. A frame without person is background all over.
    """
    inside = mask >= 128
    result = np.where(inside, np.uint8(FOREGROUND), np.uint8(BACKGROUND))
    if not inside.any():
        return result
    distance = _from_edge(inside)
    near = distance <= scaled(CAP, mask.shape)
    unknown = (mask > SOFT[0]) & (mask < SOFT[1])
    width = max(LEAST_WIDTH, scaled(band, mask.shape))
    if unsure is not None:
        jumping = (unsure >= UNSURE) & near
        unknown |= jumping
        width = max(width, _mean_width(jumping, distance))
    return np.where((unknown & near) | (distance <= width), np.uint8(UNKNOWN), result)


def _mean_width(jumping: NDArray[np.bool_], distance: NDArray[np.float32]) -> float:
    """How far the masks' edge jumps from frame to frame: where it does, over its length.

    An edge that jumps by so much in places may lie off by as much in all others.
    """
    edge = int((distance <= 1).sum()) / 2  # pixels on both of its sides
    return int(jumping.sum()) / edge if edge else 0.0


def _from_edge(inside: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Distance of each pixel to the other side of the edge."""
    if inside.all():
        return np.full(inside.shape, np.inf, np.float32)
    planes = inside.view(np.uint8)
    within = cv2.distanceTransform(planes, cv2.DIST_L2, cv2.DIST_MASK_5)
    outside = cv2.distanceTransform(1 - planes, cv2.DIST_L2, cv2.DIST_MASK_5)
    return np.asarray(within + outside, np.float32)
