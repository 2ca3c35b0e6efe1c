"""Folders of predicted mattes against folders of true ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ld_portrait_20k.compositing.trimaps import UNKNOWN
from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.matting.data.pictures import (
    check_sizes,
    list_frames,
    list_pictures,
    read_matte,
    read_trimap,
    to_unit,
)
from ld_portrait_20k.matting.metrics.errors import METRICS, Figures, score
from ld_portrait_20k.matting.metrics.gradient import NORMALISED
from ld_portrait_20k.matting.metrics.video import dtssd, messddt

WHOLE: Final = "mean"
"""Region of the whole picture, named as in the JSON."""

INSIDE: Final = "unknown"
"""Region where the trimap is unknown."""

VIDEO_METRICS: Final = ("dtssd", "messddt")
_NAMED = 5  # so many missing files are named, the rest counted


@dataclass(frozen=True, slots=True)
class Triple:
    """The files of one picture.

    Attributes:
        name: Relative to the folders, without suffix.
        predicted: The predicted matte.
        true: The true matte.
        trimap: The trimap; None where none counts.
    """

    name: str
    predicted: Path
    true: Path
    trimap: Path | None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What came out.

    Attributes:
        convention: Of Grad, one of :data:`~.gradient.CONVENTIONS`.
        triples: The files, in the order of their names.
        pictures: For each of them region to metric to figure.
        video: dtSSD and MESSDdt, means over all pairs of neighbouring frames; None where
            they were not asked for.
        left_out: Names of predictions that have no true matte.
    """

    convention: str
    triples: tuple[Triple, ...]
    pictures: tuple[Mapping[str, Figures], ...]
    video: Mapping[str, float] | None
    left_out: tuple[str, ...]

    @property
    def regions(self) -> tuple[str, ...]:
        """The regions that were judged."""
        return tuple(self.pictures[0])

    def mean(self, region: str) -> Figures:
        """The mean of each metric over the pictures."""
        return {
            metric: float(np.mean([picture[region][metric] for picture in self.pictures]))
            for metric in METRICS
        }

    def to_dict(self) -> dict[str, Any]:
        """As ``evaluate --json`` prints it."""
        body: dict[str, Any] = {"samples": len(self.pictures)}
        body.update({region: self.mean(region) for region in self.regions})
        if self.video is not None:
            body["video"] = dict(self.video)
        body["grad_convention"] = self.convention
        body["pictures"] = [
            {"name": triple.name, **picture}
            for triple, picture in zip(self.triples, self.pictures, strict=True)
        ]
        return body


def evaluate(
    predicted: Path | str,
    truth: Path | str,
    trimaps: Path | str | None = None,
    *,
    convention: str = NORMALISED,
    video: bool = False,
    partial: bool = False,
    progress: Callable[[int], object] | None = None,
) -> Evaluation:
    """Judge a folder of mattes.

    Files go together by their path in the folders, whatever their suffix. RGBA pictures
    count by their alpha, 16-bit mattes with all their bits.

    Args:
        predicted: Folder of predicted mattes.
        truth: Folder of true mattes.
        trimaps: Folder of trimaps, for figures over the unknown region too.
        convention: Of Grad, one of :data:`~.gradient.CONVENTIONS`.
        video: Take each folder's files as the frames of one clip, in the order in which
            their names count, and give dtSSD and MESSDdt too.
        partial: Judge the pictures that are there; by default a missing prediction is an
            error, since it would change the mean unseen.
        progress: Called with 1 after each picture.

    Raises:
        PortraitError: A folder or a file is missing, not a matte, or of another size; or no
            trimap has unknown pixels, so that every figure would be a perfect 0.
    """
    triples, left_out = match(Path(predicted), Path(truth), trimaps, partial=partial)
    pictures: list[Mapping[str, Figures]] = []
    temporal: list[Figures] = []
    before: tuple[str, NDArray[np.float64], NDArray[np.float64]] | None = None
    unknown = trimaps is None
    for triple in triples:
        found, true, regions = _load(triple)
        inside = regions.get(INSIDE)
        unknown = unknown or (inside is not None and bool(inside.any()))
        pictures.append(score(found, true, regions, convention=convention))
        clip = str(PurePosixPath(triple.name).parent)
        if video and before is not None and before[0] == clip:
            temporal.append(_temporal(before[1], before[2], found, true, triple))
        before = (clip, found, true)
        if progress:
            progress(1)
    if not unknown:
        raise PortraitError(
            f"{trimaps}: no trimap there has unknown pixels; "
            "try: trimaps with a grey band, not masks"
        )
    if video and not temporal:
        raise PortraitError(f"{truth}: no two frames of one clip; try: without --video")
    figures = {
        name: float(np.mean([pair[name] for pair in temporal]))
        for name in VIDEO_METRICS
        if temporal
    }
    return Evaluation(convention, triples, tuple(pictures), figures if video else None, left_out)


def match(
    predicted: Path, truth: Path, trimaps: Path | str | None = None, *, partial: bool = False
) -> tuple[tuple[Triple, ...], tuple[str, ...]]:
    """Which files go together; arguments as for :func:`evaluate`.

    Returns:
        The triples in the order in which their names count, and the names of predictions
        without truth.

    Raises:
        PortraitError: Nothing to compare, or a file is missing.
    """
    true = list_frames(truth)
    found = list_pictures(predicted)
    if not true:
        raise PortraitError(f"{truth}: no pictures there")
    common = [name for name in true if name in found]
    if not common:
        raise PortraitError(
            f"{predicted} and {truth} have no name in common (for instance "
            f"{next(iter(found), 'nothing')} and {next(iter(true))}); try: name predictions "
            "as the true mattes"
        )
    if not partial:
        _check_missing([name for name in true if name not in found], predicted, "predictions")
    maps: dict[str, Path] = {}
    if trimaps is not None:
        maps = list_pictures(Path(trimaps))
        _check_missing([name for name in common if name not in maps], Path(trimaps), "trimaps")
    triples = tuple(Triple(name, found[name], true[name], maps.get(name)) for name in common)
    return triples, tuple(name for name in found if name not in true)


def _check_missing(names: list[str], folder: Path, what: str) -> None:
    if not names:
        return
    rest = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    hint = "; try: --partial to judge the others" if what == "predictions" else ""
    raise PortraitError(f"{folder}: {what} missing for {', '.join(names[:_NAMED])}{rest}{hint}")


def _load(
    triple: Triple,
) -> tuple[NDArray[np.float64], NDArray[np.float64], dict[str, NDArray[np.bool_] | None]]:
    found, true = read_matte(triple.predicted), read_matte(triple.true)
    check_sizes(triple.predicted, triple.true, (found.shape, true.shape))
    regions: dict[str, NDArray[np.bool_] | None] = {WHOLE: None}
    if triple.trimap is not None:
        trimap = read_trimap(triple.trimap)
        check_sizes(triple.trimap, triple.true, (trimap.shape, true.shape))
        regions[INSIDE] = trimap == UNKNOWN
    return to_unit(found), to_unit(true), regions


def _temporal(
    found: NDArray[np.float64],
    true: NDArray[np.float64],
    next_found: NDArray[np.float64],
    next_true: NDArray[np.float64],
    triple: Triple,
) -> Figures:
    if true.shape != next_true.shape:
        raise PortraitError(
            f"{triple.true}: frames of one clip differ in size; try: a folder for each clip"
        )
    frames = (found, true, next_found, next_true)
    return {"dtssd": dtssd(*frames), "messddt": messddt(*frames)}
