"""Dents that are out of focus as the border beside them is: gaps.

What is out of focus is as soft everywhere at its distance. A gap there is no steeper, for its
depth, than the border; damage knows no focus. Beside a crisp border softness tells nothing.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from refinement.dents import Dents
from refinement.grid import Alpha8
from refinement.masks import Mask
from refinement.runs import Places
from refinement.thresholds import FOCUS


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
    beside = _steps(dents.alpha)
    beside[found.dilate(3).pixels().view(bool)] = 0
    rows, columns = np.divmod(places, found.shape[1])
    for name in np.flatnonzero(soft):
        here = names == name
        window = tuple(
            slice(max(0, int(at[here].min()) - reach), int(at[here].max()) + reach + 1)
            for at in (rows, columns)
        )
        border = beside[window].max() / 255
        soft[name] = border < slope[name] < alike * border
    return dents.mask_of(soft) & found if soft.any() else Mask.empty(found.shape)


def _steps(alpha: Alpha8) -> NDArray[np.uint8]:
    """The steepest step from each pixel to one of the four beside it."""
    steps = np.zeros_like(alpha)
    for a, b in ((np.s_[:, 1:], np.s_[:, :-1]), (np.s_[1:], np.s_[:-1])):
        step = cv2.absdiff(alpha[a], alpha[b])
        np.maximum(steps[a], step, out=steps[a])
        np.maximum(steps[b], step, out=steps[b])
    return steps


def steps_at(alpha: Alpha8, places: Places) -> NDArray[np.uint8]:
    """The same of some pixels alone."""
    height, width = alpha.shape
    flat, columns = alpha.ravel(), places % width
    here, steps = flat[places].astype(np.int16), np.zeros(places.size, np.int16)
    for apart, some in (
        (-1, columns > 0),
        (1, columns < width - 1),
        (-width, places >= width),
        (width, places < (height - 1) * width),
    ):
        beside = flat[np.where(some, places + apart, places)]
        np.maximum(steps, np.abs(beside - here), out=steps)
    return steps.astype(np.uint8)
