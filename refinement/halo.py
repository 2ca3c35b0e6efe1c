"""Halos: faint smooth alpha beside a border that begins abruptly.

Masks are (H, W) uint8, 0 or 1; alpha is (H, W) uint8; lengths are in pixels of a picture of
1024 x 1024 times ``scale``.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from refinement.grid import Alpha8, Mask, Plane, as_mask, dilate, erode, label, square_kernel, to_8_bit
from refinement.thresholds import (
    CLEAR,
    CRISP_RIM,
    HALO_ABRUPT,
    HALO_AT_MOST,
    HALO_FADE_WIDE,
    HALO_RANGE,
    HALO_RISE,
    HALO_SIDE,
    HALO_TOLERANCE,
    HALO_WIDE,
)


@dataclass(slots=True)
class Halo:
    mask: Mask
    level: Alpha8


def find_halo(quantised: Alpha8, scale: float) -> Halo:
    result = Halo(np.zeros_like(quantised), np.zeros_like(quantised))
    smooth = np.asarray(cv2.blur(quantised, (2 * round(2 * scale) + 1,) * 2), np.uint8)
    faint = as_mask(smooth > 2) & as_mask(smooth <= HALO_AT_MOST)
    window = square_kernel(4 * scale)
    core = erode(faint, square_kernel(HALO_WIDE * scale))
    spread = np.asarray(cv2.subtract(dilate(smooth, window), erode(smooth, window)))
    core &= as_mask(spread <= HALO_RANGE)
    least = (HALO_SIDE * scale) ** 2
    if 4 * cv2.countNonZero(core & as_mask(quantised > CLEAR)) < least:
        return result
    side = 2 * round(16 * scale) + 3
    level = _local_level(quantised, core, side)
    ceiling = cv2.add(level, np.full_like(level, HALO_TOLERANCE))
    allowed = as_mask(quantised <= np.asarray(ceiling)) & as_mask(level > 0)
    grown = core
    for _ in range(2 + round(12 * scale)):
        grown = dilate(grown, np.ones((3, 3), np.uint8)) & allowed
    count, labels = label(grown & as_mask(quantised > CLEAR), connectivity=8)
    # The rim towards what is higher: abrupt beside a halo, gradual on a slope.
    names = np.asarray(cv2.dilate(np.minimum(labels, 65535).astype(np.uint16), square_kernel(1)))
    higher = as_mask(quantised > np.asarray(ceiling)) & (1 - grown) & as_mask(names > 0)
    soon = dilate(quantised, square_kernel(4 * scale))
    abrupt = higher & as_mask(soon > cv2.add(level, np.full_like(level, HALO_RISE)))
    rim = np.bincount(names[higher.view(bool)], minlength=count)
    steep = np.bincount(names[abrupt.view(bool)], minlength=count)
    # The rim towards background: gradual beside a halo, an edge round cloth.
    lower = as_mask(labels > 0) & dilate(as_mask(quantised <= CLEAR), square_kernel(1))
    inner = dilate(level, square_kernel(4 * scale))
    edge = lower & as_mask(inner > 2 * CLEAR + 10) & as_mask(cv2.dilate(quantised, square_kernel(4 * scale)) > 0.8 * inner)
    outer = np.bincount(labels[lower.view(bool)], minlength=count)
    crisp = np.bincount(labels[edge.view(bool)], minlength=count)
    chosen = (steep > HALO_ABRUPT * rim) & (rim > 0) & (outer > 0.15 * rim) & (crisp <= CRISP_RIM * outer)
    area = np.bincount(labels.ravel(), minlength=count)
    chosen &= area > least
    chosen[0] = False
    result.mask = as_mask(chosen[labels])
    result.level = level
    return result


def take_off_wide_halo(alpha: Plane, scale: float) -> Plane:
    found = find_halo(to_8_bit(alpha), scale)
    if not cv2.countNonZero(found.mask):
        return alpha
    result = alpha.copy()
    beside = dilate(found.mask, square_kernel(2 + 6 * scale)) & (1 - found.mask)
    places = np.flatnonzero(beside.view(bool) & (found.level > 0))
    halo = found.level.ravel()[places].astype(np.float32) / np.float32(255)
    value = alpha.ravel()[places]
    result.ravel()[places] = value - np.clip((HALO_FADE_WIDE * halo - value) / (HALO_FADE_WIDE - 1), 0, np.minimum(halo, value))
    np.copyto(result, np.float32(0), where=found.mask.view(bool))
    return result


def _local_level(alpha: Alpha8, core: Mask, side: int) -> Alpha8:
    window = (side, side)
    known = cv2.boxFilter(core.astype(np.float32), cv2.CV_32F, window, normalize=False)
    total = cv2.boxFilter((alpha * core).astype(np.float32), cv2.CV_32F, window, normalize=False)
    return np.rint(np.where(known > 0.5, total / np.maximum(known, 1), 0)).astype(np.uint8)
