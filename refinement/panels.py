"""Panels: level parts of the body that came out see-through, found pixel by pixel.

Alpha is (H, W) uint8; lengths are in pixels of a picture of
1024 x 1024 times ``scale``.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from refinement.grid import (
    Alpha8,
    Plane,
    as_mask8,
    dilate,
    erode,
    interpolate_level,
    local_level,
    mask_from_cells,
    spread,
    square_kernel,
)
from refinement.labels import Labelled, count_beside, label
from refinement.masks import Mask
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
    VEIL_NARROW,
    VEIL_REACH,
    VEIL_SLOPES,
)


@dataclass(slots=True)
class Panels:
    """Level parts of the body.

    Attributes:
        mask: Whole panels and veils with their soft rims.
        sure: Those of them that are certainly no hair.
    """

    mask: Mask
    sure: Mask


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
    smooth = _smooth(quantised, scale)
    high = level_cells & (mean > VEIL)
    # Body that is hardly veiled needs nothing.
    veiled = high & (mean < SOLID + PANEL_TOLERANCE)
    shape = quantised.shape
    veils = Mask.empty(shape)
    if veiled.any():
        level = interpolate_level(spread(mean, high.astype(np.float32)), shape)
        core = mask_from_cells(veiled, shape)
        veils = _without_slopes(_grow(core, level, smooth, VEIL_REACH * scale), quantised, scale)
    sure = _panels(quantised, smooth, scale)
    return Panels(veils | sure, sure)


def has_panels(quantised: Alpha8, scale: float) -> bool:
    """Whether :func:`find_panels` would find panels other than veils."""
    return bool(_panels(quantised, _smooth(quantised, scale), scale))


def _smooth(quantised: Alpha8, scale: float) -> Alpha8:
    return np.asarray(cv2.blur(quantised, (2 * round(2 * scale) + 1,) * 2), np.uint8)


def _grow(core: Mask, level: Alpha8, alpha: Alpha8, pixels: float) -> Mask:
    """Grow a mask over what is connected with it and not lower than the level there."""
    floor = np.asarray(cv2.subtract(level, np.full_like(level, PANEL_TOLERANCE)))
    allowed = Mask(alpha >= floor) & Mask(level)
    return (core & allowed).grow_within(allowed, 2 + round(pixels))


def _without_slopes(veils: Mask, quantised: Alpha8, scale: float) -> Mask:
    """The veils without narrow ones that have slopes about them: tops of what is out of focus."""
    reach = VEIL_NARROW * scale
    wide = veils.erode(reach).dilate(reach + 1)
    regions = label(veils - wide, connectivity=8)
    alone = ~regions.meeting(wide.dilate(1))
    alone[0] = False
    if not alone.any():
        return veils
    narrow = regions.mask_of(alone)
    groups = label(narrow.dilate(2), connectivity=8)  # those that meet are decided together
    rim, names = groups.pixels_of(groups.mask - veils)
    about = quantised.ravel()[rim]
    slopes = np.bincount(names[(about > DENT) & (about < SOLID)], minlength=groups.count)
    tops = slopes > VEIL_SLOPES * np.bincount(names, minlength=groups.count)
    return veils - (narrow & groups.mask_of(tops)) if tops.any() else veils


def _panels(quantised: Alpha8, smooth: Alpha8, scale: float) -> Mask:
    """The panels: level below SOLID, smooth, and surrounded by body."""
    none = Mask.empty(quantised.shape)
    between = Mask(smooth > DENT) & Mask(smooth < SOLID)
    wide = between.erode(PANEL_WIDE * scale)
    if not wide:
        return none
    window = square_kernel(4 * scale)
    part = wide.box(4 * window.shape[0] + round(PANEL_REACH * scale))
    alpha = quantised[part]
    span = cv2.subtract(dilate(smooth[part], window), erode(smooth[part], window))
    core = wide.pixels()[part] & as_mask8(np.asarray(span) <= PANEL_RANGE)
    if not core.any():
        return none
    level = local_level(alpha, core, max(2, round(8 * scale)))
    grown = _grow(Mask(core), level, alpha * between.pixels()[part], PANEL_REACH * scale)
    regions = label(grown, connectivity=8)
    if regions.count == 1 or regions.count >= np.iinfo(np.uint16).max:
        return none
    chosen = _surrounded(alpha, regions, scale)
    rough = np.asarray(cv2.absdiff(alpha, cv2.blur(alpha, (3, 3))), np.uint8)
    inner, names = regions.pixels_of(Mask(core) & regions.mask)
    total = np.bincount(names, weights=rough.ravel()[inner], minlength=regions.count)
    chosen &= total < SMOOTH * np.maximum(np.bincount(names, minlength=regions.count), 1)
    chosen[0] = False
    if not chosen.any():
        return none
    whole = np.zeros_like(quantised)
    whole[part] = regions.mask_of(chosen).pixels()
    return Mask(whole)


def _surrounded(alpha: Alpha8, regions: Labelled, scale: float) -> NDArray[np.bool_]:
    """Which of the grown regions have body along most of their rim, (count,)."""
    rim = (~regions.mask.dilate(1)).pixels()
    beside = count_beside(regions, rim, square_kernel(3 * scale + 1))
    return beside(as_mask8(alpha >= SOLID)) > PANEL_BODY * np.maximum(beside(rim), 1)
