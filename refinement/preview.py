"""A sheet that shows what refinement changed."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from refinement.grid import Pixels

_LIGHT = 245.0
_DARK = 24.0
_SIDE = 1024  # of one panel at most
_STRIP = 64  # rows of the sheet made at a time, for the memory


def sheet(raw: Pixels, foreground: Pixels, alpha: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Before and after on light and dark, and the change of alpha eight times amplified.

    Args:
        raw: (H, W, 4) uint8 or uint16, the input.
        foreground: (H, W, 3), the same dtype, re-estimated colour.
        alpha: (H, W) float32, refined.

    Returns:
        (2 H', 3 W', 3) uint8 sRGB: the first row before and after on light and the raw
        matte, the second row on dark and the change; red lowered, green raised. Sides are
        halved until they are at most 1024 pixels, after compositing.
    """
    height, width = alpha.shape
    step = 1
    while max(height, width) > _SIDE * step:
        step *= 2
    strips = [
        _panels(raw[rows], foreground[rows], alpha[rows], step)
        for rows in (slice(top, top + _STRIP * step) for top in range(0, height, _STRIP * step))
    ]
    panels = [np.vstack(parts) for parts in zip(*strips, strict=True)]
    return np.vstack([np.hstack(panels[:3]), np.hstack(panels[3:])])


def _panels(
    raw: Pixels, foreground: Pixels, alpha: NDArray[np.float32], step: int
) -> list[NDArray[np.uint8]]:
    """The six panels of a strip, made smaller by ``step``."""
    scale = 255 / np.float32(np.iinfo(raw.dtype).max)
    before = raw[..., :3] * scale
    after = foreground * scale
    old = raw[..., 3:] * (scale / 255)
    new = alpha[..., None]
    change = 8 * 255 * (new - old)
    full = [
        *(colour * a + _LIGHT * (1 - a) for colour, a in ((before, old), (after, new))),
        np.repeat(255 * old, 3, axis=2),
        *(colour * a + _DARK * (1 - a) for colour, a in ((before, old), (after, new))),
        np.dstack([np.maximum(-change, 0), np.maximum(change, 0), 0 * change]),
    ]
    height, width = alpha.shape
    border = (0, -height % step, 0, -width % step, cv2.BORDER_REPLICATE)
    size = (-(-width // step), -(-height // step))
    return [
        cv2.resize(
            cv2.copyMakeBorder(np.clip(np.rint(panel), 0, 255).astype(np.uint8), *border),
            size,
            interpolation=cv2.INTER_AREA,
        )
        for panel in full
    ]
