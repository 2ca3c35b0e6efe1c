"""Masks of an unfinished run on disk: a later run goes on from them with the same result."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import numpy as np

from ld_portrait_20k.common.files import write_bytes
from ld_portrait_20k.matting.data.pictures import read_matte
from ld_portrait_20k.matting.video.chain import segmented
from ld_portrait_20k.matting.video.frames import Frame, Pixels
from ld_portrait_20k.matting.video.masks import LARGEST
from ld_portrait_20k.matting.video.segmenters.protocol import Segmenter, begin
from ld_portrait_20k.matting.video.writing import SEGMENT, png

_KEPT: Final = 4 * SEGMENT
"""Masks that are kept. Frames are written at most a segment and the look-ahead later."""


class MaskStore:
    """Masks by frame number, as PNG.

    Args:
        folder: Where they are.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        found = {int(path.stem) for path in folder.glob("[0-9]*.png")}
        self._end = max(found, default=-1) + 1

    def masked(
        self, frames: Iterable[Frame], segmenter: Segmenter, people: str = LARGEST, skip: int = 0
    ) -> Iterator[tuple[Frame, Pixels]]:
        """Frames with masks: stored ones as far as there are, then new ones, which are stored.

        The segmenter goes on at a multiple of :data:`~.writing.SEGMENT`, where those that
        remember frames forget them.

        Args:
            frames: All of the clip.
            segmenter: For the frames that have no stored mask.
            people: As for :func:`~.masks.person`.
            skip: Frames that are passed over at first.
        """
        resumed = self._end // SEGMENT * SEGMENT
        reader = iter(frames)
        last: tuple[Frame, Pixels] | None = None
        for index in range(resumed):
            frame = next(reader, None)
            if frame is None:
                return
            if index == 0:
                begin(segmenter, frame)
            if index >= skip or index == resumed - 1:
                last = (frame, self._read(index))
            if index >= skip and last is not None:
                yield last
        for frame, mask in segmented(reader, segmenter, people, last):
            self._write(frame.index, mask)
            if frame.index >= skip:
                yield frame, mask

    def _write(self, index: int, mask: Pixels) -> None:
        write_bytes(self._path(index), png(mask), sync=False)
        self._path(index - _KEPT).unlink(missing_ok=True)

    def _read(self, index: int) -> Pixels:
        return np.asarray(read_matte(self._path(index)), np.uint8)

    def _path(self, index: int) -> Path:
        return self._folder / f"{index:05d}.png"
