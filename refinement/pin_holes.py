"""Pin holes: small dents that lie alone in the body.

Alpha is (H, W) uint8; lengths are in pixels of a picture of
1024 x 1024 times ``scale``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from refinement.background import gap_area, median_clear
from refinement.grid import Alpha8
from refinement.labels import label
from refinement.masks import Mask
from refinement.runs import Places, corners
from refinement.thresholds import (
    CLEAR,
    PIN_HOLE_APART,
    PIN_HOLE_COMPACT,
    PIN_HOLE_SIDE,
    SOLID,
)

_STEPS: Final = 1
"""How far rows of dents are followed before the rest is labelled. Chosen for speed alone."""


def find_pin_holes(quantised: Alpha8, scale: float, solid: int = SOLID) -> Mask:
    """The small dents that lie alone in the body.

    Gaps of hair, nets and meshes lie near each other or near the border, and such rows of gaps lead
    to background. What is small and leads nowhere is a pin hole. So is, nearer to others, a compact
    dent of more than two pixels' width that does not reach the level of clear: a gap as wide would.
    One that is clear over more than a few pixels, or as clear as the background, may be an opening.

    Args:
        quantised: (H, W) uint8.
        scale: Size of the picture relative to 1024 x 1024.
        solid: Dents are below this level.
    """
    unsolid = Mask(quantised < solid)
    widest = max(PIN_HOLE_SIDE[0], PIN_HOLE_SIDE[1] * scale)
    # Closing by a square fills whatever is narrower than it, and that alone need be asked.
    narrow = unsolid - unsolid.erode(widest / 2).dilate(widest / 2)
    if not narrow:
        return narrow
    found = _thick(quantised, narrow, unsolid, widest) | _lone(
        quantised, narrow, unsolid, widest, scale
    )
    if not found:
        return found
    # The skirts of a hole are its own, those of what lies beside it are not.
    return found.dilate(2) - (unsolid - found).dilate(1)


def _thick(quantised: Alpha8, narrow: Mask, unsolid: Mask, widest: float) -> Mask:
    """The compact dents wider than two pixels that are nowhere clear."""
    core = narrow.erode_octagon(1)
    if not core:
        return core
    dents = core.dilate(widest) & narrow
    groups = _Groups.of(dents, (unsolid - dents).dilate(2), 1, widest, quantised)
    has_core = np.bincount(groups.names[core.at(groups.places)], minlength=groups.side.size) > 0
    compact = groups.area > PIN_HOLE_COMPACT * groups.side * groups.side
    return groups.mask_of(groups.small & has_core & compact & (groups.clear == 0))


def _lone(quantised: Alpha8, narrow: Mask, unsolid: Mask, widest: float, scale: float) -> Mask:
    """The groups of dents that lead to nothing else."""
    apart = max(PIN_HOLE_APART[0], round(PIN_HOLE_APART[1] * scale))
    joined = (unsolid - narrow).dilate(2 * apart) & narrow
    dents = narrow
    # Most dents lie beside the border, and following them takes less time than labelling them.
    for _ in range(_STEPS):
        dents -= joined
        if not dents or not joined:
            break
        joined = joined.dilate(2 * apart + 1) & dents
    if not dents:
        return dents
    groups = _Groups.of(dents, joined, apart, widest, quantised)
    chosen = groups.small & (groups.clear < gap_area(scale))
    if (chosen & (groups.clear > 0)).any():
        haze = median_clear(quantised, CLEAR)
        chosen &= (haze == 0) | (groups.clear == 0) | (np.abs(groups.floor - haze) > 1)
    # A dent in the outermost line may be the edge of a strand that goes on beyond it.
    height, width = quantised.shape
    rows, columns = np.divmod(groups.places, width)
    framed = (rows % (height - 1) == 0) | (columns % (width - 1) == 0)
    chosen[groups.names[framed]] = False
    return groups.mask_of(chosen)


@dataclass(frozen=True, slots=True)
class _Groups:
    """Groups of dents, by number; no pixel is in group 0.

    Attributes:
        shape: (H, W) of the picture.
        places: (n,), the pixels of the dents.
        names: (n,), the group of each; pixels of large groups are left out.
        side: (count,), of the square about the group.
        area: (count,), pixels.
        clear: (count,), how many of them are at the level of clear.
        floor: (count,) int32, the lowest level.
        small: (count,), whether it is small and nothing else that is no body lies near.
    """

    shape: tuple[int, int]
    places: Places
    names: NDArray[np.intp]
    side: NDArray[np.int64]
    area: NDArray[np.intp]
    clear: NDArray[np.intp]
    floor: NDArray[np.int32]
    small: NDArray[np.bool_]

    @classmethod
    def of(cls, dents: Mask, beside: Mask, reach: int, widest: float, quantised: Alpha8) -> _Groups:
        """Group the dents between which no more than twice the reach of body lies.

        Args:
            dents: The dents.
            beside: What lies near something else that is no body.
            reach: In pixels.
            widest: The largest side of a small group.
            quantised: (H, W) uint8.
        """
        regions = label(dents.dilate(reach), connectivity=8)
        runs, of = regions.within(dents)
        area = np.bincount(of, weights=runs.lengths, minlength=regions.count).astype(np.intp)
        asked = area <= widest * widest
        asked[regions.within(dents & beside)[1]] = False
        asked[0] = False
        kept = asked[of]
        runs, of = runs.only(kept), of[kept]
        low, high = corners(runs, of, regions.count, dents.shape)
        side = (high - low).max(axis=0) + 1
        places, names = runs.places(), np.repeat(of, runs.lengths)
        levels = quantised.ravel()[places]
        floor = np.full(regions.count, 255, np.int32)
        np.minimum.at(floor, names, levels.astype(np.int32))
        return cls(
            shape=dents.shape,
            places=places,
            names=names,
            side=side,
            area=area,
            clear=np.bincount(names[levels <= CLEAR], minlength=regions.count),
            floor=floor,
            small=asked & (side <= widest),
        )

    def mask_of(self, chosen: NDArray[np.bool_]) -> Mask:
        """The mask of the chosen groups, given by (count,)."""
        return Mask.of_places(self.places[chosen[self.names]], self.shape)
