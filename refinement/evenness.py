"""Whether what a body lacks to 1 is its own."""

from __future__ import annotations

import numpy as np

from refinement.grid import Alpha8, rough_cell_share
from refinement.masks import Mask
from refinement.thresholds import EVEN_REACHES, EVEN_WHOLE


def is_even(quantised: Alpha8, inside: Mask, step: int) -> bool:
    """Whether body lies evenly just below 1, as fur of measured mattes does.

    A veil is patchy, and lowers all of a patch. Where nearly every cell of the body reaches 1 and
    hardly one is 1 throughout, there is neither a veil nor body beside it.

    Args:
        quantised: (H, W) uint8.
        inside: Definite foreground away from the border.
        step: Side of a cell in pixels.
    """
    body = rough_cell_share(inside, step) == 1
    opaque = rough_cell_share(Mask(quantised == 255), step)[body]
    whole, reached = (np.count_nonzero(cells) for cells in (opaque == 1, opaque > 0))
    return whole <= EVEN_WHOLE * opaque.size and 0 < EVEN_REACHES * opaque.size <= reached
