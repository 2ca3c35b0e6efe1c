"""Trimaps from steady masks: unknown near the edge, where soft, and where unsure in time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np

from ld_portrait_20k.compositing.trimaps import BACKGROUND, FOREGROUND, UNKNOWN
from ld_portrait_20k.matting.video.edges import from_edge, jumping, mean_width, soft, trust
from ld_portrait_20k.matting.video.frames import Frame, Pixels, scaled
from ld_portrait_20k.matting.video.masks import Masked
from ld_portrait_20k.matting.video.motion import Motion

BAND: Final = 4.0
"""Pixels to either side of the mask's edge that are unknown in any case, at 1024; from a
prototype on the dancer clip."""
LEAST_WIDTH: Final = 2.0
"""Pixels that the band is wide at least, however small the frame: an edge is never sharper."""


@dataclass(frozen=True, slots=True)
class Trimapped:
    """A frame with its trimap.

    Attributes:
        frame: The frame.
        trimap: (H, W) uint8 of 0, 128 and 255.
        before: Motion to the frame before; None for the first.
        after: Motion to the frame after; None for the last.
        mask: (h, w) uint8, the steady mask at the size of the flow; None where masks were not
            steadied.
        trust: How far the mask is believed, 0..1; see :func:`~.edges.trust`.
    """

    frame: Frame
    trimap: Pixels
    before: Motion | None = None
    after: Motion | None = None
    mask: Pixels | None = None
    trust: float = 0.0


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
        found = Trimapped(one.frame, trimap, one.before, one.after)
        if one.unsure is not None:
            believed = trust(one.mask, one.unsure, one.softness)
            found = replace(found, mask=one.mask, trust=believed)
        yield found


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
    distance = from_edge(inside)
    unknown = soft(mask, distance)
    width = max(LEAST_WIDTH, scaled(band, mask.shape))
    if unsure is not None:
        jumps = jumping(unsure, distance)
        unknown |= jumps
        width = max(width, mean_width(jumps, distance))
    return np.where(unknown | (distance <= width), np.uint8(UNKNOWN), result)
