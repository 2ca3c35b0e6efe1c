"""Fine structure that is no damage: dense gaps of hanging hair, fur evenly just below 1."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from refinement import Options, refine

SIDE = 512


def hanging_hair(seed: int) -> NDArray[np.uint8]:
    """A body with a wide lock of hair, whose narrow gaps are of any depth."""
    rng = np.random.default_rng(seed)
    tall = np.zeros((4 * SIDE, 4 * SIDE), np.uint8)
    cv2.ellipse(tall, (4 * 256, 4 * 512), (4 * 200, 4 * 330), 0, 0, 360, 255, -1)
    for _ in range(400):
        x, top = rng.uniform(4 * 90, 4 * 330), rng.uniform(4 * 300, 4 * 420)
        end = x + rng.normal(0, 8), top + rng.uniform(4 * 4, 4 * 8)
        points = np.rint(16 * np.array([(x, top), end])).astype(np.int32)
        cv2.polylines(tall, [points], False, 0, int(rng.integers(1, 4)), cv2.LINE_8, 4)
    small = cv2.resize(tall, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.GaussianBlur(small, (0, 0), 0.5), np.uint8)


def refined(alpha: NDArray[Any]) -> NDArray[Any]:
    rgba = np.dstack([np.full((*alpha.shape, 3), 128, np.uint8), alpha])
    return np.rint(255 * refine(rgba, options=Options(estimate_colour=False)).alpha)


@pytest.mark.parametrize("seed", range(3))
def test_gaps_of_hair_in_opaque_body_stay_beside_a_veil(seed: int) -> None:
    true = hanging_hair(seed)
    veil = 12 * np.clip((np.arange(SIDE) - 350) / 60, 0, 1) * (true / 255)  # apart from the hair
    raw = np.rint(true - veil).astype(np.uint8)
    cv2.circle(raw, (256, 240), 2, 150, -1)  # a pin hole
    raw[:40] = 3
    result = refined(raw)
    hair = (true < 255) & (raw == true)
    hair[:300] = hair[:, 340:] = hair[:, :180] = False
    assert np.abs(result - true)[hair].sum() < 0.25 * (255 - true[hair].astype(int)).sum()
    assert (result[230:260, 240:280] == 255).all()
    assert (result[360:, 360:400] == 255).all()
    assert np.abs(refined(result.astype(np.uint8)) - result).max() <= 1


def locks(softness: float) -> NDArray[np.uint8]:
    """A body with a lock of strands beside it, out of focus."""
    rng = np.random.default_rng(5)
    tall = np.zeros((4 * SIDE, 4 * SIDE), np.uint8)
    cv2.ellipse(tall, (4 * 256, 4 * 512), (4 * 150, 4 * 330), 0, 0, 360, 255, -1)
    for _ in range(130):
        x = rng.uniform(4 * 40, 4 * 190)
        end = x + rng.normal(0, 4 * 8), rng.uniform(4 * 420, 4 * 500)
        begin = 4 * 150 + x / 4 + rng.normal(0, 60), 4 * 250
        points = np.rint(16 * np.array([begin, end])).astype(np.int32)
        cv2.polylines(tall, [points], False, 255, int(rng.integers(8, 30)), cv2.LINE_8, 4)
    small = cv2.resize(tall, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.GaussianBlur(small, (0, 0), softness), np.uint8)


@pytest.mark.parametrize("softness", [1.2, 1.7])
def test_gaps_out_of_focus_stay_and_a_sharp_hole_beside_them_is_filled(softness: float) -> None:
    true = locks(softness)
    closed = cv2.morphologyEx(true, cv2.MORPH_CLOSE, np.ones((15, 15), np.uint8))
    gaps = (true <= 246) & (closed >= 230)
    raw = true.copy()
    raw[450:452, 300:302] = 90
    result = refined(raw)
    assert np.count_nonzero(gaps & (result - true > 8)) < 0.005 * np.count_nonzero(gaps)
    assert result[450:452, 300:302].min() == 255


def fur(lack: NDArray[Any]) -> NDArray[np.uint8]:
    disc = np.zeros((SIDE, SIDE), np.uint8)
    cv2.circle(disc, (256, 256), 180, 255, -1)
    soft = cv2.GaussianBlur(disc, (0, 0), 2.0)
    return np.asarray(np.clip(soft - lack * (soft > 250), 0, 255), np.uint8)


def test_what_lacks_evenly_to_1_is_no_veil() -> None:
    rng = np.random.default_rng(0)
    lack = (rng.random((SIDE, SIDE)) < 0.5) + 4 * (rng.random((SIDE, SIDE)) < 0.03)
    true = fur(lack.astype(np.float32))
    assert np.abs(refined(true) - true).max() <= 1


def test_a_veil_with_the_same_grain_is_taken_off() -> None:
    rng = np.random.default_rng(0)
    lack = (rng.random((SIDE, SIDE)) < 0.5) + 4 * (rng.random((SIDE, SIDE)) < 0.03)
    for veil in (np.float32(1), np.arange(SIDE)[None] < 200):  # everywhere, and in a part
        grain = lack * veil if np.ndim(veil) else lack + veil
        result = refined(fur(np.asarray(grain, np.float32)))
        assert (result[150:360, 150:360] == 255).all()
