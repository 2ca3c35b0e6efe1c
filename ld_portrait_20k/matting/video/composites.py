"""From mattes to pictures: the foreground's own colours, and composites over what you like."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Final

import numpy as np

from ld_portrait_20k.compositing.composite import composite
from ld_portrait_20k.matting.prediction.outputs import Background
from ld_portrait_20k.matting.prediction.pictures import estimate_foreground
from ld_portrait_20k.matting.video.alphas import Matted
from ld_portrait_20k.matting.video.frames import CLIP_SUFFIXES, Frame, Pixels, scaled
from ld_portrait_20k.matting.video.reading import open_frames


def cut_out(matted: Matted) -> Pixels:
    """The person of one frame.

    The colours of soft pixels are estimated, so that no trace of the old background shows on
    a new one. Only the surroundings of the person are computed; elsewhere alpha is 0 and the
    colours are the frame's.

    Returns:
        (H, W, 4) uint8 RGBA, straight sRGB.
    """
    colour, alpha = matted.frame.colour, matted.alpha
    result = np.dstack([colour, alpha])
    rows, columns = np.flatnonzero(alpha.any(axis=1)), np.flatnonzero(alpha.any(axis=0))
    if not rows.size:
        return result
    margin = max(2, round(scaled(_MARGIN, alpha.shape)))
    part = (
        slice(max(0, rows[0] - margin), rows[-1] + 1 + margin),
        slice(max(0, columns[0] - margin), columns[-1] + 1 + margin),
    )
    result[part][..., :3] = estimate_foreground(
        np.ascontiguousarray(colour[part]), np.ascontiguousarray(alpha[part])
    )
    return result


_MARGIN: Final = 16.0  # at 1024: some background on all sides, as the estimation wants


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
