"""Dents that are out of focus as the border beside them is: gaps.

What is out of focus is as soft everywhere at its distance. A gap there is no steeper, for its
depth, than the border; damage knows no focus. Beside a crisp border softness tells nothing.
"""

from __future__ import annotations

import numpy as np

from refinement.holes.dents import Dents
from refinement.planes.masks import Mask
from refinement.planes.steps import steps, steps_at
from refinement.thresholds.holes import FOCUS


def out_of_focus(dents: Dents, found: Mask) -> Mask:
    """Those of the found dents that are as soft as the border near them.

    Args:
        dents: The dents of a part of a picture.
        found: Some of them.
    """
    least, alike, reach = FOCUS
    places, names = dents.regions.pixels_of(found)
    floor = np.full(dents.regions.count, 255, np.uint8)
    steep = np.zeros(dents.regions.count, np.uint8)
    np.minimum.at(floor, names, dents.alpha.ravel()[places])
    np.maximum.at(steep, names, steps_at(dents.alpha, places))
    slope = steep / np.maximum(255.0 - floor, 1)
    soft = (steep > 0) & (slope < least)
    if not soft.any():
        return Mask.empty(found.shape)
    beside = steps(dents.alpha)
    beside[found.dilate(3).pixels().view(bool)] = 0
    low, high = dents.regions.corners()
    low, high = np.maximum(low - reach, 0), high + reach + 1
    for name in np.flatnonzero(soft):
        window = tuple(slice(low[axis, name], high[axis, name]) for axis in (0, 1))
        border = beside[window].max() / 255
        soft[name] = border < slope[name] < alike * border
    return dents.mask_of(soft) & found if soft.any() else Mask.empty(found.shape)
