"""Refinement against rivals, on mattes with known truth.

    python tests/benchmarks/bench_refinement.py                       # 60 procedural portraits
    python tests/benchmarks/bench_refinement.py --damage other --truth DIR
    python tests/benchmarks/bench_refinement.py --speed

Truth is a procedural portrait (``builder.generation.procedural``), a subject of the tests' own
(``tests/refinement/synthetic.py``), or any ``NAME.png`` of a folder (its alpha channel, or its
grey value). Damage is the generator's (``builder``), or one of three unrelated models of the
tests (``multiplied``, ``subtracted``, ``seethrough``), at any strength; strength 0 measures what
happens to mattes that have nothing wrong. All figures are of the whole picture; "band" is where
the true alpha lies strictly between 0 and 1, "outside" the rest, "inside" the part of it where
the true alpha is 1. "Steps" counts neighbours that the result sets further apart, by more than
8/255, than truth and the damaged matte do.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT)]

from ld_portrait_20k.matting import metrics  # noqa: E402
from refinement import Options, refine  # noqa: E402
from tests.refinement import synthetic  # noqa: E402

COLUMNS = ("SAD", "MSE", "Grad", "Conn", "band", "outside", "inside", "steps")
STEP = 8 / 255  # smaller ones are not counted; the bound that the aim for contours names
MATTE_ONLY = Options(estimate_colour=False)


def refined(rgba: NDArray[np.uint8]) -> NDArray[Any]:
    return refine(rgba, options=MATTE_ONLY).alpha


def largest_filled(rgba: NDArray[np.uint8]) -> NDArray[Any]:
    """The largest component at 0.5 keeps its alpha, its enclosed holes become 1."""
    alpha = rgba[..., 3].astype(np.float32) / 255
    count, labels, stats, _ = cv2.connectedComponentsWithStats((alpha >= 0.5).astype(np.uint8))
    if count == 1:
        return alpha
    body = labels == 1 + np.argmax(stats[1:, cv2.CC_STAT_AREA])
    ground = cv2.copyMakeBorder((~body).astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=1)
    open_ground = cv2.connectedComponents(ground)[1]
    hole = (open_ground[1:-1, 1:-1] != open_ground[0, 0]) & ~body
    near = cv2.dilate(body.astype(np.uint8), np.ones((31, 31), np.uint8)) > 0
    return np.where(hole, 1.0, np.where(near, alpha, 0.0)).astype(np.float32)


def rescaled(rgba: NDArray[np.uint8]) -> NDArray[Any]:
    """Clip to 0.06 .. 0.9 and stretch to 0 .. 1."""
    return np.clip((rgba[..., 3].astype(np.float32) / 255 - 0.06) / 0.84, 0, 1)


def closed_form(rgba: NDArray[np.uint8]) -> NDArray[Any]:
    """Trimap from the raw matte (0.05, 0.95, 8 px), closed-form matting over a grey ground."""
    from pymatting import estimate_alpha_cf

    alpha = rgba[..., 3].astype(np.float64) / 255
    kernel = np.ones((17, 17), np.uint8)
    trimap = np.full(alpha.shape, 0.5)
    trimap[cv2.erode((alpha > 0.95).astype(np.uint8), kernel) > 0] = 1
    trimap[cv2.erode((alpha < 0.05).astype(np.uint8), kernel) > 0] = 0
    picture = rgba[..., :3] / 255 * alpha[..., None] + 0.5 * (1 - alpha[..., None])
    return np.clip(estimate_alpha_cf(picture, trimap), 0, 1).astype(np.float32)


def procedural(count: int, size: int) -> Iterator[tuple[str, NDArray[Any], NDArray[Any]]]:
    from builder.generation.procedural import draw
    from builder.prompts.vocabulary import VOCABULARY

    styles, arms = VOCABULARY["hair_style"], VOCABULARY["arms"]
    jewels = VOCABULARY["jewellery"]
    for i in range(count):
        wanted = {
            "hair_style": styles[i % len(styles)],
            "arms": arms[(i // 2) % len(arms)],
            "jewellery": jewels[(i // 3) % len(jewels)],
        }
        portrait = draw(7000 + i, wanted if i % 4 else {}, size, size)
        yield f"{i:03d}", portrait.foreground, portrait.alpha


def own(count: int, size: int) -> Iterator[tuple[str, NDArray[Any], NDArray[Any]]]:
    for i in range(count):
        subject = synthetic.subject(
            500 + i,
            (size, size),
            hair=synthetic.HAIR[i % len(synthetic.HAIR)],
            arm_gap=i % 2 == 1,
            hoop=i % 3 == 1,
            cut=("bottom", "none", "sides")[i // 2 % 3],
        )
        yield f"{i:03d}", subject.rgb, np.rint(subject.alpha * 255).astype(np.uint8)


def folder(path: Path) -> Iterator[tuple[str, NDArray[Any], NDArray[Any]]]:
    for file in sorted(path.glob("*.png")):
        picture = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
        if picture is None:
            continue
        alpha = picture if picture.ndim == 2 else picture[..., -1]
        rgb = np.full((*alpha.shape, 3), 128, np.uint8)
        yield file.stem, rgb, alpha.astype(np.uint8)


def damaged(
    kind: str, rgb: NDArray[np.uint8], alpha: NDArray[Any], seed: int, strength: float
) -> NDArray[Any]:
    if strength == 0:
        return np.dstack([rgb, alpha])
    if kind == "builder":
        from builder.generation.procedural import damage

        return np.dstack(damage(rgb, alpha, seed, strength))
    model = getattr(synthetic, f"damage_{kind}")
    worse = model(alpha.astype(np.float32) / 255, seed, strength)
    return np.dstack([rgb, np.rint(worse * 255).astype(np.uint8)])


def new_steps(predicted: NDArray[Any], true: NDArray[Any], raw: NDArray[Any]) -> int:
    """Pairs of neighbours, side by side or one above the other, with a step of the result alone."""
    count = 0
    for axis in (0, 1):
        found, *known = (np.abs(np.diff(plane, axis=axis)) for plane in (predicted, true, raw))
        count += int(np.count_nonzero(found - np.maximum(*known) > STEP))
    return count


def figures(predicted: NDArray[Any], true: NDArray[Any], raw: NDArray[Any]) -> list[float]:
    band = (true > 0) & (true < 1)
    return [
        metrics.sad(predicted, true),
        1000 * metrics.mse(predicted, true),
        metrics.grad(predicted, true, convention=metrics.PLAIN),
        metrics.conn(predicted, true),
        metrics.sad(predicted, true, band),
        metrics.sad(predicted, true, ~band),
        metrics.sad(predicted, true, true == 1),
        new_steps(predicted, true, raw),
    ]


def quality(arguments: argparse.Namespace) -> dict[str, object]:
    methods: dict[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
        "raw": lambda rgba: rgba[..., 3].astype(np.float32) / 255,
        "refined": refined,
        "largest, filled": largest_filled,
        "rescaled": rescaled,
    }
    if not arguments.no_closed_form:
        methods["closed-form"] = closed_form
    if arguments.truth is not None:
        samples = folder(arguments.truth)
    elif arguments.subjects == "own":
        samples = own(arguments.count, arguments.size)
    else:
        samples = procedural(arguments.count, arguments.size)
    table: dict[str, list[list[float]]] = {name: [] for name in methods}
    confidence, moved = [], []
    for seed, (_name, rgb, alpha) in enumerate(samples):
        rgba = damaged(arguments.damage, rgb, alpha, seed, arguments.strength)
        true = alpha.astype(np.float32) / 255
        for name, method in methods.items():
            table[name].append(figures(method(rgba), true, rgba[..., 3].astype(np.float32) / 255))
        once = refine(rgba, options=MATTE_ONLY)
        confidence.append(once.report.confidence)
        moved.append(moved_again(rgba, once.alpha))
    raw = np.array(table["raw"])
    print(f"{len(raw)} samples, damage {arguments.damage} x {arguments.strength:g}")
    print(f"{'':16}" + "".join(f"{c:>10}" for c in COLUMNS) + "   ratio to raw / samples worse")
    result: dict[str, object] = {}
    for name, rows in table.items():
        values = np.array(rows)
        ratio = values.mean(0)[:-1] / np.maximum(raw.mean(0)[:-1], 1e-12)  # raw has no new steps
        worse = (values > raw + 1e-6).sum(0)
        print(
            f"{name:16}"
            + "".join(f"{v:10.4f}" for v in values.mean(0))
            + "   "
            + " ".join(f"{r:.3f}/{w}" for r, w in zip(ratio, worse[:-1], strict=True))
        )
        result[name] = {
            column: {"mean": m, "ratio": r, "worse": int(w), "worst": x}
            for column, m, r, w, x in zip(
                COLUMNS, values.mean(0), [*ratio, None], worse, values.max(0), strict=True
            )
        }
    sad = [row[0] for row in table["refined"]]
    agreement = rank_correlation(confidence, sad)
    print(f"rank correlation of the report's confidence with SAD: {agreement:.2f}")
    print(
        f"a second refinement moves something by more than 1/255 in {np.count_nonzero(moved)}",
        end="",
    )
    print(f" of {len(moved)}, at most {max(moved, default=0)} pixels")
    result["confidence"], result["moved again"] = agreement, moved
    return result


def moved_again(rgba: NDArray[np.uint8], alpha: NDArray[Any]) -> int:
    """Pixels that a second refinement moves by more than 1/255."""
    first = np.rint(255 * alpha).astype(np.uint8)
    second = np.rint(255 * refined(np.dstack([rgba[..., :3], first])))
    return int(np.count_nonzero(np.abs(second - first) > 1))


def rank_correlation(first: list[float], second: list[float]) -> float:
    ranks = [np.argsort(np.argsort(values)) for values in (first, second)]
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def speed(size: int) -> dict[str, float]:
    from pymatting import estimate_foreground_ml

    cv2.setNumThreads(1)
    subject = synthetic.subject(3, (size, size), hair="curly", arm_gap=True)
    alpha = synthetic.damage_multiplied(subject.alpha, 3)
    rgba = subject.rgba(alpha)
    picture, matte = rgba[..., :3] / 255, rgba[..., 3] / 255
    solid = (rgba[..., 3] > 127).astype(np.uint8)
    estimate_foreground_ml(picture, matte)  # compiled once
    jobs: dict[str, Callable[[], object]] = {
        "connectedComponentsWithStats": lambda: cv2.connectedComponentsWithStats(solid),
        "matte": lambda: refine(rgba, options=MATTE_ONLY),
        "whole": lambda: refine(rgba),
        "estimate_foreground_ml": lambda: estimate_foreground_ml(picture, matte),
    }
    taken: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(11):
        for name, job in jobs.items():
            start = time.process_time()  # of one thread; other work on the machine does not count
            job()
            taken[name].append(time.process_time() - start)
    result = {name: 1000 * statistics.median(values) for name, values in taken.items()}
    ratios = {
        "matte / connectedComponentsWithStats": statistics.median(
            a / b for a, b in zip(taken["matte"], taken[next(iter(jobs))], strict=True)
        ),
        "whole / estimate_foreground_ml": statistics.median(
            a / b for a, b in zip(taken["whole"], taken["estimate_foreground_ml"], strict=True)
        ),
    }
    for name, value in result.items():
        print(f"{name:32}{value:9.1f} ms")
    for name, value in ratios.items():
        print(f"{name:40}{value:6.2f}")
    return {**result, **ratios, "bytes a pixel": memory()}


def memory() -> float:
    """Peak memory of one whole refinement beyond its input, in bytes a pixel."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from tests.benchmarks.bench_refinement import peak\n"
        "print(peak())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(ROOT)], capture_output=True, text=True, check=True
    )
    value = float(done.stdout)
    print(f"{'memory beyond the input':32}{value:9.1f} bytes a pixel")
    return value


def peak(side: int = 4096) -> float:
    small = synthetic.subject(3, (512, 512), hair="curly", arm_gap=True)
    refine(small.rgba())
    rgba = cv2.resize(small.rgba(), (side, side), interpolation=cv2.INTER_CUBIC)
    # The highest so far is forgotten; getrusage would give that of the parent, too.
    Path("/proc/self/clear_refs").write_text("5")
    before = resident("VmRSS")
    result = refine(rgba)
    after = resident("VmHWM")
    del result
    return (after - before) / side**2


def resident(field: str) -> int:
    """Memory of this process in bytes, from Linux's /proc."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return 1024 * int(line.split()[1])
    raise LookupError(field)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--size", type=int, default=768)
    parser.add_argument("--subjects", choices=("procedural", "own"), default="procedural")
    parser.add_argument("--truth", type=Path, metavar="DIR", help="true alphas, NAME.png")
    parser.add_argument(
        "--damage", choices=("builder", "multiplied", "subtracted", "seethrough"), default="builder"
    )
    parser.add_argument("--strength", type=float, default=1.0)
    parser.add_argument("--no-closed-form", action="store_true", help="leave the slow rival out")
    parser.add_argument("--speed", action="store_true", help="time and memory instead")
    parser.add_argument("--json", action="store_true", help="also print the figures as JSON")
    arguments = parser.parse_args()
    result = speed(1024) if arguments.speed else quality(arguments)
    if arguments.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
