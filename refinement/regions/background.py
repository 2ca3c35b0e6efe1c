"""Definite background: the level of clear, clear regions, pin holes, level regions.

Alpha is (H, W) uint8; lengths are in pixels of a picture of
1024 x 1024 times ``scale``.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from refinement.planes.distances import distance_from
from refinement.planes.grid import (
    Alpha8,
    Interpolated,
    Plane,
    as_mask8,
    blur,
    dilate,
    erode,
    level_beside,
    mask_from_cells,
    masked_means,
    rough_cell_share,
    square_kernel,
)
from refinement.planes.labels import Labelled, label, regions_meeting
from refinement.planes.masks import Mask
from refinement.regions.earlier import Earlier
from refinement.thresholds.background import (
    CRISP_RIM,
    CRISP_RISE,
    FLAT,
    GAP_AREA,
    HAZE_SIDE,
    PANE_APART,
    PANE_RIM,
    PANE_WIDE,
    PIN_HOLE,
)
from refinement.thresholds.band import HALO_EDGE
from refinement.thresholds.levels import (
    CLEAR,
    CLEAR_AT_MOST,
    CLEAR_MARGIN,
    DENT,
    HAZE_AT_MOST,
    SOLID,
    VISIBLE,
)
from refinement.thresholds.panels import PANEL_TOLERANCE


def clear_level(quantised: Alpha8, mean: Plane, mean_square: Plane, step: int, scale: float) -> int:
    """The level up to which a pixel may be background in this picture.

    Alpha should be 0 far from everything visible. Its 95th percentile there is the haze of the
    picture, and a pixel below that level is no evidence of foreground. Faint cloth is no haze.

    Args:
        quantised: (H, W) uint8.
        mean: From :func:`refinement.planes.grid.cell_moments`, of alpha.
        mean_square: From :func:`refinement.planes.grid.cell_moments`, of alpha.
        step: Side of a coarse cell in pixels.
        scale: Size of the picture relative to 1024 x 1024.

    Returns:
        A level of 255, at least :data:`~refinement.thresholds.levels.CLEAR`.
    """
    spread = np.sqrt(np.maximum(mean_square - mean * mean, 0))
    visible = as_mask8(mean + 2 * spread > CLEAR_AT_MOST)
    far = dilate(visible, np.ones((5, 5), np.uint8)) == 0
    if np.count_nonzero(far) < 16:
        return CLEAR
    factor, offset = CLEAR_MARGIN
    level = factor * float(np.percentile(mean[far], 95)) + offset
    if level > CLEAR:
        smooth = np.asarray(cv2.blur(quantised, (2 * round(2 * scale) + 1,) * 2), np.uint8)
        cloth = crisp_rims(smooth, Mask(smooth <= CLEAR), scale)
        cloth = regions_meeting(cloth, cloth.erode(HAZE_SIDE * scale))  # noise has edges too
        far &= rough_cell_share(cloth, step) == 0
        level = factor * float(np.percentile(mean[far], 95)) + offset if far.any() else 0
    return int(np.clip(round(level), CLEAR, CLEAR_AT_MOST))


def background_core(
    quantised: Alpha8, clear: int, step: int, scale: float, earlier: Earlier
) -> tuple[Mask, Plane, int]:
    """Definite background: the clear regions, enclosed or not.

    A clear region of more than a few pixels is background wherever it lies. A smaller one is a
    gap between strands if other background or other gaps are near, and a pin hole if it lies
    alone in the body.

    Args:
        quantised: (H, W) uint8.
        clear: From :func:`clear_level`.
        step: Side of a coarse cell in pixels.
        scale: Size of the picture relative to 1024 x 1024.
        earlier: What is known from another pass over the same matte.

    Returns:
        The mask, the distance of every pixel from the larger regions (float32), and how many
        regions are enclosed, that is, touch no side of the picture.
    """
    regions = label(Mask(quantised <= clear), connectivity=4)
    main, areas = regions.main, regions.areas.copy()
    areas[main] = quantised.size if main else 0
    large = areas >= gap_area(scale)
    large[main] = main > 0  # however small the picture is
    few = areas < round(PIN_HOLE * scale * scale)
    lone = pin_holes(quantised, regions, few & large, areas, clear, step, scale)
    large[lone] = False
    core = regions.mask_of(large)
    depth = earlier.of("depth", (core,), lambda: distance_from(core))
    keep = large.copy()
    if not large[regions.of].all():
        listed = ~large[regions.names]
        small, names = regions.places[listed], regions.names[listed]
        broken = cv2.blur(rough_cell_share(Mask(quantised < SOLID), step), (5, 5))
        near = depth.ravel()[small] <= 48 * scale
        share = Interpolated(np.asarray(broken, np.float32), quantised.shape)
        near |= share.at(small) > 0.02
        keep[names[near]] = True
        keep[lone] = False
        keep &= areas >= 2
        core = regions.mask_of(keep)
    enclosed = keep & ~regions.touching_frame()
    return core, depth, int(np.count_nonzero(enclosed[1:]))


def find_panes(quantised: Alpha8, background: Mask, step: int, scale: float) -> tuple[Mask, Mask]:
    """Faint parts that body encloses: lenses, the meshes of lace, openings that halo fills.

    They are wider than pin holes and fainter than panels, and what encloses them is thin or full of
    others, or cloth of their level lies outside, so they are not filled. Whether they are glass or
    halo is not asked here.

    Args:
        quantised: (H, W) uint8.
        background: Definite background.
        step: Side of a coarse cell in pixels.
        scale: Size of the picture relative to 1024 x 1024.

    Returns:
        The mask, and the middle of the wide faint parts that body does not enclose.
    """
    faint = Mask(quantised <= DENT) - background
    wide = faint.erode(PANE_WIDE[0][0] * scale)
    if not wide:
        return wide, wide
    regions = label(faint, connectivity=8)
    open_ = regions.meeting(background.dilate(1))
    enclosed = regions.meeting(wide) & ~open_
    panes, beside = regions.mask_of(enclosed), regions.mask_of(open_)
    if not panes:
        return panes, wide & beside
    thin = thinly_enclosed(panes, background | beside, scale, PANE_WIDE)
    return thin | like_cloth(panes - thin, quantised, wide & beside, step), wide & beside


def thinly_enclosed(
    panes: Mask,
    outside: Mask,
    scale: float,
    most: tuple[tuple[int, int], ...] = PANE_WIDE[:1],
) -> Mask:
    """The groups of wide parts that have little body between them and the outside.

    Args:
        panes: Parts that body encloses.
        outside: What lies outside.
        scale: Size of the picture relative to 1024 x 1024.
        most: As :data:`~refinement.thresholds.background.PANE_WIDE`.
    """
    grown = panes.dilate(PANE_APART * scale)
    groups = label(grown, connectivity=8)
    places, names = groups.pixels_of(grown - grown.erode(1))
    rim = np.maximum(np.bincount(names, minlength=groups.count), 1)
    thin = np.zeros(groups.count, np.bool_)
    for half, body in most:
        wide = panes.erode(half * scale)
        if wide:
            beside = outside.dilate(body * scale).at(places)
            share = np.bincount(names[beside], minlength=groups.count) / rim
            thin |= (share > PANE_RIM) & groups.meeting(wide)
    return panes & groups.mask_of(thin)


def like_cloth(parts: Mask, quantised: Alpha8, cloth: Mask, step: int) -> Mask:
    """The parts that have the level of the nearest cloth: it goes on behind the body.

    Args:
        parts: Translucent parts that body encloses.
        quantised: (H, W) uint8.
        cloth: Wide translucent parts that it does not enclose.
        step: Side of a coarse cell in pixels.
    """
    if parts and cloth:  # a detached blob is no cloth
        pieces = label(cloth, connectivity=8)
        cloth = pieces.mask_of(pieces.areas > max(1, parts.count()))
    if not parts or not cloth:
        return Mask.empty(quantised.shape)
    level, _ = level_beside(*masked_means(quantised, cloth.pixels(), step))
    regions = label(parts, connectivity=8)
    places, names = regions.pixels_of(parts)
    lacking = quantised.ravel()[places] - Interpolated(level, quantised.shape).at(places)
    total = np.bincount(names, weights=lacking, minlength=regions.count)
    return regions.mask_of(np.abs(total) <= PANEL_TOLERANCE * regions.areas)


def pin_holes(
    quantised: Alpha8,
    regions: Labelled,
    asked: NDArray[np.bool_],
    areas: NDArray[np.int64],
    clear: int,
    step: int,
    scale: float,
) -> NDArray[np.intp]:
    """The small clear regions that lie alone in the body, far from anything open or soft.

    An opening is bounded by something thin (a strand, a finger, a hoop) or is a long gap. A
    compact hole that lies many times its own width away from all larger background is neither,
    unless the haze over the background shows in it too.

    Args:
        quantised: (H, W) uint8.
        regions: The clear regions.
        asked: (count,), which of them are in question.
        areas: Pixels of every clear region.
        clear: From :func:`clear_level`.
        step: Side of a coarse cell in pixels.
        scale: Size of the picture relative to 1024 x 1024.

    Returns:
        Their labels.
    """
    names = np.flatnonzero(asked)
    if not names.size:
        return names
    low, high = (corners[:, names] for corners in regions.corners())
    area = areas[names]
    across = np.sqrt(area)
    compact = area > 0.5 * np.square((high - low).max(axis=0) + 1)
    large = regions.mask_of(areas >= round(PIN_HOLE * scale * scale)).pixels()
    unsolid = quantised < SOLID
    lone = []
    for k in np.flatnonzero(compact):
        near = unsolid[_window(low[:, k], high[:, k], round(2.5 * step))]
        if np.count_nonzero(near) > 0.02 * near.size + (across[k] + 4) ** 2:
            continue
        reach = round(max(48 * scale, 8 * across[k]))
        if not large[_window(low[:, k], high[:, k], reach)].any():
            lone.append(int(k))
    if not lone:
        return names[:0]
    levels = quantised.ravel()[regions.places]
    floor = np.array([levels[regions.names == names[k]].min() for k in lone], np.int64)
    haze = median_clear(quantised, clear)
    alike = np.abs(floor - haze) <= 1 if haze else np.zeros(len(lone), np.bool_)
    return np.asarray(names[lone][~alike])


def crisp_rims(quantised: Alpha8, background: Mask, scale: float) -> Mask:
    """Faint regions that end abruptly towards background: cloth, not haze.

    Haze fades into background over many pixels. Tulle, a veil or a lens has an edge. If most
    of its rim is an edge the region is kept whole, because a cut through it is wrong whatever
    it is.

    Args:
        quantised: (H, W) uint8.
        background: Definite background.
        scale: Size of the picture relative to 1024 x 1024.

    Returns:
        The mask of those regions.
    """
    found, lowest = Mask.empty(background.shape), erode(quantised, square_kernel(4 * scale))
    reach = max(1, round(3 * scale))
    unsolid = Mask(quantised < SOLID) - background
    whole = unsolid & unsolid.erode(reach).dilate(reach)
    # Folds part cloth into faint regions, and those within it have no rim of their own.
    for faint in (unsolid & Mask(quantised < HAZE_AT_MOST), whole):
        regions = label(faint, connectivity=4)
        # The level that alpha reaches within a few pixels, and the level it reaches farther in.
        soon = dilate(quantised * faint.pixels(), square_kernel(4 * scale))
        level = dilate(soon, square_kernel(12 * scale))
        beside, names = regions.pixels_of(faint & background.dilate(1))
        soon, level = soon.ravel()[beside], level.ravel()[beside].astype(np.float32)
        begins = (level > HALO_EDGE) | (lowest.ravel()[beside] < (1 - CRISP_RISE) * level)
        edge = (soon > CRISP_RISE * level) & (level > VISIBLE) & begins
        rim = np.bincount(names, minlength=regions.count)
        sharp = np.bincount(names[edge], minlength=regions.count)
        found |= regions.mask_of((sharp > CRISP_RIM * rim) & (rim > 0))
    return found


def gap_area(scale: float) -> int:
    """A clear region of so many pixels is background by itself."""
    return max(4, round(GAP_AREA * scale * scale))


def median_clear(quantised: Alpha8, clear: int) -> int:
    """The median of alpha over the pixels at or below the level of clear; 0 if there are none."""
    zeros = quantised.size - cv2.countNonZero(quantised)
    if 2 * zeros >= np.count_nonzero(quantised <= clear):
        return 0
    levels = np.cumsum(cv2.calcHist([quantised], [0], None, [256], [0, 256])[: clear + 1])
    return int(np.searchsorted(levels, 0.5 * levels[-1]))


def _window(low: NDArray[np.int64], high: NDArray[np.int64], margin: int) -> tuple[slice, slice]:
    """Rows and columns from one corner to the other, with a margin."""
    top, left = np.maximum(low - margin, 0)
    bottom, right = high + margin + 1
    return slice(top, bottom), slice(left, right)


def level_cells(mean: Plane, mean_square: Plane) -> tuple[Plane, NDArray[np.bool_]]:
    """Where alpha is level, as no border is: borders slope.

    A level region is a veil over the body where alpha is high, else a panel, haze or tulle.

    Args:
        mean: From :func:`refinement.planes.grid.cell_moments`, of alpha.
        mean_square: From :func:`refinement.planes.grid.cell_moments`, of alpha.

    Returns:
        The mean over 3 x 3 cells, (h, w) float32, and where alpha stays within a few percent
        of it, (h, w).
    """
    mean, mean_square = blur(mean, 3), blur(mean_square, 3)
    return mean, mean_square - mean * mean < FLAT * FLAT


def near_cells(cells: NDArray[np.bool_], shape: tuple[int, ...]) -> Mask:
    """The mask of what lies within two cells of the given ones."""
    return mask_from_cells(dilate(cells.astype(np.uint8), np.ones((5, 5), np.uint8)), shape)
