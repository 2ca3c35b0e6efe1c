"""Masks that somebody else made: a folder or a clip of them."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.matting.video.frames import Frame, Pixels
from ld_portrait_20k.matting.video.masks import fit_mask
from ld_portrait_20k.matting.video.reading import FrameSource, open_frames


class GivenMasks:
    """A mask a frame, from a folder or a clip, in their order.

    Of RGBA pictures and clips with alpha the alpha counts, else the brightness. Masks of
    another size are scaled.

    Args:
        source: The folder or clip.
        start: In-point in seconds, that of the clip that is matted.
        rate: Frames a second of a folder, those of the clip.

    Raises:
        PortraitError: It cannot be read.
    """

    name = "masks"

    def __init__(
        self, source: Path | str, *, start: float = 0.0, rate: Fraction = Fraction(25)
    ) -> None:
        self._path = str(source)
        self._source: FrameSource = open_frames(source, start=start, rate=rate)
        self._reader: Iterator[Frame] | None = None
        self._next = 0

    def __call__(self, frame: Frame, last: tuple[Frame, Pixels] | None) -> Pixels:
        """The mask of the frame's number; see :class:`~.protocol.Segmenter`."""
        if self._reader is None or frame.index < self._next:
            self._reader, self._next = iter(self._source), 0
        for given in self._reader:
            self._next = given.index + 1
            if given.index == frame.index:
                return self._fitted(given, frame)
        raise PortraitError(
            f"{self._path}: {self._next} masks, but the clip has more frames; "
            "try: a mask for each frame"
        )

    def _fitted(self, given: Frame, frame: Frame) -> Pixels:
        mask = given.alpha if given.alpha is not None else given.colour.max(axis=2)
        if int(mask.max(initial=0)) == 1:  # masks of 0 and 1
            mask = mask * np.uint8(255)
        height, width = frame.colour.shape[:2]
        return fit_mask(np.ascontiguousarray(mask), height, width, self._path)
