"""Small RGBA cut-outs for tests of the pipeline: a soft-edged body with strands, cut below."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image


def cutout(seed: int, width: int = 128, height: int = 160) -> NDArray[Any]:
    """(H, W, 4) uint8: a head on shoulders, never the same twice."""
    rng = np.random.default_rng(seed)
    scale = 4
    size = np.array([width, height]) * scale
    mask = np.zeros(size[::-1], np.uint8)
    centre = size * (0.5 + rng.uniform(-0.1, 0.1), 0.38 + rng.uniform(-0.06, 0.06))
    axes = size * (0.16 + rng.uniform(0, 0.08), 0.2 + rng.uniform(0, 0.06))
    tilt = rng.uniform(-20, 20)
    cv2.ellipse(mask, centre.astype(int).tolist(), axes.astype(int).tolist(), tilt, 0, 360, 255, -1)
    shoulder = int(size[0] * rng.uniform(0.25, 0.45))
    neck = int(centre[1] + axes[1] * 0.8)
    below = (int(centre[0]), int(size[1]) + 10)
    cv2.ellipse(mask, below, (shoulder, int(size[1]) - neck), 0, 180, 360, 255, -1)
    for angle in rng.uniform(np.pi, 2 * np.pi, 40):
        start = centre + axes * 0.9 * (np.cos(angle), np.sin(angle))
        end = start + size * rng.uniform(0.03, 0.12) * (np.cos(angle), np.sin(angle))
        cv2.line(mask, start.astype(int).tolist(), end.astype(int).tolist(), 255, 2)
    alpha = cv2.resize(mask, (width, height), interpolation=cv2.INTER_AREA)
    colour = cv2.resize(
        rng.integers(0, 255, (5, 4, 3), dtype=np.uint8),
        (width, height),
        interpolation=cv2.INTER_CUBIC,
    )
    return np.dstack([colour, alpha])


def save_cutouts(folder: Path, count: int, **size: int) -> Path:
    """Write ``count`` cut-outs and their prompts (``prompts.json`` beside the folder)."""
    folder.mkdir(parents=True)
    for seed in range(count):
        Image.fromarray(cutout(seed, **size)).save(folder / f"person_{seed:03d}.png")
    prompts = {f"person_{seed:03d}": f"test person {seed}" for seed in range(count)}
    (folder.parent / "prompts.json").write_text(json.dumps(prompts))
    return folder
