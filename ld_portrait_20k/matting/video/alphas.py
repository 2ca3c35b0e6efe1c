"""Alpha mattes from trimaps, made steady along the motion inside the unknown band."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from ld_portrait_20k.common.in_order import map_in_order
from ld_portrait_20k.compositing.trimaps import FOREGROUND, UNKNOWN
from ld_portrait_20k.matting.models.protocol import MattingModel
from ld_portrait_20k.matting.models.torch_threads import one_thread_each, usable_cores
from ld_portrait_20k.matting.prediction.pictures import predict_alpha
from ld_portrait_20k.matting.video.frames import Frame, Pixels, scaled
from ld_portrait_20k.matting.video.lookahead import neighbours
from ld_portrait_20k.matting.video.motion import Motion
from ld_portrait_20k.matting.video.trimaps import Trimapped

MARGIN: Final = 64.0
"""Pixels around the unknown band that a model sees, at 1024: what is further off costs time
and says little about the band."""

WORKING_SIDE: Final = 640
"""Longer side to which the surroundings of a smaller person are enlarged for a model: that of
the smaller portraits from which ``hint-unet`` learned. The band of a small person is two or three
pixels wide, and it solves at a quarter of the size."""
MOST_ENLARGED: Final = 2.0
"""Times, by eye: what is smaller yet has no strands to find."""
TILE: Final = 144.0
"""Side of the tiles for a model that sees the surroundings of a pixel alone, at 1024: two and a
half times the widest band. At 1080p they take a third of the pixels, and the error is the same."""
LEAST_TILE: Final = 256
"""Pixels, so that the margins of small tiles do not outweigh what they save; a side of the
tiles is a multiple of it."""
STEP: Final = 64
"""Pixels in steps of which a local model is given what is no tile. oneDNN compiles its kernels anew
for each size that it has not seen: a second each on a CPU, ten times the work itself."""


MOST_WORKERS: Final = 4
"""Threads that matte frames side by side: each holds one frame's networks, 0.1 GB at 1080p."""


@dataclass(frozen=True, slots=True)
class Matted:
    """A frame with its matte.

    Attributes:
        frame: The frame.
        trimap: (H, W) uint8 of 0, 128 and 255.
        alpha: (H, W) uint8, exactly 0 and 255 where the trimap is known.
        before: Motion to the frame before; None for the first.
        after: Motion to the frame after; None for the last.
        mask: As of :class:`~.trimaps.Trimapped`.
        trust: As of :class:`~.trimaps.Trimapped`.
    """

    frame: Frame
    trimap: Pixels
    alpha: Pixels
    before: Motion | None = None
    after: Motion | None = None
    mask: Pixels | None = None
    trust: float = 0.0


def mattes(
    trimapped: Iterable[Trimapped], model: MattingModel, *, workers: int | None = None
) -> Iterator[Matted]:
    """The matte of each frame by itself.

    Args:
        trimapped: Frames with trimaps.
        model: Any model of :func:`ld_portrait_20k.matting.load`. One that needs no trimap is
            given it all the same, and its result holds inside the unknown band alone.
        workers: Threads that matte frames side by side; 0 for none. By default one for each
            core, at most :data:`MOST_WORKERS`, if the model is ``concurrent``, as our networks
            are on a CPU.
    """

    def matted(one: Trimapped) -> Matted:
        alpha = matte_of(one.frame.colour, one.trimap, model)
        return Matted(one.frame, one.trimap, alpha, one.before, one.after, one.mask, one.trust)

    if workers is None:
        concurrent = getattr(model, "concurrent", False)
        workers = min(MOST_WORKERS, usable_cores()) if concurrent else 0
    if not workers:
        yield from map(matted, trimapped)
        return
    with one_thread_each() as prepare:
        yield from map_in_order(matted, trimapped, workers, prepare)


def matte_of(colour: Pixels, trimap: Pixels, model: MattingModel) -> Pixels:
    """The matte of one frame; only the surroundings of the unknown band are computed."""
    unknown = trimap == UNKNOWN
    alpha = np.where(trimap == FOREGROUND, np.uint8(255), np.uint8(0))
    left, top, width, height = cv2.boundingRect(unknown.view(np.uint8))
    if not width or not height:
        return alpha
    margin = round(scaled(MARGIN, trimap.shape))
    part = (
        slice(max(0, top - margin), top + height + margin),
        slice(max(0, left - margin), left + width + margin),
    )
    if unknown[part].all():  # nothing tells person and background apart
        alpha[part] = UNKNOWN
        return alpha
    enlarged = min(MOST_ENLARGED, max(1.0, WORKING_SIDE / max(trimap[part].shape)))
    found = _predicted(model, colour[part], trimap[part], enlarged, max(trimap.shape))
    alpha[part] = np.where(unknown[part], found, alpha[part])
    return alpha


def _predicted(
    model: MattingModel, colour: Pixels, trimap: Pixels, enlarged: float, side: int
) -> Pixels:
    """What a model says of a part, ``enlarged``, of a frame whose longer side is ``side``."""
    height, width = trimap.shape
    if enlarged > 1:
        size = (round(enlarged * width), round(enlarged * height))
        colour = np.asarray(cv2.resize(colour, size, interpolation=cv2.INTER_CUBIC), np.uint8)
        trimap = np.asarray(cv2.resize(trimap, size, interpolation=cv2.INTER_NEAREST), np.uint8)
    colour, trimap = np.ascontiguousarray(colour), np.ascontiguousarray(trimap)
    if not getattr(model, "local", False):
        found = predict_alpha(model, colour, trimap)
    elif max(trimap.shape) <= WORKING_SIDE:
        found = predict_alpha(_InSteps(model, STEP), colour, trimap)
    else:
        tile = LEAST_TILE * max(1, round(scaled(TILE, (side,)) / LEAST_TILE))
        found = predict_alpha(_InSteps(model, LEAST_TILE), colour, trimap, tile=tile)
    if found.shape == (height, width):
        return found
    return np.asarray(cv2.resize(found, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


class _InSteps:
    """A model that is given sides in steps of some pixels, the border repeated."""

    def __init__(self, model: MattingModel, step: int) -> None:
        self._model, self._step = model, step
        self.name, self.licence, self.needs_trimap = model.name, model.licence, model.needs_trimap

    def __call__(
        self, image: NDArray[np.float32], trimap: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        height, width = image.shape[:2]
        more = ((0, -height % self._step), (0, -width % self._step))
        image = np.pad(image, (*more, (0, 0)), mode="edge")
        if trimap is not None:
            trimap = np.pad(trimap, more, mode="edge")
        return self._model(image, trimap)[:height, :width]


def steady_alphas(matted: Iterable[Matted]) -> Iterator[Matted]:
    """Average mattes with those of both neighbours along the motion, in the unknown band."""
    for before, current, after in neighbours(matted):
        pairs = ((before, current.before), (after, current.after))
        places = np.nonzero(current.trimap == UNKNOWN)
        if not places[0].size:
            yield current
            continue
        total = current.alpha[places].astype(np.float32)
        weights = np.ones_like(total)
        for other, motion in pairs:
            if other and motion:
                moved, weight = motion.sample(other.alpha, places)
                total += weight * moved
                weights += weight
        alpha = current.alpha.copy()
        alpha[places] = np.rint(total / weights)
        yield replace(current, alpha=alpha)
