"""The chain as a whole: frames to masks, trimaps, mattes, cut-outs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.matting.models.protocol import MattingModel
from ld_portrait_20k.matting.video.alphas import Matted, mattes, steady_alphas
from ld_portrait_20k.matting.video.composites import cut_out
from ld_portrait_20k.matting.video.frames import Frame, Pixels
from ld_portrait_20k.matting.video.fusion import fused
from ld_portrait_20k.matting.video.lookahead import run_ahead
from ld_portrait_20k.matting.video.masks import LARGEST, person, steady, with_motion
from ld_portrait_20k.matting.video.reading import DEFAULT_RATE
from ld_portrait_20k.matting.video.segmenters.protocol import Segmenter, begin
from ld_portrait_20k.matting.video.trimaps import BAND, trimaps

CONTEXT = 4
"""Frames on either side that a matte depends on: two rounds of averaging masks, one of comparing
mattes with their neighbours, one of averaging them."""

MAX_BAND = 512
"""Half of the longer side that bands are measured at: everything would be unknown."""


@dataclass(frozen=True, slots=True)
class Options:
    """How a clip is matted.

    Attributes:
        people: ``"largest"`` or ``"all"``; see :func:`~.masks.person`.
        steady: Average masks and mattes in time.
        band: Least half width of the unknown band, in pixels at a longer side of 1024.
    """

    people: str = LARGEST
    steady: bool = True
    band: float = BAND

    def __post_init__(self) -> None:
        if not 0 <= self.band <= MAX_BAND:
            raise PortraitError(
                f"the band is {self.band:g} px; it must be in 0..{MAX_BAND}; try: {BAND:g}"
            )


def matte_video(
    frames: Iterable[Pixels | Frame],
    *,
    segmenter: Segmenter | str = "auto",
    model: MattingModel | str | None = None,
    options: Options | None = None,
    rate: Fraction = DEFAULT_RATE,
) -> Iterator[Pixels]:
    """Cut the person out of each frame.

    Args:
        frames: (H, W, 3) uint8 sRGB each, from any reader.
        segmenter: A segmenter or its name; ``"auto"`` takes the best that is installed.
        model: A matting model, or what :func:`ld_portrait_20k.matting.load` takes; by
            default the one whose weights ship, else closed-form.
        options: How.
        rate: Frames a second.

    Yields:
        (H, W, 4) uint8 RGBA, straight sRGB, for each frame; some frames are read
            ahead, as it depends on :data:`CONTEXT` of them.

    Raises:
        PortraitError: The segmenter or model cannot be had, or a frame or mask is of another
            type or size.
    """
    from ld_portrait_20k.matting.models.registry import default_model, load
    from ld_portrait_20k.matting.video.segmenters.registry import open_segmenter

    if isinstance(segmenter, str):
        segmenter = open_segmenter(segmenter)
    if model is None or isinstance(model, str):
        model = load(model or default_model()[0])
    options = options or Options()
    masked = segmented(frames_of(frames, rate), segmenter, options.people)
    for matted in matte(masked, model, options):
        yield cut_out(matted)


def frames_of(pictures: Iterable[Any], rate: Fraction = DEFAULT_RATE) -> Iterator[Frame]:
    """Frames from other people's readers.

    Args:
        pictures: (H, W, 3) uint8 sRGB each, or :class:`Frame`, which goes through as it is.
        rate: Frames a second, for the time stamps.

    Raises:
        PortraitError: A picture is of another type, or of another size than the first.
    """
    shape: tuple[int, ...] | None = None
    for index, picture in enumerate(pictures):
        if isinstance(picture, Frame):
            yield picture
            continue
        # By dtype, not isinstance: what has no shape is no frame either.
        found: tuple[int, ...] = getattr(picture, "shape", ())
        kind = getattr(picture, "dtype", None)
        if len(found) != 3 or found[2] != 3 or kind != "uint8" or 0 in found:
            what = f"{tuple(found)} {kind}" if kind else type(picture).__name__
            raise PortraitError(
                f"frame {index}: {what}, not (H, W, 3) uint8; try: numpy arrays, RGB of 8 bits"
            )
        if found != (shape := shape or found):
            raise PortraitError(
                f"frame {index}: {found[1]} x {found[0]}, unlike the first, {shape[1]} x "
                f"{shape[0]}; try: frames of one size"
            )
        yield Frame(index, index / rate, 1 / rate, picture)


def segmented(
    frames: Iterable[Frame],
    segmenter: Segmenter,
    people: str = LARGEST,
    last: tuple[Frame, NDArray[np.uint8]] | None = None,
) -> Iterator[tuple[Frame, Pixels]]:
    """Frames with the mask of the person or the people.

    Args:
        frames: The frames.
        segmenter: What masks them.
        people: As for :func:`~.masks.person`.
        last: The frame before the first of them with its mask, where a run goes on.

    Raises:
        PortraitError: A mask is not (H, W) uint8 of the frame's size.
    """
    for frame in frames:
        if last is None:
            begin(segmenter, frame)
        found = _checked(segmenter.name, segmenter(frame, last), frame)
        mask = person(found, people, last[1] if last else None)
        last = (frame, mask)
        yield last


def _checked(name: str, mask: Pixels, frame: Frame) -> Pixels:
    size = frame.colour.shape[:2]
    if not isinstance(mask, np.ndarray) or mask.dtype != np.uint8 or mask.shape != size:
        what = f"{mask.shape} {mask.dtype}" if isinstance(mask, np.ndarray) else type(mask).__name__
        raise PortraitError(
            f"frame {frame.index}: the segmenter {name} gives {what}; "
            f"try: {size} uint8, 255 on people"
        )
    return mask


def matte(
    masked: Iterable[tuple[Frame, Pixels]],
    model: MattingModel,
    options: Options | None = None,
    *,
    ahead: int = 2,
) -> Iterator[Matted]:
    """Mattes of frames with masks.

    Args:
        masked: Frames with masks.
        model: Any matting model.
        options: How.
        ahead: How many frames masks and motion run ahead of matting, in a thread; 0 for none.
    """
    options = options or Options()
    moving = with_motion(masked)
    if options.steady:
        moving = steady(steady(moving))
    prepared = trimaps(moving, band=options.band)
    if ahead:
        prepared = run_ahead(prepared, ahead)
    matted = mattes(prepared, model)
    return steady_alphas(fused(matted)) if options.steady else matted
