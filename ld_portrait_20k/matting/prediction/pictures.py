"""One picture of any size through a model, and its foreground's colours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import numpy as np
from numpy.typing import NDArray

from ld_portrait_20k.compositing.trimaps import UNKNOWN
from ld_portrait_20k.errors import PortraitError, missing_extra
from ld_portrait_20k.matting.models.protocol import MattingModel
from ld_portrait_20k.matting.prediction.tiles import spans, tiled, to_float, trimap_to_float

_WHOLE = 4096  # up to this side a model is given the whole picture: 0.3 GB as floats
_OVERLAP = 512
_COLOUR_TILE = 2048
_COLOUR_OVERLAP = 128


def predict_alpha(
    model: MattingModel,
    image: NDArray[np.uint8],
    trimap: NDArray[np.uint8] | None = None,
    *,
    tile: int = _WHOLE,
) -> NDArray[np.uint8]:
    """The alpha matte of an 8-bit picture, in bounded memory.

    Args:
        model: Any model.
        image: (H, W, 3) uint8 sRGB.
        trimap: (H, W) uint8 of 0, 128 and 255; None for models without trimap.
        tile: Longest side that a model with trimap is given at once. Tiles without unknown
            pixels are left out, so smaller ones are faster.

    Returns:
        (H, W) uint8, exactly 0 and 255 where the trimap is known.

    Raises:
        PortraitError: The model needs a trimap and there is none, or it knows nothing.
    """
    if trimap is None:
        return _to_8_bit(_without_trimap(model, image))
    if (trimap == UNKNOWN).all():
        raise PortraitError("the trimap is unknown all over; try: mark foreground and background")
    if max(trimap.shape) <= tile:
        return _to_8_bit(model(to_float(image), trimap_to_float(trimap)))
    return _to_8_bit(tiled(model, image, trimap, tile=tile, overlap=min(_OVERLAP, tile // 6)))


def estimate_foreground(image: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The foreground's own colours where a picture mixes them with the background's.

    Germer et al., "Fast Multi-Level Foreground Estimation", ICPR 2020, through pymatting;
    large pictures in tiles.

    Args:
        image: (H, W, 3) uint8 sRGB.
        alpha: (H, W) uint8.

    Returns:
        (H, W, 3) uint8, straight sRGB.

    Raises:
        PortraitError: pymatting is not installed.
    """
    result = np.empty_like(image)
    for top, bottom, keep_top in _rows(alpha.shape[0]):
        for left, right, keep_left in _rows(alpha.shape[1]):
            part = (slice(top, bottom), slice(left, right))
            found, _ = estimate_layers(image[part], alpha[part])
            kept = found[keep_top - top :, keep_left - left :]
            result[keep_top:bottom, keep_left:right] = _to_8_bit(kept)
    return result


def estimate_layers(
    image: NDArray[np.uint8], alpha: NDArray[np.uint8]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The colours of foreground and background that a small picture mixes.

    Args:
        image: (H, W, 3) uint8 sRGB.
        alpha: (H, W) uint8.

    Returns:
        Both (H, W, 3) float32 sRGB, straight, 0..1; smooth continuations where alpha is 0 or 1.

    Raises:
        PortraitError: pymatting is not installed.
    """
    try:
        from pymatting import estimate_foreground_ml
    except ImportError as problem:
        raise missing_extra("pymatting", "matting") from problem
    with _one_numba_thread():
        foreground, background = estimate_foreground_ml(
            to_float(image), to_float(alpha), return_background=True
        )
    return foreground, background


@contextmanager
def _one_numba_thread() -> Iterator[None]:
    """All that pymatting does in threads here is to copy; they wait for one another by spinning."""
    import numba

    before = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        yield
    finally:
        numba.set_num_threads(before)


def _rows(length: int) -> list[tuple[int, int, int]]:
    """Tiles along a side: start, end, and from where on the tile before it is replaced."""
    ends = spans(length, _COLOUR_TILE, _COLOUR_OVERLAP)
    return [(start, end, start + (_COLOUR_OVERLAP // 2 if start else 0)) for start, end in ends]


def _without_trimap(model: MattingModel, image: NDArray[np.uint8]) -> NDArray[np.float32]:
    height, width = image.shape[:2]
    scale = _WHOLE / max(height, width)
    if scale >= 1:
        return model(to_float(image), None)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    alpha = model(to_float(small), None)
    return np.asarray(cv2.resize(alpha, (width, height), interpolation=cv2.INTER_LINEAR))


def _to_8_bit(values: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Values 0..1 as 8 bits, in bands: rounding makes copies."""
    result = np.empty(values.shape, np.uint8)
    for top in range(0, len(values), 512):
        band = slice(top, top + 512)
        result[band] = np.rint(np.clip(values[band], 0, 1) * 255)
    return result
