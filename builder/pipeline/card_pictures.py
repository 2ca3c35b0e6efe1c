"""The pictures of a dataset's card, drawn from its shards and its statistics."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from builder import preview
from dataset_card import CardPictures, Statistics, figures
from dataset_card.gallery import thumbnail
from dataset_card.hair import WIDTH, Version, hair_amount, hair_strip
from dataset_card.plots import ATTRIBUTE_FILE, HISTOGRAM_FILE
from ld_portrait_20k.format.manifest import Manifest

HAIR_FILE: Final = "assets/hair.webp"
GALLERY_FILES: Final = "assets/gallery-{}.webp"
GALLERY_SAMPLES: Final = 8
GALLERY_CELL: Final = 192
GALLERY_QUALITY: Final = 85
HAIR_SAMPLES: Final = 3
"""Samples in the card's gallery, the longer side of one picture in px, WebP's quality, and rows
of the strip of hair. Chosen by eye."""

_VERSIONS: Final = {"raw": "before", "default": "refined", "truth": "exact"}

Pictures = dict[str, tuple[NDArray[np.uint8], NDArray[np.uint8]]]
"""Id to foreground (H, W, 3) uint8 straight sRGB and alpha (H, W) uint8."""


def draw(
    root: Path, manifest: Manifest, statistics: Statistics
) -> tuple[dict[str, bytes], CardPictures]:
    """Draw every picture of a card.

    Args:
        root: The dataset folder, with all its shards.
        manifest: Its manifest.
        statistics: Of its subset ``default``.

    Returns:
        Path to the encoded picture, and where each stands in the card.

    Raises:
        PortraitError: A shard cannot be read, or a picture is damaged.
    """
    ids = preview.spread(manifest, GALLERY_SAMPLES)
    refined = _read(root, manifest, ids, "default")
    contents = {}
    gallery = []
    for place, (key, members) in enumerate(sorted(refined.items())):
        name = GALLERY_FILES.format(place + 1)
        picture = thumbnail(*members, GALLERY_CELL, place)
        contents[name] = _encoded(picture, "WEBP", quality=GALLERY_QUALITY, method=6)
        gallery.append((key, name))
    strip = _hair(root, manifest, refined)
    if strip is not None:
        contents[HAIR_FILE] = _encoded(strip, "WEBP", lossless=True, method=6)
    plots = figures(statistics)
    contents.update({name: _encoded(plot, "PNG", optimize=True) for name, plot in plots.items()})
    return contents, CardPictures(
        gallery=gallery,
        hair=HAIR_FILE if strip is not None else None,
        histograms=HISTOGRAM_FILE if HISTOGRAM_FILE in plots else None,
        attributes=ATTRIBUTE_FILE if ATTRIBUTE_FILE in plots else None,
    )


def strays(root: Path, contents: dict[str, bytes]) -> Iterator[Path]:
    """Pictures of an earlier card of the same dataset that this one does not show."""
    for path in sorted((root / "assets").glob("gallery*")):
        if path.relative_to(root).as_posix() not in contents:
            yield path


def _hair(root: Path, manifest: Manifest, refined: Pictures) -> NDArray[np.uint8] | None:
    """The strip of the samples with most hair among some; None without raw mattes."""
    if "raw" not in manifest.subsets():
        return None
    smallest = min(min(alpha.shape) for _, alpha in refined.values())
    side = min(WIDTH // 4, smallest)
    amounts = {key: hair_amount(alpha, side) for key, (_, alpha) in refined.items()}
    chosen = sorted(sorted(refined), key=lambda key: -amounts[key])[:HAIR_SAMPLES]
    versions = {
        name: _read(root, manifest, chosen, subset) if subset != "default" else refined
        for subset, name in _VERSIONS.items()
        if subset in manifest.subsets()
    }
    rows = [
        [Version(name, *found[key]) for name, found in versions.items()]
        for key in chosen
        if all(key in found for found in versions.values())
    ]
    return hair_strip(rows) if rows else None


def _read(root: Path, manifest: Manifest, ids: list[str], subset: str) -> Pictures:
    found = preview.read_chosen(root, manifest, ids, subset)
    return {key: (foreground, alpha) for key, foreground, alpha in found}


def _encoded(picture: NDArray[np.uint8], form: str, **options: Any) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(picture).save(out, form, **options)
    return out.getvalue()
