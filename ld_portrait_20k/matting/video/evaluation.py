"""Errors of a matted clip against true alpha, in the scales of RobustVideoMatting's script."""

from __future__ import annotations

from collections.abc import Callable
from itertools import zip_longest
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.matting.metrics.errors import score
from ld_portrait_20k.matting.metrics.video import dtssd
from ld_portrait_20k.matting.video.frames import Frame, Pixels
from ld_portrait_20k.matting.video.reading import open_frames

METRICS: Final = {"MAD": 1e3, "MSE": 1e3, "Grad": 1.0, "Conn": 1.0, "dtSSD": 1e2}
"""Each figure and what it is multiplied by. Grad and Conn are in thousands already; Grad is of
mattes stretched to 0..1, as that script has it. All are over whole frames."""


class Judge:
    """Collects the errors of a clip, frame by frame, in constant memory."""

    def __init__(self) -> None:
        self._sums = dict.fromkeys(METRICS, 0.0)
        self._frames = 0
        self._before: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None

    def add(self, predicted: Pixels, true: Pixels) -> None:
        """Judge the next frame.

        Args:
            predicted: (H, W) uint8 alpha.
            true: (H, W) uint8 alpha.

        Raises:
            ValueError: The shapes differ.
        """
        found, right = (plane / np.float64(255) for plane in (predicted, true))
        figures = score(found, right, {"whole": None})["whole"]
        for name in ("MAD", "MSE", "Grad", "Conn"):
            self._sums[name] += figures[name.lower()]
        if self._before is not None:
            self._sums["dtSSD"] += dtssd(*self._before, found, right)
        self._before = (found, right)
        self._frames += 1

    def figures(self) -> dict[str, float]:
        """The means over the frames; that of dtSSD over pairs of neighbouring frames.

        Raises:
            PortraitError: Fewer than two frames were judged.
        """
        if self._frames < 2:
            raise PortraitError("a clip of one frame has no dtSSD; try: evaluate, for pictures")
        counts = {name: self._frames - (name == "dtSSD") for name in METRICS}
        return {name: scale * self._sums[name] / counts[name] for name, scale in METRICS.items()}


def evaluate_video(
    predicted: Path | str,
    truth: Path | str,
    progress: Callable[[int], object] | None = None,
) -> tuple[dict[str, float], int]:
    """Judge a clip or folder of mattes.

    Args:
        predicted: Clip or folder; its alpha counts where it has any, else its brightness.
        truth: Clip or folder, likewise, with as many frames.
        progress: Called with 1 after each frame.

    Returns:
        The figures by name, and how many frames there were.

    Raises:
        PortraitError: One cannot be read, or they differ in size or length.
    """
    found, true = open_frames(predicted), open_frames(truth)
    sizes = [(frames.info.width, frames.info.height) for frames in (found, true)]
    if sizes[0] != sizes[1]:
        (w, h), (right_w, right_h) = sizes
        raise PortraitError(
            f"{predicted} is {w} x {h}, {truth} {right_w} x {right_h}; try: frames of one size"
        )
    judge, count = Judge(), 0
    for one, other in zip_longest(found, true):
        if one is None or other is None:
            shorter = predicted if one is None else truth
            raise PortraitError(
                f"{shorter} ends after {count} frames, the other goes on; "
                "try: the same in- and out-points for both"
            )
        judge.add(matte_in(one), matte_in(other))
        count += 1
        if progress:
            progress(1)
    return judge.figures(), count


def matte_in(frame: Frame) -> Pixels:
    """The matte that a frame holds: its alpha, else its brightness; (H, W) uint8."""
    if frame.alpha is not None:
        return frame.alpha
    return np.asarray(frame.colour.max(axis=2), np.uint8)
