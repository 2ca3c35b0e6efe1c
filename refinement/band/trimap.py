"""The trimap of a refined matte."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from refinement.planes.grid import Alpha8
from refinement.planes.masks import Mask


def trimap(quantised: Alpha8, radius: int) -> NDArray[np.uint8]:
    """Trimap with an unknown region along the border.

    Args:
        quantised: (H, W) uint8, the refined alpha in 255ths.
        radius: How far the unknown region reaches beyond soft alpha and beyond the border
            between 0 and 1, in pixels.

    Returns:
        (H, W) uint8: 0 definite background, 128 unknown, 255 definite foreground.
    """
    opaque, clear = (Mask(quantised == level).erode_octagon(radius) for level in (255, 0))
    return (~clear).pixels() * np.uint8(128) | opaque.pixels() * np.uint8(127)
