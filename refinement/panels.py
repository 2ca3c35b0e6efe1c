"""Panels: level parts of the body that came out see-through, found pixel by pixel.

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
    Labels,
    Mask,
    Plane,
    as_mask,
    box_about,
    count_beside,
    dilate,
    erode,
    grow_within,
    interpolate_cells,
    label,
    local_level,
    mask_from_cells,
    round_level,
    spread,
    square_kernel,
)
from refinement.thresholds import (
    DENT,
    PANEL_BODY,
    PANEL_RANGE,
    PANEL_REACH,
    PANEL_TOLERANCE,
    PANEL_WIDE,
    SMOOTH,
    SOLID,
    VEIL,
    VEIL_REACH,
)


@dataclass(slots=True)
class Panels:
    """Level parts of the body.

    Attributes:
        mask: (H, W) uint8, whole panels and veils with their soft rims.
        sure: Those of them that are certainly no hair.
        level: (H, W) uint8, the alpha that the nearest panel has; meaningful within and
            beside ``mask``.
    """

    mask: Mask
    sure: Mask
    level: Alpha8


def find_panels(
    quantised: Alpha8, mean: Plane, level_cells: NDArray[np.bool_], scale: float
) -> Panels:
    """Find the level regions that body surrounds, and level veils.

    A border slopes from body to background; a panel is level and body lies along most of its
    rim. A veil is level, wide and dense, wherever it lies. Each is taken whole: from where alpha
    is level it grows over everything that is not lower than its own level there, so that its
    soft rim belongs to it and the slope to the background does not.

    Args:
        quantised: (H, W) uint8.
        mean: From :func:`refinement.background.level_cells`.
        level_cells: From the same.
        scale: Size of the picture relative to 1024 x 1024.
    """
    smooth = np.asarray(cv2.blur(quantised, (2 * round(2 * scale) + 1,) * 2), np.uint8)
    high = level_cells & (mean > VEIL)
    # Body that is hardly veiled needs nothing.
    veiled = high & (mean < SOLID + PANEL_TOLERANCE)
    found = Panels(*(np.zeros_like(quantised) for _ in range(3)))
    if veiled.any():
        about = interpolate_cells(spread(mean, high.astype(np.float32)), quantised.shape)
        found.level = round_level(about)
        core = mask_from_cells(veiled, quantised.shape)
        found.mask = _grow(core, found.level, smooth, VEIL_REACH * scale)
    _add_panels(found, quantised, smooth, scale)
    return found


def _grow(core: Mask, level: Alpha8, alpha: Alpha8, pixels: float) -> Mask:
    """Grow a mask over what is connected with it and not lower than the level there."""
    floor = np.asarray(cv2.subtract(level, np.full_like(level, PANEL_TOLERANCE)))
    allowed = as_mask(alpha >= floor) & as_mask(level > 0)
    return grow_within(core & allowed, allowed, 2 + round(pixels))


def _add_panels(found: Panels, quantised: Alpha8, smooth: Alpha8, scale: float) -> None:
    """Add, in place, the panels: level below SOLID, smooth, and surrounded by body."""
    between = as_mask(smooth > DENT) & as_mask(smooth < SOLID)
    window = square_kernel(4 * scale)
    core = erode(between, square_kernel(PANEL_WIDE * scale))
    if not cv2.countNonZero(core):
        return
    margin = 4 * window.shape[0] + round(PANEL_REACH * scale)
    part = box_about(core, margin)
    alpha, between = quantised[part], between[part]
    span = cv2.subtract(dilate(smooth[part], window), erode(smooth[part], window))
    core = core[part] & as_mask(np.asarray(span) <= PANEL_RANGE)
    level = local_level(alpha, core, max(2, round(8 * scale)))
    grown = _grow(core, level, np.where(between, alpha, 0).astype(np.uint8), PANEL_REACH * scale)
    count, labels = label(grown, connectivity=8)
    if count == 1 or count >= np.iinfo(np.uint16).max:
        return
    chosen = _surrounded(alpha, grown, labels, count, scale)
    rough = np.asarray(cv2.absdiff(alpha, cv2.blur(alpha, (3, 3))), np.uint8)
    inner = core.view(bool)
    names = labels[inner]
    total = np.bincount(names, weights=rough[inner], minlength=count)
    chosen &= total < SMOOTH * np.maximum(np.bincount(names, minlength=count), 1)
    chosen[0] = False
    mask = as_mask(np.take(chosen, labels))
    found.mask[part] |= mask
    found.sure[part] |= mask
    np.copyto(found.level[part], level, where=mask.view(bool))


def _surrounded(
    alpha: Alpha8, grown: Mask, labels: Labels, count: int, scale: float
) -> NDArray[np.bool_]:
    """Which of the grown regions have body along most of their rim, (count,)."""
    rim = np.ones_like(grown) - dilate(grown, square_kernel(1))
    beside = count_beside(labels, rim, square_kernel(3 * scale + 1), count)
    return beside(as_mask(alpha >= SOLID)) > PANEL_BODY * np.maximum(beside(rim), 1)
