"""The border band: what is faint or hardly soft there, and the contour where halo is taken off."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.refinement import synthetic
from tests.refinement.regions.test_absolute_regions import (
    SIZE,
    body,
    case,
    needs_cases,
    new_steps,
    refined,
    soft_disc,
)


def new_contour(raw: NDArray[Any], result: NDArray[Any]) -> int:
    """Steps over 8 towards what was cleared, between neighbours that were less than 5 apart."""
    found = 0
    for axis in (0, 1):
        before, after = np.abs(np.diff(raw, axis=axis)), np.abs(np.diff(result, axis=axis))
        lower = np.minimum(np.delete(result, 0, axis), np.delete(result, -1, axis))
        found += int(np.count_nonzero((before < 5) & (after > 8) & (lower == 0)))
    return found


def worn(alpha: NDArray[Any]) -> NDArray[Any]:
    """The same matte, 0..255, with a veil on the body, far from hair: it counts as damaged."""
    return np.asarray(alpha - 18 * soft_disc(256, 440, 50, 4) * (alpha / 255), np.float64)


@pytest.mark.parametrize("added", [True, False])
@pytest.mark.parametrize("hair", ["straight", "flyaway", "curly"])
def test_halo_beside_hair_is_taken_off_without_a_contour(hair: str, added: bool) -> None:
    contour, band, raw_band, outside, raw_outside = 0, 0.0, 0.0, 0.0, 0.0
    for seed in range(2):
        true = 255 * synthetic.subject(60 + seed, (SIZE, SIZE), hair=hair).alpha
        away = cv2.distanceTransform((true < 1).astype(np.uint8), cv2.DIST_L2, 5)
        halo = 13 * np.exp(-((away / 30) ** 2))
        raw = worn(np.rint(true + halo * (1 - true / 255) if added else np.maximum(true, halo)))
        result, _ = refined(raw)
        contour += new_contour(np.rint(raw), result)
        for part in ((true > 0) & (true < 255), true == 0):
            before, after = (np.abs(alpha - true)[part].sum() for alpha in (raw, result))
            if part[0, 0]:
                outside, raw_outside = outside + after, raw_outside + before
            else:
                band, raw_band = band + after, raw_band + before
    assert contour <= 6
    assert band < 0.95 * raw_band
    assert outside < 0.02 * raw_outside


def test_gaps_between_hairs_that_are_hardly_soft_stay_under_a_veil_that_is_smooth() -> None:
    true, gaps = np.rint(cv2.GaussianBlur(body(), (0, 0), 6)), np.zeros((SIZE, SIZE), np.uint8)
    for x in range(180, 333, 6):
        edge = 384 - int(np.sqrt(218**2 - (x - 256) ** 2))
        cv2.line(gaps, (x, edge + 9), (x, edge + 17), 1, 2)
    true = np.where(gaps > 0, np.minimum(true, 238), true)
    smooth = worn(true * (1 - 0.03 * soft_disc(256, 190, 60, 30)))
    result, _ = refined(smooth)
    # Some of what stays is short and alone, and is filled as pin holes.
    assert np.abs(result - true)[gaps > 0].mean() < 0.8 * (255 - true)[gaps > 0].mean()
    grain = np.random.default_rng(0).normal(0, 1, true.shape)
    grainy = cv2.GaussianBlur(grain, (0, 0), 1.5) * 40 * (true == 255)
    result, _ = refined(np.clip(worn(true) - np.abs(grainy), 0, 255))
    assert np.abs(result - true)[true == 255].mean() < 0.2  # raw: 7


@pytest.mark.parametrize("softness", [4.0, 6.0])
def test_the_tail_of_a_soft_border_is_no_halo(softness: float) -> None:
    true = np.rint(cv2.GaussianBlur(body(), (0, 0), softness))
    result, _ = refined(worn(true))
    tail = (true > 0) & (true < 64)
    assert np.abs(result - true)[tail].max() <= 5
    assert new_steps(true, result, 8) <= 8


@needs_cases
@pytest.mark.parametrize("name", ["halo_step.png", "dog_ear.png"])
def test_cases_of_a_hard_contour(name: str) -> None:
    raw = case(name)
    result, _ = refined(raw)
    assert new_steps(raw, result) <= 12
    assert new_contour(raw, result) <= 60
