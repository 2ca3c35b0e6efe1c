"""One mask of the first frame, carried on by optical flow and re-matting; no weights at all."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from ld_portrait_20k.compositing.trimaps import FOREGROUND, UNKNOWN
from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.matting.models.classical import GuidedFilter
from ld_portrait_20k.matting.prediction.tiles import to_float, trimap_to_float
from ld_portrait_20k.matting.video.frames import Frame, Pixels
from ld_portrait_20k.matting.video.masks import fit_mask
from ld_portrait_20k.matting.video.motion import Flow
from ld_portrait_20k.matting.video.trimaps import trimap_of

WORKING_SIDE: Final = 640
"""The mask is carried on at this longer side: what follows needs the edge to some pixels."""
BAND: Final = 8.0
"""Half width of the band in which the carried mask is matted again, in pixels at 1024: twice
that of the trimaps, for the flow's error comes on top; chosen on the dancer clip."""


class FirstMask:
    """Carry the mask of the first frame on.

    From frame to frame the mask moves along DIS optical flow; then its edge is matted again
    with a guided filter, so that errors of the flow do not add up. A person who leaves is
    lost, and one who enters is not seen.

    Args:
        mask: (H, W) uint8 of the first frame, scaled to it if need be.
    """

    name = "first-mask"

    def __init__(self, mask: Pixels) -> None:
        self._mask = mask
        self._flow = Flow()
        self._filter = GuidedFilter()

    def __call__(self, frame: Frame, last: tuple[Frame, Pixels] | None) -> Pixels:
        """The mask of a frame; see :class:`~.protocol.Segmenter`."""
        height, width = frame.colour.shape[:2]
        if last is None:
            if not (self._mask >= 128).any():
                raise PortraitError("the first mask is empty; try: a mask that is white on people")
            return fit_mask(self._mask, height, width, "the first mask")
        scale = min(1.0, WORKING_SIDE / max(height, width))
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        colour, before, mask = (
            np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), np.uint8)
            for plane in (frame.colour, last[0].colour, last[1])
        )
        carried = self._flow.between(colour, before).warp(mask)
        return np.asarray(cv2.resize(self._matted(colour, carried), (width, height)), np.uint8)

    def _matted(self, colour: Pixels, carried: Pixels) -> Pixels:
        trimap = trimap_of(carried, band=BAND)
        if not (trimap == UNKNOWN).any() or not (trimap == FOREGROUND).any():
            return carried
        alpha = self._filter(to_float(colour), trimap_to_float(trimap))
        # On flat white the filter's fit is singular in 32 bits; there the carried mask stands.
        alpha = np.where(np.isfinite(alpha), alpha, carried * np.float32(1 / 255))
        return np.rint(alpha.clip(0, 1) * 255).astype(np.uint8)


def mask_in_box(colour: Pixels, box: tuple[int, int, int, int]) -> Pixels:
    """The mask of what stands in a box, by GrabCut.

    Rother, Kolmogorov and Blake, "GrabCut", 2004, through OpenCV.

    Args:
        colour: (H, W, 3) uint8 sRGB, the first frame.
        box: Left, top, width, height in pixels.

    Returns:
        (H, W) uint8 of 0 and 255.

    Raises:
        PortraitError: The box lies outside the frame, or nothing was found in it.
    """
    left, top, width, height = box
    if min(left, top) < 0 or left + width > colour.shape[1] or top + height > colour.shape[0]:
        raise PortraitError(
            f"the box {left},{top},{width},{height} does not lie in the frame, "
            f"{colour.shape[1]} x {colour.shape[0]}"
        )
    labels = np.zeros(colour.shape[:2], np.uint8)
    cv2.setRNGSeed(0)  # its clusters start at random
    cv2.grabCut(
        np.ascontiguousarray(colour), labels, box, np.zeros((1, 65)), np.zeros((1, 65)), 5,
        cv2.GC_INIT_WITH_RECT,
    )  # fmt: skip
    mask = np.where((labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD), np.uint8(255), np.uint8(0))
    if not mask.any():
        raise PortraitError("nothing stands out in the box; try: --first-mask with a mask")
    return mask
