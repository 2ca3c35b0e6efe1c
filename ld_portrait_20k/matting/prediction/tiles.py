"""Large pictures in tiles that overlap, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.float32]
Pixels = NDArray[np.uint8] | NDArray[np.float32]
Matting = Callable[..., Picture]

TILE: Final = 1024
OVERLAP: Final = 128
"""Pixels that neighbours share; wider than the receptive field of small networks."""


def tiled(
    function: Matting,
    image: Pixels,
    trimap: Pixels,
    *,
    tile: int = TILE,
    overlap: int = OVERLAP,
    estimate: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Alpha of a picture of any size, tile by tile.

    Only tiles with unknown pixels are computed, each shrunk to a box around its unknown
    pixels and their surroundings. Neighbours are blended across their overlap with weights
    that fall off linearly, so no seam shows. 8-bit arrays are turned into floats tile by
    tile: an 8k picture as floats would take 800 MB.

    Args:
        function: Gives alpha (h, w) of a tile's image (h, w, 3) and trimap (h, w), float32,
            none of its sides longer than ``tile``; with an estimate, of that too.
        image: (H, W, 3) float32, 0..1, or uint8.
        trimap: (H, W) float32: 0 background, 0.5 unknown, 1 foreground; or uint8: 0, 128, 255.
        tile: Longest side of a tile, in pixels.
        overlap: Pixels by which neighbours overlap; less than half of ``tile``.
        estimate: (H, W) float32, 0..1, a coarse alpha of the whole, for functions that
            need to know what lies beyond a tile.

    Returns:
        (H, W) float32, 0..1, exactly 0 and 1 where the trimap is known.

    Raises:
        ValueError: An overlap that does not fit the tile.
    """
    if not 0 <= overlap < tile / 2:
        raise ValueError(f"an overlap of {overlap} does not fit tiles of {tile}")
    alpha = np.zeros(trimap.shape, np.float32)
    height, width = trimap.shape
    columns = _weighted_spans(width, tile, overlap)
    for (top, bottom), down in _weighted_spans(height, tile, overlap):
        for (left, right), across in columns:
            box = _needed(trimap[top:bottom, left:right], overlap)
            if box is None:
                continue
            part = (slice(top + box[0], top + box[1]), slice(left + box[2], left + box[3]))
            more = () if estimate is None else (estimate[part],)
            found = function(to_float(image[part]), trimap_to_float(trimap[part]), *more)
            weight = np.outer(down[box[0] : box[1]], across[box[2] : box[3]])
            alpha[part] += weight * found
    return fix_known(alpha, trimap)


def to_float(pixels: Pixels) -> Picture:
    """Pixels as float32, 0..1; 8-bit ones are divided by 255."""
    if pixels.dtype == np.uint8:
        return np.multiply(pixels, np.float32(1 / 255), dtype=np.float32)
    return np.asarray(pixels, np.float32)


def trimap_to_float(trimap: Pixels) -> Picture:
    """A trimap of 0, 128 and 255 as float32 of 0, 0.5 and 1; floats stay."""
    if trimap.dtype == np.uint8:
        return np.where(trimap == 128, np.float32(0.5), (trimap == 255).astype(np.float32))
    return np.asarray(trimap, np.float32)


def fix_known(alpha: NDArray[np.float32], trimap: Pixels) -> NDArray[np.float32]:
    """Alpha, in place, set to 0 and 1 where the trimap says so and cut to 0..1 elsewhere."""
    np.clip(alpha, 0, 1, out=alpha)
    alpha[trimap == 0] = 0
    alpha[trimap == _foreground(trimap)] = 1
    return alpha


def spans(length: int, tile: int, overlap: int) -> list[tuple[int, int]]:
    """Where tiles begin and end along one side: evenly, all of one length.

    Args:
        length: Of the side.
        tile: Longest tile.
        overlap: Least overlap of neighbours.
    """
    if length <= tile:
        return [(0, length)]
    count = -(-(length - overlap) // (tile - overlap))
    starts = [round(place * (length - tile) / (count - 1)) for place in range(count)]
    return [(start, start + tile) for start in starts]


def _weighted_spans(
    length: int, tile: int, overlap: int
) -> list[tuple[tuple[int, int], NDArray[np.float32]]]:
    """:func:`spans` with weights that add up to 1 at each pixel of the side."""
    ends = spans(length, tile, overlap)
    ramps = [_ramp(end - start, overlap, start > 0, end < length) for start, end in ends]
    total = np.zeros(length, np.float32)
    for (start, end), ramp in zip(ends, ramps, strict=True):
        total[start:end] += ramp
    return [
        ((start, end), ramp / total[start:end])
        for (start, end), ramp in zip(ends, ramps, strict=True)
    ]


def _foreground(trimap: Pixels) -> int:
    return 255 if trimap.dtype == np.uint8 else 1


def _needed(trimap: Pixels, margin: int) -> tuple[int, int, int, int] | None:
    """The box around a tile's unknown pixels, widened by a margin: rows, then columns."""
    unknown = (trimap > 0) & (trimap < _foreground(trimap))
    rows, columns = np.flatnonzero(unknown.any(axis=1)), np.flatnonzero(unknown.any(axis=0))
    if not rows.size:
        return None
    return (
        max(0, int(rows[0]) - margin), min(trimap.shape[0], int(rows[-1]) + 1 + margin),
        max(0, int(columns[0]) - margin), min(trimap.shape[1], int(columns[-1]) + 1 + margin),
    )  # fmt: skip


def _ramp(length: int, overlap: int, before: bool, after: bool) -> NDArray[np.float32]:
    """Weights along one side: 1, falling off towards a neighbour."""
    weight = np.ones(length, np.float32)
    slope = (np.arange(overlap, dtype=np.float32) + 1) / (overlap + 1)
    if before:
        weight[:overlap] = slope
    if after:
        weight[length - overlap :] = np.minimum(weight[length - overlap :], slope[::-1])
    return weight
