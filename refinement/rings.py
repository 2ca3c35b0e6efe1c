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


def measure_rings(border: Mask, thick: Plane, step: int, scale: float, band_width: float) -> Rings:
    """Mark how near the border every pixel lies.

    Args:
        border: The unknown border without background.
        thick: From :func:`refinement.regions.thickness`.
        step: Side of a coarse cell in pixels.
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
    if not border:
        return Rings(**dict.fromkeys(limits, border))
    height, columns = border.shape
    # Farther away nothing is near: there is no thickness a few cells beyond the border.
    farthest = max(4 * step, *(pixels for pixels, _ in limits.values()))
    rows, across = border.box(1 + round(farthest))
    start, end = across.start // 8, -(-min(across.stop, columns) // 8)  # in bytes of eight pixels
    part = rows, slice(8 * start, 8 * end)
    away = distance_to(border.pixels()[part])
    width = interpolate_cells(thick, border.shape)[part]
    packed = {limit: np.zeros((height, -(-columns // 8)), np.uint8) for limit in limits.values()}
    for top in range(0, away.shape[0], _STRIP):
        strip = slice(top, top + _STRIP)
        target = slice(rows.start + top, rows.start + min(top + _STRIP, away.shape[0]))
        for (pixels, share), mask in packed.items():
            left = cv2.scaleAdd(width[strip], -share, away[strip]) if share else away[strip]
            near = np.packbits(left <= pixels, axis=1, bitorder="little")
            mask[target, start:end] = near
    masks = {name: Mask.packed(packed[limit], border.shape) for name, limit in limits.items()}
    masks["trusted"] |= masks["nearby"]
    return Rings(**masks)
