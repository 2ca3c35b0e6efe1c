"""Pin holes of several designs and sizes, gaps that are none, and second passes.

Everything goes through ``refine``. Alpha is 0..255 in and out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from refinement import Options, refine
from tests.refinement import synthetic

MATTE = Options(estimate_colour=False)
SIZES = (96, 128, 192, 256, 384, 512)
Damage = Callable[[NDArray[Any], int, float], NDArray[Any]]
DAMAGES: tuple[Damage, ...] = (
    synthetic.damage_multiplied,
    synthetic.damage_subtracted,
    synthetic.damage_seethrough,
)


def refined(alpha: NDArray[Any]) -> NDArray[Any]:
    grey = np.full((*alpha.shape, 3), 128, np.uint8)
    rgba = np.dstack([grey, np.rint(alpha).astype(np.uint8)])
    return np.rint(255 * refine(rgba, options=MATTE).alpha)


def body(size: int) -> NDArray[Any]:
    canvas = np.zeros((4 * size, 4 * size), np.uint8)
    cv2.circle(canvas, (2 * size, 3 * size), int(1.7 * size), 255, -1)
    return cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA).astype(np.float64)


def hole(design: str, rng: np.random.Generator) -> NDArray[Any]:
    """Of 13 x 13 pixels, 0..1: what is taken away."""
    y, x = np.mgrid[-6:7, -6:7]
    if design == "smooth":
        return np.asarray(np.exp(-(x * x + y * y) / (2 * rng.uniform(0.5, 1.4) ** 2)))
    if design == "round":
        return np.asarray(np.clip(rng.uniform(1, 2.6) + 0.5 - np.hypot(x, y), 0, 1))
    if design == "slit":
        angle = rng.uniform(0, np.pi)
        along = x * np.cos(angle) + y * np.sin(angle)
        across = y * np.cos(angle) - x * np.sin(angle)
        long, wide = rng.uniform(1.5, 3), rng.uniform(0.6, 1.1)
        return np.asarray(np.clip(long - abs(along), 0, 1) * np.clip(wide - abs(across), 0, 1))
    ragged, at = np.zeros((13, 13)), np.array([6, 6])
    for _ in range(9):
        ragged[tuple(at)] = rng.uniform(0.3, 1)
        at = np.clip(at + rng.integers(-1, 2, 2), 4, 8)
    return ragged


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("design", ["smooth", "round", "slit", "ragged"])
def test_pin_holes_of_any_design_are_filled(design: str, size: int) -> None:
    rng = np.random.default_rng(size)
    true = body(size)
    for least in (20, 100, 180, 225):  # no level of clear: that may be an opening
        raw = true.copy()
        for y, x in ((0.5, 0.5), (0.6, 0.27), (0.75, 0.5), (0.8, 0.8)):
            top, left = round(y * size) - 6, round(x * size) - 6
            part = raw[top : top + 13, left : left + 13]
            part *= 1 - (1 - least / 255) * hole(design, rng)
        result = refined(raw)
        assert result[true == 255].min() >= 245
        assert np.abs(result - true)[true < 255].max() <= 1


def test_a_hole_near_the_border_or_another_is_filled() -> None:
    true = body(256)
    raw = true.copy()
    edge = int(np.flatnonzero(true[192] == 255)[0])
    for x in (edge + 6, edge + 20, edge + 26):
        cv2.circle(raw, (x, 192), 2, 120, -1)
    assert np.abs(refined(raw) - true).max() <= 1


@pytest.mark.parametrize("size", SIZES)
def test_holes_two_pixels_from_a_smooth_border_are_filled(size: int) -> None:
    rng = np.random.default_rng(size)
    true = body(size)
    raw = true.copy()
    for y in (0.55, 0.7, 0.85):
        row = round(y * size)
        left, right = np.flatnonzero(true[row] == 255)[[0, -1]]
        for x in (left + 2, right - 4):
            raw[row - 1 : row + 2, x : x + 3] *= rng.uniform(0.1, 0.8, (3, 3))
    assert np.count_nonzero(raw < 245) > np.count_nonzero(true < 245)
    result = refined(raw)
    assert result[true == 255].min() >= 245
    assert np.abs(result - true)[true < 255].max() <= 1


@pytest.mark.parametrize("size", SIZES)
def test_holes_near_each_other_are_filled(size: int) -> None:
    rng = np.random.default_rng(size)
    true = body(size)
    raw = true.copy()
    y, x = round(0.7 * size), size // 2
    for _ in range(5):
        top, left = y + rng.integers(-5, 6), x + rng.integers(-5, 6)
        raw[top : top + 2, left : left + 2] = rng.integers(30, 200)
    assert np.abs(refined(raw) - true).max() <= 1


@pytest.mark.parametrize("size", [192, 256, 384, 512])
@pytest.mark.parametrize("radius", [1.7, 2.4, 3.2])
def test_a_clear_hole_in_wide_body_is_filled_and_openings_beside_what_is_thin_stay(
    radius: float, size: int
) -> None:
    true = body(size)
    y, x = np.mgrid[:size, :size]
    middle, edge = size // 2, int(np.flatnonzero(true[:, size // 2] == 255)[0])
    # Ten pixels of body are as thin as a finger, and what lies near an opening may be one too.
    for down in (edge + 10, edge + 24):
        true *= 1 - np.clip(radius + 0.5 - np.hypot(y - down, x - middle), 0, 1)
    true = np.rint(true)
    raw = true * (1 - np.clip(radius + 0.5 - np.hypot(y - round(0.75 * size), x - middle), 0, 1))
    assert np.count_nonzero(raw[true == 255] < 16) >= 5
    assert np.abs(refined(raw) - true).max() <= 1


@pytest.mark.parametrize("size", [96, 128, 192])
def test_scattered_holes_of_small_pictures_are_filled_and_rows_of_gaps_stay(size: int) -> None:
    rng = np.random.default_rng(size)
    true = body(size)
    raw, row = true.copy(), true.copy()
    top, left = round(0.72 * size) - 14, size // 2 - 14
    for i in range(8):
        for j in range(8):  # no more than four pixels apart
            y, x = top + 4 * i + rng.integers(2), left + 4 * j + rng.integers(2)
            raw[y, x] = rng.integers(40, 200)
    for i in range(12):
        row[top + 3 * i : top + 3 * i + 2, size // 2] = 90
    assert np.abs(refined(raw) - true).max() <= 1
    assert np.abs(refined(row) - row).max() <= 1


def test_a_hole_that_the_frame_cuts_is_filled_and_a_gap_in_its_line_stays() -> None:
    true = body(256)
    raw = true.copy()
    raw[-3:, 100:103] = 90
    raw[-1, 150:154] = 90  # it may be the edge of a strand that goes on beyond
    result = refined(raw)
    assert result[-3:, 100:103].min() == 255
    assert result[-1, 150:154].max() <= 91


def leaves(size: int) -> NDArray[Any]:
    """Overlapping leaves, with openings of all sizes between them."""
    rng = np.random.default_rng(3)
    canvas = np.zeros((4 * size, 4 * size), np.uint8)
    for _ in range(130):
        x, y = (2 * size + rng.normal(0, 0.62 * size, 2)).astype(int).tolist()
        axes = (int(rng.uniform(0.3, 0.5) * size), int(rng.uniform(0.05, 0.1) * size))
        cv2.ellipse(canvas, (x, y), axes, rng.uniform(0, 180), 0, 360, 255, -1)
    return cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA).astype(np.float64)


@pytest.mark.parametrize("size", [256, 448])
def test_openings_between_leaves_stay(size: int) -> None:
    true = leaves(size)
    inside = cv2.morphologyEx(true, cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8))
    lost = inside - true
    assert lost.sum() / 255 > 300
    filled = np.maximum(refined(true) - true, 0)
    assert filled.sum() < 0.03 * lost.sum()


def test_gaps_between_strands_stay_open() -> None:
    size = 384
    canvas = np.zeros((4 * size, 4 * size), np.uint8)
    cv2.circle(canvas, (2 * size, 3 * size), int(1.2 * size), 255, -1)
    for x in range(1000, 2080, 22):  # strands that meet over the head: gaps far into it
        cv2.line(canvas, (x, 1300), (1536 + (x - 1536) // 3, 560), 255, 13)
    true = cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA).astype(np.float64)
    assert np.count_nonzero((true > 20) & (true < 200)) > 1000
    assert np.count_nonzero(np.abs(refined(true) - true) > 8) <= 3


@pytest.mark.parametrize("hair", synthetic.HAIR)
def test_undamaged_mattes_hardly_change(hair: str) -> None:
    for seed in range(3):
        true = np.rint(255 * synthetic.subject(60 + seed, (384, 384), hair=hair).alpha)
        assert np.abs(refined(true) - true).sum() / 255 < 12


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 9999),
    hair=st.sampled_from(synthetic.HAIR),
    damage=st.sampled_from(DAMAGES),
    strength=st.sampled_from((0.0, 0.5, 1.0, 2.0)),
    size=st.sampled_from(((160, 192), (256, 224), (320, 320))),
)
def test_a_second_refinement_moves_nothing(
    seed: int, hair: str, damage: Damage, strength: float, size: tuple[int, int]
) -> None:
    subject = synthetic.subject(seed, size, hair=hair, arm_gap=seed % 2 == 0)
    raw = damage(subject.alpha, seed, strength) if strength else subject.alpha
    once = refined(255 * raw)
    moved = np.count_nonzero(np.abs(refined(once) - once) > 1)
    assert moved <= 8  # of 243 such pictures one moved, by 8 pixels


def test_the_line_of_the_frame_is_raised_beside_body_that_was_veiled() -> None:
    true = body(384)
    raw = true * 0.9
    raw[-1] *= 0.93
    once = refined(raw)
    assert once[-1, 120:260].min() == 255
    assert np.abs(refined(once) - once).max() <= 1


def test_a_few_soft_pixels_of_a_thin_subject_are_no_damage() -> None:
    true = np.zeros((384, 384))
    for x in range(60, 330, 18):
        cv2.line(true, (x, 380), (x + 30, 60), 255, 3, cv2.LINE_AA)
    cv2.circle(true, (190, 300), 34, 255, -1, cv2.LINE_AA)
    raw = true.copy()
    raw[296:300, 186:189] = 235
    result = refined(raw)
    assert np.count_nonzero(np.abs(result - true) > 8) <= 4
