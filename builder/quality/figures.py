"""What is measured of a refined sample before it is judged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from builder.quality.duplicates import perceptual_hash
from builder.quality.thresholds import BODY_ABOVE, OPAQUE_FROM


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures of one refined matte; the ``quality`` section of its metadata.

    Attributes:
        coverage: Mean alpha, 0..1.
        opaque_area: Share of pixels with alpha of at least 250/255.
        soft_area: Share of pixels strictly between transparent and opaque.
        bodies: Separate opaque bodies of size before refinement, counted by refinement.
        body_width: Width of the box around alpha above one half, as a share of the picture.
        body_height: Height of that box, as a share of the picture.
        touches_bottom: Whether the body reaches the lower border.
        perceptual_hash: 32 hex digits; near pictures differ in few bits.
    """

    coverage: float
    opaque_area: float
    soft_area: float
    bodies: int
    body_width: float
    body_height: float
    touches_bottom: bool
    perceptual_hash: str

    def to_dict(self) -> dict[str, Any]:
        """As the metadata stores it."""
        return {name: getattr(self, name) for name in self.__slots__}


def measure(foreground: NDArray[np.uint8], alpha: NDArray[np.uint8], bodies: int) -> Figures:
    """Measure a refined sample.

    Args:
        foreground: (H, W, 3) uint8, straight sRGB.
        alpha: (H, W) uint8.
        bodies: How many bodies refinement counted.
    """
    height, width = alpha.shape
    pixels = alpha.size
    columns, rows = (np.flatnonzero(alpha.max(axis) > BODY_ABOVE) for axis in (0, 1))
    return Figures(
        coverage=cv2.sumElems(alpha)[0] / pixels / 255.0,
        opaque_area=np.count_nonzero(alpha >= OPAQUE_FROM) / pixels,
        soft_area=(np.count_nonzero(alpha) - np.count_nonzero(alpha == 255)) / pixels,
        bodies=bodies,
        body_width=float(np.ptp(columns) + 1) / width if columns.size else 0.0,
        body_height=float(np.ptp(rows) + 1) / height if rows.size else 0.0,
        touches_bottom=bool((alpha[-1] > BODY_ABOVE).any()),
        perceptual_hash=perceptual_hash(foreground, alpha),
    )
