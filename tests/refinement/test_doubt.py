"""How sure the report is, against the error that is left."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from refinement import Options, refine
from refinement.report import Report
from refinement.thresholds.doubt import ERROR_HALF
from tests.benchmarks import refinement_faults
from tests.refinement import synthetic

MATTE = Options(estimate_colour=False)
SIZE = 320
Damage = Callable[[NDArray[Any], int, float], NDArray[Any]]
DAMAGE: dict[str, Damage] = {
    "multiplied": synthetic.damage_multiplied,
    "subtracted": synthetic.damage_subtracted,
    "seethrough": synthetic.damage_seethrough,
}


def refined(alpha: NDArray[Any]) -> tuple[NDArray[Any], Report]:
    """Alpha of 0..1 in and out, and the report."""
    grey = np.full((*alpha.shape, 3), 128, np.uint8)
    rgba = np.dstack([grey, np.rint(255 * alpha).astype(np.uint8)])
    result = refine(rgba, options=MATTE)
    return result.alpha, result.report


def subject(seed: int) -> NDArray[Any]:
    hair = synthetic.HAIR[seed % len(synthetic.HAIR)]
    return synthetic.subject(40 + seed, (SIZE, SIZE), hair=hair, arm_gap=seed % 2 == 1).alpha


def ranks(values: list[float]) -> NDArray[np.int64]:
    return np.argsort(np.argsort(values))


def test_confidence_orders_pictures_by_the_error_that_is_left() -> None:
    confidence, error = [], []
    for seed in range(12):
        true = subject(seed)
        for damage in DAMAGE.values():
            for strength in (0.5, 1.0, 2.0):
                alpha, report = refined(damage(true, seed, strength))
                if not report.reasons:
                    confidence.append(report.confidence)
                    error.append(float(np.abs(alpha - true).mean()))
    assert len(error) > 80
    assert np.corrcoef(ranks(confidence), ranks(error))[0, 1] < -0.8
    expected = ERROR_HALF / np.array(confidence) - ERROR_HALF
    assert 0.4 < np.median(expected / np.array(error)) < 2.5


@pytest.mark.parametrize("damage", DAMAGE)
def test_stronger_damage_of_any_kind_lowers_confidence(damage: str) -> None:
    means = []
    for strength in (0.0, 0.5, 1.0, 2.0):
        reports = [refined(DAMAGE[damage](subject(s), s, strength))[1] for s in range(6)]
        means.append(float(np.mean([r.confidence for r in reports if not r.reasons])))
    assert means[0] > 0.94
    assert all(a > b for a, b in pairwise(means))


def disc(x: float, y: float, radius: float, softness: float) -> NDArray[Any]:
    plane = np.zeros((SIZE, SIZE), np.float32)
    cv2.circle(plane, (int(x), int(y)), int(radius), 1.0, -1)
    return cv2.GaussianBlur(plane, (0, 0), softness)


def test_an_uneven_halo_leaves_more_doubt_than_an_even_one() -> None:
    true = disc(160, 160, 80, 3)
    even = np.maximum(true, 10 / 255 * disc(160, 160, 110, 12))
    stripes = 0.5 + 0.5 * np.sin(np.arange(SIZE) / 2)[None]
    uneven = np.maximum(true, 20 / 255 * stripes * disc(160, 160, 110, 12))
    assert refined(uneven)[1].confidence < refined(even)[1].confidence - 0.02


def test_an_uneven_veil_leaves_more_doubt_than_an_even_one() -> None:
    true = disc(160, 160, 100, 4)
    stripes = 0.5 + 0.5 * np.sin(np.arange(SIZE) / 4)[None]
    even, report = refined(0.94 * true)
    uneven, worse = refined((1 - 0.12 * stripes) * true)  # as deep on average
    assert np.abs(uneven - true).mean() > 3 * np.abs(even - true).mean()
    assert worse.confidence < report.confidence - 0.05


@pytest.mark.parametrize("radius", [14, 24])
def test_a_level_part_across_the_border_is_doubted_though_all_else_is_exact(radius: int) -> None:
    true = disc(160, 180, 110, 1)
    alpha, report = refined(true * (1 - 0.3 * disc(160, 66, radius, 1)))
    assert np.abs(alpha - true).mean() > 4e-4  # it stayed
    assert report.confidence < refined(true)[1].confidence - 0.03


@pytest.mark.parametrize("kind", ["fade", "garment", "patches", "mixed"])
def test_confidence_orders_pictures_with_large_faults(kind: str) -> None:
    confidence, error = [], []
    for seed in range(10):
        true = subject(seed)
        for strength in (0.5, 1.0, 2.0):
            quantised = np.rint(255 * true).astype(np.uint8)
            raw = refinement_faults.damage(kind, quantised, seed, strength)
            alpha, report = refined(raw / 255)
            if not report.reasons:
                confidence.append(report.confidence)
                error.append(float(np.abs(alpha - true).mean()))
    assert len(error) > 20
    assert np.corrcoef(ranks(confidence), ranks(error))[0, 1] < -0.7


def test_level_alpha_is_doubted_in_a_damaged_matte_and_believed_in_an_undamaged_one() -> None:
    true = disc(160, 180, 110, 1)
    tulle = np.maximum(true, 0.4 * disc(160, 60, 55, 0.8))
    panel = 1 - 0.3 * disc(160, 180, 50, 2)
    alpha, undamaged = refined(tulle)
    assert np.abs(alpha - tulle).max() < 0.01
    alpha, damaged = refined(tulle * panel)
    assert np.abs(alpha - tulle).max() < 0.02  # the panel is filled, the tulle stays
    assert 0.85 < undamaged.confidence < refined(true)[1].confidence
    assert 0.3 < damaged.confidence < refined(true * panel)[1].confidence - 0.2


def test_what_was_visibly_moved_lowers_confidence_though_it_is_right() -> None:
    true = disc(160, 180, 110, 1)
    alpha, report = refined(true * (1 - 0.3 * disc(160, 180, 50, 2)))
    assert np.abs(alpha - true).max() < 0.02
    assert report.doubtful_area > 0.07
    assert report.confidence < refined(true)[1].confidence - 0.1 * 0.07
