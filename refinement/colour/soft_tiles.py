"""The tiles of a picture in which alpha is soft, side by side, for work on these pixels only.

Planes of the whole picture are kept at a quarter of its size. A tile takes what it needs from
them enlarged, and gives back means over squares of 4 x 4 pixels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from refinement.planes.grid import Pixels, Plane

Samples = NDArray[np.uint8 | np.uint16]
"""Colour values of 8 or 16 bits, of any shape."""
QUARTER = 4
"""Pixels along the side of a square that one value of a quarter plane stands for."""
TILE = 16
"""Pixels along the side of a tile."""
_CELLS = TILE // QUARTER
_TOGETHER = 128  # tiles worked on at once: a float32 plane of them has 128 KiB, several fit a cache


@dataclass(frozen=True)
class Tiles:
    """Some tiles side by side: planes have the shape (TILE, n x TILE).

    Attributes:
        rows: (n,) where each tile is, counted in tiles.
        columns: (n,) likewise.
        colour: Three planes, straight sRGB, dtype of the picture.
        alpha: Plane of float32, 0..1.
    """

    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    colour: Sequence[Samples]
    alpha: Plane

    def means(self, plane: Plane) -> Plane:
        """(n,) float32: the mean of each tile."""
        size = (len(self.rows), 1)
        return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA)[0], np.float32)

    def put_means(self, planes: Sequence[Plane], quarter: Plane) -> None:
        """Write the means of planes over squares into a quarter plane (h, w, channels)."""
        size = (len(self.rows) * _CELLS, _CELLS)
        mean = cv2.resize(cv2.merge(planes), size, interpolation=cv2.INTER_AREA)
        tiles = _tiled(quarter, _CELLS)
        tiles[:, self.rows, self.columns] = mean.reshape(_CELLS, -1, _CELLS, len(planes))

    def colour_of(self, picture: Pixels) -> Sequence[Samples]:
        """Three planes of another picture of the same size."""
        return _colour_at(picture, self.rows, self.columns)

    def put_colour(self, planes: Sequence[Samples], result: Pixels) -> None:
        """Write three planes into a picture."""
        tiles = _tiled(result, TILE)
        tiles[:, self.rows, self.columns] = cv2.merge(planes).reshape(TILE, -1, TILE, 3)

    def enlarged(self, windows: Sequence[Plane]) -> Iterator[Plane]:
        """Planes of the tiles, from what :func:`windows_of` made of a quarter plane."""
        side, far = _CELLS + 2, TILE + QUARTER
        for plane in windows:
            small = plane[:, self.rows, self.columns].reshape(side, -1)
            size = (small.shape[1] * QUARTER, side * QUARTER)
            large = cv2.resize(small, size, interpolation=cv2.INTER_LINEAR)
            large = large.reshape(side * QUARTER, -1, side * QUARTER)
            inner = np.ascontiguousarray(large[QUARTER:far, :, QUARTER:far])
            yield np.asarray(inner.reshape(TILE, -1), np.float32)


def soft_tiles(colour: Pixels, alpha: Plane, soft: NDArray[np.bool_]) -> list[Tiles]:
    """The soft tiles of a picture whose sides are multiples of TILE.

    Args:
        colour: (H, W, 3).
        alpha: (H, W) float32.
        soft: (H / TILE, W / TILE), which tiles.
    """
    found = []
    every_row, every_column = np.nonzero(soft)
    for first in range(0, len(every_row), _TOGETHER):
        rows, columns = (
            every_row[first : first + _TOGETHER],
            every_column[first : first + _TOGETHER],
        )
        opacity = _tiled(alpha[..., None], TILE)[:, rows, columns].reshape(TILE, -1)
        found.append(Tiles(rows, columns, _colour_at(colour, rows, columns), opacity))
    return found


def _colour_at(
    picture: Pixels, rows: NDArray[np.intp], columns: NDArray[np.intp]
) -> Sequence[Samples]:
    pixels = _tiled(picture, TILE)[:, rows, columns].reshape(TILE, -1, 3)
    return cast("Sequence[Samples]", cv2.split(pixels))


def tile_extremes(quarter: Plane) -> tuple[Plane, Plane]:
    """Least and largest value of a quarter plane (h, w) in each tile."""
    height, width = quarter.shape
    rows = quarter.reshape(height // _CELLS, _CELLS, width)
    shape = (len(rows), width // _CELLS, _CELLS)
    least, most = rows.min(1).reshape(shape), rows.max(1).reshape(shape)
    return least.min(2), most.max(2)


def over_cells(tiles: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """A condition on tiles for each value of a quarter plane, 0 or 1."""
    return tiles.view(np.uint8).repeat(_CELLS, axis=0).repeat(_CELLS, axis=1)


def windows_of(planes: Sequence[Plane]) -> list[Plane]:
    """Quarter planes cut into tiles with one value more on each side, for ``enlarged``.

    Enlarging a window gives the same as enlarging the plane, so that tiles have no seams.

    Returns:
        A view of (side, rows of tiles, columns of tiles, side) for each plane.
    """
    side = (_CELLS + 2, _CELLS + 2)
    found = []
    for plane in planes:
        edged = np.asarray(cv2.copyMakeBorder(plane, 1, 1, 1, 1, cv2.BORDER_REPLICATE), np.float32)
        windows = np.lib.stride_tricks.sliding_window_view(edged, side)[::_CELLS, ::_CELLS]
        found.append(windows.transpose(2, 0, 1, 3))
    return found


def _tiled(picture: NDArray[Any], side: int) -> NDArray[Any]:
    """A view of (H, W, C) as (side, rows of tiles, columns of tiles, side, C)."""
    height, width, channels = picture.shape
    tiles = picture.reshape(height // side, side, width // side, side, channels)
    return tiles.transpose(1, 0, 2, 3, 4)
