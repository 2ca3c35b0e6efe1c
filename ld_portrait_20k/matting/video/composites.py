"""From mattes to pictures: the foreground's own colours, and composites over what you like."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from ld_portrait_20k.compositing.composite import composite
from ld_portrait_20k.matting.prediction.outputs import Background
from ld_portrait_20k.matting.prediction.pictures import estimate_layers
from ld_portrait_20k.matting.video.alphas import Matted
from ld_portrait_20k.matting.video.frames import CLIP_SUFFIXES, Frame, Pixels, scaled
from ld_portrait_20k.matting.video.motion import reduced_places, sampled, shrunk
from ld_portrait_20k.matting.video.reading import open_frames


def cut_out(matted: Matted) -> Pixels:
    """The person of one frame.

    The colours of soft pixels are estimated, so that no trace of the old background shows on
    a new one. They are estimated on a reduced person, for they are smooth, and then
    read off the frame: ``F + alpha (I - alpha F - (1 - alpha) B)`` (Forte,
    "Approximate Fast Foreground Colour Estimation", 2021, equation 7). Away from soft pixels
    the colours are the frame's.

    Returns:
        (H, W, 4) uint8 RGBA, straight sRGB.
    """
    colour, alpha = matted.frame.colour, matted.alpha
    result = np.empty((*alpha.shape, 4), np.uint8)
    result[..., :3], result[..., 3] = colour, alpha
    rows, columns = np.flatnonzero(alpha.any(axis=1)), np.flatnonzero(alpha.any(axis=0))
    if not rows.size:
        return result
    margin = max(2, round(scaled(_MARGIN, alpha.shape)))
    part = (
        slice(max(0, rows[0] - margin), rows[-1] + 1 + margin),
        slice(max(0, columns[0] - margin), columns[-1] + 1 + margin),
    )
    result[part][..., :3] = _own_colours(colour[part], alpha[part])
    return result


_MARGIN: Final = 16.0  # at 1024: some background on all sides, as the estimation wants
_COLOUR_SIDE: Final = 540
"""Longer side in pixels of a person whose colours are estimated. For one of 1,080 pixels it costs
a third, and the error of soft pixels' colours rises from 2.67 to 2.73 of 255 (the dancer over four
backgrounds); for a drawn one of 640 from 4.22 to 4.28."""
_RIM: Final = 9  # pixels, the square around a soft one in which colours are continued: for players
# that scale or subsample straight colours


def _own_colours(colour: Pixels, alpha: Pixels) -> Pixels:
    """The frame's colours (H, W, 3) uint8, those of soft pixels and around them the person's."""
    result = colour.copy()
    soft = ((alpha > 0) & (alpha < 255)).view(np.uint8)
    places = np.nonzero(cv2.dilate(soft, np.ones((_RIM, _RIM), np.uint8)))
    if not places[0].size:
        return result
    layers = estimate_layers(shrunk(colour, _COLOUR_SIDE), shrunk(alpha, _COLOUR_SIDE))
    small = reduced_places(places, alpha.shape, layers[0].shape)
    foreground, background = (sampled(layer, *small) for layer in layers)
    share = alpha[places][:, None] / np.float32(255)
    mixed = share * foreground + (1 - share) * background
    found = foreground + share * (colour[places] / np.float32(255) - mixed)
    result[places] = np.rint(255 * found.clip(0, 1))
    return result


class BackgroundFrames:
    """A colour, a picture or a clip to lay composites over.

    Args:
        text: A colour (``white``, ``#00ff00``), or the path of a picture, a clip or a folder
            of frames. A clip runs at its own speed and begins again at its end.

    Raises:
        PortraitError: None of these.
    """

    def __init__(self, text: str) -> None:
        path = Path(text)
        self._clip = path.suffix.lower() in CLIP_SUFFIXES or path.is_dir()
        self._text = text
        self._size = (0, 0)
        self._still: Pixels | None = None
        self._reader: Iterator[Frame] | None = None
        if self._clip:
            self._source = open_frames(path)
            self._loop_start = Fraction(0)
        else:
            self._picture = Background.open(text)

    def at(self, frame: Frame) -> Pixels:
        """What lies behind a frame, (H, W, 3) uint8; frames must come in their order."""
        size = frame.colour.shape[:2]
        if not self._clip:
            if self._still is None or self._size != size:
                self._still, self._size = self._picture.fit(*size), size
            return self._still
        shown = self._shown_at(frame.time)
        return Background(self._text, shown.colour).fit(*size)

    def _shown_at(self, time: Fraction) -> Frame:
        """The clip's frame that is shown at a time."""
        if self._reader is None:
            self._reader = iter(self._source)
            self._current = next(self._reader)
        while time >= self._loop_start + self._current.time + self._current.duration:
            following = next(self._reader, None)
            if following is None:
                self._loop_start += self._current.time + self._current.duration
                self._reader = iter(self._source)
                following = next(self._reader)
            self._current = following
        return self._current


def composite_over(rgba: Pixels, behind: Pixels) -> Pixels:
    """A cut-out (H, W, 4) uint8 over a background (H, W, 3) uint8 of its size."""
    colour, alpha = np.ascontiguousarray(rgba[..., :3]), np.ascontiguousarray(rgba[..., 3])
    return np.asarray(composite(colour, alpha, behind), np.uint8)
