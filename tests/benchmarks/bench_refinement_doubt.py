"""Whether ``confidence`` orders refined mattes by the error that is left.

    python -m tests.benchmarks.bench_refinement_doubt              # drawn subjects
    python -m tests.benchmarks.bench_refinement_doubt --truth DIR  # and real mattes, NAME.png
    python -m tests.benchmarks.bench_refinement_doubt --fit        # weights, each design left out

Every subject is damaged by nine designs, at three of five strengths each. The correlations are rank
correlations of expected and remaining error over pictures that no reason rejects, pooled over
strengths. ``border``, ``codec`` and ``cuts`` move or blur the border, or cut the subject: of much
of that the raw matte shows no trace.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from refinement import refine
from refinement.doubt import Doubt, find_doubt
from refinement.planes.masks import Mask
from refinement.thresholds.doubt import ERROR_HALF
from tests.benchmarks.bench_refinement import (
    MATTE_ONLY,
    damaged,
    folder,
    own,
    procedural,
    rank_correlation,
)
from tests.benchmarks.refinement_damage import DESIGNS, damage, others

OLD = ("builder", "multiplied", "subtracted", "seethrough")
SHOWN = (*OLD, "drift", "smoky")  # it leaves traces away from the border
STRENGTHS = (0.25, 0.5, 1.0, 1.5, 2.0)
PARTS = [field.name for field in fields(Doubt) if field.name != "moved_visibly"]
FAINT = 1e-5  # errors far below this are all alike


def subjects(truth: Path | None, count: int) -> Iterator[tuple[str, NDArray[Any], NDArray[Any]]]:
    """Kind, colour and true alpha."""
    for kind, drawn in (("procedural", procedural(count, 512)), ("own", own(count, 480))):
        for _, rgb, alpha in drawn:
            yield kind, rgb, alpha
    for _, alpha in others(480):
        yield "fur, nets, plants", np.full((*alpha.shape, 3), 128, np.uint8), alpha
    for _, rgb, alpha in folder(truth) if truth else ():
        share = min(1.0, 640 / max(alpha.shape))
        size = round(alpha.shape[1] * share), round(alpha.shape[0] * share)
        small = cv2.resize(np.dstack([rgb, alpha]), size, interpolation=cv2.INTER_AREA)
        yield "real", small[..., :3], np.ascontiguousarray(small[..., 3])


def measure(truth: Path | None, count: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Labels (n, 2), the parts of the expected error (n, 6) and the error that is left (n,)."""
    rng = np.random.default_rng(1)
    labels, parts, errors = [], [], []
    for seed, (kind, rgb, true) in enumerate(subjects(truth, count)):
        for design in (*OLD, *DESIGNS):
            for strength in rng.permutation(STRENGTHS)[:3]:
                if design in DESIGNS:
                    rgba = np.dstack([rgb, damage(design, true, seed, strength)])
                else:
                    rgba = damaged(design, rgb, true, seed, strength)
                result = refine(rgba, options=MATTE_ONLY)
                if result.report.reasons:
                    continue
                final = np.rint(255 * result.alpha).astype(np.uint8)
                raw = np.ascontiguousarray(rgba[..., 3])
                step = max(2, round(np.sqrt(raw.size) / 128))
                doubt = find_doubt(raw, final, Mask.empty(raw.shape), step)
                values = {name: getattr(doubt, name) for name in PARTS}
                confidence = result.report.confidence
                # What stays half transparent is known to the report alone.
                values["kept"] = ERROR_HALF / confidence - ERROR_HALF - sum(values.values())
                labels.append((kind, design))
                parts.append([values[name] for name in PARTS])
                errors.append(np.abs(final.astype(int) - true).mean() / 255)
    return np.array(labels), np.maximum(parts, 0), np.array(errors)


def fitted(parts: NDArray[Any], errors: NDArray[Any]) -> NDArray[Any]:
    """Factors of the parts that make the logarithms of both errors alike."""

    def loss(logarithms: NDArray[Any]) -> float:
        off = np.log(parts @ np.exp(logarithms) + FAINT) - np.log(errors + FAINT)
        return float(np.sqrt(off * off + 0.05).mean())

    start = np.zeros(parts.shape[1])
    bounds = [(-4, 4)] * start.size
    return np.exp(minimize(loss, start, method="L-BFGS-B", bounds=bounds).x)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=10, help="drawn portraits of each kind")
    parser.add_argument("--truth", type=Path, metavar="DIR", help="true alphas, NAME.png")
    parser.add_argument("--fit", action="store_true", help="fit the weights, one label left out")
    arguments = parser.parse_args()
    labels, parts, errors = measure(arguments.truth, arguments.count)
    expected = parts.sum(1)
    shown = np.isin(labels[:, 1], SHOWN)

    def line(name: str, values: NDArray[Any], where: NDArray[np.bool_]) -> None:
        correlation = rank_correlation(list(values[where]), list(errors[where]))
        factor = np.median(expected[where] / np.maximum(errors[where], FAINT))
        print(f"{name:30}{np.count_nonzero(where):6}{correlation:8.2f}{factor:8.2f}")

    print(f"{'':30}{'n':>6}{'rank':>8}{'expected / left, median':>26}")
    line("all", expected, np.ones_like(shown))
    line("damage that leaves traces", expected, shown)
    for kind in dict.fromkeys(labels[:, 0]):
        line(f"  of these, {kind}", expected, shown & (labels[:, 0] == kind))
    for design in dict.fromkeys(labels[:, 1]):
        line(design, expected, labels[:, 1] == design)
    if arguments.fit:
        for column in (0, 1):
            held_out = np.zeros_like(errors)
            for label in dict.fromkeys(labels[:, column]):
                out = labels[:, column] == label
                factors = fitted(parts[~out], errors[~out])
                held_out[out] = parts[out] @ factors
                told = zip(PARTS, factors, strict=True)
                print(f"without {label:22}" + ", ".join(f"{name} {f:.2f}" for name, f in told))
            line("held out, all", held_out, np.ones_like(shown))
            line("held out, with traces", held_out, shown)


if __name__ == "__main__":
    main()
