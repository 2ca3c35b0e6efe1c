"""Pictures and folders of them through a model; resumable."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ld_portrait_20k.codec import ImageError
from ld_portrait_20k.common.memory import lack_of_memory_told
from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.matting.data.pictures import (
    check_sizes,
    list_pictures,
    read_colour,
    read_mask,
    read_trimap,
)
from ld_portrait_20k.matting.models.protocol import MattingModel
from ld_portrait_20k.matting.prediction.outputs import Outputs, fingerprint, recorded
from ld_portrait_20k.matting.prediction.pictures import predict_alpha
from ld_portrait_20k.matting.prediction.trimaps import mask_to_trimap
from ld_portrait_20k.matting.video.frames import CLIP_SUFFIXES
from ld_portrait_20k.version import __version__

_NAMED = 5


@dataclass(frozen=True, slots=True)
class Job:
    """One picture to predict.

    Attributes:
        name: Of its outputs, without suffix.
        image: The picture.
        guide: Its trimap or mask; None without one.
    """

    name: str
    image: Path
    guide: Path | None


@dataclass(slots=True)
class Prediction:
    """What came out.

    Attributes:
        written: Names of the pictures that were predicted.
        skipped: Names of those that were there already, from the same input and model.
        kept: Names of files that were there and that this command did not make.
        failed: Name to problem.
    """

    written: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


def plan(
    inputs: Sequence[str | Path],
    output: Path,
    *,
    trimaps: Path | None = None,
    masks: Path | None = None,
    more_outputs: Sequence[Path] = (),
    more_inputs: Sequence[Path] = (),
) -> list[Job]:
    """Which pictures there are and what goes with them.

    Args:
        inputs: Pictures and folders; folders are searched through and keep their structure. What
            lies in an output folder below them is left out: an earlier run made it.
        output: Folder of the mattes.
        trimaps: Folder of trimaps of the same names, or one file for one picture.
        masks: The same for masks.
        more_outputs: Further folders that get a file of each picture's name.
        more_inputs: Further files that are read, such as a background.

    Raises:
        PortraitError: No pictures, two of one name, a trimap or mask that is missing, or an
            output that would fall on an input or on another output.
    """
    outputs = [output, *more_outputs]
    for number, folder in enumerate(outputs):
        if folder.resolve() in [before.resolve() for before in outputs[:number]]:
            raise PortraitError(
                f"{folder}: mattes, RGBA pictures and composites have the same names; "
                "try: a folder for each"
            )
    pictures: dict[str, Path] = {}
    for given in map(Path, inputs):
        found = _in_folder(given, outputs) if given.is_dir() else {given.stem: given}
        if given.is_dir() and not found:
            raise PortraitError(f"{given}: no pictures there")
        for name, path in found.items():
            if not given.is_dir() and not path.is_file():
                raise PortraitError(f"{path}: no such picture")
            if path.suffix.lower() in CLIP_SUFFIXES:
                raise PortraitError(
                    f"{path}: a clip, not a picture; try: a folder of its frames, or "
                    "python -m ld_portrait_20k.matting video"
                )
            if name in pictures:
                raise PortraitError(
                    f"{pictures[name]} and {path} would both become {name}.png; "
                    "try: an output folder for each"
                )
            pictures[name] = path
    guides = find_guides(pictures, trimaps, "trimap") or find_guides(pictures, masks, "mask")
    jobs = [Job(name, path, guides.get(name)) for name, path in pictures.items()]
    refuse_overwriting(jobs, outputs, [*guides.values(), *more_inputs])
    return jobs


def content(path: Path) -> bytes:
    """The bytes of a file that is read.

    Raises:
        ImageError: It cannot be read: a link to nothing, no permission.
    """
    try:
        return path.read_bytes()
    except OSError as problem:
        raise ImageError(f"{path}: cannot be read ({problem.strerror or problem})") from problem


def refuse_overwriting(
    jobs: Sequence[Job], outputs: Sequence[Path], inputs: Iterable[Path] = ()
) -> None:
    """Refuse outputs that would fall on what is read.

    Args:
        jobs: The pictures, which are read.
        outputs: Folders that get a file of each picture's name.
        inputs: Further files that are read.

    Raises:
        PortraitError: An output would be an input.
    """
    sources = {path.resolve() for path in (*(job.image for job in jobs), *inputs)}
    for job in jobs:
        for folder in outputs:
            if (folder / f"{job.name}.png").resolve() in sources:
                raise PortraitError(
                    f"{job.image}: its result would overwrite {folder / job.name}.png; "
                    "try: another output folder"
                )


def _in_folder(folder: Path, outputs: Sequence[Path]) -> dict[str, Path]:
    real = folder.resolve()
    below = [output.resolve() for output in outputs if real in output.resolve().parents]
    return {
        name: path
        for name, path in list_pictures(folder).items()
        if not any(output in (real / path.relative_to(folder)).parents for output in below)
    }


def predict(
    jobs: Sequence[Job],
    outputs: Outputs,
    model: MattingModel,
    *,
    masks: bool = False,
    band: float | None = None,
    overwrite: bool = False,
    progress: Callable[[int], object] | None = None,
) -> Prediction:
    """Predict pictures one by one; what is done already is skipped.

    Args:
        jobs: From :func:`plan`.
        outputs: Where files go.
        model: What predicts.
        masks: The jobs' guides are masks, not trimaps.
        band: Of the trimaps made from masks, see :func:`~.trimaps.mask_to_trimap`.
        overwrite: Predict again what is there, and replace files of other origin.
        progress: Called with 1 after each picture.

    Returns:
        What was done; pictures that cannot be read are named in it, the others go on.

    Raises:
        PortraitError: The model needs trimaps and there are none.
        OSError: A file cannot be written.
    """
    if model.needs_trimap and any(job.guide is None for job in jobs):
        raise PortraitError(
            f"{model.name} needs a trimap for each picture; try: --trimap DIR, --mask DIR, or a "
            "model without trimap (python -m ld_portrait_20k.matting models)"
        )
    done = Prediction()
    settings = fingerprint(
        __version__, _identity(model), f"{masks} {band}",
        outputs.background.text if outputs.background else "",
    )  # fmt: skip
    for job in jobs:
        try:
            with lack_of_memory_told("not enough memory; try: a smaller picture"):
                _predict_one(job, outputs, model, masks, band, overwrite, settings, done)
        except PortraitError as problem:
            text = str(problem)
            named = text if str(job.image.name) in text or _names(job.guide, text) else ""
            done.failed[job.name] = named or f"{job.image}: {text}"
        if progress:
            progress(1)
    return done


def _predict_one(
    job: Job,
    outputs: Outputs,
    model: MattingModel,
    masks: bool,
    band: float | None,
    overwrite: bool,
    settings: str,
    done: Prediction,
) -> None:
    guide = content(job.guide) if job.guide else b""
    made_from = fingerprint(content(job.image), guide, settings)
    there = {recorded(path) for path in outputs.paths(job.name).values()}
    if not overwrite:
        if there == {made_from}:
            done.skipped.append(job.name)
            return
        if "" in there:
            done.kept.append(job.name)
            return
    image = read_colour(job.image)
    trimap = _trimap(job, image, masks, band)
    alpha = predict_alpha(model, image, trimap)
    outputs.write(job.name, image, alpha, made_from)
    done.written.append(job.name)


def _trimap(
    job: Job, image: NDArray[np.uint8], masks: bool, band: float | None
) -> NDArray[np.uint8] | None:
    if job.guide is None:
        return None
    found = read_mask(job.guide) if masks else read_trimap(job.guide)
    check_sizes(job.guide, job.image, (found.shape, image.shape))
    return mask_to_trimap(found, band) if masks else found


def find_guides(pictures: dict[str, Path], where: Path | None, what: str) -> dict[str, Path]:
    """What goes with each picture, by its name in a folder or by its bare stem.

    Args:
        pictures: Name to picture.
        where: A folder, or one file for one picture; None for nothing.
        what: What is sought, for messages: ``trimap``, ``mask``.

    Returns:
        Name to file; empty without ``where``.

    Raises:
        PortraitError: Some are missing, or there is one file for several pictures.
    """
    if where is None:
        return {}
    if where.is_file():
        if len(pictures) > 1:
            raise PortraitError(
                f"{where}: one {what} for {len(pictures)} pictures; try: a folder of {what}s"
            )
        return dict.fromkeys(pictures, where)
    listed = list_pictures(where)
    guides = {name: listed.get(name) or listed.get(Path(name).name) for name in pictures}
    missing = [name for name, path in guides.items() if path is None]
    if missing:
        rest = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
        raise PortraitError(f"{where}: no {what} for {', '.join(missing[:_NAMED])}{rest}")
    return {name: path for name, path in guides.items() if path is not None}


def _identity(model: MattingModel) -> str:
    """The model's name and what its weights are, where they are a file."""
    weights: Path | None = getattr(model, "weights", None)
    if weights is None:
        return model.name
    with weights.open("rb") as stream:
        return f"{model.name} {hashlib.file_digest(stream, 'sha256').hexdigest()}"


def _names(path: Path | None, text: str) -> bool:
    return path is not None and path.name in text
