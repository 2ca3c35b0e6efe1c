"""Foreground colour in the soft band against truth, and against two known methods.

    python tests/benchmarks/bench_refinement_colour.py
    python tests/benchmarks/bench_refinement_colour.py --photos FOLDER
    python tests/benchmarks/bench_refinement_colour.py --truth FOREGROUND.png ALPHA.png
    python tests/benchmarks/bench_refinement_colour.py --real FOLDER   # no truth: repetition only
    python tests/benchmarks/bench_refinement_colour.py --speed

Truth is the colour of procedural portraits, or what ``--truth`` names. What is observed is
``generator`` (what ``builder.generation.procedural`` does to colour) or a mixture alpha x truth +
(1 - alpha) x padding, ``full`` or ``weak`` (0.4 of it). Paddings are ``related`` (half the blurred
subject, half an unrelated colour), ``grey``, ``black``, ``white``, ``gradient``, ``noise``
(spots of six pixels and grain), ``portrait`` (another drawn portrait) and, with ``--photos``,
``photo`` (a piece of a photograph). The figure is the mean over band pixels of alpha x |estimate -
truth|, of 255: the error of a composite on any background, for that cancels. ``again`` is the
change by estimating a second time from the first result, weighted likewise.

Rivals: two passes of blur fusion (Forte 2021, radii 90 and 6) and pymatting's multi-level
estimation, which take what is observed for a composite.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT)]

from builder.generation.procedural import damage, draw  # noqa: E402
from refinement import Options, refine  # noqa: E402
from refinement.colour.estimation import estimate_foreground  # noqa: E402
from refinement.io import pictures  # noqa: E402
from tests.refinement import synthetic  # noqa: E402


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


def paddings(
    true: NDArray[Any], seed: int, photos: list[NDArray[np.uint8]]
) -> dict[str, NDArray[Any]]:
    """Float pictures that show under alpha 0, by name."""
    rng = np.random.default_rng(seed)
    height, width = true.shape[:2]
    blurred = cv2.GaussianBlur(true.astype(np.float32), (0, 0), 20)
    found: dict[str, NDArray[Any]] = {"related": 0.5 * blurred + 0.5 * rng.uniform(60, 200, 3)}
    for name, level in (("grey", 128.0), ("black", 0.0), ("white", 255.0)):
        found[name] = np.full_like(blurred, level)
    along = (np.linspace(0, 1, height)[:, None] + np.linspace(0, 1, width)) / 2
    one, other = rng.uniform(0, 255, (2, 3))
    found["gradient"] = one + (other - one) * along[..., None]
    spots = rng.uniform(0, 255, (height // 6 + 1, width // 6 + 1, 3)).astype(np.float32)
    large = cv2.resize(spots, (width, height), interpolation=cv2.INTER_CUBIC)
    found["noise"] = np.clip(large + rng.normal(0, 12, true.shape), 0, 255)
    found["portrait"] = draw(900 + seed, {}, width, height).foreground.astype(np.float32)
    if photos:
        photo = photos[seed % len(photos)]
        row, column = (
            int(rng.integers(0, max(1, there - here)))
            for there, here in zip(photo.shape, true.shape[:2], strict=False)
        )
        piece = photo[row : row + height, column : column + width]
        found["photo"] = cv2.resize(piece, (width, height)).astype(np.float32)
    return found


def spoiled(
    true: NDArray[Any], alpha: NDArray[Any], seed: int, photos: list[NDArray[np.uint8]]
) -> dict[str, NDArray[Any]]:
    colour = true.astype(np.float32)
    found = {"generator": np.ascontiguousarray(damage(true, alpha, seed, 1.0)[0])}
    for name, padding in paddings(true, seed, photos).items():
        mixture = (1 - alpha[..., None] / np.float32(255)) * (padding - colour)
        found[f"{name}, full"] = np.rint(colour + mixture).astype(np.uint8)
        found[f"{name}, weak"] = np.rint(colour + 0.4 * mixture).astype(np.uint8)
    return found


def weighted(one: NDArray[Any], other: NDArray[Any], alpha: NDArray[Any]) -> NDArray[Any]:
    """Alpha x mean absolute difference of the band's pixels."""
    band = (alpha > 0) & (alpha < 1)
    return alpha[band] * np.abs(one[band].astype(np.float32) - other[band]).mean(-1)


def measure(truths: list[tuple[NDArray[Any], NDArray[Any]]], photos: list[NDArray[Any]]) -> None:
    table: dict[str, dict[str, list[float]]] = {}
    for seed, (true, opacity) in enumerate(truths):
        alpha = opacity.astype(np.float32) / np.float32(255)
        for kind, observed in spoiled(true, opacity, seed, photos).items():
            row = table.setdefault(kind, {})
            for name, method in METHODS.items():
                error = weighted(method(observed, alpha), true, alpha).mean()
                row.setdefault(name, []).append(float(error))
            once = estimate_foreground(observed, alpha)
            again = weighted(estimate_foreground(once, alpha), once, alpha).mean()
            row.setdefault("again", []).append(float(again))
    print(f"{len(truths)} pictures; alpha-weighted error in the band, of 255")
    print(f"{'':16}" + "".join(f"{name:>13}" for name in (*METHODS, "again")))
    for kind, row in table.items():
        print(f"{kind:16}" + "".join(f"{np.mean(values):13.3f}" for values in row.values()))


def speed(size: int) -> None:
    """CPU time of this process, one thread, rivals in turn."""
    cv2.setNumThreads(1)
    subject = synthetic.subject(3, (size, size), hair="curly", arm_gap=True)
    rgba = subject.rgba(synthetic.damage_multiplied(subject.alpha, 3))
    result = refine(rgba, options=Options(estimate_colour=False))
    methods = {name: METHODS[name] for name in ("refinement", "multi-level")}
    taken: dict[str, list[float]] = {name: [] for name in methods}
    for turn in range(12):
        for name, method in methods.items():
            start = time.process_time()
            method(result.foreground, result.alpha)
            if turn:  # the first one compiles
                taken[name].append(1000 * (time.process_time() - start))
    print(f"{size} x {size}, CPU time: median and least")
    for name, times in taken.items():
        print(f"{name:16}{statistics.median(times):8.1f} ms{min(times):8.1f} ms")


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
    parser.add_argument("--photos", type=Path, metavar="FOLDER", help="photographs as paddings")
    parser.add_argument("--truth", type=Path, nargs=2, metavar=("FOREGROUND", "ALPHA"))
    parser.add_argument("--speed", action="store_true", help="CPU time at 1024 x 1024")
    arguments = parser.parse_args()
    if arguments.real is not None:
        repeat(arguments.real)
        return
    if arguments.speed:
        speed(1024)
        return
    photos = sorted(arguments.photos.glob("*.jpg")) if arguments.photos else []
    if arguments.truth:
        foreground, alpha = (opened(path) for path in arguments.truth)
        truths = [(foreground, alpha[..., 0])]
    else:
        drawn = [
            draw(100 + seed, {}, arguments.size, arguments.size) for seed in range(arguments.count)
        ]
        truths = [(portrait.foreground, portrait.alpha) for portrait in drawn]
    measure(truths, [opened(path) for path in photos])


def opened(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as picture:
        return np.array(picture.convert("RGB"))


if __name__ == "__main__":
    main()
