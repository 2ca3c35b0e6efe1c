"""Thin bodies, which lie in their own border band all over: leaves, threads, fingers."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from refinement import Options, refine
from tests.refinement.synthetic import field

FINE = 4
SIDE = 320


def spray(width: float, seed: int = 0) -> NDArray[np.uint8]:
    """Leaves so many pixels wide on stems half as wide, with crisp edges."""
    rng = np.random.default_rng(seed)
    drawn = np.zeros((FINE * SIDE, FINE * SIDE), np.uint8)
    for angle in np.linspace(-2.6, -0.5, 9):
        end = np.array([SIDE / 2, 0.98 * SIDE])
        for _ in range(11):
            start, end = end, end + 22 * np.array([np.cos(angle), np.sin(angle)])
            ends = [np.rint(FINE * at).astype(int).tolist() for at in (start, end)]
            cv2.line(drawn, ends[0], ends[1], 255, round(FINE * width / 2))
            axes = (round(FINE * 10), round(FINE * width / 2))
            turn = float(np.degrees(angle) + rng.uniform(20, 160))
            cv2.ellipse(drawn, ends[1], axes, turn, 0, 360, 255, -1)
            angle += rng.normal(0, 0.06)
    return np.asarray(cv2.resize(drawn, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)


def blades(softness: float) -> NDArray[np.uint8]:
    """Crossing blades out of focus, over a body, which never reach 1 by themselves."""
    rng = np.random.default_rng(3)
    alpha = np.zeros((SIDE, SIDE), np.float32)
    for _ in range(14):
        x, lean = rng.uniform(0.1, 0.9) * SIDE, rng.normal(0, 0.1) * SIDE
        one = np.zeros((SIDE, SIDE), np.float32)
        cv2.line(one, (round(x), SIDE), (round(x + lean), SIDE // 4), 1.0, round(2.2 * softness))
        alpha = np.maximum(alpha, cv2.GaussianBlur(one, (0, 0), softness))
    alpha[round(0.8 * SIDE) :] = 1
    return np.asarray(np.rint(255 * alpha), np.uint8)


def veiled(alpha: NDArray[np.uint8], strength: float, seed: int = 1) -> NDArray[np.uint8]:
    """A smooth gain over everything, and a faint halo."""
    rng = np.random.default_rng(seed)
    gain = 1 - strength * np.clip(1.6 * field(rng, alpha.shape, 30) - 0.3, 0, 1)
    away = cv2.distanceTransform((alpha < 64).astype(np.uint8), cv2.DIST_L2, 5)
    halo = 0.03 * np.exp(-away / 8) * field(rng, alpha.shape, 40)
    share = alpha / np.float32(255) * gain
    return np.asarray(np.rint(255 * (share + halo * (1 - share))), np.uint8)


def refined(alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    rgba = np.dstack([np.full((*alpha.shape, 3), 128, np.uint8), alpha])
    result = refine(rgba, options=Options(estimate_colour=False)).alpha
    return np.asarray(np.rint(255 * result), np.uint8)


@pytest.mark.parametrize("width", [5, 8])
@pytest.mark.parametrize("strength", [0.04, 0.08, 0.16])
def test_a_veil_over_thin_bodies_is_taken_off(width: float, strength: float) -> None:
    truth = spray(width)
    raw = veiled(truth, strength)
    result, body = refined(raw), truth == 255
    lost = (255 - raw[body].astype(int)).sum(), (255 - result[body].astype(int)).sum()
    assert lost[1] < 0.25 * lost[0]
    error = [np.abs(one.astype(int) - truth)[~body].sum() for one in (raw, result)]
    assert error[1] < 0.7 * error[0]


@pytest.mark.parametrize("softness", [2.0, 3.0, 4.0, 6.0])
def test_what_is_out_of_focus_is_no_thin_body(softness: float) -> None:
    truth = blades(softness)
    raw = veiled(truth, 0.08)
    top = slice(0, round(0.7 * SIDE))
    soft = (truth > 100) & (truth < 250)
    result = refined(raw)
    assert (result.astype(int) - truth)[top][soft[top]].max() <= 16
    assert (result.astype(int) - truth)[top][soft[top]].mean() < 1


@pytest.mark.parametrize("width", [5, 8])
def test_undamaged_thin_bodies_stay(width: float) -> None:
    truth = spray(width)
    dim = np.asarray(np.rint(truth * 0.9), np.uint8)  # leaves that truly let light through
    dim[round(0.9 * SIDE) :, SIDE // 4 : -SIDE // 4] = 255
    for alpha in (truth, dim):
        assert np.count_nonzero(refined(alpha) != alpha) <= 0.0005 * alpha.size


def test_a_refined_thin_body_is_refined_no_further() -> None:
    once = refined(veiled(spray(8), 0.08))
    assert np.abs(refined(once).astype(int) - once).max() <= 1
