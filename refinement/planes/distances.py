"""Distances in pixels (chamfer 5 x 5)."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from refinement.planes.grid import Plane, as_mask8
from refinement.planes.masks import Mask, Mask8


def distance_to(region: Mask8) -> Plane:
    """Distance of every pixel to the region (huge if it is empty)."""
    return np.asarray(cv2.distanceTransform(region ^ np.uint8(1), cv2.DIST_L2, 5), np.float32)


def distance_from(region: Mask) -> Plane:
    """The same for a region that covers much of the picture."""
    others = ~region
    if not region or not others:
        return distance_to(region.pixels())
    # The way to the nearest pixel of the region leaves a box about all others by two at most.
    part = others.box(2)
    result = np.zeros(region.shape, np.float32)
    cv2.distanceTransform(others.pixels()[part], cv2.DIST_L2, 5, dst=result[part])
    return result


def nearer(distance: Plane, region: Mask, asked: Mask) -> Plane:
    """The distance of some pixels to a region or to what it was measured to before.

    Args:
        distance: (H, W) float32, from :func:`distance_from`.
        region: What lies near some pixels.
        asked: Which pixels. Others may keep the distance they have.
    """
    most, margin = cv2.minMaxLoc(distance, asked.pixels())[1], 16.0
    while True:
        margin = min(2 * margin, most)
        part = region.box(1 + int(margin))
        others = as_mask8(distance[part] > 0) & (~region).pixels()[part]
        now = np.asarray(cv2.distanceTransform(others, cv2.DIST_L2, 5), np.float32)
        if margin == most or not _goes_on(now < distance[part], part, distance.shape):
            break
    np.minimum(now, distance[part], out=now)
    result = distance.copy()
    result[part] = now
    return result


def _goes_on(closer: NDArray[np.bool_], part: tuple[slice, slice], shape: tuple[int, ...]) -> bool:
    """Whether pixels outside a part of a picture may be closer too.

    The way from them leads over the outermost two pixels of the part.
    """
    ends = zip(part, shape, strict=True)
    inner = tuple(slice(2 * (s.start > 0), -2 if s.stop < n else None) for s, n in ends)
    return bool(np.count_nonzero(closer) > np.count_nonzero(closer[inner]))
