"""How near the border a pixel lies, by the border's own thickness."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from refinement.grid import distance, fine, mask

_STRIP: Final = 64  # rows


@dataclass(slots=True)
class Rings:
    """Masks of what lies near the border, (H, W) uint8, 0 or 1.

    Attributes:
        near: Outside, where only the border's tail may be.
        close: Inside, a good part of the border's thickness.
        nearby: Twice as far and a little more.
        trusted: As far as a good matte is believed without question.
        band: As far as the widest border.
        ring: Where halo is looked for.
        tail: ``near`` with a margin, so that what a first refinement kept beside the border
            does not speak again.
        edge: ``close`` with a margin, likewise.
    """

    near: np.ndarray
    close: np.ndarray
    nearby: np.ndarray
    trusted: np.ndarray
    band: np.ndarray
    ring: np.ndarray
    tail: np.ndarray
    edge: np.ndarray


def measure(border: np.ndarray, thick: np.ndarray, scale: float, band_width: float) -> Rings:
    """Measure how near the border everything lies.

    Args:
        border: (H, W) mask of the unknown border without background.
        thick: From :func:`regions.thickness`.
        scale: Size of the picture relative to 1024 x 1024.
        band_width: See :class:`Options`.
    """
    reach = 1.5 + 3 * scale
    limits = {  # pixels, and what part of the border's thickness is added to them
        "near": (0.5, 0.35),
        "close": (reach, 0.75),
        "nearby": (2 * reach + 12 * scale, 1.5),
        "trusted": (0.5 * band_width * scale, 0.0),
        "band": (band_width * scale, 0.0),
        "ring": (32 * scale, 0.0),
        "tail": (2.0, 0.6),
        "edge": (reach + 2, 1.25),
    }
    away = distance(border)
    width = fine(thick, border.shape)
    result = Rings(*(np.empty_like(border) for _ in limits))
    for top in range(0, border.shape[0], _STRIP):  # strips, for the memory and the cache
        rows = slice(top, top + _STRIP)
        for name, (pixels, part) in limits.items():
            left = cv2.scaleAdd(width[rows], -part, away[rows]) if part else away[rows]
            getattr(result, name)[rows] = mask(left <= pixels)
    result.trusted |= result.nearby
    return result
