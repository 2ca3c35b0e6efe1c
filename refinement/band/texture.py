"""Fine structure of hair in the body, told from the texture of a veil.

Alpha is (H, W) uint8; lengths are in pixels of a picture of
1024 x 1024 times ``scale``.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from refinement.planes.grid import (
    Alpha8,
    Interpolated,
    Plane,
    Whole,
    blur,
    cell_means,
    cell_share,
    spread,
    square_kernel,
    squares,
)
from refinement.planes.masks import Mask, Places
from refinement.regions.division import Regions
from refinement.thresholds.hair import FINE_NOISE, FINE_REACH


@dataclass(frozen=True, slots=True)
class FineStructure:
    """Narrow dips between the hairs of a head.

    Attributes:
        places: (n,) flat indices of pixels of the body.
        alpha: (n,) float32, 0..1, what they have without the veil.
    """

    places: Places
    alpha: NDArray[np.float32]

    def put_back(self, alpha: Plane) -> None:
        """Write the fine structure, in place, into body that was made opaque.

        Args:
            alpha: (H, W) float32, 0..1, the refined one.
        """
        alpha.reshape(-1)[self.places] = self.alpha


def find_fine_structure(quantised: Alpha8, regions: Regions, scale: float) -> FineStructure:
    """Find what is narrow in hair, and believe it as far as it exceeds the texture of the body.

    A veil over hair is wider than the gaps between hairs, so closing (highest, then lowest) by a
    square gives its level, and what lies below that is either hair or the veil's texture. Body
    away from hair has only the latter. The share that is believed is that of Wiener's filter,
    from the mean squares of both.

    Args:
        quantised: (H, W) uint8.
        regions: What is definite.
        scale: Size of the picture relative to 1024 x 1024.
    """
    if not regions.fine:
        return FineStructure(np.zeros(0, np.intp), np.zeros(0, np.float32))
    closed = cv2.morphologyEx(quantised, cv2.MORPH_CLOSE, square_kernel(FINE_REACH * scale))
    depth = np.asarray(cv2.subtract(closed, quantised), np.uint8)
    (texture, known), (power, share) = _powers(depth, regions)
    usual = spread(texture, known)
    here = blur(power * share, 3) / np.maximum(blur(share, 3), 1e-6)
    believed = np.clip(1 - FINE_NOISE * usual / np.maximum(here, 1e-6), 0, 1)
    places = (regions.fine & Mask(depth)).places()
    weight = Interpolated(np.asarray(believed, np.float32), quantised.shape).at(places)
    level = np.asarray(closed, np.uint8).ravel()[places].astype(np.float32)
    return FineStructure(places, 1 - weight * depth.ravel()[places] / level)


def _powers(depth: Alpha8, regions: Regions) -> list[tuple[Plane, Plane]]:
    """Of each cell: the mean square of a depth over a mask and the mask's share.

    The masks are the body away from hair, and hair.
    """
    masks = regions.sound, regions.fine
    pixels = [mask.pixels() for mask in masks]

    def planes(rows: slice) -> list[Whole]:
        square = squares(depth[rows])
        return [np.asarray(cv2.copyTo(square, part[rows]), np.uint16) for part in pixels]

    shares = [cell_share(mask, regions.step) for mask in masks]
    means = cell_means(planes, depth.shape, regions.step)
    return [
        (np.asarray(mean / np.maximum(share, 1e-6), np.float32), share)
        for mean, share in zip(means, shares, strict=True)
    ]
