"""Dents in groups: those between which little body lies.

Lengths are in pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from refinement.planes.labels import Labelled, label
from refinement.planes.masks import Mask
from refinement.planes.runs import Runs, corners


@dataclass(slots=True)
class Groups:
    """Groups of dents, by number; none is in group 0.

    Attributes:
        near: The regions that the groups and what lies about them fill.
        runs: The runs of pixels of the dents.
        of: (n,), the group of each run.
        side: (count,), of the square about each.
        narrow: (count,), the shorter side of the box about each.
        small: (count,), which of them are pin holes by what is known yet.
    """

    near: Labelled
    runs: Runs
    of: NDArray[np.intp]
    side: NDArray[np.int64]
    narrow: NDArray[np.int64]
    small: NDArray[np.bool_]

    @classmethod
    def of_dents(cls, dents: Mask, reach: int) -> Self:
        """Group the dents between which no more than twice the reach of body lies."""
        near = label(dents.dilate(reach), connectivity=8)
        runs, of = near.within(dents)
        low, high = corners(runs, of, near.count, dents.shape)
        sides = high - low + 1
        small = np.ones(near.count, np.bool_)
        return cls(near, runs, of, sides.max(axis=0), sides.min(axis=0), small)

    def leave_out(self, gaps: Mask) -> None:
        """Leave out the groups of dents that hold any of the gaps."""
        self.small &= ~self.near.meeting(gaps)

    def mask(self) -> Mask:
        """The dents in groups that are not left out."""
        places = self.runs.places(self.small[self.of])
        return Mask.of_places(places, self.near.mask.shape)
