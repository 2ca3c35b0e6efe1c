"""Where frames go: a folder of pictures, or a clip written in segments.

Both can go on after a kill. A picture file is whole or absent. A clip is written as segments
of :data:`SEGMENT` frames, each complete when its note is there, and joined at the end.
"""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Final, Protocol

from ld_portrait_20k.common.files import write_bytes
from ld_portrait_20k.matting.video.encoding import ALPHA, COMPOSITE, RGBA, ClipEncoder
from ld_portrait_20k.matting.video.frames import ClipInfo, Frame, Pixels
from ld_portrait_20k.matting.video.joining import join

SEGMENT: Final = 48
"""Frames a segment: two seconds at 24 frames/s are lost at most."""

_COMPRESSION: Final = 1


class Sink(Protocol):
    """Takes frames in their order."""

    done: int
    """Frames that an earlier run wrote."""

    def write(self, frame: Frame, pictures: Mapping[str, Pixels]) -> None:
        """Write a frame: what is there of alpha (H, W), rgba (H, W, 4), composite (H, W, 3)."""
        ...

    def finish(self, sound: Path | None) -> None:
        """Complete the output; ``sound`` is the file whose first sound track is kept."""
        ...

    def abandon(self) -> None:
        """Leave things so that a later run can go on."""
        ...


class FolderSink:
    """A folder of ``alpha/NNNNN.png``, ``rgba/NNNNN.png`` and ``composite/NNNNN.png``.

    Args:
        folder: Where they go.
        contents: Which of them.
    """

    def __init__(self, folder: Path, contents: tuple[str, ...]) -> None:
        self._folder = folder
        # Alpha is written last: when it is there, all of a frame are.
        self._contents = tuple(sorted(contents, key=(COMPOSITE, RGBA, ALPHA).index))
        self.done = 0
        while self._path(self._contents[-1], self.done).is_file():
            self.done += 1

    def write(self, frame: Frame, pictures: Mapping[str, Pixels]) -> None:
        """Write a frame's files."""
        for content in self._contents:
            write_bytes(self._path(content, frame.index), png(pictures[content]), sync=False)

    def finish(self, sound: Path | None) -> None:
        """Nothing is left to do: every frame is a file already; sound is not kept."""

    def abandon(self) -> None:
        """Nothing is half-written."""

    def _path(self, content: str, index: int) -> Path:
        return self._folder / content / f"{index:05d}.png"


class ClipSink:
    """A clip, by way of segments in a work folder.

    Args:
        output: The clip.
        content: What it holds: :data:`~.encoding.ALPHA` and so on.
        info: Of the source clip.
        work: Folder for segments.
    """

    def __init__(self, output: Path, content: str, info: ClipInfo, work: Path) -> None:
        self._output, self._content, self._info = output, content, info
        self._work = work / "segments"
        self._work.mkdir(parents=True, exist_ok=True)
        self._notes: list[dict[str, str | int]] = []
        while self._note(len(self._notes)).is_file():
            self._notes.append(json.loads(self._note(len(self._notes)).read_text()))
        self.done = sum(int(note["frames"]) for note in self._notes)
        self._encoder: ClipEncoder | None = None
        self._count, self._first, self._end = 0, Fraction(0), Fraction(0)
        if self._notes:
            self._end = Fraction(str(self._notes[-1]["end"]))

    def write(self, frame: Frame, pictures: Mapping[str, Pixels]) -> None:
        """Encode a frame."""
        if self._encoder is None:
            self._first, self._count = frame.time, 0
            path = self._segment(len(self._notes))
            self._encoder = ClipEncoder(path, self._content, self._info, frame.time)
        self._encoder.write(pictures[self._content], frame.time, frame.duration)
        self._count += 1
        self._end = frame.time + frame.duration
        if self._count == SEGMENT:
            self._close_segment()

    def finish(self, sound: Path | None) -> None:
        """Join the segments into the clip, which then takes its name."""
        self._close_segment()
        segments = [
            (self._segment(index), Fraction(str(note["start"])))
            for index, note in enumerate(self._notes)
        ]
        joined = self._work.parent / f"joined{self._output.suffix.lower()}"
        join(segments, joined, self._info, sound=sound, length=self._end)
        self._output.parent.mkdir(parents=True, exist_ok=True)
        joined.replace(self._output)

    def abandon(self) -> None:
        """Give up the segment that was begun."""
        if self._encoder is not None:
            self._encoder.abandon()
            self._encoder = None

    def _close_segment(self) -> None:
        if self._encoder is None:
            return
        self._encoder.close()
        self._encoder = None
        note: dict[str, str | int] = {
            "start": str(self._first), "end": str(self._end), "frames": self._count
        }  # fmt: skip
        write_bytes(self._note(len(self._notes)), json.dumps(note).encode())
        self._notes.append(note)

    def _segment(self, index: int) -> Path:
        return self._work / f"{index:05d}{self._output.suffix.lower()}"

    def _note(self, index: int) -> Path:
        return self._work / f"{index:05d}.json"


def png(pixels: Pixels) -> bytes:
    """A picture as PNG: (H, W), (H, W, 3) or (H, W, 4) uint8."""
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", compress_level=_COMPRESSION)
    return stream.getvalue()


@contextmanager
def abandoned_on_error(sink: Sink) -> Iterator[None]:
    """Call :meth:`Sink.abandon` if the block raises."""
    try:
        yield
    except BaseException:
        sink.abandon()
        raise


def remove_work(work: Path) -> None:
    """Remove a work folder and what is in it."""
    shutil.rmtree(work, ignore_errors=True)
