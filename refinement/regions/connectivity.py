"""Connectivity: the unknown border that background touches, and dents that are no border.

The prior is that of Lu, Lu and Huang (arXiv 2501.16147), "the border of a portrait
foreground always appears connected"; how it is applied here is this project's own design.
Alpha is (H, W) uint8; lengths are in pixels of a picture of
1024 x 1024 times ``scale``.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from refinement.planes.grid import Alpha8
from refinement.planes.labels import label
from refinement.planes.masks import Mask
from refinement.thresholds.levels import DENT
from refinement.thresholds.panels import ROUGH


@dataclass(slots=True)
class UnknownBorder:
    """What is neither background nor body, told apart by connectivity.

    Attributes:
        connected: The border, with the background itself.
        dents: Wide dents that are not connected with background: artifacts inside the body.
        plateau: The surroundings of the middle of everything that is wide.
    """

    connected: Mask
    dents: Mask
    plateau: Mask


def unknown_border(
    unsolid: Mask, quantised: Alpha8, background: Mask, scale: float
) -> UnknownBorder:
    """Tell the unknown region that is connected with background from the rest.

    Two unknown regions count as connected where a bridge of body no wider than 6 px (at 1024)
    parts them: gaps between strands do not touch each other.

    Args:
        unsolid: What is not body by its level.
        quantised: (H, W) uint8.
        background: From :func:`refinement.regions.background.background_core`.
        scale: Size of the picture relative to 1024 x 1024.
    """
    bridge = max(1, round(3 * scale))
    regions = label(unsolid.dilate(bridge), connectivity=8)
    touched = regions.meeting((unsolid & background.dilate(2 * bridge + 1)) - background)
    plateau = (unsolid & Mask(quantised > DENT)).erode(5 * scale)
    wide = np.zeros(regions.count, np.bool_)
    if plateau:
        inner, names = regions.pixels_of(plateau)
        rough = np.asarray(cv2.absdiff(quantised, cv2.blur(quantised, (3, 3))), np.uint8)
        area, unevenness = _means(names, regions.count, rough.ravel()[inner])
        wide = (area > 0) & (unevenness < ROUGH) & ~touched
    connected = (unsolid & regions.mask_of(touched)) | background
    dents = regions.mask_of(wide) if wide.any() else Mask.empty(unsolid.shape)
    return UnknownBorder(connected, dents, plateau.dilate(6 * scale))


def _means(
    names: NDArray[np.integer], count: int, *values: NDArray[np.number]
) -> tuple[NDArray[np.float64], ...]:
    """How many pixels each labelled piece has, and the mean of each of the values over it."""
    area = np.bincount(names, minlength=count)
    sums = (np.bincount(names, weights=value, minlength=count) for value in values)
    return area.astype(np.float64), *(total / np.maximum(area, 1) for total in sums)
