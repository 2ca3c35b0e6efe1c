"""Wide see-through parts beside which the outline of the body goes on: the body itself.

Where cloth or smoke lies before or behind a body, both have an outline: that of the body goes on
within the cloth. Where a part of the body came out see-through, the outline of the body goes on
along that part, and the edge between the two ends at it, as the stem of a T does. Beside hair no
outline shows. There a part with texture is body in a damaged matte if it is wider than cloth with
as much body about it is.
Alpha is (H, W) uint8; lengths are in pixels of a picture of 1024 x 1024 times ``scale``.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from refinement.planes.grid import (
    Alpha8,
    Plane,
    as_mask8,
    dilate,
    erode,
    local_level,
    mask_from_cells,
    square_kernel,
    sums_about,
)
from refinement.planes.labels import Labelled, count_beside, label
from refinement.planes.masks import Mask
from refinement.thresholds.levels import CLEAR, CLEAR_AT_MOST, DENT, SOLID
from refinement.thresholds.outlines import (
    CLEAR_SHARE,
    ENCLOSED,
    JUNCTIONS,
    OUTLINE_BLUR,
    OUTLINE_BODY,
    OUTLINE_REACH,
    OUTLINE_THICK,
    OUTLINE_VISIBLE,
    SEE_THROUGH_DIP,
    SEE_THROUGH_LEAST,
    SEE_THROUGH_OPEN,
    SEE_THROUGH_REACH,
    SEE_THROUGH_SIDE,
    SEE_THROUGH_WIDE,
    WITHIN_RIM,
    WITHIN_WIDE,
)
from refinement.thresholds.panels import DENSER_PANEL, PANEL_BODY, PANEL_TOLERANCE


def find_see_through(
    quantised: Alpha8, mean: Plane, known: Mask, scale: float
) -> tuple[Mask, Mask]:
    """Find wide see-through parts, with texture or without, that are body by what lies about them.

    Args:
        quantised: (H, W) uint8.
        mean: From :func:`refinement.regions.background.level_cells`.
        known: What is body already, though it may not look like it.
        scale: Size of the picture relative to 1024 x 1024.

    Returns:
        Those beside which the outline of the body goes on, and wider ones that have body along most
        of their rim, which only a damaged matte has.
    """
    shape = quantised.shape
    # Cheap: what follows is worked on only about where a cell and those about it are between.
    cells = erode(as_mask8((mean > DENT) & (mean < SOLID)), np.ones((3, 3), np.uint8))
    asked = mask_from_cells(cells, shape) - known
    if not asked:
        return asked, asked
    reach = 1 + round(OUTLINE_REACH * scale)
    part = asked.box(round((SEE_THROUGH_WIDE + SEE_THROUGH_REACH) * scale) + 2 * reach)
    inner = np.zeros(shape, np.bool_)
    inner[reach:-reach, reach:-reach] = True
    # Under haze nothing is clear, and what lies between is haze.
    hazy = bool(np.count_nonzero(mean <= CLEAR) < CLEAR_SHARE * mean.size)
    found = _see_through(quantised[part], known.crop(part), Mask(inner[part]), hazy, scale)
    goes_on, within = (m.placed(part, shape) if m else Mask.empty(shape) for m in found)
    return goes_on, within


def _see_through(
    alpha: Alpha8, known: Mask, inner: Mask, hazy: bool, scale: float
) -> tuple[Mask, Mask]:
    """The same in a part of a picture: both masks.

    Args:
        alpha: (H, W) uint8.
        known: What is body already.
        inner: What is not near the frame.
        hazy: Whether hardly anything in the picture is clear.
        scale: Size of the picture relative to 1024 x 1024.
    """
    smooth = np.asarray(cv2.blur(alpha, (2 * round(OUTLINE_BLUR * scale) + 1,) * 2), np.uint8)
    middle = (Mask(smooth > DENT) & Mask(smooth < SOLID)) - known
    middle = middle.erode(SEE_THROUGH_WIDE * scale)
    if not middle:
        return middle, middle
    body = Mask(alpha >= SOLID) | known
    body &= body.erode(OUTLINE_THICK * scale).dilate(OUTLINE_THICK * scale)
    visible = Mask(alpha > CLEAR_AT_MOST)
    wide = middle.dilate(max(1, SEE_THROUGH_WIDE * scale - 2))
    allowed = visible - body
    grown = wide | (wide & allowed).grow_within(allowed, 2 + round(SEE_THROUGH_REACH * scale))
    regions = label(grown, connectivity=8)
    if regions.count >= np.iinfo(np.uint16).max:
        return Mask.empty(known.shape), Mask.empty(known.shape)
    # A mesh is open all over.
    well_in = middle.dilate(SEE_THROUGH_WIDE * scale / 2)
    area, open_ = (
        _counts(regions, mask) for mask in (well_in, well_in & Mask(alpha < SEE_THROUGH_LEAST))
    )
    chosen = (open_ <= SEE_THROUGH_OPEN * area) & (area > 0)
    chosen &= regions.areas > (SEE_THROUGH_SIDE * scale) ** 2
    chosen[0] = False
    if not chosen.any():
        return Mask.empty(known.shape), Mask.empty(known.shape)
    clear = Mask(np.asarray(cv2.blur(alpha, (3, 3))) <= CLEAR_AT_MOST) - grown
    goes_on = _goes_on(regions, body, visible, clear, inner, scale)
    within = np.zeros_like(goes_on)
    if not hazy:
        enclosed, within = _enclosed(regions, body, middle, alpha, scale)
        goes_on |= enclosed
    chosen &= goes_on | within
    if not chosen.any():
        return Mask.empty(known.shape), Mask.empty(known.shape)
    found = regions.mask_of(chosen) & visible
    level = local_level(alpha, (found & wide).pixels(), max(2, round(8 * scale)))
    dense = found & Mask(alpha >= cv2.convertScaleAbs(level, alpha=SEE_THROUGH_DIP))
    dense = dense.dilate(OUTLINE_THICK * scale).erode(OUTLINE_THICK * scale)
    only_within = chosen & ~goes_on
    if not only_within.any():
        return dense, Mask.empty(known.shape)
    more = regions.mask_of(only_within)
    # Beside what is clear it may be hair: only what is no lower than the part is body there.
    hair = Mask(alpha <= CLEAR_AT_MOST).dilate(WITHIN_RIM * scale)
    hair &= Mask(alpha < cv2.subtract(level, np.full_like(level, PANEL_TOLERANCE)))
    return dense - more, (dense & more) - hair


def _goes_on(
    regions: Labelled, body: Mask, visible: Mask, clear: Mask, inner: Mask, scale: float
) -> NDArray[np.bool_]:
    """Beside which regions the outline of the body goes on, (count,)."""
    parts = regions.mask
    near = parts.dilate(2) & body.dilate(2) & clear.dilate(2) & inner
    places = near.places()
    if not places.size:
        return np.zeros(regions.count, np.bool_)
    reach = max(3, round(OUTLINE_REACH * scale))
    names = dilate(regions.plane().astype(np.uint16), np.ones((5, 5), np.uint8))
    of = names.ravel()[places].astype(np.intp)
    seen, solid = (
        sums_about(mask.pixels(), places, reach) / (2 * reach + 1) ** 2
        for mask in (parts | visible, body)
    )
    least, most = OUTLINE_BODY
    (count, seen), (_, body_about) = (_means(of, regions.count, share) for share in (seen, solid))
    chosen = (count >= JUNCTIONS) & (seen < OUTLINE_VISIBLE) & (body_about > least)
    # At no junction does the outline of the body go on within the part.
    junctions = label(near.dilate(reach / 2), connectivity=8)
    runs, at = junctions.within(near)
    at = np.repeat(at, runs.lengths)
    pixels, body_about = _means(at, junctions.count, solid)
    bad = (pixels >= JUNCTIONS / 2) & (body_about > most)
    chosen[of[bad[at]]] = False
    return chosen


def _means(
    names: NDArray[np.intp], count: int, values: NDArray[np.float64]
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """How many values each name has, (count,), and their mean."""
    number = np.bincount(names, minlength=count)
    total = np.bincount(names, weights=values, minlength=count)
    return number, total / np.maximum(number, 1)


def _counts(regions: Labelled, mask: Mask) -> NDArray[np.intp]:
    """How many pixels of a mask lie in each region, (count,)."""
    runs, of = regions.within(mask & regions.mask)
    return np.bincount(of, weights=runs.lengths, minlength=regions.count).astype(np.intp)


def _enclosed(
    regions: Labelled, body: Mask, middle: Mask, alpha: Alpha8, scale: float
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which regions have body all about them, and which are wide with much, each (count,).

    Args:
        regions: Of a part of a picture.
        body: What is body there.
        middle: What is far from the rim of the see-through parts.
        alpha: (H, W) uint8.
        scale: Size of the picture relative to 1024 x 1024.
    """
    rim = (~regions.mask.dilate(1)).pixels()
    beside = count_beside(regions, rim, square_kernel(3 * scale + 1))
    whole, covered = beside(rim), beside(body.pixels())
    within = covered > PANEL_BODY * whole
    if within[1:].any():
        within &= regions.meeting(middle.erode((WITHIN_WIDE - SEE_THROUGH_WIDE) * scale))
    if within[1:].any():
        lowest = erode(alpha, square_kernel(3 * scale))
        ends = beside((Mask(lowest <= CLEAR_AT_MOST) - body).pixels())
        within &= ends >= DENSER_PANEL[2] * (whole - covered)
    return covered > ENCLOSED * whole, within
