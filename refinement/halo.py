"""Halos: faint smooth alpha beside a border that begins abruptly.

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
    label,
    local_level,
    square_kernel,
    to_8_bit,
)
from refinement.regions import Regions
from refinement.thresholds import (
    CLEAR,
    CRISP_RIM,
    CRISP_RISE,
    HALO_ABRUPT,
    HALO_AT_MOST,
    HALO_EDGE,
    HALO_FADE,
    HALO_FADE_WIDE,
    HALO_LEAST,
    HALO_OPEN,
    HALO_RANGE,
    HALO_REACH,
    HALO_RISE,
    HALO_SIDE,
    HALO_TOLERANCE,
    HALO_WIDE,
)


@dataclass(slots=True)
class Halo:
    """A wide halo.

    Attributes:
        mask: (H, W) uint8, its pixels above the level of clear.
        level: (H, W) uint8, its alpha within and beside ``mask``; 0 away from it.
    """

    mask: Mask
    level: Alpha8


def find_halo(quantised: Alpha8, scale: float) -> Halo:
    """Find faint smooth alpha that lies between background and an abrupt edge of the subject.

    A halo is no border: a border slopes all the way to body, smoke and defocus rise gradually,
    and cloth has an edge towards background.

    Args:
        quantised: (H, W) uint8.
        scale: Size of the picture relative to 1024 x 1024.
    """
    result = Halo(np.zeros_like(quantised), np.zeros_like(quantised))
    smooth = np.asarray(cv2.blur(quantised, (2 * round(2 * scale) + 1,) * 2), np.uint8)
    faint = as_mask(smooth > HALO_LEAST) & as_mask(smooth <= HALO_AT_MOST)
    window = square_kernel(4 * scale)
    core = erode(faint, square_kernel(HALO_WIDE * scale))
    spread = np.asarray(cv2.subtract(dilate(smooth, window), erode(smooth, window)))
    core &= as_mask(spread <= HALO_RANGE)
    least = (HALO_SIDE * scale) ** 2
    if 4 * cv2.countNonZero(core & as_mask(quantised > CLEAR)) < least:
        return result
    margin = round(4 * HALO_REACH * scale) + 8
    part = box_about(core & as_mask(quantised > CLEAR), margin)
    alpha, core = quantised[part], core[part]
    level = local_level(alpha, core, max(2, round(8 * scale)))
    ceiling = np.asarray(cv2.add(level, np.full_like(level, HALO_TOLERANCE)), np.uint8)
    allowed = as_mask(alpha <= ceiling) & as_mask(level > 0)
    grown = grow_within(core, allowed, 2 + round(HALO_REACH * scale))
    count, labels = label(grown & as_mask(alpha > CLEAR), connectivity=8)
    if count == 1 or count >= np.iinfo(np.uint16).max:
        return result
    chosen = _halos(alpha, grown, labels, count, level, ceiling, scale)
    result.mask[part] = as_mask(np.take(chosen, labels))
    result.level[part] = level
    return result


def _halos(
    alpha: Alpha8,
    grown: Mask,
    labels: Labels,
    count: int,
    level: Alpha8,
    ceiling: Alpha8,
    scale: float,
) -> NDArray[np.bool_]:
    """Which regions are halos, (count,): abrupt towards the subject, gradual outward."""
    near = square_kernel(4 * scale)
    highest = dilate(alpha, near)
    # The rim towards what is higher: abrupt beside a halo, gradual on a slope.
    higher = as_mask(alpha > ceiling) & (1 - grown)
    beside_halo = count_beside(labels, higher, square_kernel(1), count)
    least = np.asarray(cv2.add(level, np.full_like(level, HALO_RISE)), np.uint8)
    rim, steep = beside_halo(higher), beside_halo(as_mask(highest > least))
    # The rim towards background: gradual beside a halo, an edge round cloth.
    beside = dilate(as_mask(alpha <= CLEAR), square_kernel(1)) & as_mask(labels > 0)
    lower = np.flatnonzero(beside.view(bool))
    inner = dilate(level, near).ravel()[lower].astype(np.int32)
    edge = (inner > HALO_EDGE) & (highest.ravel()[lower] > CRISP_RISE * inner)
    outer = np.bincount(labels.ravel()[lower], minlength=count)
    crisp = np.bincount(labels.ravel()[lower[edge]], minlength=count)
    area = np.bincount(labels[labels > 0], minlength=count)
    chosen = (steep > HALO_ABRUPT * rim) & (rim > 0) & (outer > HALO_OPEN * rim)
    chosen &= (crisp <= CRISP_RIM * outer) & (area > (HALO_SIDE * scale) ** 2)
    chosen[0] = False
    return chosen


def take_off_wide_halo(alpha: Plane, scale: float) -> Plane:
    """Clear wide halos, and take their level off the subject's edge beside them.

    Args:
        alpha: (H, W) float32, 0..1.
        scale: Size of the picture relative to 1024 x 1024.

    Returns:
        (H, W) float32; the input itself if there is no wide halo.
    """
    found = find_halo(to_8_bit(alpha), scale)
    if not cv2.countNonZero(found.mask):
        return alpha
    result = alpha.copy()
    beside = dilate(found.mask, square_kernel(2 + 6 * scale)) & (1 - found.mask)
    places = np.flatnonzero(beside.view(bool) & (found.level > 0))
    halo = found.level.ravel()[places].astype(np.float32) / np.float32(255)
    value = alpha.ravel()[places]
    taken = (HALO_FADE_WIDE * halo - value) / (HALO_FADE_WIDE - 1)
    result.ravel()[places] = value - np.clip(taken, 0, np.minimum(halo, value))
    np.copyto(result, np.float32(0), where=found.mask.view(bool))
    return result


def take_off_halo(alpha: Plane, quantised: Alpha8, regions: Regions) -> Plane:
    """Take off halo that runs on from the background into the band.

    Halo falls off fast, so the highest of the nearest few pixels beside the band tells its level
    better than the coarse grid, and leaves no step at the edge of what was cleared. A pixel about
    as low is halo; a higher one stays.

    Args:
        alpha: (H, W) float32, raw.
        quantised: (H, W) uint8, the same in 255ths.
        regions: What is definite.

    Returns:
        (H, W) float32; the input itself for an undamaged matte.
    """
    if regions.clean:
        return alpha
    faint = as_mask(quantised <= HALO_FADE * regions.clear) & as_mask(quantised > 0)
    places = np.flatnonzero((faint & (1 - (regions.inside | regions.outside))).view(bool))
    highest = dilate(quantised * regions.outside, square_kernel(2)).ravel()[places]
    places = places[highest > 0]
    halo = highest[highest > 0].astype(np.float32) / np.float32(255)
    value = alpha.ravel()[places]
    taken = np.clip((HALO_FADE * halo - value) / (HALO_FADE - 1), 0, halo)
    result = alpha.copy()
    result.ravel()[places] = np.maximum(value - taken, 0)
    return result
