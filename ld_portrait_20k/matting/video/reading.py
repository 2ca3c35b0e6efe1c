"""Clips, folders of frames and standard input as iterators of upright sRGB frames."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, Protocol

from ld_portrait_20k.errors import PortraitError, missing_extra
from ld_portrait_20k.matting.data.pictures import list_frames, read_colour_and_alpha
from ld_portrait_20k.matting.video.colours import see_through, to_srgb, upright_aspect
from ld_portrait_20k.matting.video.frames import ClipInfo, Frame

STANDARD_INPUT: Final = "-"
DEFAULT_RATE: Final = Fraction(25)
"""Of folders of frames, which have no time stamps."""
MAX_SECONDS: Final = 10_000_000
"""In- and out-points up to here, a third of a year: FFmpeg counts time in 64 bits."""

_ALPHA_DECODERS: Final = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
"""FFmpeg's own decoders of these leave out the alpha that WebM carries beside the frame."""


class BrokenClipError(PortraitError):
    """A clip whose frames end before they should; those until there have been given.

    Args:
        name: Of the clip.
        frames: How many could be read.
        second: Where it broke, in seconds of the clip.
        reason: In a few words.

    Attributes:
        where: The message without what to try.
    """

    def __init__(self, name: str, frames: int, second: float, reason: str) -> None:
        self.where = f"{name}: broken at {second:.2f} s, after {frames} frames ({reason})"
        super().__init__(f"{self.where}; try: whether a player shows all of it")


_SLACK: Final = Fraction(1, 2)
"""Seconds that a clip may end before its header says without being called broken: headers
round, and count frames that an edit list hides. By eye."""


@dataclass(frozen=True, slots=True)
class RawFrames:
    """Frames on standard input that have no header.

    Attributes:
        width: In pixels.
        height: In pixels.
        pixels: FFmpeg's name of the pixel format, such as ``rgb24``.
    """

    width: int
    height: int
    pixels: str = "rgb24"


class FrameSource(Protocol):
    """Frames that can be read once or, but for standard input, several times."""

    info: ClipInfo

    def __iter__(self) -> Iterator[Frame]:
        """The frames within the in- and out-point.

        Raises:
            BrokenClipError: It ends before it should, after all frames that can be read.
            PortraitError: A frame cannot be read, or differs in size from the first.
        """
        ...


def open_frames(
    source: Path | str,
    *,
    start: float = 0.0,
    end: float | None = None,
    rate: Fraction = DEFAULT_RATE,
    raw: RawFrames | None = None,
) -> FrameSource:
    """Open a clip, a folder of frames, or standard input.

    Args:
        source: Any file that PyAV reads; a folder of pictures, taken as their names are
            counted; or ``-``, where y4m or any other format that streams is read.
        start: In-point in seconds.
        end: Out-point in seconds; frames from there on are left out.
        rate: Frames a second of a folder, or of raw frames.
        raw: What standard input has, if it is frames without a header.

    Raises:
        PortraitError: Nothing there, not a clip, no frames between the points, or PyAV is
            not installed.
    """
    for what, seconds in (("in-point", start), ("out-point", end)):
        if seconds is not None and not 0 <= seconds <= MAX_SECONDS:
            raise PortraitError(
                f"the {what} {seconds:g} s is no time in a clip; try: seconds from 0 up"
            )
    if end is not None and end <= start:
        raise PortraitError(
            f"the out-point {end:g} s is not after the in-point {start:g} s; "
            "try: --start below --end"
        )
    points = _exact(start), None if end is None else _exact(end)
    if str(source) != STANDARD_INPUT and Path(source).is_dir():
        return _Folder(Path(source), *points, rate)
    if raw is not None and str(source) != STANDARD_INPUT:
        raise PortraitError(f"{source}: raw frames come on standard input; try: - as CLIP")
    return _Clip(source, *points, raw, rate)


def frame_files(folder: Path) -> list[Path]:
    """The frames in a folder, in the order in which they are counted.

    Those of sub-folders count only where it has none of its own: masks and results often lie
    in a folder below the frames.

    Raises:
        ImageError: No such folder, or two frames whose names differ in the suffix alone.
    """
    found = list_frames(folder)
    return [path for name, path in found.items() if "/" not in name] or list(found.values())


def _exact(seconds: float) -> Fraction:
    """What was typed: 0.2 as a float is a little more than a fifth."""
    return Fraction(seconds).limit_denominator(1_000_000)


def import_av() -> Any:
    """PyAV.

    Raises:
        PortraitError: It is not installed.
    """
    try:
        import av
    except ImportError as problem:
        raise missing_extra("PyAV", "video") from problem
    # No log level is set: PyAV's log callback takes the interpreter's lock in FFmpeg's decoder
    # threads, while freeing a decoder holds that lock and waits for them, for ever.
    return av


class _Folder:
    """A folder of pictures as frames."""

    def __init__(self, folder: Path, start: Fraction, end: Fraction | None, rate: Fraction) -> None:
        step = 1 / rate
        self._paths = [
            path
            for index, path in enumerate(frame_files(folder))
            if index * step >= start and (end is None or index * step < end)
        ]
        if not self._paths:
            raise PortraitError(f"{folder}: no frames there; try: a folder of PNG or JPEG pictures")
        self._step = step
        colour, alpha = read_colour_and_alpha(self._paths[0])
        self.info = ClipInfo(
            str(folder), colour.shape[1], colour.shape[0], rate, step, start, len(self._paths),
            see_through=see_through(alpha),
        )  # fmt: skip

    def __iter__(self) -> Iterator[Frame]:
        for index, path in enumerate(self._paths):
            colour, alpha = read_colour_and_alpha(path)
            _check_size(self.info, str(path), colour.shape)
            yield Frame(index, index * self._step, self._step, colour, alpha)


class _Clip:
    """A file, or standard input, through PyAV."""

    def __init__(
        self,
        source: Path | str,
        start: Fraction,
        end: Fraction | None,
        raw: RawFrames | None,
        rate: Fraction,
    ) -> None:
        self._source = str(source)
        self._raw, self._raw_rate = raw, rate
        self._start, self._end = start, end
        self.name = "standard input" if self._source == STANDARD_INPUT else self._source
        self._container = self._open()
        # The first frame tells the size after rotation; its reader then goes on with it.
        self._reader = self._read(self._container)
        try:
            self._first: Frame | None = next(self._reader)
        except StopIteration:
            raise PortraitError(f"{self.name}: {self._no_frames()}") from None
        stream = self._container.streams.video[0]
        rate = Fraction(stream.average_rate or stream.guessed_rate or DEFAULT_RATE)
        assert self._first is not None
        height, width = self._first.colour.shape[:2]
        self.info = ClipInfo(
            self.name, width, height, rate, Fraction(stream.time_base), self._first_time,
            self._count(stream, rate), bool(self._container.streams.audio), self._aspect,
            see_through(self._first.alpha),
        )  # fmt: skip

    def __iter__(self) -> Iterator[Frame]:
        if self._first is None:
            if self._source == STANDARD_INPUT:
                raise PortraitError(
                    "standard input can be read only once; try: a file, where a clip is read twice"
                )
            self._container = self._open()
            self._reader = self._read(self._container)
            self._first = next(self._reader)
        first, reader = self._first, self._reader
        self._first = None
        yield first
        for frame in reader:
            _check_size(self.info, f"{self.name}: frame {frame.index}", frame.colour.shape)
            yield frame

    def _open(self) -> Any:
        av = import_av()
        try:
            if self._source == STANDARD_INPUT:
                container = av.open(sys.stdin.buffer, **self._raw_options())
            else:
                container = av.open(self._source)
        except FileNotFoundError:
            raise PortraitError(
                f"{self.name}: no such clip or folder; try: whether the path is right"
            ) from None
        except (av.FFmpegError, OSError) as problem:
            raise self._unreadable(_reason(problem)) from problem
        if not container.streams.video:
            raise PortraitError(f"{self.name}: no video in it; try: a file that has pictures too")
        container.streams.video[0].thread_type = "AUTO"
        return container

    def _raw_options(self) -> dict[str, Any]:
        if self._raw is None:
            return {}
        size = f"{self._raw.width}x{self._raw.height}"
        return {
            "format": "rawvideo",
            "options": {
                "video_size": size, "pixel_format": self._raw.pixels,
                "framerate": str(self._raw_rate),
            },
        }  # fmt: skip

    def _read(self, container: Any) -> Iterator[Frame]:
        """Frames from the in-point on; ``_first_time`` and ``_aspect`` are set with the first."""
        av = import_av()
        stream = container.streams.video[0]
        origin = (stream.start_time or 0) * stream.time_base
        if self._start and self._source != STANDARD_INPUT:
            # To the key frame before it; what lies between is decoded and left out.
            container.seek(int((origin + self._start) / stream.time_base), stream=stream)
        index, waiting, end = 0, None, Fraction(0)
        problem = ""
        try:
            try:
                for decoded in _decoded(av, container, stream):
                    time = decoded.pts * stream.time_base - origin
                    if time < self._start:
                        continue
                    if self._end is not None and time >= self._end:
                        end = self._end
                        break
                    if waiting is not None:
                        yield _frame(index - 1, waiting, time, self._first_time, stream)
                    else:
                        self._first_time = Fraction(time)
                        self._aspect = upright_aspect(decoded, stream)
                    index, waiting = index + 1, decoded
                    end = time + (decoded.duration or 0) * stream.time_base
            except av.FFmpegError as failure:
                problem = _reason(failure)
            if waiting is not None:
                yield _frame(index - 1, waiting, None, self._first_time, stream)
            stated = _stated_length(container, stream)
            whole = stated if self._end is None else min(stated, self._end)
            if not problem and index and whole > end + _SLACK:
                problem = f"it should last {float(stated):.2f} s"
            if problem and not index:
                raise self._unreadable(problem)
            if problem:
                raise BrokenClipError(self.name, index, float(end), problem)
        finally:
            container.close()

    def _count(self, stream: Any, rate: Fraction) -> int | None:
        """Frames as the header tells them; they may be fewer."""
        duration = stream.duration * stream.time_base if stream.duration else None
        if duration is None and self._container.duration:
            duration = Fraction(self._container.duration, 1_000_000)
        if not self._start and self._end is None and stream.frames:
            return int(stream.frames)
        if duration is None:
            return None
        last = min(duration, self._end) if self._end is not None else duration
        return max(1, round((last - self._start) * rate))

    def _no_frames(self) -> str:
        if self._start or self._end is not None:
            return "no frames between the in- and the out-point; try: points within its length"
        return "no frames in it; try: whether a player shows it"

    def _unreadable(self, reason: str) -> PortraitError:
        return PortraitError(
            f"{self.name}: not a clip that can be read, or broken ({reason}); "
            "try: whether a player shows it"
        )


def _stated_length(container: Any, stream: Any) -> Fraction:
    """Seconds of pictures that the header promises; 0 where it does not say."""
    if stream.duration:
        return Fraction(stream.duration * stream.time_base)
    if container.duration and not container.streams.audio:
        return Fraction(container.duration, 1_000_000)
    return Fraction(0)


def _decoded(av: Any, container: Any, stream: Any) -> Iterator[Any]:
    """Decoded frames that have a time stamp; those without get the one that is due."""
    name = _ALPHA_DECODERS.get(stream.codec_context.name)
    decoder = None
    tags = {key.lower(): value for key, value in stream.metadata.items()}
    if name and tags.get("alpha_mode") == "1":
        decoder = av.CodecContext.create(name, "r")
        decoder.extradata = stream.codec_context.extradata
    step = round(1 / (Fraction(stream.average_rate or DEFAULT_RATE) * stream.time_base))
    due = stream.start_time or 0
    for packet in container.demux(stream):
        for frame in decoder.decode(packet) if decoder else packet.decode():
            if frame.pts is None:
                frame.pts = due
            due = frame.pts + max(1, step)
            yield frame


def _frame(index: int, decoded: Any, after: Fraction | None, first: Fraction, stream: Any) -> Frame:
    """A frame; ``after`` is when the next one is due."""
    colour, alpha = to_srgb(decoded)
    time = decoded.pts * stream.time_base - (stream.start_time or 0) * stream.time_base
    if after is not None:
        duration = after - time
    elif decoded.duration:
        duration = decoded.duration * stream.time_base
    else:
        duration = 1 / Fraction(stream.average_rate or DEFAULT_RATE)
    return Frame(index, Fraction(time - first), Fraction(duration), colour, alpha)


def _check_size(info: ClipInfo, name: str, shape: tuple[int, ...]) -> None:
    if shape[:2] != (info.height, info.width):
        raise PortraitError(
            f"{name}: {shape[1]} x {shape[0]}, unlike the first frame, {info.width} x "
            f"{info.height}; try: frames of one size"
        )


def _reason(problem: BaseException) -> str:
    return str(getattr(problem, "strerror", None) or problem)
