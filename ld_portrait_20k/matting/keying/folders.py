"""Folders of footage through the keyer; resumable."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from ld_portrait_20k.common.memory import lack_of_memory_told
from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.matting.data.pictures import (
    Samples,
    check_sizes,
    read_colour_samples,
    read_mask,
)
from ld_portrait_20k.matting.keying.keyer import key
from ld_portrait_20k.matting.keying.light import Screen
from ld_portrait_20k.matting.prediction.folders import Job, content, find_guides, refuse_overwriting
from ld_portrait_20k.matting.prediction.outputs import fingerprint, recorded, write_png
from ld_portrait_20k.version import __version__

VERSION: Final = 1
"""Raised when footage is keyed differently: files of older versions are made anew."""


@dataclass(frozen=True, slots=True)
class Guides:
    """What goes with the pictures: a file for all, or a folder with one for each.

    Attributes:
        plate: Clean plates.
        core: Masks of what is opaque.
        garbage: Masks of what is not the subject.
    """

    plate: Path | None = None
    core: Path | None = None
    garbage: Path | None = None


@dataclass(slots=True)
class Done:
    """What came out.

    Attributes:
        written: Names of the pictures that were keyed.
        skipped: Names of those that were there already, from the same input and options.
        kept: Names of files that were there and that this command did not make.
        failed: Name to problem.
        warnings: Name to what should be looked at.
    """

    written: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    warnings: dict[str, str] = field(default_factory=dict)


def key_pictures(
    jobs: Sequence[Job],
    output: Path,
    screen: Screen | None = None,
    guides: Guides | None = None,
    *,
    despill: float = 1.0,
    overwrite: bool = False,
    progress: Callable[[int], object] | None = None,
) -> Done:
    """Key pictures one by one into RGBA PNGs; what is done already is skipped.

    Args:
        jobs: The pictures, see :func:`~..prediction.folders.plan`.
        output: Folder of the PNGs, of 16 bits where a picture has them.
        screen: Colour of the screen; found in each picture by default.
        guides: Plates and masks.
        despill: See :func:`~.keyer.key`.
        overwrite: Key again what is there, and replace files of other origin.
        progress: Called with 1 after each picture.

    Returns:
        What was done; pictures that cannot be keyed are named in it, the others go on.

    Raises:
        PortraitError: A plate or mask is missing, or would be overwritten.
        OSError: A file cannot be written.
    """
    beside = _beside(jobs, guides or Guides())
    refuse_overwriting(jobs, [output], [path for of in beside.values() for path in of.values()])
    about = f"{__version__} {VERSION} {screen} {despill}"
    done = Done()
    for job in jobs:
        try:
            with lack_of_memory_told("not enough memory; try: a smaller picture"):
                _key_one(job, output, screen, beside[job.name], despill, overwrite, about, done)
        except PortraitError as problem:
            text = str(problem)
            named = any(path.name in text for path in (job.image, *beside[job.name].values()))
            done.failed[job.name] = text if named else f"{job.image}: {text}"
        if progress:
            progress(1)
    return done


def _beside(jobs: Sequence[Job], guides: Guides) -> dict[str, dict[str, Path]]:
    """Plate, core and garbage matte of each picture, those that there are."""
    pictures = {job.name: job.image for job in jobs}
    found: dict[str, dict[str, Path]] = {name: {} for name in pictures}
    for what in ("plate", "core", "garbage"):
        where = getattr(guides, what)
        if where is None:
            continue
        # A camera that does not move has one plate for all its pictures.
        files = (
            dict.fromkeys(pictures, where)
            if where.is_file()
            else find_guides(pictures, where, what)
        )
        for name, path in files.items():
            found[name][what] = path
    return found


def _key_one(
    job: Job,
    output: Path,
    screen: Screen | None,
    beside: dict[str, Path],
    despill: float,
    overwrite: bool,
    about: str,
    done: Done,
) -> None:
    path = output / f"{job.name}.png"
    parts = [what.encode() + content(file) for what, file in beside.items()]
    made_from = fingerprint(content(job.image), *parts, about)
    there = recorded(path)
    if not overwrite and there == made_from:
        done.skipped.append(job.name)
        return
    if not overwrite and there == "":
        done.kept.append(job.name)
        return
    image = read_colour_samples(job.image)
    extra: dict[str, Samples] = {}
    for what, file in beside.items():
        extra[what] = read_colour_samples(file) if what == "plate" else read_mask(file)
        check_sizes(file, job.image, (extra[what].shape, image.shape))
    keyed = key(image, screen, despill=despill, **extra)
    rgba = np.concatenate([keyed.foreground, keyed.alpha[..., None]], axis=2)
    write_png(path, rgba, made_from)
    done.written.append(job.name)
    if keyed.warnings:
        done.warnings[job.name] = f"{job.image}: {'; '.join(keyed.warnings)}"
