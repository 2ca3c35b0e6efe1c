"""Coarse grids and structuring elements.

All functions give the same result when a picture is flipped or turned by 90 degrees. A coarse grid
has one cell for about ``step`` x ``step`` pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from refinement.planes.masks import Mask, Mask8
from refinement.planes.runs import Places

Alpha8 = NDArray[np.uint8]
"""(H, W), alpha in 255ths."""
Pixels = NDArray[np.uint8 | np.uint16]
"""(H, W, 3) or (H, W, 4), straight sRGB of 8 or 16 bits."""
Plane = NDArray[np.float32]
"""(H, W) or (h, w) float32."""
Whole = NDArray[np.uint8 | np.uint16]
"""(H, W), whole numbers."""
_STRIP: Final = 64  # rows of a picture 1024 wide; a float32 plane of them stays in the cache


def as_mask8(condition: NDArray[np.bool_]) -> Mask8:
    """A boolean array as zeros and ones, without a copy."""
    return condition.view(np.uint8)


def strip_rows(width: int) -> int:
    """How many rows of a picture are worked on at a time: 64, and more where they are short."""
    return _STRIP * max(1, 1024 // width)


def strips(height: int, width: int) -> Iterator[slice]:
    """All rows of a picture, a few at a time."""
    rows = strip_rows(width)
    return (slice(top, min(top + rows, height)) for top in range(0, height, rows))


def to_8_bit(alpha: Plane) -> Alpha8:
    """Alpha of 0..1 in 255ths, rounded."""
    return np.asarray(cv2.convertScaleAbs(alpha, alpha=255.0), np.uint8)


def blur(plane: Plane, side: int) -> Plane:
    """Mean over side x side values; the frame mirrors."""
    mean = cv2.blur(plane, (side, side), borderType=cv2.BORDER_REFLECT)
    return np.asarray(mean, np.float32)


def sums_about(plane: Alpha8, places: Places, reach: int) -> NDArray[np.int32]:
    """Sums over the squares about some pixels, (n,); the frame mirrors.

    Args:
        plane: (H, W) uint8.
        places: (n,), flat indices, ascending.
        reach: How far a square reaches from its pixel.
    """
    edged = cv2.copyMakeBorder(plane, *(reach,) * 4, borderType=cv2.BORDER_REFLECT_101)
    width, side = plane.shape[1], 2 * reach + 1
    found = np.empty(places.size, np.int32)
    for rows in strips(*plane.shape):
        first, behind = np.searchsorted(places, (rows.start * width, rows.stop * width))
        if behind > first:
            total = np.asarray(cv2.integral(edged[rows.start : rows.stop + side - 1]), np.int32)
            row, total = total.shape[1], total.reshape(-1)
            here = places[first:behind] - rows.start * width
            above = here + here // width * (row - width)
            below = above + side * row
            lower, upper = (total[at + side] - total[at] for at in (below, above))
            found[first:behind] = lower - upper
    return found


def dilate(plane: Alpha8, kernel: Mask8) -> Alpha8:
    """The highest value about each pixel; the frame adds nothing."""
    return np.asarray(cv2.dilate(plane, kernel), np.uint8)


def erode(plane: Alpha8, kernel: Mask8) -> Alpha8:
    """The lowest value about each pixel; the frame takes nothing away."""
    return np.asarray(cv2.erode(plane, kernel), np.uint8)


def cell_means(
    planes: Callable[[slice], Iterable[Plane | Whole]], shape: tuple[int, ...], step: int
) -> list[Plane]:
    """Means over cells of about ``step`` pixels.

    Args:
        planes: Gives the rows of the planes that are wanted, (rows, W) float32, uint8 or uint16
            (the last two take half the time). They are asked for a few rows at a time, so that
            they stay in the cache.
        shape: (H, W).
        step: Side of a cell in pixels.

    Returns:
        Each plane's means, (ceil(H / step), ceil(W / step)) float32.
    """
    width, height = _cells(shape, step)
    # Cells that are not whole pixels reach into other strips.
    whole = shape[0] % step == 0 and shape[1] % step == 0
    strip = max(1, strip_rows(shape[1]) // step) if whole else height
    parts = []
    for top in range(0, height, strip):
        size = width, min(strip, height - top)
        rows = slice(top * step, (top + strip) * step)
        parts.append([_means(plane, size, step if whole else 0) for plane in planes(rows)])
    return [np.asarray(np.concatenate(part), np.float32) for part in zip(*parts, strict=True)]


def _means(plane: Plane | Whole, size: tuple[int, int], side: int) -> Plane:
    """Means over cells of some rows.

    Args:
        plane: (rows, W) float32 or whole numbers.
        size: How many columns and rows of cells there are.
        side: Side of a cell if all are whole pixels, else 0.
    """
    if plane.dtype != np.float32:
        if side and side & (side - 1) == 0:  # sums of whole numbers are exact in any order
            total = np.uint16 if plane.dtype == np.uint8 else np.uint32
            rows = np.add.reduce(plane.reshape(size[1], side, -1), axis=1, dtype=total)
            plane = rows * np.float32(1 / side)
        else:
            plane = plane.astype(np.float32)
    return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), np.float32)


def cell_mean(plane: Alpha8, step: int) -> Plane:
    """Mean of one plane over cells, see :func:`cell_means`."""
    return cell_means(lambda rows: [plane[rows]], plane.shape, step)[0]


def cell_moments(plane: Alpha8, step: int) -> tuple[Plane, Plane]:
    """Mean and mean square of one plane over cells, each (h, w) float32."""

    def planes(rows: slice) -> tuple[Whole, Whole]:
        return plane[rows], squares(plane[rows])

    mean, mean_square = cell_means(planes, plane.shape, step)
    return mean, mean_square


def squares(plane: Alpha8) -> Whole:
    """Squares of 0..255, uint16."""
    return np.multiply(plane, plane, dtype=np.uint16)


def cell_share(mask: Mask, step: int) -> Plane:
    """How much of each cell a mask covers.

    Args:
        mask: Any mask.
        step: Side of a cell in pixels.

    Returns:
        (ceil(H / step), ceil(W / step)) float32, 0..1.
    """
    if _squares_of_8(mask.shape, step):
        return mask.count_in_squares() * np.float32(1 / 64)
    return cell_mean(mask.pixels(), step)


def rough_cell_share(mask: Mask, step: int) -> Plane:
    """The same to 1/255; cheaper."""
    if _squares_of_8(mask.shape, step):
        covered = np.rint(mask.count_in_squares() * np.float32(255 / 64))
    else:
        size = _cells(mask.shape, step)
        covered = cv2.resize(mask.pixels() * np.uint8(255), size, interpolation=cv2.INTER_AREA)
    return np.asarray(covered.astype(np.float32) / 255.0, np.float32)


def _squares_of_8(shape: tuple[int, ...], step: int) -> bool:
    """Whether cells are 8 x 8 pixels, as in a picture of 1024 x 1024; these are counted faster."""
    return step == 8 and shape[0] % 8 == 0 and shape[1] % 8 == 0


def _cells(shape: tuple[int, ...], step: int) -> tuple[int, int]:
    """Width and height of the coarse grid."""
    return -(-shape[1] // step), -(-shape[0] // step)


def spread(value: Plane, weight: Plane) -> Plane:
    """Continue values over the cells where they are not known.

    Normalised convolution (Knutsson and Westin 1993) with a growing window: each cell takes its
    value from the smallest window in which enough is known.

    Args:
        value: (h, w) float32.
        weight: (h, w) float32, 0..1, how much of the cell is known.

    Returns:
        (h, w) float32; NaN-free, 0 if nothing is known anywhere.
    """
    total = float(weight.sum())
    if total <= 0:
        return np.zeros_like(value)
    result = np.full_like(value, float((value * weight).sum()) / total)
    weighted = value * weight
    side = 1
    while side < max(value.shape):
        side = 2 * side + 1
    while side > 1:
        side //= 2
        known, mean = blur(weight, side), blur(weighted, side)
        mean /= np.maximum(known, 1e-9)
        trust = np.minimum(known * (4.0 if side > 1 else 1.0) * side, 1.0)
        result += trust * (mean - result)
    return result


def local_level(alpha: Alpha8, core: Mask8, step: int) -> Alpha8:
    """The mean of alpha over the nearest part of a mask.

    Args:
        alpha: (H, W) uint8.
        core: (H, W) uint8, where the level is known.
        step: Side of a cell in pixels.

    Returns:
        (H, W) uint8; 0 farther than about two cells from the mask.
    """
    level, near = level_beside(*masked_means(alpha, core, step))
    return interpolate_level(level, alpha.shape) * mask_from_cells(near, alpha.shape).pixels()


def masked_means(alpha: Alpha8, mask: Mask8, step: int) -> tuple[Plane, Plane]:
    """Of each cell: the mean of alpha where it is 0 outside a mask, and the mask's share."""
    total, share = cell_means(
        lambda rows: [alpha[rows] * mask[rows], mask[rows]], alpha.shape, step
    )
    return total, share


def level_beside(total: Plane, share: Plane) -> tuple[Plane, Mask8]:
    """The mean of alpha over the nearest part of a mask, about each cell.

    Args:
        total: From :func:`masked_means`.
        share: From the same.

    Returns:
        The mean, and which cells are no farther than two from the mask.
    """
    mean = np.asarray(total / np.maximum(share, 1e-6), np.float32)
    near = dilate(as_mask8(share > 0), np.ones((5, 5), np.uint8))
    return spread(mean, np.minimum(share * 4, 1)), near


def interpolate_level(grid: Plane, shape: tuple[int, ...]) -> Alpha8:
    """A grid of 0..255 as integers of (H, W); halves go up, however the picture is turned."""
    # Sums over turned pictures differ in their last bits, and many means end in a half.
    level = Interpolated(grid, shape)
    result = np.empty(shape, np.uint8)
    for rows in strips(*result.shape):
        part = level.part(rows, slice(0, shape[1]))
        np.copyto(result[rows], part + np.float32(0.501), casting="unsafe")
    return result


def interpolate_cells(grid: Plane | Alpha8, shape: tuple[int, ...]) -> Plane:
    """A coarse grid brought to (H, W) by linear interpolation; keeps its dtype."""
    size = (shape[1], shape[0])
    return np.asarray(cv2.resize(grid, size, interpolation=cv2.INTER_LINEAR))


class Interpolated:
    """A coarse grid brought to (H, W) by linear interpolation, where it is asked for.

    Where a cell has 8 x 8 pixels, as in a picture of 1024 x 1024, or another power of two, a few
    rows are made at a time, which stay in the cache. That gives the same to the last bit, because
    all positions between cells are then exact numbers, wherever the part begins.
    """

    def __init__(self, grid: Plane, shape: tuple[int, ...]) -> None:
        """Take a grid (h, w) float32 for a picture of (H, W)."""
        self._grid, self._shape = grid, shape
        self._cell = cell = shape[0] // grid.shape[0]
        exact = cell & (cell - 1) == 0 and (shape[0], shape[1]) == tuple(
            cell * n for n in grid.shape
        )
        self._whole = None if exact else interpolate_cells(grid, shape)

    def part(self, rows: slice, columns: slice) -> Plane:
        """Some rows and columns of the picture."""
        if self._whole is not None:
            return self._whole[rows, columns]
        cell, corner, cells = self._cell, [], []
        for wanted, count in zip((rows, columns), self._grid.shape, strict=True):
            first = max(0, wanted.start // cell - 1)  # half a cell beyond the part counts in it
            corner.append(cell * first)
            cells.append(slice(first, min(count, -(-wanted.stop // cell) + 1)))
        few = self._grid[cells[0], cells[1]]
        large = interpolate_cells(few, (cell * few.shape[0], cell * few.shape[1]))
        return large[
            rows.start - corner[0] : rows.stop - corner[0],
            columns.start - corner[1] : columns.stop - corner[1],
        ]

    def at(self, places: Places) -> Plane:
        """The values at some pixels, (n,)."""
        if self._whole is not None:
            return self._whole.ravel()[places]
        height, width = self._shape
        found = np.empty(places.size, np.float32)
        for rows in strips(height, width):
            first, behind = np.searchsorted(places, (rows.start * width, rows.stop * width))
            if behind > first:
                strip = self.part(rows, slice(0, width)).ravel()
                found[first:behind] = strip[places[first:behind] - rows.start * width]
        return found


def mask_from_cells(holds: NDArray[np.bool_] | Mask8, shape: tuple[int, ...]) -> Mask:
    """The pixels where a condition on cells, interpolated linearly, holds by more than half."""
    if not holds.any():
        return Mask.empty(shape)
    if holds.shape[0] * 8 == shape[0] and holds.shape[1] * 8 == shape[1]:
        found = _cell_patterns()[_neighbourhoods(holds.astype(np.uint8))]
        rows = found.view(np.uint8).reshape(*holds.shape, 8).transpose(0, 2, 1)
        return Mask.packed(np.ascontiguousarray(rows).reshape(shape[0], -1), (shape[0], shape[1]))
    grid = holds.astype(np.uint8) * np.uint8(255)
    return Mask(interpolate_cells(grid, shape) > 127)


def _neighbourhoods(cells: Mask8) -> NDArray[np.uint16]:
    """Nine bits for each cell: those of the 3 x 3 cells about it; the frame repeats its cells."""
    edged = cv2.copyMakeBorder(cells, 1, 1, 1, 1, cv2.BORDER_REPLICATE).astype(np.uint16)
    three = edged[:, :-2] | edged[:, 1:-1] << 1 | edged[:, 2:] << 2
    return np.asarray(three[:-2] | three[1:-1] << 3 | three[2:] << 6)


@cache
def _cell_patterns() -> NDArray[np.uint64]:
    """What :func:`mask_from_cells` makes of a cell of 8 x 8 pixels, which nine cells decide.

    Returns:
        (512,), of each neighbourhood: eight rows of eight pixels, as :class:`Mask` packs them.
    """
    words = []
    for bits in range(512):
        cells = ((bits >> np.arange(9)) & 1).astype(np.uint8).reshape(3, 3)
        pixels = interpolate_cells(cells * np.uint8(255), (24, 24))[8:16, 8:16] > 127
        words.append(np.packbits(pixels, axis=1, bitorder="little").tobytes())
    return np.frombuffer(b"".join(words), np.uint64)


def mask_where_all_cells(holds: NDArray[np.bool_], shape: tuple[int, ...]) -> Mask:
    """The pixels around which a condition holds in all 7 x 7 cells."""
    return mask_from_cells(erode(holds.astype(np.uint8), np.ones((7, 7), np.uint8)), shape)


def square_kernel(radius: float) -> Mask8:
    """A square structuring element whose side is odd: 2 * max(1, round(radius)) + 1."""
    side = 2 * max(1, round(radius)) + 1
    return np.ones((side, side), np.uint8)
