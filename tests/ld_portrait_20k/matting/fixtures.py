"""Small pictures and folders for the matting tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ld_portrait_20k.compositing import composite, trimap


def matte(seed: int = 0, height: int = 48, width: int = 40) -> NDArray[Any]:
    """A soft blob that touches the lower border, (height, width) uint8."""
    y, x = np.mgrid[:height, :width]
    wave = np.sin(np.arctan2(y - height * 0.7, x - width / 2) * (3 + seed % 4)) * 0.06
    distance = np.hypot((y - height * 0.75) / height, (x - width / 2) / width) + wave
    return np.rint(np.clip((0.42 - distance) / 0.08 + 0.5, 0, 1) * 255).astype(np.uint8)


def colours(
    seed: int, height: int = 48, width: int = 40, base: tuple[int, int, int] = (200, 120, 60)
) -> NDArray[Any]:
    """A smooth picture around a colour, (height, width, 3) uint8."""
    rng = np.random.default_rng(seed)
    coarse = rng.normal(0, 12, (6, 6, 3)).astype(np.float32)
    grown = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(np.array(base) + grown, 0, 255).astype(np.uint8)


def scene(seed: int = 0, height: int = 48, width: int = 40) -> dict[str, NDArray[Any]]:
    """image, foreground, background, alpha and trimap of one portrait-like picture."""
    alpha = matte(seed, height, width)
    foreground = colours(seed, height, width)
    background = colours(seed + 1000, height, width, base=(40, 90, 190))
    return {
        "alpha": alpha,
        "foreground": foreground,
        "background": background,
        "image": composite(foreground, alpha, background),
        "trimap": trimap(alpha, 3, 3),
    }


def write(path: Path, picture: NDArray[Any]) -> Path:
    """Write a grey, RGB or RGBA picture; the suffix says how."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if picture.ndim == 3:
        order = [2, 1, 0, 3][: picture.shape[2]]
        picture = picture[..., order]
    assert cv2.imwrite(str(path), picture)
    return path
