"""Masks, coarse grids, structuring elements, distances and labels.

All functions give the same result when a picture is flipped or turned by 90 degrees. A mask is
(H, W) uint8 with values 0 and 1. A coarse grid has one cell for about ``step`` x ``step`` pixels.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.uint8]
"""(H, W), 0 or 1."""
Alpha8 = NDArray[np.uint8]
"""(H, W), alpha in 255ths."""
Pixels = NDArray[np.uint8 | np.uint16]
"""(H, W, 3) or (H, W, 4), straight sRGB of 8 or 16 bits."""
Plane = NDArray[np.float32]
"""(H, W) or (h, w) float32."""
Labels = NDArray[np.int32]
"""(H, W), number of the region a pixel belongs to; 0 is none."""


def as_mask(condition: NDArray[np.bool_]) -> Mask:
    """A boolean array as a mask, without a copy."""
    return condition.view(np.uint8)


def to_8_bit(alpha: Plane) -> Alpha8:
    """Alpha of 0..1 in 255ths, rounded."""
    return np.asarray(cv2.convertScaleAbs(alpha, alpha=255.0), np.uint8)


def blur(plane: Plane, side: int) -> Plane:
    """Mean over side x side values; the frame mirrors."""
    mean = cv2.blur(plane, (side, side), borderType=cv2.BORDER_REFLECT)
    return np.asarray(mean, np.float32)


def dilate(mask: Mask, kernel: Mask) -> Mask:
    """Dilation by a structuring element; the frame adds nothing."""
    return np.asarray(cv2.dilate(mask, kernel), np.uint8)


def erode(mask: Mask, kernel: Mask) -> Mask:
    """Erosion by a structuring element; the frame takes nothing away."""
    return np.asarray(cv2.erode(mask, kernel), np.uint8)


def grow_within(seed: Mask, allowed: Mask, pixels: int) -> Mask:
    """Grow a mask by so many pixels over what is allowed and connected with it."""
    size = cv2.countNonZero(seed)
    for _ in range(pixels):
        seed = dilate(seed, np.ones((3, 3), np.uint8)) & allowed
        before, size = size, cv2.countNonZero(seed)
        if size == before:
            break
    return seed


def box_about(mask: Mask, margin: int) -> tuple[slice, slice]:
    """Rows and columns of the smallest box about a mask, with a margin."""
    left, top, width, height = cv2.boundingRect(mask)
    rows = slice(max(0, top - margin), top + height + margin)
    return rows, slice(max(0, left - margin), left + width + margin)


def label(mask: Mask, connectivity: int) -> tuple[int, Labels]:
    """Connected regions of a mask: how many labels there are, 0 included, and the labels."""
    count, labels = cv2.connectedComponents(mask, connectivity=connectivity)
    return count, np.asarray(labels, np.int32)


def meeting(mask: Mask, other: Mask) -> Mask:
    """The 8-connected regions of a mask that meet another mask."""
    count, labels = label(mask, connectivity=8)
    met = np.zeros(count, np.uint8)
    met[labels_within(labels, mask & other)] = 1
    return np.take(met, labels)


def count_beside(
    labels: Labels, where: Mask, kernel: Mask, count: int
) -> Callable[[Mask], NDArray[np.intp]]:
    """A function that counts pixels beside each region.

    A pixel beside two regions counts for both, so that the numbering decides nothing.

    Args:
        labels: (H, W), at most 65534 regions.
        where: (H, W), the pixels that may count.
        kernel: What is beside: the structuring element that regions are dilated by.
        count: How many labels there are.

    Returns:
        A function of an (H, W) mask that gives (count,), the pixels of ``where`` in the mask beside
        each region.
    """
    none = np.iinfo(np.uint16).max
    names = labels.astype(np.uint16)
    last = np.asarray(cv2.dilate(names, kernel), np.uint16)
    places = np.flatnonzero((where & as_mask(last > 0)).view(bool))
    last = last.ravel()[places]
    names[names == 0] = none
    first = np.asarray(cv2.erode(names, kernel), np.uint16).ravel()[places]
    both = (first != last) & (first != none)

    def counted(mask: Mask) -> NDArray[np.intp]:
        chosen = mask.ravel()[places].view(bool)
        result = np.bincount(last[chosen], minlength=count)
        return result + np.bincount(first[chosen & both], minlength=count)

    return counted


def keep_where(plane: Plane, mask: Mask) -> Plane:
    """The plane where the mask is set, 0 elsewhere; faster than a multiplication."""
    return np.asarray(cv2.bitwise_and(plane, plane, mask=mask), np.float32)


def cell_mean(plane: Mask | Plane, step: int) -> Plane:
    """Mean over cells of about ``step`` pixels.

    Args:
        plane: (H, W) uint8 or float32.
        step: Side of a cell in pixels.

    Returns:
        (ceil(H / step), ceil(W / step)) float32.
    """
    size = _cells(plane.shape, step)
    means = cv2.resize(plane.astype(np.float32, copy=False), size, interpolation=cv2.INTER_AREA)
    return np.asarray(means, np.float32)


def cell_share(mask: Mask, step: int) -> Plane:
    """How much of each cell a mask covers, to 1/255; cheaper than :func:`cell_mean`.

    Args:
        mask: (H, W) uint8, 0 or 1.
        step: Side of a cell in pixels.

    Returns:
        (ceil(H / step), ceil(W / step)) float32, 0..1.
    """
    size = _cells(mask.shape, step)
    covered = cv2.resize(mask * np.uint8(255), size, interpolation=cv2.INTER_AREA)
    return np.asarray(covered.astype(np.float32) / 255.0, np.float32)


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
    side = 1
    while side < max(value.shape):
        side = 2 * side + 1
    while side > 1:
        side //= 2
        known, mean = blur(weight, side), blur(value * weight, side)
        mean /= np.maximum(known, 1e-9)
        trust = np.minimum(known * (4.0 if side > 1 else 1.0) * side, 1.0)
        result += trust * (mean - result)
    return result


def local_level(alpha: Alpha8, core: Mask, step: int) -> Alpha8:
    """The mean of alpha over the nearest part of a mask.

    Args:
        alpha: (H, W) uint8.
        core: (H, W) uint8, where the level is known.
        step: Side of a cell in pixels.

    Returns:
        (H, W) uint8; 0 farther than about two cells from the mask.
    """
    share = cell_mean(core, step)
    mean = cell_mean(alpha * core, step) / np.maximum(share, 1e-6)
    level = spread(np.asarray(mean, np.float32), np.minimum(share * 4, 1))
    rounded = round_level(interpolate_cells(level, alpha.shape))
    near = dilate(as_mask(share > 0), np.ones((5, 5), np.uint8))
    return rounded * mask_from_cells(near, alpha.shape)


def round_level(level: Plane) -> Alpha8:
    """A level of 0..255 as an integer; halves go up, whichever way the picture is turned."""
    # Sums over turned pictures differ in their last bits, and many means end in a half.
    return (level + np.float32(0.501)).astype(np.uint8)


def interpolate_cells(grid: Plane | Mask, shape: tuple[int, ...]) -> Plane:
    """A coarse grid brought to (H, W) by linear interpolation; keeps its dtype."""
    size = (shape[1], shape[0])
    return np.asarray(cv2.resize(grid, size, interpolation=cv2.INTER_LINEAR))


def mask_from_cells(holds: NDArray[np.bool_] | Mask, shape: tuple[int, ...]) -> Mask:
    """The pixels where a condition on cells, interpolated linearly, holds by more than half."""
    grid = holds.astype(np.uint8) * np.uint8(255)
    return as_mask(interpolate_cells(grid, shape) > 127)


def mask_where_all_cells(holds: NDArray[np.bool_], shape: tuple[int, ...]) -> Mask:
    """The pixels around which a condition holds in all 7 x 7 cells."""
    return mask_from_cells(erode(holds.astype(np.uint8), np.ones((7, 7), np.uint8)), shape)


def square_kernel(radius: float) -> Mask:
    """A square structuring element whose side is odd: 2 * max(1, round(radius)) + 1."""
    side = 2 * max(1, round(radius)) + 1
    return np.ones((side, side), np.uint8)


def distance_to(region: Mask) -> Plane:
    """Distance of every pixel to the region in pixels (chamfer 5 x 5; huge if it is empty)."""
    return np.asarray(cv2.distanceTransform(1 - region, cv2.DIST_L2, 5), np.float32)


def dominant_label(labels: Labels) -> int:
    """A label that covers much of the picture, or 0; callers use it for speed only."""
    counts = np.bincount(labels[::16, ::16].ravel())
    counts[0] = 0
    return int(np.argmax(counts)) if counts.any() else 0


def touching_frame(labels: Labels, count: int) -> NDArray[np.bool_]:
    """Which regions touch a side of the picture, (count,)."""
    result = np.zeros(count, np.bool_)
    for line in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
        result[line] = True
    return result


def labels_within(labels: Labels, mask: Mask) -> Labels:
    """The labels at the pixels of a mask, (number of pixels,)."""
    places = np.flatnonzero(mask.view(bool))
    return np.asarray(labels.ravel()[places], np.int32)


def bounding_corners(
    names: NDArray[np.integer], places: NDArray[np.intp], shape: tuple[int, ...], count: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First and last row and column of every labelled piece.

    Args:
        names: (n,) labels of the pixels.
        places: (n,) flat indices of the pixels.
        shape: (H, W) of the picture.
        count: How many labels there are.

    Returns:
        Two (2, count) arrays: rows, then columns.
    """
    low = np.full((2, count), max(shape), np.int64)
    high = np.full((2, count), -1, np.int64)
    for axis, line in enumerate((places // shape[1], places % shape[1])):
        np.minimum.at(low[axis], names, line)
        np.maximum.at(high[axis], names, line)
    return low, high
