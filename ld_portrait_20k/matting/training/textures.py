"""Colour without files: smooth noise, gradients and patterns, their ranges chosen by eye."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


def smooth_noise(rng: np.random.Generator, size: int, cell: float) -> NDArray[np.float32]:
    """Noise of about unit variance with features of ``cell`` pixels, (size, size) float32."""
    count = int(np.ceil(size / max(cell, 1.0))) + 3
    grid = rng.standard_normal((count, count), dtype=np.float32)
    step = size / (count - 3) if count > 4 else cell
    full = cv2.resize(grid, None, fx=step, fy=step, interpolation=cv2.INTER_CUBIC)
    top, left = (int(rng.integers(side - size + 1)) for side in full.shape)
    return np.ascontiguousarray(full[top : top + size, left : left + size])


def draw_texture(rng: np.random.Generator, size: int) -> NDArray[np.uint8]:
    """A plain colour, a gradient, or noise at several scales; (size, size, 3) uint8 sRGB."""
    base = rng.uniform(0, 255, 3).astype(np.float32)
    picture = np.broadcast_to(base, (size, size, 3)).astype(np.float32)
    kind = rng.random()
    if kind < 0.2:
        return np.rint(picture).astype(np.uint8)
    y, x = np.mgrid[:size, :size].astype(np.float32) / np.float32(size)
    turn = rng.uniform(0, 2 * np.pi)
    along = (x * np.cos(turn) + y * np.sin(turn))[..., None]
    picture = picture + along * rng.normal(0, 80, 3).astype(np.float32)
    if kind > 0.45:
        for _ in range(int(rng.integers(1, 5))):
            cell = float(np.exp(rng.uniform(np.log(1.5), np.log(size))))
            tint = rng.normal(0, 35, 3).astype(np.float32)
            picture = picture + smooth_noise(rng, size, cell)[..., None] * tint
    return np.rint(np.clip(picture, 0, 255)).astype(np.uint8)
