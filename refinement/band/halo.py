"""Halos: faint smooth alpha beside a border that begins abruptly.

Alpha is (H, W) uint8; lengths are in pixels of a picture of
1024 x 1024 times ``scale``.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from refinement.planes.grid import (
    Alpha8,
    Interpolated,
    Plane,
    as_mask8,
    cell_mean,
    cell_share,
    dilate,
    erode,
    interpolate_level,
    level_beside,
    mask_from_cells,
    masked_means,
    square_kernel,
    sums_about,
)
from refinement.planes.labels import Labelled, count_beside, label
from refinement.planes.masks import Mask
from refinement.planes.runs import Places
from refinement.regions.division import Regions
from refinement.thresholds.background import CRISP_RIM, CRISP_RISE
from refinement.thresholds.band import (
    HALO_ABRUPT,
    HALO_ALIKE_ABRUPT,
    HALO_ALIKE_OPEN,
    HALO_ALIKE_SIDE,
    HALO_AT_MOST,
    HALO_EDGE,
    HALO_FADE,
    HALO_LEAST,
    HALO_LOWERED,
    HALO_NEAR,
    HALO_OPEN,
    HALO_RANGE,
    HALO_REACH,
    HALO_RISE,
    HALO_SIDE,
    HALO_TOLERANCE,
    HALO_WIDE,
)
from refinement.thresholds.levels import CLEAR


@dataclass(slots=True)
class Halo:
    """A wide halo.

    Attributes:
        mask: Its pixels above the level of clear.
        level: (H, W) uint8, its alpha within and beside ``mask``.
    """

    mask: Mask
    level: Alpha8


def find_halo(quantised: Alpha8, scale: float) -> Halo | None:
    """Find faint smooth alpha that lies between background and an abrupt edge of the subject.

    A halo is no border: a border slopes all the way to body, smoke and defocus rise gradually,
    and cloth has an edge towards background.

    Args:
        quantised: (H, W) uint8.
        scale: Size of the picture relative to 1024 x 1024.
    """
    smooth = np.asarray(cv2.blur(quantised, (2 * round(2 * scale) + 1,) * 2), np.uint8)
    faint = Mask(smooth > HALO_LEAST) & Mask(smooth <= HALO_AT_MOST)
    core = faint.erode(HALO_WIDE * scale)
    least = (HALO_SIDE * scale) ** 2
    window = square_kernel(4 * scale)
    visible = Mask(quantised > CLEAR)
    if 4 * (core & visible).count() < least:
        return None
    part = core.box(window.shape[0])
    spread = np.zeros_like(smooth)
    spread[part] = cv2.subtract(dilate(smooth[part], window), erode(smooth[part], window))
    core &= Mask(spread <= HALO_RANGE)
    if 4 * (core & visible).count() < least:
        return None
    part = (core & visible).box(round(4 * HALO_REACH * scale) + 8)
    alpha, inner = quantised[part], core.pixels()[part]
    step = max(2, round(8 * scale))
    mean, near = level_beside(*masked_means(alpha, inner, step))
    level = interpolate_level(mean, alpha.shape)
    ceiling = np.asarray(cv2.add(level, np.full_like(level, HALO_TOLERANCE)), np.uint8)
    allowed = Mask(alpha <= ceiling) & mask_from_cells(near, alpha.shape)
    grown = Mask(inner).grow_within(allowed, 2 + round(HALO_REACH * scale))
    regions = label(grown & Mask(alpha > CLEAR), connectivity=8)
    if regions.count == 1 or regions.count >= np.iinfo(np.uint16).max:
        return None
    if regions.areas[1:].max() <= least:
        return None
    chosen = _halos(alpha, grown, regions, level, ceiling, scale)
    if not chosen.any():
        return None
    mask, whole = np.zeros_like(quantised), np.zeros_like(quantised)
    mask[part], whole[part] = regions.mask_of(chosen).pixels(), level
    return Halo(Mask(mask), whole)


def _halos(
    alpha: Alpha8,
    grown: Mask,
    regions: Labelled,
    level: Alpha8,
    ceiling: Alpha8,
    scale: float,
) -> NDArray[np.bool_]:
    """Which regions are halos, (count,): abrupt towards the subject, gradual outward.

    Where a picture shows halo for certain, what is no higher counts with less: what lies in the
    openings of a net, small parts, and parts beside softer borders.
    """
    near = square_kernel(4 * scale)
    highest = dilate(alpha, near)
    # The rim towards what is higher: abrupt beside a halo, gradual on a slope.
    higher = (Mask(alpha > ceiling) - grown).pixels()
    beside_halo = count_beside(regions, higher, square_kernel(1))
    least = np.asarray(cv2.add(level, np.full_like(level, HALO_RISE)), np.uint8)
    rim, steep = beside_halo(higher), beside_halo(as_mask8(highest > least))
    rim = np.maximum(rim, 1)
    # The rim towards background: gradual beside a halo, an edge round cloth.
    lower, names = regions.pixels_of(Mask(alpha <= CLEAR).dilate(1) & regions.mask)
    inner = dilate(level, near).ravel()[lower].astype(np.int32)
    begins = erode(alpha, near).ravel()[lower] < (1 - CRISP_RISE) * inner
    edge = (begins | (inner > HALO_EDGE)) & (highest.ravel()[lower] > CRISP_RISE * inner)
    outer = np.bincount(names, minlength=regions.count)
    gradual = np.bincount(names[edge], minlength=regions.count) <= CRISP_RIM * outer
    gradual[0] = False
    abrupt, sure, less = (steep > share * rim for share in (HALO_ABRUPT, *HALO_ALIKE_ABRUPT))
    large = (outer > HALO_OPEN * rim) & (regions.areas > (HALO_SIDE * scale) ** 2)
    chosen = gradual & abrupt & large
    if chosen.any():  # what is no higher than these may be halo too, if it looks less like one
        sure &= (regions.areas > (HALO_ALIKE_SIDE * scale) ** 2) & (outer < HALO_ALIKE_OPEN * rim)
        alike = sure | (less & large)
        chosen |= alike & gradual & _no_higher(alpha, regions, chosen)
    return chosen


def _no_higher(alpha: Alpha8, regions: Labelled, chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which regions are on average no higher than nearly all of the chosen ones, (count,)."""
    places, names = regions.pixels_of(regions.mask)
    values = alpha.ravel()[places]
    known = values[chosen[names]]
    most = np.partition(known, int(0.95 * known.size))[int(0.95 * known.size)]
    total = np.bincount(names, weights=values, minlength=regions.count)
    return np.asarray(total <= (int(most) + HALO_TOLERANCE) * np.maximum(regions.areas, 1))


def take_off_wide_halo(alpha: Plane, quantised: Alpha8, scale: float) -> Plane:
    """Take the level of wide halos off, and off the subject's edge beside them.

    Args:
        alpha: (H, W) float32, 0..1.
        quantised: (H, W) uint8, the same in 255ths.
        scale: Size of the picture relative to 1024 x 1024.

    Returns:
        (H, W) float32; the input itself if there is no wide halo.
    """
    found = find_halo(quantised, scale)
    if found is None:
        return alpha
    # Its level is the mean of the nearest halo, and fades beside it, so that no step is made.
    reach = 2 + round(4 * scale)
    beside = found.mask.dilate(2 * reach)
    part, places = found.mask.box(2 * reach + 1), beside.places()
    here = np.flatnonzero(beside.pixels()[part])
    halo, wide = found.mask.pixels()[part], found.mask.dilate(reach).pixels()[part]
    known, total, near = (
        sums_about(plane, here, reach).astype(np.float32)
        for plane in (halo, quantised[part] * halo, wide)
    )
    level = np.where(known, total / np.maximum(known, 1), found.level.ravel()[places])
    level *= near / (255 * (2 * reach + 1) ** 2)
    result = alpha.copy()
    result.ravel()[places] = _without(alpha.ravel()[places], np.asarray(level, np.float32))
    return result


def _without(alpha: NDArray[np.float32], level: NDArray[np.float32]) -> NDArray[np.float32]:
    """Alpha less a halo of some level, each (n,) float32.

    What is no higher than the halo goes, what has HALO_FADE times its level stays, and what lies
    between is stretched. So no step is left where the halo ends, and neither a halo that was added
    to the matte nor one that only shows where it is higher is served best.
    """
    taken = (HALO_FADE * level - alpha) / (HALO_FADE - 1)
    return np.asarray(alpha - np.clip(taken, 0, np.minimum(level, alpha)), np.float32)


def take_off_halo(
    values: NDArray[np.float32], band: Places, quantised: Alpha8, regions: Regions
) -> None:
    """Take off, in place, halo and haze that run on from the background into the band.

    Args:
        values: (n,) float32, raw alpha in the band.
        band: (n,), where the band lies.
        quantised: (H, W) uint8, raw alpha in 255ths.
        regions: What is definite.
    """
    alpha = quantised.ravel()[band]
    faint = np.flatnonzero((alpha > 0) & (alpha <= HALO_FADE * regions.clear))
    if faint.size:
        values[faint] = _without(values[faint], _background_level(quantised, regions, band[faint]))


def is_clear_now(before: Alpha8, after: Alpha8, scale: float) -> bool:
    """Whether a visible part of halo was lowered to the level of clear.

    What is left of it is background, and the border beside it is another.

    Args:
        before: (H, W) uint8, raw alpha.
        after: (H, W) uint8, refined alpha.
        scale: Size of the picture relative to 1024 x 1024.
    """
    lowered = Mask(before > CLEAR) & Mask(after - np.uint8(1) < CLEAR)  # 0 becomes 255
    most = (HALO_LOWERED * scale) ** 2
    return lowered.count() > most and lowered.erode(1).count() > most


def _background_level(quantised: Alpha8, regions: Regions, places: Places) -> NDArray[np.float32]:
    """The level of the background beside each of the places, (n,) float32, 0..1.

    A halo falls off fast, so the highest of the nearest pixels tells it best. It is smoothed,
    because neighbours must not be treated differently. Farther away, as between locks of hair, the
    mean over the nearest background takes its place.
    """
    ground = quantised * regions.outside.pixels()
    side = 2 * HALO_NEAR - 1
    highest = cv2.blur(dilate(ground, square_kernel(HALO_NEAR)), (side, side))
    share = cell_share(regions.outside, regions.step)
    mean, near = level_beside(cell_mean(ground, regions.step), share)
    level = Interpolated(near * mean, quantised.shape).at(places)
    level = np.maximum(np.asarray(highest).ravel()[places].astype(np.float32), level)
    return np.asarray(level / np.float32(255), np.float32)
