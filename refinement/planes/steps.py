"""The steepest step of alpha from a pixel to one of the four beside it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from refinement.planes.grid import Alpha8
from refinement.planes.runs import Places


def steps(alpha: Alpha8) -> NDArray[np.uint8]:
    """The steepest step at each pixel, (H, W) uint8."""
    steepest = np.zeros_like(alpha)
    for a, b in ((np.s_[:, 1:], np.s_[:, :-1]), (np.s_[1:], np.s_[:-1])):
        step = cv2.absdiff(alpha[a], alpha[b])
        np.maximum(steepest[a], step, out=steepest[a])
        np.maximum(steepest[b], step, out=steepest[b])
    return steepest


def steps_at(alpha: Alpha8, places: Places) -> NDArray[np.uint8]:
    """The same at some pixels alone.

    Args:
        alpha: (H, W) uint8.
        places: (n,), flat indices.

    Returns:
        (n,) uint8.
    """
    height, width = alpha.shape
    flat, columns = alpha.ravel(), places % width
    here, steepest = flat[places].astype(np.int16), np.zeros(places.size, np.int16)
    for apart, some in (
        (-1, columns > 0),
        (1, columns < width - 1),
        (-width, places >= width),
        (width, places < (height - 1) * width),
    ):
        beside = flat[np.where(some, places + apart, places)]
        np.maximum(steepest, np.abs(beside - here), out=steepest)
    return steepest.astype(np.uint8)
