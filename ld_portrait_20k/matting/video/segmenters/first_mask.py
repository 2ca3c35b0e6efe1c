"""One mask of the first frame, carried on by optical flow and colours; no weights at all."""

from __future__ import annotations

from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.matting.video.frames import Frame, Pixels
from ld_portrait_20k.matting.video.motion import Flow, Motion, shrunk
from ld_portrait_20k.matting.video.segmenters.evidence import (
    SIDE,
    BackgroundPlate,
    ColourModel,
    camera_motion,
    moves_with_camera,
    widened,
)
from ld_portrait_20k.matting.video.segmenters.prompts import Box, Prompt, mask_in_box
from ld_portrait_20k.matting.video.writing import SEGMENT

REACH: Final = 30
"""Pixels from the carried mask within which the person may be: arms move by up to 20 a frame.
These and the other constants were chosen on the dancer clip; pixels at a longer side of 640."""
_SOFTENED: Final = 4.0  # deviation of the flow's error in pixels
_DOUBT: Final = 0.1  # least chance of either, however sure the carried mask is
_UNCOVERED: Final = 0.4  # chance of the person where the flow finds no match in the frame before
_TRUST: Final = 0.8  # how far the chance goes there where nothing matches
_STRONGEST: Final = 6.0  # log odds that one pixel's colour may give
_EDGE: Final = 4  # pixels, radius of the guided filter
_FLATNESS: Final = 1e-3  # its regularisation, for brightness of 0..1

Bools = NDArray[np.bool_]


class FirstMask:
    """Carry the mask of the first frame on.

    From frame to frame the mask moves along DIS optical flow, and flow alone drifts: it drags
    the person's mask over background that an arm uncovers. So the carried mask is only where
    the odds begin. They are changed by the person's colours in the first frame, which do not
    drift; by the background's colours and by how each of its pixels looked when it was last
    seen, registered to the camera's motion; and by motion that is the camera's alone. Where
    the flow finds no match the carried mask counts little. The odds are then smoothed along
    edges by a guided filter. A person who leaves is lost, and one who enters is not seen.

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
                "the segmenter first-mask is told nothing; try: --first-mask or --first-box"
            )
        self._prompt = Prompt(mask, box)
        self._flow = Flow()
        self._first: Pixels | None = None
        self._plate: BackgroundPlate | None = None

    def begin(self, frame: Frame) -> None:
        """Take in the clip's first frame; see :class:`~.protocol.AnchoredSegmenter`."""
        if self._prompt.mask is not None:
            mask = self._prompt.fitted_mask(*frame.colour.shape[:2])
        else:
            assert self._prompt.box is not None
            mask = mask_in_box(frame.colour, self._prompt.box)
        self._first, self._plate = mask, None
        colour, small = (shrunk(plane, SIDE) for plane in (frame.colour, mask))
        inside = small >= 128
        within = widened(inside, -2)  # mixed colours of the edge are not the person's
        self._person = ColourModel(colour, within if within.any() else inside)

    def __call__(self, frame: Frame, last: tuple[Frame, Pixels] | None) -> Pixels:
        """The mask of a frame; see :class:`~.protocol.Segmenter`."""
        if self._first is None or last is None:
            self.begin(frame if last is None else last[0])
        assert self._first is not None
        if last is None:
            return self._first
        colour, before = (shrunk(one.colour, SIDE) for one in (frame, last[0]))
        was = shrunk(last[1], SIDE) >= 128
        if self._plate is None or frame.index % SEGMENT == 0:
            self._plate = BackgroundPlate(before, ~widened(was, 2))
        if not was.any():
            self._plate = None
            return np.zeros(frame.colour.shape[:2], np.uint8)
        chance = self._chance(colour, before, was)
        solid = np.where(chance >= 0.5, np.uint8(255), np.uint8(0))
        solid = np.asarray(cv2.morphologyEx(solid, cv2.MORPH_OPEN, np.ones((3, 3))), np.uint8)
        self._plate.add(colour, ~widened(solid > 0, 4) & (chance < 0.1))
        size = frame.colour.shape[1::-1]
        return np.asarray(cv2.resize(solid, size, interpolation=cv2.INTER_LINEAR), np.uint8)

    def _chance(self, colour: Pixels, before: Pixels, was: Bools) -> NDArray[np.float32]:
        """The chance of each pixel to be the person's, (H, W), 0..1."""
        assert self._plate is not None
        motion = self._flow.between(colour, before)
        prior = _prior(motion, was)
        height, width = was.shape
        size = np.array([width, height], np.float32)
        flow = cv2.resize(motion.flow, (width, height)) * size
        away = ~widened(was, 7)
        camera = camera_motion(flow, away)
        self._plate.follow(camera)
        behind = self._plate.density(
            colour, ColourModel(before, ~widened(was, 2))(colour), ~widened(was, 20)
        )
        odds = np.log(self._person(colour)) - np.log(behind + 1e-12)
        odds = (odds - moves_with_camera(flow, camera, was)).clip(-_STRONGEST, _STRONGEST)
        odds = cv2.GaussianBlur(odds, (0, 0), 1.0)  # one pixel's colour says little
        chance = prior / (prior + (1 - prior) * np.exp(-odds))
        return _along_edges(colour, chance)


def _prior(motion: Motion, was: Bools) -> NDArray[np.float64]:
    """The chance before colours are looked at."""
    height, width = was.shape
    carried = motion.warp(was.view(np.uint8) * np.uint8(255)) / np.float32(255)
    reach = 2 * max(2, round(REACH * max(was.shape) / SIDE)) + 1
    near = cv2.dilate(
        (carried > 0.5).astype(np.uint8),
        cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach)),
    )
    soft = cv2.GaussianBlur(carried, (0, 0), max(1.0, _SOFTENED * max(was.shape) / SIDE))
    matched = cv2.blur(motion.weights(height, width), (3, 3))
    soft = _UNCOVERED + (soft - _UNCOVERED) * (1 - _TRUST * (1 - matched))
    return np.asarray(soft.clip(_DOUBT, 1 - _DOUBT) * near, np.float64)


def _along_edges(colour: Pixels, chance: NDArray[np.float64]) -> NDArray[np.float32]:
    """He et al., "Guided Image Filtering", 2013, with brightness as the guide."""
    guide = cv2.cvtColor(colour, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    plane = chance.astype(np.float32)

    def mean(values: NDArray[Any]) -> NDArray[np.float32]:
        return np.asarray(cv2.blur(values, (2 * _EDGE + 1,) * 2), np.float32)

    middle, level = mean(guide), mean(plane)
    slope = (mean(guide * plane) - middle * level) / (
        mean(guide * guide) - middle * middle + np.float32(_FLATNESS)
    )
    return np.asarray(mean(slope) * guide + mean(level - slope * middle), np.float32).clip(0, 1)
