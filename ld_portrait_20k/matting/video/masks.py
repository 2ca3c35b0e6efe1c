"""From a segmenter's masks to steady ones: whose they are, and averaged along the motion."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.matting.video.edges import softness
from ld_portrait_20k.matting.video.frames import Frame, Pixels
from ld_portrait_20k.matting.video.lookahead import neighbours
from ld_portrait_20k.matting.video.motion import (
    FLOW_SIDE,
    Flow,
    Motion,
    Moved,
    averaged,
    disagreement,
    shrunk,
)

LARGEST: Final = "largest"
ALL: Final = "all"
PEOPLE: Final = (LARGEST, ALL)

LEAST_AREA: Final = 1 / 4000
"""Share of the frame under which a region is no person: 23 x 23 pixels at 1080p; by eye."""
LEAST_SHARE: Final = 1 / 20
"""Share of the largest region's area under which another is no second person; by eye."""


@dataclass(frozen=True, slots=True)
class Masked:
    """A frame with its mask and its motion.

    Attributes:
        frame: The frame.
        mask: (H, W) uint8, 255 person, soft values between; it may be smaller than the frame.
        before: Motion to the frame before; None for the first.
        after: Motion to the frame after; None for the last.
        unsure: (H, W) uint8 of the mask's size, how much the segmenter's masks of neighbouring
            frames disagree.
        softness: How wide the soft edge of the segmenter's mask is, in pixels of the mask's size.
    """

    frame: Frame
    mask: Pixels
    before: Motion | None = None
    after: Motion | None = None
    unsure: Pixels | None = None
    softness: float = 0.0


def person(mask: Pixels, people: str = LARGEST, last: Pixels | None = None) -> Pixels:
    """Keep the regions of a mask that are the person or the people.

    Args:
        mask: (H, W) uint8.
        people: ``"largest"``: the region that overlaps the one of the frame before most, at
            first and after an absence the largest, so that of two people the same one is
            kept; ``"all"``: every region that is large enough.
        last: What was kept of the frame before; None for the first.

    Returns:
        (H, W) uint8; all 0 where no region is large enough to be a person.
    """
    solid = (mask >= 128).view(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(solid, connectivity=8)
    areas = stats[:, cv2.CC_STAT_AREA].copy()
    areas[0] = 0
    largest = int(areas.argmax())
    if areas[largest] < LEAST_AREA * mask.size:
        return np.zeros_like(mask)
    if people == ALL:
        kept = areas >= max(LEAST_AREA * mask.size, LEAST_SHARE * areas[largest])
    else:
        overlap = np.zeros(count)
        if last is not None:
            overlap = np.bincount(labels[last >= 128], minlength=count).astype(float)
            overlap[0] = 0
        kept = np.arange(count) == (overlap.argmax() if overlap.any() else largest)
    return _with_rim(mask, kept[labels])


def _with_rim(mask: Pixels, kept: NDArray[np.bool_]) -> Pixels:
    """Regions with the soft values around them; those around other regions go."""
    others = ((mask >= 128) & ~kept).view(np.uint8)
    if not others.any():
        return mask
    to_kept = cv2.distanceTransform((~kept).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    to_others = cv2.distanceTransform(1 - others, cv2.DIST_L2, cv2.DIST_MASK_5)
    return np.where(to_kept < to_others, mask, 0).astype(np.uint8)


def with_motion(masked: Iterable[tuple[Frame, Pixels]]) -> Iterator[Masked]:
    """Compute the motion from each frame to the ones before and after it.

    Args:
        masked: Frames with their masks.
    """
    flow = Flow()
    for before, (frame, mask), after in neighbours(masked):
        yield Masked(
            frame,
            mask,
            flow.between(frame.colour, before[0].colour) if before else None,
            flow.between(frame.colour, after[0].colour) if after else None,
        )


def steady(masked: Iterable[Masked]) -> Iterator[Masked]:
    """Average each mask with those of both neighbours, along the motion.

    Masks come out at the size of the flow, which is smaller than that of large frames: they
    say where the unknown band lies, and it is some pixels wide.
    """
    reduced = (replace(one, mask=shrunk(one.mask, FLOW_SIDE)) for one in masked)
    for before, current, after in neighbours(reduced):
        linked = _linked(before, current, after)
        steadied = replace(current, mask=averaged(current.mask, linked))
        if current.unsure is None:  # these are the segmenter's masks
            unsure = disagreement(current.mask, linked)
            steadied = replace(steadied, unsure=unsure, softness=softness(current.mask))
        yield steadied


def _linked(before: Masked | None, current: Masked, after: Masked | None) -> list[Moved]:
    pairs = ((before, current.before), (after, current.after))
    return [Moved.along(motion, other.mask) for other, motion in pairs if other and motion]


def fit_mask(mask: Pixels, height: int, width: int, name: str) -> Pixels:
    """A mask at the size of the frames.

    Args:
        mask: (H, W) uint8.
        height: Of the frames.
        width: Of the frames.
        name: For the message.

    Raises:
        PortraitError: Its proportions are others.
    """
    if mask.shape == (height, width):
        return mask
    if abs(mask.shape[0] * width - mask.shape[1] * height) > 2 * max(height, width):
        raise PortraitError(
            f"{name}: a mask of {mask.shape[1]} x {mask.shape[0]} does not fit frames of "
            f"{width} x {height}; try: masks of the same proportions"
        )
    return np.asarray(cv2.resize(mask, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
