"""How near the border a pixel lies, by the border's own thickness."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from refinement.grid import Plane, distance_to, interpolate_cells
from refinement.masks import Mask

_STRIP: Final = 64  # rows; strips keep memory low and stay in the cache


@dataclass(slots=True)
class Rings:
    """Masks of what lies near the border.

    Attributes:
        near: Outside, where only the border's tail may lie.
        close: Inside, within a good part of the border's thickness.
        nearby: Twice as far and a little more.
        trusted: As far as an undamaged matte is believed without question.
        band: As far as the widest border.
        ring: Where halo is looked for.
        tail: ``near`` with a margin. It is left out of the test for damage, so that refining
            twice changes nothing.
        edge: ``close`` with a margin, left out of that test too.
    """

    near: Mask
    close: Mask
    nearby: Mask
    trusted: Mask
    band: Mask
    ring: Mask
    tail: Mask
    edge: Mask


def measure_rings(border: Mask, thick: Plane, scale: float, band_width: float) -> Rings:
    """Mark how near the border every pixel lies.

    Args:
        border: The unknown border without background.
        thick: From :func:`refinement.regions.thickness`.
        scale: Size of the picture relative to 1024 x 1024.
        band_width: See :class:`Options`.
    """
    reach = 1.5 + 3 * scale
    # Pixels, and the part of the border's thickness that is added to them. Chosen by eye.
    limits = {
        "near": (0.5, 0.35),
        "close": (reach, 0.75),
        "nearby": (2 * reach + 12 * scale, 1.5),
        "trusted": (0.5 * band_width * scale, 0.0),
        "band": (band_width * scale, 0.0),
        "ring": (32 * scale, 0.0),
        "tail": (2.0, 0.6),
        "edge": (reach + 2, 1.25),
    }
    height, columns = border.shape
    away = distance_to(border.pixels())
    width = interpolate_cells(thick, border.shape)
    packed = {name: np.empty((height, -(-columns // 8)), np.uint8) for name in limits}
    for top in range(0, height, _STRIP):
        rows = slice(top, top + _STRIP)
        for name, (pixels, part) in limits.items():
            left = cv2.scaleAdd(width[rows], -part, away[rows]) if part else away[rows]
            packed[name][rows] = np.packbits(left <= pixels, axis=1, bitorder="little")
    masks = {name: Mask.packed(rows, border.shape) for name, rows in packed.items()}
    masks["trusted"] |= masks["nearby"]
    return Rings(**masks)
