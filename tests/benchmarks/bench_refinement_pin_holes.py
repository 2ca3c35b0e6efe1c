"""How much of small holes the refinement leaves, by design and size.

    python -m tests.benchmarks.bench_refinement_pin_holes
    python -m tests.benchmarks.bench_refinement_pin_holes --sizes 96 1024 --count 4

Holes 1 to 6 px wide and of any depth are drawn into undamaged portraits, procedural ones and the
tests' own, ten to a picture, from 2 px inside the border on. A pixel is left if it is below 245
where truth is 255. ``soft`` counts the pixels of true borders and gaps that moved by over 10.
"""

from __future__ import annotations

import argparse
from collections import Counter
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from refinement import Options, refine
from tests.benchmarks.bench_refinement import own, procedural

DESIGNS = ("smooth", "round", "slit", "ragged", "rectangle", "group")
HALF = 9


def hole(design: str, rng: np.random.Generator) -> NDArray[Any]:
    """Of 19 x 19 pixels, 0..1: what is taken away."""
    y, x = np.mgrid[-HALF : HALF + 1, -HALF : HALF + 1] - rng.uniform(-0.5, 0.5, (2, 1, 1))
    drawn: NDArray[Any] = np.zeros(x.shape)
    if design == "smooth":
        drawn = np.exp(-(x * x + y * y) / (2 * rng.uniform(0.4, 1.6) ** 2))
    elif design == "round":
        drawn = np.clip(rng.uniform(0.5, 3) + 0.5 - np.hypot(x, y), 0, 1)
    elif design == "slit":
        angle = rng.uniform(0, np.pi)
        along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
        drawn = np.clip(rng.uniform(2, 3.5) - abs(along), 0, 1)
        drawn *= np.clip(rng.uniform(0.9, 1.4) - abs(across), 0, 1)
    elif design == "ragged":
        at = np.array([HALF, HALF])
        for _ in range(int(rng.integers(3, 12))):
            drawn[tuple(at)] = rng.uniform(0.3, 1)
            at = np.clip(at + rng.integers(-1, 2, 2), HALF - 2, HALF + 3)
    elif design == "rectangle":
        high, wide = rng.integers(1, 7, 2)
        top, left = HALF - high // 2, HALF - wide // 2
        drawn[top : top + high, left : left + wide] = rng.uniform(0.7, 1, (high, wide))
    else:
        for _ in range(int(rng.integers(2, 5))):
            down, right = rng.uniform(-4, 4, 2)
            away = (y - down) ** 2 + (x - right) ** 2
            drawn = np.maximum(drawn, np.exp(-away / (2 * rng.uniform(0.4, 0.9) ** 2)))
    return drawn


def punched(alpha: NDArray[Any], design: str, seed: int) -> NDArray[np.uint8]:
    """Alpha with ten holes of a design."""
    rng = np.random.default_rng([seed, DESIGNS.index(design), alpha.shape[0]])
    solid = cv2.copyMakeBorder((alpha == 255).astype(np.uint8), *(HALF,) * 4, cv2.BORDER_REPLICATE)
    depth = cv2.distanceTransform(solid, cv2.DIST_L2, 5)
    raw = cv2.copyMakeBorder(alpha, *(HALF,) * 4, cv2.BORDER_REPLICATE).astype(np.float32)
    inside = np.argwhere(depth[HALF:-HALF, HALF:-HALF] > 2)
    drawn = 0
    for _ in range(400 if len(inside) else 0):
        y, x = rng.choice(inside)
        part = np.s_[y : y + 2 * HALF + 1, x : x + 2 * HALF + 1]
        lost = hole(design, rng) * rng.uniform(0.1, 1)
        if (lost > 0.039).any() and (depth[part][lost > 0.039] > 2).all():
            raw[part] *= 1 - lost
            drawn += 1
        if drawn == 10:
            break
    return np.rint(raw[HALF:-HALF, HALF:-HALF]).astype(np.uint8)


def main() -> None:
    """Print a row a size."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[96, 128, 256, 512])
    parser.add_argument("--count", type=int, default=8, help="portraits of each kind (default 8)")
    arguments = parser.parse_args()
    print(" size", *(f"{design:>9}" for design in (*DESIGNS, "all")), "  soft")
    for size in arguments.sizes:
        left: Counter[str] = Counter()
        total: Counter[str] = Counter()
        soft = 0
        for first, draw in ((0, procedural), (100, own)):
            for seed, (_, rgb, alpha) in enumerate(draw(arguments.count, size), first):
                for design in DESIGNS:
                    raw = punched(alpha, design, seed)
                    result = refine(np.dstack([rgb, raw]), options=Options(estimate_colour=False))
                    refined = np.rint(255 * result.alpha)
                    true = alpha == 255
                    left[design] += int(np.count_nonzero(true & (refined < 245)))
                    total[design] += int(np.count_nonzero(true & (raw < 245)))
                    soft += int(np.count_nonzero(~true & (np.abs(refined - alpha) > 10)))
        shares = [left[design] / max(1, total[design]) for design in DESIGNS]
        shares.append(left.total() / max(1, total.total()))
        print(f"{size:5}", *(f"{share:9.3f}" for share in shares), f"{soft:6}", flush=True)


if __name__ == "__main__":
    main()
