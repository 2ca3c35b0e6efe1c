"""Crops, flips, scale and rotation of all pictures of a sample together."""

from __future__ import annotations

import math
from typing import Any, Final, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from ld_portrait_20k.deferred import DeferredForeground

PICTURES: Final = ("foreground", "alpha", "trimap", "background", "image")
"""The keys of a sample that hold pictures; all that are present are transformed alike."""


def unknown_center(
    alpha: NDArray[np.uint8], rng: np.random.Generator, trimap: NDArray[np.uint8] | None = None
) -> tuple[int, int]:
    """Draw a pixel of the unknown region, each equally likely.

    Args:
        alpha: (H, W) uint8.
        rng: Where it is drawn from.
        trimap: (H, W) uint8, whose unknown region (128) counts instead of the soft pixels.

    Returns:
        Column and row; any pixel where there is no unknown region.
    """
    # A mask and a count a row are cheaper than a list of all coordinates.
    inside = cv2.inRange(alpha, 1, 254) if trimap is None else cv2.inRange(trimap, 128, 128)
    rows = cv2.reduce(inside, 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S)[:, 0] // 255
    total = int(rows.sum())
    if not total:
        return int(rng.integers(alpha.shape[1])), int(rng.integers(alpha.shape[0]))
    drawn = int(rng.integers(total))
    ends = np.cumsum(rows)
    row = int(np.searchsorted(ends, drawn, side="right"))
    before = int(ends[row]) - int(rows[row])
    return int(np.flatnonzero(inside[row])[drawn - before]), row


def crop(
    sample: dict[str, Any],
    size: tuple[int, int],
    center: tuple[float, float],
    *,
    scale: float = 1.0,
    angle: float = 0.0,
    flip: bool = False,
) -> dict[str, Any]:
    """Cut a window out of a sample's pictures, scaled, rotated and mirrored, in one step.

    Args:
        sample: Its pictures (any of :data:`PICTURES`) must be of one size; they are not
            changed. Of a deferred foreground only the rows that the window needs are decoded.
        size: Height and width of the result.
        center: Column and row of the window's centre; moved so that the window stays
            inside where it fits.
        scale: 2.0 shows things twice as large. A window that is not rotated and lies inside has
            whole pixels for its place and size, so its scale is the nearest that this allows.
        angle: Degrees, counter-clockwise.
        flip: Mirror left and right.

    Returns:
        A copy of the sample with new pictures. Beyond the border the outermost pixels
        are repeated, so that a body that the frame cuts goes on to the edge of the result.
        Trimaps keep their three values.
    """
    found: dict[str, Any] = {key: sample[key] for key in PICTURES if key in sample}
    shapes = {picture.shape[:2] for picture in found.values()}
    if len(shapes) != 1:
        told = {key: picture.shape[:2] for key, picture in found.items()}
        raise ValueError(f"pictures of different sizes: {told}")
    (shape,) = shapes
    upright = None if angle else upright_window(size, center, scale, shape)
    box = _inside(size, center, scale, shape)
    found = _decoded(found, _rows_read(size, box, scale, angle, shape[0]))
    result = dict(sample)
    for key, picture in found.items():
        nearest = key == "trimap"
        if upright is not None:
            result[key] = _cut(picture, size, upright, flip, nearest)
        else:
            result[key] = _window(picture, size, box, scale, angle, flip, nearest)
    return result


def resize(sample: dict[str, Any], size: tuple[int, int]) -> dict[str, Any]:
    """All pictures of a sample at another size (height, width)."""
    result = dict(sample)
    for key in PICTURES:
        if key in sample:
            result[key] = resize_picture(sample[key], size, nearest=key == "trimap")
    return result


def resize_picture(
    picture: NDArray[np.uint8], size: tuple[int, int], *, nearest: bool = False
) -> NDArray[np.uint8]:
    """A picture at another size (height, width): area-averaged down, linear up.

    Shrinking by less than a third is linear too: it skips no pixel and takes a sixth of the
    time.
    """
    if picture.shape[:2] == size:
        return picture
    shrink = max(picture.shape[0] / size[0], picture.shape[1] / size[1])
    how = cv2.INTER_NEAREST if nearest else cv2.INTER_AREA if shrink > 1.5 else cv2.INTER_LINEAR
    resized = cv2.resize(picture, (size[1], size[0]), interpolation=how)
    return cast("NDArray[np.uint8]", resized)


def _inside(
    size: tuple[int, int], center: tuple[float, float], scale: float, shape: tuple[int, int]
) -> tuple[float, float]:
    """The centre moved so that the unrotated window lies inside, where it fits."""
    moved = []
    for place, length, whole in zip(center, size[::-1], shape[::-1], strict=True):
        half = length / scale / 2
        moved.append(min(max(place + 0.5, half), whole - half) if 2 * half <= whole else whole / 2)
    return moved[0], moved[1]


def upright_window(
    size: tuple[int, int], center: tuple[float, float], scale: float, shape: tuple[int, int]
) -> tuple[slice, slice] | None:
    """The rows and columns that a window without rotation shows, None where it does not fit.

    Args:
        size: Height and width of the result.
        center: Column and row of the window's centre.
        scale: Magnification.
        shape: Height and width of the picture.
    """
    slices = []
    place = _inside(size, center, scale, shape)
    for middle, length, whole in zip(place[::-1], size, shape, strict=True):
        if length / scale > whole:
            return None
        extent = max(1, round(length / scale))
        first = min(max(math.floor(middle - extent / 2), 0), whole - extent)
        slices.append(slice(first, first + extent))
    return slices[0], slices[1]


def _cut(
    picture: NDArray[np.uint8],
    size: tuple[int, int],
    window: tuple[slice, slice],
    flip: bool,
    nearest: bool,
) -> NDArray[np.uint8]:
    """A window at a size. Resizing takes a quarter of the time that a warp does."""
    part: Any = picture[window]
    if nearest and part.shape[:2] != size:
        # Unlike INTER_NEAREST it measures at the pixels' centres, as the other pictures do.
        part = cv2.resize(part, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
    part = resize_picture(part, size)
    if flip:
        part = cv2.flip(part, 1, None if part.base is not None else part)
    elif part.base is not None:
        part = part.copy()
    return cast("NDArray[np.uint8]", part)


def _window(
    picture: NDArray[np.uint8],
    size: tuple[int, int],
    center: tuple[float, float],
    scale: float,
    angle: float,
    flip: bool,
    nearest: bool,
) -> NDArray[np.uint8]:
    height, width = size
    if scale < 1 and not nearest:
        # Average first: a warp alone would skip pixels.
        picture, center, scale = _shrink(picture, size, center, scale, angle)
    radians = np.deg2rad(angle)
    cosine, sine = np.cos(radians) / scale, np.sin(radians) / scale
    mirror = -1.0 if flip else 1.0
    # From result to source, both measured at the pixels' centres.
    matrix = np.array([[mirror * cosine, -sine, 0.0], [mirror * sine, cosine, 0.0]])
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    matrix[:, 2] = np.array(center) - 0.5 - matrix[:, :2] @ middle
    how = cv2.INTER_NEAREST if nearest else cv2.INTER_LINEAR
    warped = cv2.warpAffine(
        picture, matrix, (width, height), flags=how | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip
    return cast("NDArray[np.uint8]", warped)


def _shrink(
    picture: NDArray[np.uint8],
    size: tuple[int, int],
    center: tuple[float, float],
    scale: float,
    angle: float,
) -> tuple[NDArray[np.uint8], tuple[float, float], float]:
    """The part that a window needs, area-averaged to the window's scale."""
    height, width = size
    reach = np.hypot(height, width) / 2 if angle else max(height, width) / 2
    margin = reach / scale + 2
    left, top = max(0, int(center[0] - margin)), max(0, int(center[1] - margin))
    right = min(picture.shape[1], int(center[0] + margin) + 1)
    bottom = min(picture.shape[0], int(center[1] + margin) + 1)
    part = picture[top:bottom, left:right]
    small = (max(1, round(part.shape[0] * scale)), max(1, round(part.shape[1] * scale)))
    ratio = (small[1] / part.shape[1], small[0] / part.shape[0])
    moved = ((center[0] - left) * ratio[0], (center[1] - top) * ratio[1])
    return resize_picture(part, small), moved, scale / float(np.sqrt(ratio[0] * ratio[1]))


def _rows_read(
    size: tuple[int, int], center: tuple[float, float], scale: float, angle: float, rows: int
) -> int:
    """Down to which row, from 1 to ``rows``, a window reads a picture; a few too many."""
    reach = math.hypot(*size) / 2 if angle else max(size) / 2
    if scale >= 1:
        radians = math.radians(angle)
        reach = (size[1] * abs(math.sin(radians)) + size[0] * abs(math.cos(radians))) / 2
    # Two for interpolation and for rounding, two as _shrink has them.
    return min(rows, max(1, math.ceil(center[1] + reach / scale) + 4))


def _decoded(pictures: dict[str, Any], rows: int) -> dict[str, Any]:
    """The pictures as arrays, of a deferred foreground the first rows."""
    return {
        key: picture.decode(rows) if isinstance(picture, DeferredForeground) else picture
        for key, picture in pictures.items()
    }
