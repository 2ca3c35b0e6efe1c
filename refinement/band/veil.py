"""Veils that run on from the body into the border band.

Alpha is (H, W) uint8; lengths are in pixels of a picture of
1024 x 1024 times ``scale``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from refinement.planes.grid import Alpha8, Plane, erode, square_kernel, sums_about
from refinement.planes.masks import Mask
from refinement.planes.runs import Places
from refinement.regions.division import Regions
from refinement.thresholds.band import VEIL_TOLERANCE, VEILED
from refinement.thresholds.levels import VEIL


@dataclass(frozen=True, slots=True)
class Veil:
    """Dense pixels of the band beside veiled body.

    Attributes:
        places: (n,) flat indices of the pixels.
        raised: (n,) float32, 0..1, their alpha as a share of the level of the nearest body.
    """

    places: Places
    raised: NDArray[np.float32]

    def take_off(self, alpha: Plane) -> None:
        """Raise alpha in place, so that no step is left beside the body that was filled.

        Args:
            alpha: (H, W) float32, 0..1, the refined one.
        """
        flat = alpha.reshape(-1)
        flat[self.places] = np.maximum(flat[self.places], self.raised)


def follow_veil(raw: Plane, quantised: Alpha8, regions: Regions) -> Veil:
    """Fill the veil that runs on from the body into the band.

    The body beside the band tells the level of the veil, and how much it varies. What lies in the
    band, is connected with the body and is not lower than that is veiled body too.

    Args:
        raw: (H, W) float32, 0..1.
        quantised: (H, W) uint8, the same in 255ths.
        regions: What is definite; ``inside`` grows.

    Returns:
        What is as dense as a veil there, filled or not.
    """
    inside = regions.inside
    reach = regions.step
    # Only what is veiled itself lowers the level beside it.
    near = (inside & Mask(quantised < VEILED)).dilate(reach) & Mask(quantised >= VEIL)
    dense = near - inside - regions.outside
    places = dense.places()
    if not places.size:
        return Veil(places, np.zeros(0, np.float32))
    part = dense.box(reach)
    alpha, pixels = quantised[part], inside.pixels()[part]
    rows, columns = np.divmod(places, inside.shape[1])
    here = (rows - part[0].start) * alpha.shape[1] + columns - part[1].start
    masked = (alpha >> np.uint8(1)) * pixels  # halves, as published: the last bit changes outputs
    known, total = (sums_about(plane, here, reach).astype(np.float32) for plane in (pixels, masked))
    level = 2 * total / known
    lowest = erode(alpha | (pixels - np.uint8(1)), square_kernel(reach)).ravel()[here]
    least, most = VEIL_TOLERANCE
    tolerance = np.clip(level - lowest, least, most)
    shows = (level >= VEIL) & (level < VEILED)
    veiled = shows & (quantised.ravel()[places] >= level - tolerance)
    band = inside | Mask.of_places(places[veiled], inside.shape)
    regions.inside |= inside.grow_within(band, reach)
    places, level = places[shows], level[shows] / np.float32(255)
    return Veil(places, np.minimum(raw.ravel()[places] / level, np.float32(1)))
