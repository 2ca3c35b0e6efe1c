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
from ld_portrait_20k.matting.video.motion import Flow
from ld_portrait_20k.matting.video.segmenters.prompts import Box, Prompt, mask_in_box
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
        box: Left, top, width, height around the person in the first frame, instead.

    Raises:
        PortraitError: Neither is given.
    """

    name = "first-mask"

    def __init__(self, mask: Pixels | None = None, *, box: Box | None = None) -> None:
        if mask is None and box is None:
            raise PortraitError(
                "the segmenter first-mask needs --first-mask PICTURE or --first-box"
            )
        self._prompt = Prompt(mask, box)
        self._flow = Flow()
        self._filter = GuidedFilter()
        self._first: tuple[Frame, Pixels] | None = None

    def begin(self, frame: Frame) -> None:
        """Take in the clip's first frame; see :class:`~.protocol.AnchoredSegmenter`."""
        if self._prompt.mask is not None:
            mask = self._prompt.fitted_mask(*frame.colour.shape[:2])
        else:
            assert self._prompt.box is not None
            mask = mask_in_box(frame.colour, self._prompt.box)
        self._first = (frame, mask)

    def __call__(self, frame: Frame, last: tuple[Frame, Pixels] | None) -> Pixels:
        """The mask of a frame; see :class:`~.protocol.Segmenter`."""
        if self._first is None:
            self.begin(frame if last is None else last[0])
        assert self._first is not None
        if last is None:
            return self._first[1]
        height, width = frame.colour.shape[:2]
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
