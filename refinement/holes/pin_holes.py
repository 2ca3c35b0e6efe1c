"""Pin holes: small dents that lie alone in the body.

Alpha is (H, W) uint8; lengths are in pixels of a picture of
1024 x 1024 times ``scale``.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from refinement.holes.dents import Dents
from refinement.holes.focus import out_of_focus
from refinement.holes.gaps import reach_of_gaps, small_openings, where_gaps_begin
from refinement.holes.groups import Groups
from refinement.planes.grid import Alpha8
from refinement.planes.labels import label
from refinement.planes.masks import Mask
from refinement.regions.background import median_clear
from refinement.regions.earlier import Earlier
from refinement.thresholds.holes import (
    PIN_HOLE_APART,
    PIN_HOLE_COMPACT,
    PIN_HOLE_GROUP,
    PIN_HOLE_SCATTER,
    PIN_HOLE_SHALLOW,
    PIN_HOLE_SIDE,
    PIN_HOLE_TOUCHING,
)
from refinement.thresholds.levels import CLEAR, SOLID

_STEPS: Final = 1
"""How far rows of dents are followed before the rest is labelled. Chosen for speed alone."""


def find_pin_holes(quantised: Alpha8, scale: float, earlier: Earlier) -> Mask:
    """The small dents that lie alone in the body.

    Gaps of hair, nets and meshes lie near each other, and such rows of gaps lead to a ragged border
    or to an opening. What is small and leads to none is a pin hole. So is, nearer to others, a
    compact dent of more than two pixels' width that does not reach the level of clear: a gap as
    wide would. One that is clear over more than a few pixels may be an opening, unless it is
    compact and wide body lies about it; one as clear as the background may always be one. What is
    out of focus as the border beside it is a gap.

    Args:
        quantised: (H, W) uint8.
        scale: Size of the picture relative to 1024 x 1024.
        earlier: What is known from another call for the same matte.
    """
    unsolid = Mask(quantised < SOLID)
    widest = max(PIN_HOLE_SIDE[0], PIN_HOLE_SIDE[1] * scale)
    # Closing by a square fills whatever is narrower than it, and that alone need be asked.
    wide = unsolid.erode(widest / 2).dilate(widest / 2)
    apart = max(PIN_HOLE_APART[0], round(PIN_HOLE_APART[1] * scale))
    lone = _shallow(quantised, unsolid, wide.dilate(2 * apart), apart)
    if lone:
        unsolid |= lone
    asked = unsolid - wide.dilate(1)
    if not asked:
        return asked
    part = asked.box(reach_of_gaps(widest, apart, scale))
    around = unsolid.crop(part)
    dents = Dents.of(quantised, part, around, wide.crop(part))
    openings = earlier.of("openings", (wide,), lambda: small_openings(wide, scale)).crop(part)
    begin = where_gaps_begin(dents, openings, widest, apart, scale)
    scattered = scale < PIN_HOLE_TOUCHING[1]
    found = _lone(quantised, dents, begin, apart, PIN_HOLE_GROUP * widest, scattered)
    found |= _thick(dents, widest)
    if found:
        found -= out_of_focus(dents, found)
    if not found:
        return Mask.empty(quantised.shape)
    # The skirts of a hole are its own, those of what lies beside it are not.
    holes = found.dilate(2) - (around - found).dilate(1)
    return holes.placed(part, quantised.shape) & Mask(quantised < 255)


def _shallow(quantised: Alpha8, unsolid: Mask, near: Mask, apart: int) -> Mask:
    """Far from the border, dents that are nowhere deep and no part of rows that lead there."""
    shallow = Mask(quantised < PIN_HOLE_SHALLOW) - unsolid
    lone = shallow - unsolid.dilate(1) - near
    if not lone:
        return lone
    near |= (shallow & near).dilate(2 * apart + 1)
    shallow -= near
    part = lone.box(2)  # what lies farther decides nothing
    regions = label(shallow.crop(part), connectivity=8)
    beside = (unsolid | near).crop(part).dilate(1)
    chosen = regions.meeting(lone.crop(part)) & ~regions.meeting(beside)
    return regions.mask_of(chosen).placed(part, quantised.shape)


def _thick(dents: Dents, widest: float) -> Mask:
    """The compact dents wider than two pixels that are nowhere clear."""
    core = dents.mask.erode_octagon(1)
    if not core:
        return core
    asked = dents.regions.meeting(core) & (dents.open == 0) & (dents.side <= widest)
    found = dents.mask_of(asked & (dents.regions.areas > PIN_HOLE_COMPACT * dents.side**2))
    if not found:
        return found
    groups = Groups.of_dents(found, 1)
    groups.small &= groups.side <= widest
    groups.leave_out(found & (dents.unsolid - found).dilate(3))
    return groups.mask()


def _lone(
    quantised: Alpha8, dents: Dents, begin: Mask, apart: int, largest: float, scattered: bool
) -> Mask:
    """The groups of dents that lead to nothing else.

    Args:
        quantised: (H, W) uint8, the whole picture.
        dents: The dents.
        begin: Those of them where gaps begin.
        apart: Half the body between dents that belong together.
        largest: The largest side of a group of pin holes.
        scattered: Whether larger ones are pin holes too, where gaps begin far from them and they
            are no rows.
    """
    # Most dents lie where gaps begin, and following them takes less time than labelling them.
    joined, left = begin, dents.mask
    for _ in range(_STEPS):
        left -= joined
        if not left or not joined:
            break
        joined = joined.dilate(2 * apart + 1) & left
    if not left:
        return left
    groups = Groups.of_dents(left, apart)
    small = groups.side <= largest
    if scattered and not small.all():
        times, far = PIN_HOLE_SCATTER
        wide = (groups.side <= times * largest) & (2 * groups.narrow > largest)
        small |= wide & ~groups.near.meeting(begin.dilate(far * apart))
    groups.small &= small
    groups.leave_out(joined & left)
    found = groups.mask()
    clear = found & dents.clear
    haze = median_clear(quantised, CLEAR) if clear else 0
    if haze:  # what is as clear as the background may be some of it
        places, names = dents.regions.pixels_of(clear)
        floor = np.full(dents.regions.count, 255, np.int32)
        np.minimum.at(floor, names, dents.alpha.ravel()[places].astype(np.int32))
        groups.leave_out(found & dents.mask_of(np.abs(floor - haze) <= 1))
        found = groups.mask()
    return found
