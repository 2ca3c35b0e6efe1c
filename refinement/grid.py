"""Small tools over pictures: coarse grids, structuring elements, distances, labels.

All are symmetric under flips and quarter turns.
"""

from __future__ import annotations

import cv2
import numpy as np


def mask(condition: np.ndarray) -> np.ndarray:
    """A boolean array as a 0 or 1 uint8 one, without a copy."""
    return condition.view(np.uint8)


def only(plane: np.ndarray, where: np.ndarray) -> np.ndarray:
    """The plane where a mask is set, 0 elsewhere; faster than multiplying."""
    result: np.ndarray = cv2.bitwise_and(plane, plane, mask=where)
    return result


def coarse(plane: np.ndarray, step: int) -> np.ndarray:
    """Mean over cells of about ``step`` pixels; symmetric under flips.

    Args:
        plane: (H, W) uint8 or float32.
        step: Side of a cell in pixels.

    Returns:
        (ceil(H / step), ceil(W / step)) float32.
    """
    height, width = plane.shape
    size = (-(-width // step), -(-height // step))
    return cv2.resize(plane.astype(np.float32, copy=False), size, interpolation=cv2.INTER_AREA)


def share(where: np.ndarray, step: int) -> np.ndarray:
    """How much of each coarse cell a mask covers, to 1/255; cheaper than :func:`coarse`.

    Args:
        where: (H, W) uint8, 0 or 1.
        step: Side of a cell in pixels.

    Returns:
        (ceil(H / step), ceil(W / step)) float32, 0..1.
    """
    height, width = where.shape
    size = (-(-width // step), -(-height // step))
    covered = cv2.resize(where * np.uint8(255), size, interpolation=cv2.INTER_AREA)
    return covered.astype(np.float32) / 255.0


def fine(grid: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """A coarse grid brought back to (H, W) by linear interpolation."""
    return cv2.resize(grid, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR)


def about(holds: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Mask of where a coarse condition holds for the most part, cells interpolated linearly."""
    grid = holds.astype(np.uint8) * np.uint8(255)
    grown = cv2.resize(grid, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR)
    return mask(grown > 127)


def everywhere(holds: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Mask of where a coarse condition holds in every cell about."""
    return about(cv2.erode(holds.astype(np.uint8), np.ones((7, 7), np.uint8)), shape)


def square(radius: float) -> np.ndarray:
    """A square structuring element of odd side; symmetric under flips and turns."""
    side = 2 * max(1, round(radius)) + 1
    return np.ones((side, side), np.uint8)


def distance(region: np.ndarray) -> np.ndarray:
    """Distance of every pixel to ``region`` in pixels (chamfer 5 x 5; huge where none)."""
    return cv2.distanceTransform(1 - region, cv2.DIST_L2, 5)


def frequent(labels: np.ndarray) -> int:
    """A label that holds much of the picture, 0 if none does; only speed depends on it."""
    counts = np.bincount(labels[::16, ::16].ravel())
    counts[0] = 0
    return int(np.argmax(counts)) if counts.any() else 0


def framed(labels: np.ndarray, count: int) -> np.ndarray:
    """Which labelled regions touch a side of the picture, (count,) bool."""
    result = np.zeros(count, bool)
    for line in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
        result[line] = True
    return result


def at(labels: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The labels at the pixels of a mask."""
    places = np.flatnonzero(mask.view(bool))
    return np.asarray(labels.ravel()[places])
