"""Test footage of a whole data set: its foregrounds before a screen, with plates and truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Final
from zlib import crc32

import numpy as np

from ld_portrait_20k.common.files import write_bytes
from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.format.manifest import refuse_dataset
from ld_portrait_20k.matting.data.sample import MattingSource
from ld_portrait_20k.matting.keying.camera import Camera, choose_screen, shoot
from ld_portrait_20k.matting.prediction.outputs import fingerprint, recorded, write_png
from ld_portrait_20k.version import __version__

VERSION: Final = 1
"""Raised when the camera shoots differently: files of older versions are made anew."""


@dataclass(slots=True)
class Shots:
    """What was shot.

    Attributes:
        written: Ids of the samples that were shot.
        skipped: Ids of those that were there already, shot alike.
    """

    written: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)


def shoot_source(
    source: MattingSource,
    output: Path,
    camera: Camera,
    *,
    choose: bool = False,
    seed: int = 0,
    samples: int | None = None,
    progress: Callable[[int], object] | None = None,
) -> Shots:
    """Shoot samples: ``OUTPUT/footage``, ``plate`` and ``truth`` (RGBA), by their ids.

    Args:
        source: Samples with foregrounds.
        output: Folder of the three folders.
        camera: How; its footage is JPEG, or PNG where it does not compress.
        choose: Choose each sample's screen by its colours.
        seed: Of lighting and noise; each sample has its own, by its id.
        samples: How many, from the first on; all by default.
        progress: Called with 1 after each sample.

    Raises:
        PortraitError: A sample has no foreground, or cannot be read; a dataset is in ``output``;
            or a file of other origin is in the way.
        OSError: A file cannot be written.
    """
    refuse_dataset(output)
    done = Shots()
    for index in range(min(len(source), samples or len(source))):
        sample = source[index]
        if sample.foreground is None:
            raise PortraitError(
                f"{source.name}: {sample.sample_id} has no foreground, only a finished picture; "
                "try: a data set with foregrounds, or a folder of RGBA pictures"
            )
        used = camera
        if choose:
            used = replace(camera, screen=choose_screen(sample.foreground, sample.alpha))
        made_from = fingerprint(
            sample.foreground.tobytes(), sample.alpha.tobytes(),
            f"{__version__} {VERSION} {seed} {asdict(used)}",
        )  # fmt: skip
        name = sample.sample_id
        truth = output / "truth" / f"{name}.png"
        if recorded(truth) == made_from:
            done.skipped.append(name)
        else:
            _refuse_others(output, name)
            shot = shoot(
                sample.foreground, sample.alpha, used, seed=crc32(f"{seed} {name}".encode())
            )
            # The first one: where it is there, the footage beside it is ours.
            write_png(output / "plate" / f"{name}.png", shot.plate, made_from)
            compressed, plain = _footage(output, name)
            if shot.jpeg:
                write_bytes(compressed, shot.jpeg)
            else:
                write_png(plain, shot.image, made_from)
            # Another camera's: two pictures of one name could not be keyed.
            (plain if shot.jpeg else compressed).unlink(missing_ok=True)
            # The last one: where it is there, all are.
            write_png(truth, np.dstack([sample.foreground, sample.alpha]), made_from)
            done.written.append(name)
        if progress:
            progress(1)
    return done


def _footage(output: Path, name: str) -> tuple[Path, Path]:
    """A sample's footage, compressed and not; one of them is there."""
    return output / "footage" / f"{name}.jpg", output / "footage" / f"{name}.png"


def _refuse_others(output: Path, name: str) -> None:
    plate, truth = (output / folder / f"{name}.png" for folder in ("plate", "truth"))
    others = [path for path in (plate, truth) if recorded(path) == ""]
    if not recorded(plate):
        others += [path for path in _footage(output, name) if path.exists()]
    if others:
        raise PortraitError(f"{others[0]}: shoot did not make it; try: another --output")
