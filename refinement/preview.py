"""A sheet that shows what refinement changed."""

from __future__ import annotations

import cv2
import numpy as np

_LIGHT = 245.0
_DARK = 24.0


def sheet(raw: np.ndarray, foreground: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Before and after on light and dark, and the change of alpha eight times amplified.

    Args:
        raw: (H, W, 4) uint8 or uint16, the input.
        foreground: (H, W, 3), the same dtype, re-estimated colour.
        alpha: (H, W) float32, refined.

    Returns:
        (2 H', 3 W', 3) uint8 sRGB: the first row before and after on light and the raw
        matte, the second row on dark and the change; red lowered, green raised. Sides are
        halved until they are at most 1024 pixels.
    """
    limit = float(np.iinfo(raw.dtype).max)
    before: np.ndarray = raw[..., :3].astype(np.float32) * (255.0 / limit)
    after: np.ndarray = foreground.astype(np.float32) * (255.0 / limit)
    old: np.ndarray = raw[..., 3].astype(np.float32) / limit
    while max(old.shape) > 1024:
        size = ((old.shape[1] + 1) // 2, (old.shape[0] + 1) // 2)
        before, after, old, alpha = (
            cv2.resize(plane, size, interpolation=cv2.INTER_AREA)
            for plane in (before, after, old, alpha)
        )

    def over(picture: np.ndarray, matte: np.ndarray, level: float) -> np.ndarray:
        return picture * matte[..., None] + level * (1 - matte[..., None])

    change = 8 * 255 * (alpha - old)
    matte = np.repeat((255 * old)[..., None], 3, axis=2)
    difference = np.stack([np.maximum(-change, 0), np.maximum(change, 0), 0 * change], axis=-1)
    rows = [
        np.hstack([over(before, old, _LIGHT), over(after, alpha, _LIGHT), matte]),
        np.hstack([over(before, old, _DARK), over(after, alpha, _DARK), difference]),
    ]
    return np.clip(np.rint(np.vstack(rows)), 0, 255).astype(np.uint8)
