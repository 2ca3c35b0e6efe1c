"""Foreground colour in the soft band against truth, and against two known methods.

    python tests/benchmarks/bench_refinement_colour.py
    python tests/benchmarks/bench_refinement_colour.py --real FOLDER   # no truth: repetition only

Truth is the colour of procedural portraits. What is observed is spoiled in three ways:
``generator`` (what ``builder.generation.procedural`` does to colour), ``full`` (alpha x truth +
(1 - alpha) x a padding that is half the blurred subject and half an unrelated colour) and
``weak`` (0.4 of that mixture). The figure is the mean over band pixels of alpha x |estimate -
truth|, of 255: the error of a composite on any background, for that cancels. ``again`` is the
change by estimating a second time from the first result, weighted likewise.

Rivals: two passes of blur fusion (Forte 2021, radii 90 and 6) and pymatting's multi-level
estimation, which take what is observed for a composite.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT)]

from builder.generation.procedural import damage, draw  # noqa: E402
from refinement import pictures, refine  # noqa: E402
from refinement.colour import estimate_foreground  # noqa: E402


def fused(observed: NDArray[Any], alpha: NDArray[Any]) -> NDArray[Any]:
    """Two passes of blur fusion."""
    picture = observed.astype(np.float32)
    share = alpha[..., None]

    def step(
        fore: NDArray[Any], back: NDArray[Any], radius: int
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        size = (radius, radius)
        inside = cv2.blur(alpha, size)[..., None]
        near = cv2.blur(fore * share, size) / (inside + 1e-5)
        far = cv2.blur(back * (1 - share), size) / (1 - inside + 1e-5)
        return near + share * (picture - share * near - (1 - share) * far), far

    fore, back = step(picture, picture, 90)
    fore, _ = step(fore, back, 6)
    return np.clip(fore, 0, 255)


def multilevel(observed: NDArray[Any], alpha: NDArray[Any]) -> NDArray[Any]:
    from pymatting import estimate_foreground_ml

    return 255 * np.clip(estimate_foreground_ml(observed / 255, alpha.astype(np.float64)), 0, 1)


METHODS: dict[str, Callable[[NDArray[Any], NDArray[Any]], NDArray[Any]]] = {
    "raw": lambda observed, alpha: observed,
    "refinement": estimate_foreground,
    "blur fusion": fused,
    "multi-level": multilevel,
}


def spoiled(true: NDArray[Any], alpha: NDArray[Any], seed: int) -> dict[str, NDArray[Any]]:
    rng = np.random.default_rng(seed)
    colour = true.astype(np.float32)
    padding = 0.5 * cv2.GaussianBlur(colour, (0, 0), 20) + 0.5 * rng.uniform(60, 200, 3)
    mixture = (1 - alpha[..., None] / np.float32(255)) * (padding - colour)
    return {
        "generator": np.ascontiguousarray(damage(true, alpha, seed, 1.0)[0]),
        "full": np.rint(colour + mixture).astype(np.uint8),
        "weak": np.rint(colour + 0.4 * mixture).astype(np.uint8),
    }


def weighted(one: NDArray[Any], other: NDArray[Any], alpha: NDArray[Any]) -> NDArray[Any]:
    """Alpha x mean absolute difference of the band's pixels."""
    band = (alpha > 0) & (alpha < 1)
    return alpha[band] * np.abs(one[band].astype(np.float32) - other[band]).mean(-1)


def measure(count: int, size: int) -> None:
    table: dict[str, dict[str, list[float]]] = {}
    for seed in range(count):
        portrait = draw(100 + seed, {}, size, size)
        alpha = portrait.alpha.astype(np.float32) / np.float32(255)
        for kind, observed in spoiled(portrait.foreground, portrait.alpha, seed).items():
            row = table.setdefault(kind, {})
            for name, method in METHODS.items():
                estimate = method(observed, alpha)
                error = weighted(estimate, portrait.foreground, alpha).mean()
                row.setdefault(name, []).append(float(error))
            once = estimate_foreground(observed, alpha)
            again = weighted(estimate_foreground(once, alpha), once, alpha).mean()
            row.setdefault("again", []).append(float(again))
    print(f"{count} portraits of {size} x {size}; alpha-weighted error in the band, of 255")
    print(f"{'':12}" + "".join(f"{name:>13}" for name in (*METHODS, "again")))
    for kind, row in table.items():
        print(f"{kind:12}" + "".join(f"{np.mean(values):13.3f}" for values in row.values()))


def repeat(folder: Path) -> None:
    print("change by a second estimation in the band, alpha-weighted, of 255")
    print(f"{'':42}{'first':>8}{'again':>8}{'max':>8}")
    for file in sorted(folder.glob("*.png")):
        rgba = pictures.read(file.read_bytes()).rgba
        result = refine(rgba)
        first = weighted(result.foreground, rgba[..., :3], result.alpha)
        twice = estimate_foreground(result.foreground, result.alpha)
        again = weighted(twice, result.foreground, result.alpha)
        print(f"{file.name:42}{first.mean():8.3f}{again.mean():8.4f}{again.max():8.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=12)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--real", type=Path, metavar="FOLDER", help="8-bit RGBA PNGs")
    arguments = parser.parse_args()
    if arguments.real is not None:
        repeat(arguments.real)
    else:
        measure(arguments.count, arguments.size)


if __name__ == "__main__":
    main()
