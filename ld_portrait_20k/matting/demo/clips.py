"""A clip's way: the video chain, with three clips to download."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.matting.data.pictures import check_sizes
from ld_portrait_20k.matting.demo import strokes, uploads
from ld_portrait_20k.matting.demo.choices import FIRST_MASK, MASKS
from ld_portrait_20k.matting.models.protocol import MattingModel
from ld_portrait_20k.matting.video.chain import matte, segmented
from ld_portrait_20k.matting.video.composites import BackgroundFrames, composite_over
from ld_portrait_20k.matting.video.composites import cut_out as cut_out_frame
from ld_portrait_20k.matting.video.encoding import ALPHA, COMPOSITE, RGBA
from ld_portrait_20k.matting.video.frames import ClipInfo, Frame
from ld_portrait_20k.matting.video.reading import open_frames
from ld_portrait_20k.matting.video.segmenters.protocol import Segmenter
from ld_portrait_20k.matting.video.segmenters.registry import Guides, open_segmenter
from ld_portrait_20k.matting.video.writing import ClipSink, abandoned_on_error, remove_work

Pixels = NDArray[np.uint8]

_NAME = 60  # characters of an upload's name that a download keeps


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """A clip that was uploaded.

    Attributes:
        path: The file.
        info: Size, rate, number of frames as far as it is known, sound.
        first: (H, W, 3) uint8 sRGB, the frame at the in-point.
        start: In-point in seconds.
    """

    path: Path
    info: ClipInfo
    first: Pixels
    start: float = 0.0

    @property
    def said(self) -> str:
        """What it is, for people."""
        info = self.info
        count = f"{info.frames} frames, " if info.frames else ""
        sound = "with sound" if info.audio else "without sound"
        return f"{info.width} x {info.height}, {count}{float(info.rate):.4g} a second, {sound}"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a clip is.

    Attributes:
        frames: How many are done.
        total: Of how many; None where that is not known.
        results: The clips, once they are whole: alpha, RGBA, composite.
    """

    frames: int
    total: int | None
    results: tuple[Path, Path, Path] | None = None


def read_clip(path: Path, start: float = 0.0) -> Clip:
    """Open a clip that was uploaded.

    Args:
        path: The file.
        start: In-point in seconds.

    Raises:
        PortraitError: Not a clip that the page takes, broken, no frame from the in-point on, or
            PyAV is not installed.
    """
    uploads.check_clip(path)
    source = open_frames(path, start=start)
    return Clip(path, source.info, next(iter(source)).colour, start)


def segmenter_of(
    clip: Clip,
    name: str,
    *,
    guide: Path | None = None,
    painted: Pixels | None = None,
) -> Segmenter:
    """The segmenter that was chosen.

    Args:
        clip: The clip.
        name: One of :func:`~.choices.clip_segmenters`.
        guide: For ``masks`` a clip of masks, for ``first-mask`` a mask of the first frame.
        painted: Labels over the first frame, for ``first-mask`` without a file.

    Raises:
        PortraitError: What it needs is missing or does not fit.
    """
    if name == MASKS:
        if guide is None:
            raise PortraitError("no masks yet; try: upload a clip with a mask for each frame")
        uploads.check_clip(guide)
        return open_segmenter(name, Guides(masks=guide, start=clip.start, rate=clip.info.rate))
    if name != FIRST_MASK:
        return open_segmenter(name)
    if guide is not None:
        mask = uploads.read_mask(guide)
        check_sizes(guide, clip.path.name, (mask.shape, clip.first.shape))
    else:
        mask = strokes.mask_from_strokes(clip.first, painted)
    return open_segmenter(name, Guides(first=mask, start=clip.start, rate=clip.info.rate))


def matte_clip(
    clip: Clip,
    segmenter: Segmenter,
    model: MattingModel,
    folder: Path,
    *,
    background: str = "white",
    end: float | None = None,
) -> Iterator[Progress]:
    """Cut the person out of a clip, frame by frame; closing the iterator stops the work.

    Args:
        clip: The clip.
        segmenter: From :func:`segmenter_of`.
        model: Any matting model.
        folder: Gets ``NAME-alpha.mp4``, ``NAME-cutout.webm`` and ``NAME-composite.mp4``
            (``.webm`` where a side is odd: browsers play no such H.264).
        background: A colour, or the path of a picture.
        end: Out-point in seconds.

    Yields:
        Progress after each frame, at last with the clips.

    Raises:
        PortraitError: A frame is broken or has no mask, or nobody is in any frame.
    """
    source = open_frames(clip.path, start=clip.start, end=end)
    total = source.info.frames
    paths, sinks = _sinks(clip, source.info, folder)
    behind = BackgroundFrames(background)
    seen, done = _Seen(), 0
    with ExitStack() as stack:
        for sink in sinks.values():
            stack.enter_context(abandoned_on_error(sink))
        for matted in matte(seen.watch(segmented(source, segmenter)), model):
            pictures = {ALPHA: matted.alpha, RGBA: cut_out_frame(matted)}
            pictures[COMPOSITE] = composite_over(pictures[RGBA], behind.at(matted.frame))
            for sink in sinks.values():
                sink.write(matted.frame, pictures)
            done += 1
            yield Progress(done, total)
        if not seen.anybody:
            raise PortraitError(
                f"{clip.path.name}: nobody was found in any of its {done} frames by "
                f"{segmenter.name}; try: first-mask, and paint the person"
            )
        for sink in sinks.values():
            sink.finish(clip.path if source.info.audio else None)
    remove_work(folder / ".work")
    yield Progress(done, done, paths)


class _Seen:
    """Whether anybody was in any frame."""

    def __init__(self) -> None:
        self.anybody = False

    def watch(self, masked: Iterator[tuple[Frame, Pixels]]) -> Iterator[tuple[Frame, Pixels]]:
        for frame, mask in masked:
            self.anybody = self.anybody or bool(mask.any())
            yield frame, mask


def _sinks(
    clip: Clip, info: ClipInfo, folder: Path
) -> tuple[tuple[Path, Path, Path], dict[str, ClipSink]]:
    stem = clip.path.stem[:_NAME] or "clip"
    played = ".webm" if info.width % 2 or info.height % 2 else ".mp4"
    paths = (
        folder / f"{stem}-alpha.mp4",
        folder / f"{stem}-cutout.webm",
        folder / f"{stem}-composite{played}",
    )
    sinks = {
        content: ClipSink(path, content, info, folder / ".work" / content)
        for content, path in zip((ALPHA, RGBA, COMPOSITE), paths, strict=True)
    }
    return paths, sinks
