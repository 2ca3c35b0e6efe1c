"""Connectivity: the unknown border that background touches, and dents that are no border.

The prior is that of Lu, Lu and Huang (arXiv 2501.16147), "the border of a portrait
foreground always appears connected"; how it is applied here is this project's own design.
Masks are (H, W) uint8, 0 or 1; alpha is (H, W) uint8; lengths are in pixels of a picture of
1024 x 1024 times ``scale``.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from refinement.grid import (
    Alpha8,
    Mask,
    as_mask,
    dilate,
    dominant_label,
    erode,
    label,
    labels_within,
    square_kernel,
)
from refinement.thresholds import DENT, ROUGH


@dataclass(slots=True)
class UnknownBorder:
    """What is neither background nor body, told apart by connectivity. Masks are (H, W) uint8.

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
        unsolid: (H, W) mask of what is not body by its level.
        quantised: (H, W) uint8.
        background: From :func:`refinement.background.background_core`.
        scale: Size of the picture relative to 1024 x 1024.
    """
    bridge = square_kernel(3 * scale)
    count, labels = label(dilate(unsolid, bridge), connectivity=8)
    touching = unsolid & dilate(background, square_kernel(bridge.shape[0]))
    touched = np.zeros(count, np.uint8)
    touched[labels_within(labels, touching & (1 - background))] = 1
    plateau = erode(unsolid & as_mask(quantised > DENT), square_kernel(5 * scale))
    wide = np.zeros(count, np.uint8)
    if cv2.countNonZero(plateau):
        rough = np.asarray(cv2.absdiff(quantised, cv2.blur(quantised, (3, 3))), np.uint8)
        inner = plateau.view(bool)
        area, unevenness = _means(labels[inner], count, rough[inner])
        wide[(area > 0) & (unevenness < ROUGH)] = 1
    wide[touched > 0] = 0
    wide[0] = touched[0] = 0
    main = dominant_label(labels)
    main = main if touched[main] else 0
    places = np.flatnonzero(unsolid.view(bool) & (labels != main))
    connected = unsolid.copy()
    connected.ravel()[places] = touched[labels.ravel()[places]]
    connected |= background
    dents = np.take(wide, labels) if wide.any() else np.zeros_like(unsolid)
    return UnknownBorder(connected, dents, dilate(plateau, square_kernel(6 * scale)))


def _means(
    names: NDArray[np.integer], count: int, *values: NDArray[np.number]
) -> tuple[NDArray[np.float64], ...]:
    """How many pixels each labelled piece has, and the mean of each of the values over it."""
    area = np.bincount(names, minlength=count)
    sums = (np.bincount(names, weights=value, minlength=count) for value in values)
    return area.astype(np.float64), *(total / np.maximum(area, 1) for total in sums)
