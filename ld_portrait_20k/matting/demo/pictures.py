"""A picture's way: trimap, alpha, cut-out and composite, files to download."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ld_portrait_20k.common.files import write_bytes
from ld_portrait_20k.compositing.composite import composite
from ld_portrait_20k.compositing.trimaps import UNKNOWN
from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.matting.data.pictures import check_sizes
from ld_portrait_20k.matting.demo import strokes, uploads
from ld_portrait_20k.matting.demo.choices import GRABCUT
from ld_portrait_20k.matting.models.protocol import MattingModel
from ld_portrait_20k.matting.prediction.outputs import Background
from ld_portrait_20k.matting.prediction.pictures import estimate_foreground, predict_alpha
from ld_portrait_20k.matting.prediction.trimaps import mask_to_trimap

Pixels = NDArray[np.uint8]

PAINTED: Final = "paint"
MASK: Final = "mask"
TRIMAP: Final = "trimap"
SEGMENTER: Final = "segmenter"

_NAME: Final = 60  # characters of an upload's name that a download keeps


@dataclass(frozen=True, slots=True, eq=False)
class Upload:
    """A picture that was uploaded.

    Attributes:
        name: Without suffix, for downloads.
        file: Name with suffix, for messages.
        picture: (H, W, 3) uint8 sRGB.
        trimap: (H, W) uint8 of 0, 128 and 255, made from a file or by a segmenter; None for
            none yet.
    """

    name: str
    file: str
    picture: Pixels
    trimap: Pixels | None = None


@dataclass(frozen=True, slots=True, eq=False)
class CutOut:
    """A picture's matte.

    Attributes:
        name: As of the :class:`Upload`.
        picture: (H, W, 3) uint8 sRGB.
        alpha: (H, W) uint8.
        colour: (H, W, 3) uint8, the foreground's own colours, straight sRGB.
        said: A sentence on how it was made.
    """

    name: str
    picture: Pixels
    alpha: Pixels
    colour: Pixels
    said: str

    def over(self, behind: Background) -> Pixels:
        """The composite, (H, W, 3) uint8."""
        return np.asarray(
            composite(self.colour, self.alpha, behind.fit(*self.alpha.shape)), np.uint8
        )


def read_upload(path: Path) -> Upload:
    """Read a picture that was uploaded.

    Raises:
        PortraitError: Not a picture, broken, or too large.
    """
    return Upload(path.stem[:_NAME] or "picture", path.name, uploads.read_picture(path))


def with_trimap(
    upload: Upload,
    source: str,
    *,
    guide: Path | None = None,
    band: float | None = None,
    segmenter: str = "",
    painted: Pixels | None = None,
) -> Upload:
    """The same upload with a trimap from a file or a segmenter; strokes count over it.

    Args:
        upload: The picture.
        source: :data:`MASK`, :data:`TRIMAP` or :data:`SEGMENTER`; :data:`PAINTED` makes none.
        guide: File of the mask or trimap.
        band: Pixels that the unknown band reaches to either side of a mask's edge; by default
            a share of the picture, see :func:`mask_to_trimap`.
        segmenter: One of :func:`~.choices.picture_segmenters`.
        painted: Labels from :func:`~.strokes.painted`.

    Raises:
        PortraitError: The file is missing, broken or of another size; nobody was found.
    """
    if source == PAINTED:
        return replace(upload, trimap=None)
    if source == SEGMENTER:
        mask = _segmented(upload.picture, segmenter, painted)
        made = mask_to_trimap(mask, band)
    else:
        if guide is None:
            raise PortraitError(f"no {source} yet; try: upload one, or paint the trimap")
        found = uploads.read_mask(guide) if source == MASK else uploads.read_trimap(guide)
        check_sizes(guide, upload.file, (found.shape, upload.picture.shape))
        made = mask_to_trimap(found, band) if source == MASK else found
    return replace(upload, trimap=strokes.with_strokes(made, painted))


def _segmented(picture: Pixels, segmenter: str, painted: Pixels | None) -> Pixels:
    if segmenter == GRABCUT:
        return strokes.mask_from_strokes(picture, painted)
    from ld_portrait_20k.matting.video.frames import Frame
    from ld_portrait_20k.matting.video.masks import person
    from ld_portrait_20k.matting.video.segmenters.registry import open_segmenter

    frame = Frame(0, Fraction(0), Fraction(1, 25), picture)
    mask = person(open_segmenter(segmenter)(frame, None))
    if not mask.any():
        raise PortraitError(f"{segmenter} found nobody; try: paint the person, or upload a mask")
    return np.asarray(mask, np.uint8)


def cut_out(upload: Upload, model: MattingModel, painted: Pixels | None = None) -> CutOut:
    """Cut the foreground out.

    Args:
        upload: The picture, with its trimap if one was made.
        model: Any matting model; one without trimap takes the picture alone.
        painted: Labels from :func:`~.strokes.painted`.

    Raises:
        PortraitError: The model needs a trimap and there is none, or it knows nothing.
    """
    trimap = None
    if model.needs_trimap:
        trimap = strokes.with_strokes(upload.trimap, painted)
        if trimap is None:
            raise PortraitError(
                f"{model.name} needs a trimap; try: paint foreground and background, upload a "
                "mask, or let a segmenter find the person"
            )
    began = time.perf_counter()
    alpha = predict_alpha(model, upload.picture, trimap)
    seconds = time.perf_counter() - began
    height, width = alpha.shape
    unknown = "" if trimap is None else f", {(trimap == UNKNOWN).mean():.0%} unknown"
    ignored = upload.trimap is not None or painted is not None
    note = "; it takes no trimap, so yours was not used" if trimap is None and ignored else ""
    said = f"{width} x {height}{unknown}, {model.name} in {seconds:.1f} s{note}"
    return CutOut(
        upload.name, upload.picture, alpha, estimate_foreground(upload.picture, alpha), said
    )


def write_alpha_and_cut_out(result: CutOut, folder: Path) -> tuple[Path, Path]:
    """Write ``NAME-alpha.png``, 8-bit grey, and ``NAME-cutout.png``, RGBA.

    Raises:
        OSError: They cannot be written.
    """
    rgba = np.dstack([result.colour, result.alpha])
    return (
        _write(folder / f"{result.name}-alpha.png", result.alpha),
        _write(folder / f"{result.name}-cutout.png", rgba),
    )


def write_composite(result: CutOut, composed: Pixels, folder: Path) -> Path:
    """Write ``NAME-composite.png``.

    Raises:
        OSError: It cannot be written.
    """
    return _write(folder / f"{result.name}-composite.png", composed)


def _write(path: Path, pixels: Pixels) -> Path:
    from ld_portrait_20k.matting.video.writing import png

    write_bytes(path, png(pixels), sync=False)
    return path
