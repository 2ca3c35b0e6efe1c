"""Veils that run on from the body into the border band.

Masks are (H, W) uint8, 0 or 1; alpha is (H, W) uint8; lengths are in pixels of a picture of
1024 x 1024 times ``scale``.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from refinement.grid import Alpha8, Plane, as_mask, dilate, erode, grow_within, square_kernel
from refinement.regions import Regions
from refinement.thresholds import VEIL, VEIL_TOLERANCE, VEILED


@dataclass(frozen=True, slots=True)
class Veil:
    """Dense pixels of the band beside veiled body.

    Attributes:
        places: (n,) flat indices of the pixels.
        level: (n,) float32, the alpha of the nearest body, 0..1.
    """

    places: NDArray[np.intp]
    level: NDArray[np.float32]

    def take_off(self, raw: Plane, alpha: Plane) -> None:
        """Raise alpha in place, so that no step is left beside the body that was filled.

        Args:
            raw: (H, W) float32, 0..1, the raw alpha.
            alpha: (H, W) float32, 0..1, the refined one.
        """
        raised = np.minimum(raw.ravel()[self.places] / self.level, np.float32(1))
        flat = alpha.reshape(-1)
        flat[self.places] = np.maximum(flat[self.places], raised)


def follow_veil(quantised: Alpha8, regions: Regions) -> Veil:
    """Fill the veil that runs on from the body into the band.

    The body beside the band tells the level of the veil, and how much it varies. What lies in the
    band, is connected with the body and is not lower than that is veiled body too.

    Args:
        quantised: (H, W) uint8, raw alpha.
        regions: What is definite; ``inside`` grows. An undamaged matte stays as it is.

    Returns:
        What is as dense as a veil there, filled or not.
    """
    inside = regions.inside
    reach = regions.step
    near = dilate(inside, square_kernel(reach)) & as_mask(quantised >= VEIL)
    places = np.flatnonzero((near & (1 - (inside | regions.outside))).view(bool))
    if regions.clean or not places.size:
        return Veil(places[:0], np.zeros(0, np.float32))
    window = (2 * reach + 1,) * 2
    # Halved, so that the sums fit 16 bits where the grid is the usual one.
    depth = cv2.CV_16U if window[0] <= 17 else cv2.CV_32S
    known, total = (
        cv2.boxFilter(plane, depth, window, normalize=False).ravel()[places].astype(np.float32)
        for plane in (inside, (quantised >> 1) * inside)
    )
    level = 2 * total / known
    lowest = erode(quantised | (inside ^ np.uint8(1)) * np.uint8(255), square_kernel(reach))
    least, most = VEIL_TOLERANCE
    tolerance = np.clip(level - lowest.ravel()[places], least, most)
    shows = (level >= VEIL) & (level < VEILED)
    veiled = shows & (quantised.ravel()[places] >= level - tolerance)
    band = inside.copy()
    band.ravel()[places[veiled]] = 1
    regions.inside |= grow_within(inside, band, reach)
    return Veil(places[shows], level[shows] / np.float32(255))
