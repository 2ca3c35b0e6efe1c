"""Where gaps begin: at ragged borders, about openings, and at dents that are too large.

Gaps of hair lie beside a border of strands, those of nets and leaves beside larger openings.
Nothing of that kind lies beside the smooth border of a body, so a small dent there is a pin hole.
Lengths are in pixels of a picture of 1024 x 1024 times ``scale``.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from refinement.holes.dents import Dents
from refinement.holes.groups import Groups
from refinement.planes.labels import label
from refinement.planes.masks import Mask
from refinement.regions.background import gap_area
from refinement.thresholds.holes import (
    LONE_HOLE_BODY,
    LONE_HOLE_COMPACT,
    LONE_HOLE_OPENINGS,
    OPENING_AREA,
    OPENING_REACH,
    PIN_HOLE_GROUP,
    PIN_HOLE_OPEN,
    PIN_HOLE_TOUCHING,
    RAGGED_REACH,
    RAGGED_SHARE,
    RAGGED_SIDE,
    STRAND_WIDTH,
)


def where_gaps_begin(dents: Dents, openings: Mask, widest: float, apart: int, scale: float) -> Mask:
    """The dents that are gaps, or lie so near a ragged border or an opening that they may be.

    Args:
        dents: The dents of a part of a picture.
        openings: The small openings there.
        widest: The largest side of a pin hole.
        apart: Half the body between dents that belong together.
        scale: Size of the picture relative to 1024 x 1024.
    """
    touching, small = PIN_HOLE_TOUCHING
    largest = max(widest, touching) if scale < small else widest
    gaps = dents.mask_of(dents.chosen & ((dents.side > largest) | dents.framed))
    open_ = dents.open >= max(PIN_HOLE_OPEN, gap_area(scale))
    open_ &= ~_in_wide_body(dents, open_, gaps, openings, widest, scale)
    around = dents.mask_of(open_) | openings
    if around:
        gaps |= around.dilate(OPENING_REACH * apart) & dents.mask
    reach = RAGGED_REACH * apart
    asked = (dents.unsolid - dents.mask) & (dents.mask - gaps).dilate(reach)
    if asked:
        gaps |= _ragged(asked, dents, scale).dilate(reach) & dents.mask
    return gaps


def reach_of_gaps(widest: float, apart: int, scale: float) -> int:
    """How far from a dent something may lie that decides whether it is a gap."""
    about = 2 * _radius(scale) + _reach(scale) + RAGGED_REACH * apart
    body = max(_body_about(widest, scale), LONE_HOLE_OPENINGS * widest)
    return max(OPENING_REACH * apart, round(about), round(body)) + 1


def _in_wide_body(
    dents: Dents,
    open_: NDArray[np.bool_],
    gaps: Mask,
    openings: Mask,
    widest: float,
    scale: float,
) -> NDArray[np.bool_]:
    """Which clear dents lie alone in wide body, (count,): pin holes, though they are clear.

    Something thin bounds an opening on one side at least: a strand, a finger, a rim. Where none is
    thin, as in nets and between leaves and curls, other openings lie near.

    Args:
        dents: The dents of a part of a picture.
        open_: (count,), which of them are clear over more than a few pixels.
        gaps: What is too long for a pin hole.
        openings: The small openings.
        widest: The largest side of a pin hole.
        scale: Size of the picture relative to 1024 x 1024.
    """
    compact = dents.regions.areas > LONE_HOLE_COMPACT * dents.side**2
    lone = open_ & (dents.side <= widest) & compact & ~dents.framed
    if not lone.any():
        return lone
    border = (dents.unsolid - dents.mask) | gaps
    beside = border.dilate(_body_about(widest, scale))
    if openings:
        beside |= openings.dilate(LONE_HOLE_OPENINGS * widest)
    lone &= ~dents.regions.meeting(beside)
    if not lone.any():
        return lone
    groups = Groups.of_dents(dents.mask, round(widest))
    groups.small &= groups.side <= PIN_HOLE_GROUP * widest
    groups.leave_out(dents.mask & border.dilate(widest))
    return lone & dents.regions.meeting(groups.mask())


def _body_about(widest: float, scale: float) -> float:
    """How much body lies about a clear pin hole."""
    times, least = LONE_HOLE_BODY
    return max(times * widest, least * scale)


def small_openings(wide: Mask, scale: float) -> Mask:
    """Openings as they lie between strands and leaves; arms enclose larger ones."""
    regions = label(wide, connectivity=8)
    small = regions.areas < OPENING_AREA * scale * scale
    small[0] = False
    return regions.mask_of(small) if small.any() else Mask.empty(wide.shape)


def _ragged(asked: Mask, dents: Dents, scale: float) -> Mask:
    """Where strands, narrow gaps and faint alpha that lies by itself are dense.

    A smooth border is soft over two pixels or three, with clear background on one side and body on
    the other.

    Args:
        asked: The part of the border that is asked.
        dents: The dents, which count as body.
        scale: Size of the picture relative to 1024 x 1024.
    """
    radius, side = _radius(scale), 2 * _reach(scale) + 1
    part = asked.box(_reach(scale) + round(2 * radius) + 1)
    border, clear = (dents.unsolid - dents.mask).crop(part), dents.clear.crop(part)
    inner = border.erode(radius)
    thin = border.dilate(radius).erode(radius) - border
    notches = border - inner.dilate(radius)
    faint = border - clear - ((border & clear).dilate(radius) - inner)
    found = 255 * (thin | notches | faint).pixels()
    share = cv2.blur(found, (side, side), borderType=cv2.BORDER_CONSTANT)
    ragged = np.zeros(asked.shape, np.bool_)
    ragged[part] = np.asarray(share) > round(255 * RAGGED_SHARE)
    return asked & Mask(ragged)


def _radius(scale: float) -> float:
    return max(1.0, scale) * STRAND_WIDTH / 2


def _reach(scale: float) -> int:
    return round(max(1.0, scale) * RAGGED_SIDE)
