"""A clip from end to end: what is asked for, what an earlier run left, and the run itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ld_portrait_20k.common.files import hidden_beside, write_bytes
from ld_portrait_20k.errors import PortraitError, missing_extra
from ld_portrait_20k.matting.models.protocol import MattingModel
from ld_portrait_20k.matting.video.alphas import Matted
from ld_portrait_20k.matting.video.chain import CONTEXT, Options, matte
from ld_portrait_20k.matting.video.composites import BackgroundFrames, composite_over, cut_out
from ld_portrait_20k.matting.video.encoding import ALPHA, COMPOSITE, RGBA, content_of
from ld_portrait_20k.matting.video.frames import Frame, Pixels
from ld_portrait_20k.matting.video.lookahead import run_ahead
from ld_portrait_20k.matting.video.mask_store import MaskStore
from ld_portrait_20k.matting.video.reading import (
    STANDARD_INPUT,
    BrokenClipError,
    FrameSource,
    frame_files,
)
from ld_portrait_20k.matting.video.segmenters.protocol import Segmenter
from ld_portrait_20k.matting.video.writing import (
    ClipSink,
    FolderSink,
    Sink,
    abandoned_on_error,
    remove_work,
)


@dataclass(slots=True)
class Summary:
    """What a run did.

    Attributes:
        frames: How many the output has.
        earlier: How many of them an earlier run wrote.
        absent: Numbers of frames of this run in which there was nobody.
        broken: Why the clip ended before it should; empty where it did not.
    """

    frames: int = 0
    earlier: int = 0
    absent: list[int] = field(default_factory=list)
    broken: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a matted clip goes.

    Attributes:
        output: A clip or a folder.
        background: What composites are laid over; None for none.
    """

    output: Path
    background: str | None = None

    @property
    def is_clip(self) -> bool:
        """Whether it is one file; whatever has a suffix is."""
        return bool(self.output.suffix) and not self.output.is_dir()

    @property
    def contents(self) -> tuple[str, ...]:
        """What is written of each frame.

        Raises:
            PortraitError: A suffix of clips that are not written.
        """
        if self.is_clip:
            return (content_of(self.output, self.background is not None),)
        return (ALPHA, RGBA, COMPOSITE) if self.background is not None else (ALPHA, RGBA)

    @property
    def work(self) -> Path:
        """The folder of an unfinished run."""
        return hidden_beside(self.output, ".unfinished")

    @property
    def exists(self) -> bool:
        """Whether a finished or unfinished output is there."""
        if self.is_clip:
            return self.output.exists()
        return any((self.output / content).is_dir() for content in self.contents)

    def refuse_inputs(self, inputs: Iterable[Path]) -> None:
        """Refuse to write over what is read.

        Args:
            inputs: Files, and folders of frames; what does not exist is passed over.

        Raises:
            PortraitError: One of them is the output, or lies where frames are written.
        """
        kinds = (ALPHA, RGBA, COMPOSITE)
        places = [self.output] if self.is_clip else [self.output / kind for kind in kinds]
        for place in filter(Path.exists, places):
            for path in _files(inputs):
                if place.samefile(path) or place.resolve() in path.resolve().parents:
                    raise PortraitError(f"{path}: would be overwritten; try: another --output")

    def clear(self) -> None:
        """Remove what a run left: unfinished work, and the frames in a folder.

        A clip that is there stays until a new one takes its name.
        """
        remove_work(self.work)
        if self.is_clip:
            return
        for content in (ALPHA, RGBA, COMPOSITE):
            folder = self.output / content
            for path in folder.glob("[0-9]*.png"):
                path.unlink()
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()


_RECORD: Final = "job.json"


def prepare(
    target: Target,
    asked: dict[str, Any],
    *,
    inputs: Iterable[Path] = (),
    resume: bool = False,
    overwrite: bool = False,
) -> bool:
    """Make way for a run, or for going on with one.

    Args:
        target: Where it goes.
        asked: What the frames depend on, JSON-able; a run only goes on with the same.
        inputs: Files and folders that are read, which are never written over.
        resume: Go on with an unfinished run.
        overwrite: Begin anew, whatever is there.

    Returns:
        Whether there is anything to do: not where a finished output is resumed.

    Raises:
        PortraitError: Something is there and neither was asked for, or the unfinished run
            was begun with other options; an input would be overwritten, or the background is
            none.
    """
    _check_colours(target)
    target.refuse_inputs(inputs)
    if target.background is not None:
        BackgroundFrames(target.background)  # refused before anything is removed
    record = target.work / _RECORD
    if overwrite:
        target.clear()
    elif record.is_file():
        if not resume:
            raise PortraitError(
                f"{target.output}: an unfinished run is there; try: --resume, or --overwrite"
            )
        before = json.loads(record.read_text())
        other = [name for name in asked if before.get(name) != json.loads(json.dumps(asked[name]))]
        if other:
            raise PortraitError(
                f"{target.output}: the unfinished run was begun with another "
                f"{', '.join(other)}; try: the same again, or --overwrite"
            )
        return True
    elif target.exists:
        if resume:
            remove_work(target.work)  # of a run that was killed while it did so
            return False
        raise PortraitError(f"{target.output} is there already; try: --overwrite")
    write_bytes(record, json.dumps(asked, ensure_ascii=False).encode())
    return True


def run(
    source: FrameSource,
    target: Target,
    segmenter: Segmenter,
    model: MattingModel,
    options: Options,
    *,
    sound: Path | None = None,
    progress: Callable[[int], object] | None = None,
) -> Summary:
    """Matte a clip; call :func:`prepare` first.

    Args:
        source: The frames.
        target: Where the result goes.
        segmenter: What masks the person.
        model: Any matting model.
        options: How.
        sound: File whose sound a clip gets; None for none.
        progress: Called with 1 after each frame, and with those of an earlier run at first.

    Raises:
        PortraitError: A frame has no mask, or nobody is in any frame; or the clip is broken,
            and then the output has all frames until there.
    """
    sink = _sink(source, target)
    store = MaskStore(target.work / "masks")
    summary = Summary(sink.done, sink.done)
    if progress and sink.done:
        progress(sink.done)
    try:
        behind = BackgroundFrames(target.background) if target.background is not None else None
        with abandoned_on_error(sink):
            masked = _watched(
                store.masked(
                    _readable(run_ahead(source), summary),
                    segmenter,
                    options.people,
                    max(0, sink.done - CONTEXT),
                ),
                sink.done,
                summary,
            )
            for matted in matte(masked, model, options):
                if matted.frame.index < summary.earlier:
                    continue
                sink.write(matted.frame, _pictures(matted, target.contents, behind))
                summary.frames += 1
                if progress:
                    progress(1)
            if summary.frames == len(summary.absent):
                target.clear()
                raise PortraitError(
                    f"{source.info.name}: nobody was found in any of its {summary.frames} frames "
                    f"by {segmenter.name}; try: --first-mask or --masks"
                )
            sink.finish(sound)
    except PortraitError:
        if not summary.frames:  # nothing to go on with
            target.clear()
        raise
    remove_work(target.work)
    if summary.broken:
        raise PortraitError(
            f"{summary.broken}; {target.output} has the {summary.frames} frames until there; "
            "try: a whole copy of the clip"
        )
    return summary


def source_record(source: Path | str) -> dict[str, Any]:
    """What tells one clip from another without reading it whole."""
    if str(source) == STANDARD_INPUT:
        return {"source": STANDARD_INPUT}
    path = Path(source)
    found = path.stat()
    return {"source": str(path.resolve()), "source size": found.st_size}


def _files(inputs: Iterable[Path]) -> Iterator[Path]:
    for given in inputs:
        if given.is_dir():
            yield from filter(Path.exists, frame_files(given))
        elif given.exists():
            yield given


def _sink(source: FrameSource, target: Target) -> Sink:
    if target.is_clip:
        return ClipSink(target.output, target.contents[0], source.info, target.work)
    return FolderSink(target.output, target.contents)


def _readable(frames: Iterator[Frame], summary: Summary) -> Iterator[Frame]:
    """Frames as far as the clip can be read."""
    try:
        yield from frames
    except BrokenClipError as problem:
        summary.broken = problem.where


def _watched(
    masked: Iterator[tuple[Frame, Pixels]], begin: int, summary: Summary
) -> Iterator[tuple[Frame, Pixels]]:
    """The same; frames without anybody are noted."""
    for frame, mask in masked:
        if frame.index >= begin and not mask.any():
            summary.absent.append(frame.index)
        yield frame, mask


def _pictures(
    matted: Matted, contents: tuple[str, ...], behind: BackgroundFrames | None
) -> dict[str, Pixels]:
    pictures = {ALPHA: matted.alpha}
    if contents != (ALPHA,):
        pictures[RGBA] = cut_out(matted)
    if behind is not None:
        pictures[COMPOSITE] = composite_over(pictures[RGBA], behind.at(matted.frame))
    return pictures


def _check_colours(target: Target) -> None:
    """Foreground colours need pymatting: better said before the first frame."""
    from importlib.util import find_spec

    if target.contents != (ALPHA,) and find_spec("pymatting") is None:
        raise missing_extra("pymatting", "matting")
