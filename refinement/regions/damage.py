"""Whether a matte is damaged, or what it lacks is its own."""

from __future__ import annotations

import numpy as np

from refinement.planes.grid import Alpha8, rough_cell_share
from refinement.planes.masks import Mask
from refinement.planes.steps import steps_at
from refinement.regions.rings import Rings
from refinement.thresholds.damage import (
    DIRTY,
    DIRTY_SIDE,
    DIRTY_SOFT,
    EVEN_OUTSIDE,
    EVEN_REACHES,
    EVEN_WHOLE,
    HAZY,
)
from refinement.thresholds.hair import FINE_REACH


def is_undamaged(quantised: Alpha8, inside: Mask, outside: Mask, rings: Rings, step: int) -> bool:
    """Whether the absolute regions are exact already, far enough from the border to tell.

    Args:
        quantised: (H, W) uint8.
        inside: Definite foreground away from the border.
        outside: Definite background away from it.
        rings: The rings about the border.
        step: Side of a cell in pixels.
    """
    least = round(DIRTY_SIDE**2 * quantised.size / 1024**2)
    if not _exact(quantised, inside, 255, DIRTY, least):
        return _exact(quantised, outside, 0, EVEN_OUTSIDE) and (
            _is_even(quantised, inside, step)
            or (_exact(quantised, outside, 0, 0) and _is_soft(quantised, inside))
        )
    return _exact(quantised, outside & rings.ring, 0, HAZY) and _exact(
        quantised, outside - rings.ring, 0, HAZY
    )


def _is_even(quantised: Alpha8, inside: Mask, step: int) -> bool:
    """Whether body lies evenly just below 1, as fur of measured mattes does.

    A veil is patchy, and lowers all of a patch. Where nearly every cell of the body reaches 1 and
    hardly one is 1 throughout, there is neither a veil nor body beside it.
    """
    body = rough_cell_share(inside, step) == 1
    opaque = rough_cell_share(Mask(quantised == 255), step)[body]
    whole, reached = (np.count_nonzero(cells) for cells in (opaque == 1, opaque > 0))
    return whole <= EVEN_WHOLE * opaque.size and 0 < EVEN_REACHES * opaque.size <= reached


def _is_soft(quantised: Alpha8, inside: Mask) -> bool:
    """Whether what lacks to 1 in the body is narrow, smooth and little.

    Gaps between strands that are out of focus are like that. Beside a background that is exact,
    damage covers more or is steep.
    """
    lack = inside - Mask(quantised == 255)
    near = lack & Mask(quantised == 255).dilate(FINE_REACH)
    most, least, step, share = DIRTY_SOFT
    if near.count() < least * lack.count() or lack.count() > most * inside.count():
        return False
    steep = steps_at(quantised, lack.places()) > step
    return bool(np.count_nonzero(steep) <= share * steep.size)


def _exact(
    quantised: Alpha8, region: Mask, level: int, share_off: float, pixels_off: int = 0
) -> bool:
    """Whether all but a share of a definite region, or a few pixels, is at its level already."""
    off = (region & Mask(quantised != level)).count()
    return off <= max(pixels_off, share_off * region.count())
