"""Reading what a study is given: foregrounds with all their mattes, pictures to test on."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from ld_portrait_20k.compositing.backgrounds import PictureBackgrounds
from ld_portrait_20k.compositing.trimaps import trimap
from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.matting.data.layouts import PARTS
from ld_portrait_20k.matting.data.sample import MattingSample, MattingSource
from ld_portrait_20k.matting.data.sources import SourceText, open_source
from ld_portrait_20k.matting.experiments.arms import Mattes
from ld_portrait_20k.matting.experiments.prepared import encode_png, nested
from ld_portrait_20k.matting.training.textures import draw_texture

Picture = NDArray[np.uint8]

_BAND: Final = 0.015
"""Radius of test trimaps as a share of the picture's side, 15 px at 1024. Chosen by eye: wide
enough for what a careful person leaves unknown about hair."""


@dataclass(frozen=True, slots=True)
class Foregrounds:
    """The dataset a study is about.

    Attributes:
        name: For tables.
        sources: ``refined`` and, where they are kept, ``raw`` and ``truth``: the same
            foregrounds in the same order.
    """

    name: str
    sources: dict[str, MattingSource]

    def __len__(self) -> int:
        return len(self.sources["refined"])

    def divide(self, share: float) -> tuple[dict[str, int], dict[str, int]]:
        """Ids and places of what is trained on, and of what is held out; see :func:`held_out`."""
        parts: tuple[dict[str, int], dict[str, int]] = {}, {}
        for index, name in enumerate(_ids(self.sources["refined"])):
            parts[held_out(name, share)][name] = index
        return parts

    def read(self, index: int) -> Mattes:
        """All mattes of a foreground.

        Raises:
            PortraitError: A sample has no foreground, or the subsets do not go together.
        """
        found: dict[str, tuple[Picture, Picture]] = {}
        names = set()
        for kind, source in self.sources.items():
            sample = source[index]
            if sample.foreground is None:
                raise PortraitError(
                    f"{self.name}: {sample.sample_id} is a finished picture, not a foreground; "
                    "try: --data with foregrounds, and this one as --rival"
                )
            names.add(sample.sample_id)
            found[kind] = sample.foreground, sample.alpha
        if len(names) > 1:
            raise PortraitError(
                f"{self.name}: sample {index} is {' here and '.join(sorted(names))} there; "
                "try: a dataset whose subsets hold the same samples (ld-portrait verify)"
            )
        return Mattes(names.pop(), found["refined"], found.get("raw"), found.get("truth"))


def open_foregrounds(text: str) -> Foregrounds:
    """Open a study's dataset with the subsets that it has.

    Raises:
        PortraitError: Nothing there.
    """
    given = SourceText.parse(text)
    if given.part and given.part not in PARTS:
        raise PortraitError(f"--data {text}: all subsets are read; try: without #{given.part}")
    sources = {"refined": open_source(text)}
    for kind in ("raw", "truth"):
        found = _subset(given, kind)
        if found is not None and len(found) == len(sources["refined"]):
            sources[kind] = found
    return Foregrounds(given.name, sources)


def open_test(text: str) -> MattingSource:
    """Open a test set; of our own datasets with exact mattes, those.

    Raises:
        PortraitError: Nothing there.
    """
    given = SourceText.parse(text)
    exact = _subset(given, "truth") if not given.part or given.part in PARTS else None
    return exact or open_source(text)


def _subset(given: SourceText, kind: str) -> MattingSource | None:
    part = f"{kind}/{given.part}" if given.part else kind
    with suppress(PortraitError):
        return open_source(f"{given.name}={given.where}#{part}")
    return None


def listing(text: str) -> str:
    """Hash of the names, sizes and times of a source's files: whether it is as it was.

    Args:
        text: Of the source; of an address only the text counts.
    """
    given = SourceText.parse(text)
    root = Path(given.where).expanduser()
    total = hashlib.sha256(f"{root.resolve() if root.exists() else root}#{given.part}\n".encode())
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            status = (Path(folder) / name).stat()
            total.update(f"{folder}/{name} {status.st_size} {status.st_mtime_ns}\n".encode())
    return total.hexdigest()[:32]


def held_out(sample_id: str, share: float) -> bool:
    """Whether a sample is kept for tests: by its id's hash, so a growing dataset moves none."""
    value = int(hashlib.sha256(f"held out {sample_id}".encode()).hexdigest()[:8], 16)
    return value < share * 2**32


def draw_background(pictures: list[Path], seed: str, height: int, width: int) -> Picture:
    """A background for a picture, the same for the same seed; (height, width, 3) uint8.

    Args:
        pictures: To cut it from; drawn textures where there are none.
        seed: Any text.
        height: Of the result.
        width: Of the result.
    """
    rng = np.random.default_rng(list(hashlib.sha256(seed.encode()).digest()[:16]))
    if pictures:
        return PictureBackgrounds(pictures, cache_bytes=0).draw(rng, height, width)
    drawn = draw_texture(rng, max(height, width))
    return np.ascontiguousarray(drawn[:height, :width])


def reduced(sample: MattingSample, side: int) -> MattingSample:
    """A sample whose longer side is ``side`` at most."""
    height, width = sample.alpha.shape
    scale = side / max(height, width)
    if scale >= 1:
        return sample
    size = (max(1, round(width * scale)), max(1, round(height * scale)))

    def shrink(picture: Picture | None, how: int = cv2.INTER_AREA) -> Any:
        return None if picture is None else cv2.resize(picture, size, interpolation=how)

    return MattingSample(
        sample.sample_id, shrink(sample.alpha), shrink(sample.foreground),
        shrink(sample.image), shrink(sample.trimap, cv2.INTER_NEAREST),
    )  # fmt: skip


def test_trimap(sample: MattingSample) -> Picture:
    """The sample's own trimap; else the true matte's, with a band of :data:`_BAND`."""
    if sample.trimap is not None:
        return sample.trimap
    radius = max(2.0, _BAND * float(np.sqrt(sample.alpha.size)))
    return trimap(sample.alpha, radius, radius)


def spread(source: MattingSource, most: int) -> list[int]:
    """Which samples of a source to take if at most ``most`` are wanted, by their ids' hashes."""
    places = {name: index for index, name in enumerate(_ids(source))}
    return sorted(places[name] for name in nested(places)[:most])


def _ids(source: Any) -> list[str]:
    found: list[str] = source.ids
    return found


def fingerprint(sample: MattingSample) -> str:
    """Hash of a sample's pictures."""
    total = hashlib.sha256(sample.sample_id.encode())
    for picture in (sample.alpha, sample.foreground, sample.image, sample.trimap):
        total.update(b"-" if picture is None else encode_png(picture))
    return total.hexdigest()
