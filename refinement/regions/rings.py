"""How near the border a pixel lies, by the border's own thickness."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import cv2
import numpy as np

from refinement.planes.distances import distance_to
from refinement.planes.grid import Interpolated, Plane, strips
from refinement.planes.masks import Mask

_SKIRT: Final = (-1.0, 0.15)  # pixels, and the part of the thickness that is added. Trade.


@dataclass(frozen=True)
class Rings:
    """Masks of what lies near the border.

    Attributes:
        near: Outside, where only the border's tail may lie.
        close: Inside, within a good part of the border's thickness.
        nearby: Twice as far and a little more.
        tail: ``near`` with a margin. It is left out of the test for damage, so that refining
            twice changes nothing.
        edge: ``close`` with a margin, left out of that test too.
        thick: From :func:`refinement.regions.division.thickness`.
        away: Distance from the border in ``part`` of the picture, beyond which all is farther from
            it than any of the masks reaches; float32.
        part: Rows and columns.
        scale: Size of the picture relative to 1024 x 1024.
        band_width: See :class:`Options`.
    """

    near: Mask
    close: Mask
    nearby: Mask
    tail: Mask
    edge: Mask
    thick: Plane
    away: Plane
    part: tuple[slice, slice]
    scale: float
    band_width: float

    @cached_property
    def band(self) -> Mask:
        """As far as the widest border."""
        return self._within(self.band_width * self.scale)

    @cached_property
    def ring(self) -> Mask:
        """Where halo is looked for."""
        return self._within(32 * self.scale)

    @cached_property
    def skirt(self) -> Mask:
        """Outside, where a soft border's tail may lie even if it is as faint as a halo.

        There is none beside crisp borders.
        """
        shape, mask = self.near.shape, np.zeros(self.near.shape, np.bool_)
        rows, columns = self.part
        # Depth grows inward, so how thick a border is as a whole shows some cells farther in.
        whole = np.asarray(cv2.dilate(self.thick, np.ones((7, 7), np.uint8)), np.float32)
        width = Interpolated(whole, shape)
        for strip in strips(*self.away.shape):
            target = slice(rows.start + strip.start, rows.start + strip.stop)
            left = cv2.scaleAdd(width.part(target, columns), -_SKIRT[1], self.away[strip])
            np.less_equal(left, _SKIRT[0], out=mask[target, columns])
        return Mask(mask)

    def _within(self, pixels: float) -> Mask:
        whole = np.zeros(self.near.shape, np.bool_)
        np.less_equal(self.away, pixels, out=whole[self.part])
        return Mask(whole)


def measure_rings(
    border: Mask,
    thick: Plane,
    step: int,
    scale: float,
    band_width: float,
) -> Rings:
    """Mark how near the border every pixel lies.

    Args:
        border: The unknown border without background.
        thick: From :func:`refinement.regions.division.thickness`.
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
        "tail": (2.0, 0.6),
        "edge": (reach + 2, 1.25),
    }
    height, columns = border.shape
    # Farther away nothing is near: there is no thickness a few cells beyond the border.
    pixels = (band_width * scale, 32 * scale, *(pixels for pixels, _ in limits.values()))
    rows, across = border.box(1 + round(max(4 * step, *pixels)))
    start, end = across.start // 8, -(-min(across.stop, columns) // 8)  # in bytes of eight pixels
    part = slice(rows.start, min(rows.stop, height)), slice(8 * start, min(8 * end, columns))
    away = distance_to(border.pixels()[part]) if border else np.zeros((0, 1), np.float32)
    width = Interpolated(thick, border.shape)
    packed = {name: np.zeros((height, -(-columns // 8)), np.uint8) for name in limits}
    for strip in strips(*away.shape):
        target = slice(part[0].start + strip.start, part[0].start + strip.stop)
        thickness = width.part(target, part[1])
        for name, (least, share) in limits.items():
            left = cv2.scaleAdd(thickness, -share, away[strip])
            near = np.packbits(left <= least, axis=1, bitorder="little")
            packed[name][target, start:end] = near
    masks = {name: Mask.packed(bits, border.shape) for name, bits in packed.items()}
    return Rings(**masks, thick=thick, away=away, part=part, scale=scale, band_width=band_width)
