"""Pin holes: small dents that lie alone in the body.

Alpha is (H, W) uint8; lengths are in pixels of a picture of
1024 x 1024 times ``scale``.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from refinement.holes.dents import Dents
from refinement.holes.gaps import reach_of_gaps, small_openings, where_gaps_begin
from refinement.holes.groups import Groups
from refinement.planes.grid import Alpha8
from refinement.planes.masks import Mask
from refinement.regions.background import median_clear
from refinement.regions.earlier import Earlier
from refinement.thresholds import (
    CLEAR,
    PIN_HOLE_APART,
    PIN_HOLE_COMPACT,
    PIN_HOLE_GROUP,
    PIN_HOLE_SCATTER,
    PIN_HOLE_SIDE,
    PIN_HOLE_TOUCHING,
    SOLID,
)

_STEPS: Final = 1
"""How far rows of dents are followed before the rest is labelled. Chosen for speed alone."""


def find_pin_holes(
    quantised: Alpha8, scale: float, earlier: Earlier, solid: int = SOLID, *, quick: bool = False
) -> Mask:
    """The small dents that lie alone in the body.

    Gaps of hair, nets and meshes lie near each other, and such rows of gaps lead to a ragged border
    or to an opening. What is small and leads to none is a pin hole. So is, nearer to others, a
    compact dent of more than two pixels' width that does not reach the level of clear: a gap as
    wide would. One that is clear over more than a few pixels may be an opening, unless it is
    compact and wide body lies about it; one as clear as the background may always be one.

    Args:
        quantised: (H, W) uint8.
        scale: Size of the picture relative to 1024 x 1024.
        earlier: What is known from another call for the same matte.
        solid: Dents are below this level.
        quick: Leave all that lies near the border, however smooth and however compact it is.
    """
    unsolid = Mask(quantised < solid)
    widest = max(PIN_HOLE_SIDE[0], PIN_HOLE_SIDE[1] * scale)
    # Closing by a square fills whatever is narrower than it, and that alone need be asked.
    wide = unsolid.erode(widest / 2).dilate(widest / 2)
    apart = max(PIN_HOLE_APART[0], round(PIN_HOLE_APART[1] * scale))
    if quick:
        asked, joined = _far_from_border(unsolid, wide, apart)
    else:
        asked, joined = unsolid - wide.dilate(1), Mask.empty(wide.shape)
    if not asked:
        return asked
    part = asked.box(reach_of_gaps(widest, apart, scale))
    around, joined = unsolid.crop(part), joined.crop(part)
    if quick:
        dents = Dents.of(quantised, part, asked.crop(part), Mask.empty(around.shape))
        openings = None
    else:
        dents = Dents.of(quantised, part, around, wide.crop(part))
        openings = earlier.of("openings", (wide,), lambda: small_openings(wide, scale)).crop(part)
    joined |= where_gaps_begin(dents, openings, widest, apart, scale)
    # Only openings beside them tell gaps between leaves from pin holes in groups.
    largest = widest if quick else PIN_HOLE_GROUP * widest
    scattered = not quick and scale < PIN_HOLE_TOUCHING[1]
    found = _lone(quantised, dents, joined, apart, largest, scattered)
    if not quick:
        found |= _thick(dents, widest)
    if not found:
        return Mask.empty(quantised.shape)
    # The skirts of a hole are its own, those of what lies beside it are not.
    found = found.dilate(2) - (around - found).dilate(1)
    whole = np.zeros(quantised.shape, np.uint8)
    whole[part] = found.pixels()
    return Mask(whole)


def _far_from_border(unsolid: Mask, wide: Mask, apart: int) -> tuple[Mask, Mask]:
    """The dents that are no part of rows beside the border, and those that rows may lead to."""
    near = wide.dilate(2 * apart)
    left, joined = unsolid - near, (unsolid & near) - wide
    for _ in range(_STEPS + 1):
        joined = joined.dilate(2 * apart + 1) & left
        if not joined:
            break
        left -= joined
    return left, joined.dilate(2 * apart + 1) & left


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
