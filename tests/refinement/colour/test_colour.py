"""Foreground colour against truth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from refinement import refine
from refinement.colour.estimation import estimate_foreground
from refinement.io import pictures
from tests.refinement import synthetic


def spilled(
    seed: int, size: tuple[int, int] = (256, 256)
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Colour as generated (mixed with padding), true colour, alpha."""
    subject = synthetic.subject(seed, size, hair="wavy")
    rng = np.random.default_rng(seed)
    true = subject.rgb.astype(np.float32)
    padding = 0.5 * cv2.GaussianBlur(true, (0, 0), 20) + 0.5 * rng.uniform(60, 200, 3)
    share = subject.alpha[..., None]
    mixed = share * true + (1 - share) * padding
    return np.rint(mixed).astype(np.uint8), subject.rgb, subject.alpha


@pytest.mark.parametrize("background", [(255, 255, 255), (0, 0, 0), (0, 255, 0), (255, 0, 255)])
def test_composites_lose_most_of_the_spill(background: tuple[int, int, int]) -> None:
    before = after = 0.0
    for seed in range(4):
        mixed, true, alpha = spilled(seed)
        share = alpha[..., None]
        wanted = share * true + (1 - share) * np.array(background)
        band = (alpha > 0) & (alpha < 1)
        for colour in (mixed, estimate_foreground(mixed, alpha)):
            error = np.abs(share * colour + (1 - share) * np.array(background) - wanted)[band]
            before, after = (
                before + (colour is mixed) * error.mean(),
                after + (colour is not mixed) * error.mean(),
            )
    assert after < 0.5 * before


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 999), st.sampled_from([(64, 64), (65, 64), (127, 131), (200, 33)]))
def test_opaque_colour_is_untouched_and_sizes_fit(seed: int, size: tuple[int, int]) -> None:
    mixed, _, alpha = spilled(seed, size)
    result = estimate_foreground(mixed, alpha)
    assert result.shape == mixed.shape and result.dtype == np.uint8
    assert np.array_equal(result[alpha == 1], mixed[alpha == 1])
    deep = estimate_foreground(mixed.astype(np.uint16) * 257, alpha)
    assert np.abs(deep / 257.0 - result).max() < 1.0


def test_outside_is_smooth_and_strips_do_not_show() -> None:
    mixed, _, alpha = spilled(3, (300, 256))
    result = estimate_foreground(mixed, alpha).astype(np.float32)
    far = cv2.distanceTransform((alpha == 0).astype(np.uint8), cv2.DIST_L2, 5) > 12
    steps = np.abs(np.diff(result, axis=0)).max(-1)
    both = far[1:] & far[:-1]
    assert steps[both].max() <= 8
    seams = np.zeros_like(both)
    seams[63::64] = True
    assert steps[both & seams].mean() <= 1.5 * steps[both].mean() + 0.1


def test_far_outside_the_colour_is_the_mean_of_the_foreground() -> None:
    mixed, _, alpha = spilled(3, (512, 512))
    result = estimate_foreground(mixed, alpha)
    far = cv2.distanceTransform((alpha == 0).astype(np.uint8), cv2.DIST_L2, 5) > 80
    (even,) = np.unique(result[far], axis=0)
    assert np.abs(even - result[alpha == 1].mean(0)).max() < 12


@pytest.mark.parametrize("level", [0.0, 0.4, 1.0])
def test_any_even_alpha_is_no_trouble(level: float) -> None:
    grey = np.full((32, 32, 3), 90, np.uint8)
    result = estimate_foreground(grey, np.full((32, 32), level, np.float32))
    # Where nothing is opaque there is no foreground colour to continue.
    assert level == 0 or np.abs(result - 90.0).max() <= 1


def unrelated(kind: str, seed: int, height: int, width: int) -> NDArray[Any]:
    """A padding that has nothing to do with the subject, (H, W, 3) float."""
    rng = np.random.default_rng([seed, 5])
    if kind == "gradient":
        along = (np.linspace(0, 1, height)[:, None] + np.linspace(0, 1, width)) / 2
        return 40 + 180 * along[..., None] * np.array((1.0, 0.6, 0.2))
    if kind == "noise":
        spots = rng.uniform(0, 255, (height // 6 + 1, width // 6 + 1, 3)).astype(np.float32)
        large = cv2.resize(spots, (width, height), interpolation=cv2.INTER_CUBIC)
        return np.clip(large + rng.normal(0, 12, (height, width, 3)), 0, 255)
    level = {"black": 0.0, "grey": 128.0, "white": 255.0}[kind]
    return np.full((height, width, 3), level)


# Mean error of multi-level estimation (pymatting 1.1.16, Germer et al. 2020) on these pictures, of
# 255. `estimate_foreground` had 1.26, 0.76, 2.64, 0.56 and 4.61 in version 1.3, and has 0.24, 0.24,
# 0.27, 0.26 and 1.96 in 1.4.
MULTI_LEVEL = {"black": 0.44, "grey": 0.46, "white": 0.44, "gradient": 0.47, "noise": 3.37}


@pytest.mark.parametrize("kind", MULTI_LEVEL)
def test_unrelated_padding_does_not_bleed_into_hair(kind: str) -> None:
    errors = []
    for seed, hair in enumerate(("wavy", "curly", "flyaway")):
        subject = synthetic.subject(seed, (256, 256), hair=hair)
        share = subject.alpha[..., None]
        mixed = share * subject.rgb + (1 - share) * unrelated(kind, seed, 256, 256)
        estimate = estimate_foreground(np.rint(mixed).astype(np.uint8), subject.alpha)
        band = (subject.alpha > 0) & (subject.alpha < 1)
        error = share * np.abs(estimate.astype(np.float32) - subject.rgb)
        errors.append(error.mean(-1)[band].mean())
    assert np.mean(errors) < MULTI_LEVEL[kind]


def test_textured_padding_leaves_no_colour_noise_in_faint_hair() -> None:
    subject = synthetic.subject(2, (256, 256), hair="curly")
    share = subject.alpha[..., None]
    mixed = share * subject.rgb + (1 - share) * unrelated("noise", 2, 256, 256)
    estimate = estimate_foreground(np.rint(mixed).astype(np.uint8), subject.alpha)
    faint = (subject.alpha > 0.05) & (subject.alpha < 0.4)
    before, after = (
        np.abs(picture.astype(np.float32) - subject.rgb)[faint].mean()
        for picture in (np.rint(mixed), estimate)
    )
    assert after < 0.25 * before


@pytest.mark.parametrize("size", [(255, 256), (256, 250), (241, 263), (16, 17), (5, 3), (1, 1)])
def test_sizes_that_are_no_multiple_of_a_tile_give_the_same_colour(size: tuple[int, int]) -> None:
    mixed, _, alpha = spilled(1, (272, 272))
    height, width = size
    part = estimate_foreground(
        np.ascontiguousarray(mixed[:height, :width]), np.ascontiguousarray(alpha[:height, :width])
    )
    assert part.shape == (height, width, 3)
    far = (slice(0, height - 64), slice(0, width - 64))
    if min(size) > 200:
        whole = estimate_foreground(mixed, alpha)
        band = (alpha > 0.2)[far]
        apart = np.abs(part[far].astype(np.float32) - whole[far])[band]
        assert apart.mean() < 0.1


def changed_again(once: NDArray[Any], alpha: NDArray[Any]) -> NDArray[Any]:
    """What a second estimation changes in the band, weighted by alpha, of 255."""
    twice = estimate_foreground(once, alpha)
    change = np.abs(twice.astype(np.float32) - once).max(-1) * alpha
    return change[(alpha > 0) & (alpha < 1)] * (255 / np.iinfo(once.dtype).max)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("seed", range(4))
def test_a_second_estimation_changes_next_to_nothing(seed: int, kind: Any) -> None:
    mixed, _, alpha = spilled(seed, (512, 512))
    scale = kind(257 if kind is np.uint16 else 1)
    once = estimate_foreground((mixed.astype(kind) * scale).astype(kind), alpha)
    change = changed_again(once, alpha)
    assert change.mean() < 0.01
    assert (change > 2).mean() < 0.001


def test_a_second_estimation_of_real_portraits_changes_next_to_nothing(shared: Path) -> None:
    files = sorted((shared / "data" / "layerdiffuse").glob("portrait_*.png"))
    assert files
    for file in files:
        result = refine(pictures.read(file.read_bytes()).rgba)
        change = changed_again(result.foreground, result.alpha)
        assert change.mean() < 0.01, file.name
        assert (change > 2).mean() < 0.001, file.name
