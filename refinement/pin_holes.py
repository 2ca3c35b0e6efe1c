"""Pin holes: small, compact dents that lie alone in the body.

Masks are (H, W) uint8, 0 or 1; alpha is (H, W) uint8; lengths are in pixels of a picture of
1024 x 1024 times ``scale``.
"""

from __future__ import annotations

import cv2
import numpy as np

from refinement.grid import (
    Alpha8,
    Mask,
    as_mask,
    bounding_corners,
    dilate,
    label,
    square_kernel,
)
from refinement.thresholds import (
    CLEAR,
    PIN_HOLE_ALONE,
    PIN_HOLE_COMPACT,
    PIN_HOLE_SIDE,
    SOLID,
)


def find_pin_holes(quantised: Alpha8, scale: float) -> Mask:
    """The small compact dents that lie alone in the body.

    Body of the dent's own width must lie on all sides of it. Gaps of hair, nets and meshes lie near
    each other. A dent that reaches the level of clear may be an opening:
    :func:`refinement.background.pin_holes` decides on those.

    Args:
        quantised: (H, W) uint8.
        scale: Size of the picture relative to 1024 x 1024.

    Returns:
        (H, W) mask of the dents with their rims.
    """
    unsolid = as_mask(quantised < SOLID)
    result = np.zeros_like(quantised)
    widest = max(PIN_HOLE_SIDE[0], PIN_HOLE_SIDE[1] * scale)
    # Closing by a square fills whatever is narrower than it, and that alone need be labelled.
    closed = cv2.morphologyEx(quantised, cv2.MORPH_CLOSE, square_kernel(widest / 2))
    narrow = unsolid & as_mask(np.asarray(closed) >= SOLID)
    where = np.flatnonzero(narrow.view(bool))
    if not where.size:
        return result
    count, labels = label(narrow, connectivity=8)
    names = labels.ravel()[where]
    (top, left), (bottom, right) = bounding_corners(names, where, quantised.shape, count)
    height, width = bottom - top + 1, right - left + 1
    area = np.bincount(names, minlength=count)
    side = np.maximum(width, height)
    small = (side <= widest) & (area > PIN_HOLE_COMPACT * side * side)
    small[0] = False
    chosen = np.flatnonzero(small)
    # How many pixels are not solid in any box: from an integral image.
    sums = cv2.integral(unsolid)
    rows, columns = quantised.shape
    left, top, width, height, area, side = (
        values[chosen] for values in (left, top, width, height, area, side)
    )
    floor = np.full(count, 255, np.uint8)
    np.minimum.at(floor, names, quantised.ravel()[where])
    margin = np.maximum(max(4, 8 * scale), side).astype(np.int64)
    x0, y0 = np.maximum(left - margin, 0), np.maximum(top - margin, 0)
    x1, y1 = np.minimum(left + width + margin, columns), np.minimum(top + height + margin, rows)
    others = sums[y1, x1] - sums[y0, x1] - sums[y1, x0] + sums[y0, x0] - area
    alone = (others <= PIN_HOLE_ALONE * (x1 - x0) * (y1 - y0)) & (floor[chosen] > CLEAR)
    holes = np.zeros(count, np.uint8)
    holes[chosen[alone]] = 1
    result.ravel()[where] = holes[names]
    return dilate(result, np.ones((5, 5), np.uint8))
