"""Whether ``confidence`` orders refined mattes by the error that is left.

    python -m tests.benchmarks.bench_refinement_doubt              # drawn subjects
    python -m tests.benchmarks.bench_refinement_doubt --truth DIR  # and real mattes, NAME.png
    python -m tests.benchmarks.bench_refinement_doubt --faults     # nine designs with large faults
    python -m tests.benchmarks.bench_refinement_doubt --first 12   # what no weight was fitted on
    python -m tests.benchmarks.bench_refinement_doubt --fit        # weights, each design left out

Every subject is damaged by nine designs, at three strengths each. The correlations are rank
correlations of expected and remaining error over pictures that no reason rejects, pooled over
strengths. ``border``, ``codec`` and ``cuts`` move or blur the border, or cut the subject: of much
of that the raw matte shows no trace. The weights were fitted on the first twelve drawn portraits of
each kind, the first three of fur, nets and plants, and some real mattes.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import fields
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from refinement import refine
from refinement.doubt import Doubt, find_doubt
from refinement.thresholds.doubt import ERROR_HALF
from tests.benchmarks import refinement_damage, refinement_faults
from tests.benchmarks.bench_refinement import (
    MATTE_ONLY,
    damaged,
    folder,
    own,
    procedural,
    rank_correlation,
)

OLD = ("builder", "multiplied", "subtracted", "seethrough")
TRACELESS = ("border", "codec", "cuts")  # away from the border
STRENGTHS = (0.25, 0.5, 1.0, 1.5, 2.0)
PARTS = [field.name for field in fields(Doubt) if field.name != "moved_visibly"]
FAINT = 1e-5  # errors far below this are all alike


class Measured(NamedTuple):
    """Of each picture that no reason rejects.

    Attributes:
        labels: (n, 2), the kind of subject and the design.
        strengths: (n,), of the damage.
        parts: (n, 5), those of the expected error.
        errors: (n,), mean absolute error of alpha that is left.
        raw: (n,), the same before refinement.
    """

    labels: NDArray[Any]
    strengths: NDArray[Any]
    parts: NDArray[Any]
    errors: NDArray[Any]
    raw: NDArray[Any]


def subjects(
    truth: Path | None, count: int, first: int
) -> Iterator[tuple[str, NDArray[Any], NDArray[Any]]]:
    """Kind, colour and true alpha."""
    upto = first + count
    for kind, drawn in (("procedural", procedural(upto, 512)), ("own", own(upto, 480))):
        for _, rgb, alpha in islice(drawn, first, None):
            yield kind, rgb, alpha
    for _, alpha in islice(refinement_damage.others(480), 3 if first else 0, None):
        yield "fur, nets, plants", np.full((*alpha.shape, 3), 128, np.uint8), alpha
    for _, rgb, alpha in folder(truth) if truth else ():
        share = min(1.0, 640 / max(alpha.shape))
        size = round(alpha.shape[1] * share), round(alpha.shape[0] * share)
        small = cv2.resize(np.dstack([rgb, alpha]), size, interpolation=cv2.INTER_AREA)
        yield "real", small[..., :3], np.ascontiguousarray(small[..., 3])


def damages(
    rgb: NDArray[Any], true: NDArray[Any], seed: int, rng: np.random.Generator, faults: bool
) -> Iterator[tuple[str, float, NDArray[Any]]]:
    """Design, strength and the damaged picture."""
    designs = refinement_faults.DESIGNS if faults else (*OLD, *refinement_damage.DESIGNS)
    for design in designs:
        for strength in (0.5, 1.0, 2.0) if faults else rng.permutation(STRENGTHS)[:3]:
            if design in OLD:
                rgba = damaged(design, rgb, true, seed, strength)
            else:
                kind = refinement_faults if faults else refinement_damage
                rgba = np.dstack([rgb, kind.damage(design, true, seed, strength)])
            yield design, float(strength), rgba


def measure(truth: Path | None, count: int, first: int, faults: bool) -> Measured:
    """Refine all pictures."""
    rng = np.random.default_rng(1 + first)
    rows: list[tuple[tuple[str, str], float, list[float], float, float]] = []
    for seed, (kind, rgb, true) in enumerate(subjects(truth, count, first), first):
        for design, strength, rgba in damages(rgb, true, seed, rng, faults):
            result = refine(rgba, options=MATTE_ONLY)
            if result.report.reasons:
                continue
            final = np.rint(255 * result.alpha).astype(np.uint8)
            raw = np.ascontiguousarray(rgba[..., 3])
            doubt = find_doubt(raw, final, max(2, round(np.sqrt(raw.size) / 128)))
            left, before = (np.abs(a.astype(int) - true).mean() / 255 for a in (final, raw))
            parts = [getattr(doubt, name) for name in PARTS]
            rows.append(((kind, design), strength, parts, left, before))
    return Measured(*(np.array(column) for column in zip(*rows, strict=True)))


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
    parser.add_argument("--first", type=int, default=0, help="how many to leave out before them")
    parser.add_argument("--truth", type=Path, metavar="DIR", help="true alphas, NAME.png")
    parser.add_argument("--faults", action="store_true", help="the designs of refinement_faults")
    parser.add_argument("--fit", action="store_true", help="fit the weights, one label left out")
    arguments = parser.parse_args()
    got = measure(arguments.truth, arguments.count, arguments.first, arguments.faults)
    labels, parts, errors = got.labels, got.parts, got.errors
    expected = parts.sum(1)
    shown = ~np.isin(labels[:, 1], TRACELESS)

    def line(name: str, values: NDArray[Any], where: NDArray[np.bool_]) -> None:
        correlation = rank_correlation(list(values[where]), list(errors[where]))
        factor = np.median(values[where] / np.maximum(errors[where], FAINT))
        share = errors[where].sum() / got.raw[where].sum()
        print(f"{name:30}{np.count_nonzero(where):6}{correlation:8.2f}{factor:12.2f}{share:16.3f}")

    print(f"{'':30}{'n':>6}{'rank':>8}{'exp. / left':>12}{'left of raw':>16}")
    line("all", expected, np.ones_like(shown))
    line("damage that leaves traces", expected, shown)
    for kind in dict.fromkeys(labels[:, 0]):
        line(f"  of these, {kind}", expected, shown & (labels[:, 0] == kind))
    for strength in np.unique(got.strengths):
        line(f"  of these, x {strength:g}", expected, shown & (got.strengths == strength))
    for design in dict.fromkeys(labels[:, 1]):
        line(design, expected, labels[:, 1] == design)
    confidence = ERROR_HALF / (ERROR_HALF + expected)
    quantiles = np.quantile(confidence, (0.05, 0.25, 0.5, 0.75, 0.95))
    print("confidence, quantiles 0.05 to 0.95: " + ", ".join(f"{q:.2f}" for q in quantiles))
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
