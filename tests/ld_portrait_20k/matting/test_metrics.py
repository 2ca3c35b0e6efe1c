"""The metrics against figures worked out by hand and against a slow, literal reading."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from ld_portrait_20k.matting import metrics

ALL = (metrics.sad, metrics.mse, metrics.mad, metrics.grad, metrics.conn)


def _mattes(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    true = np.clip(ndimage.gaussian_filter(rng.random((40, 53)), 3) * 8 - 3.5, 0, 1)
    return np.clip(true + rng.normal(0, 0.1, true.shape), 0, 1), true


def test_sums_and_means_by_hand() -> None:
    predicted, true = np.zeros((10, 20)), np.zeros((10, 20))
    predicted[2, 3], predicted[4, 5] = 0.5, 1.0
    mask = np.zeros((10, 20), bool)
    mask[2, 3] = mask[9, 9] = True
    assert metrics.sad(predicted, true) == pytest.approx(1.5 / 1000)
    assert metrics.mad(predicted, true) == pytest.approx(1.5 / 200)
    assert metrics.mse(predicted, true) == pytest.approx(1.25 / 200)
    assert metrics.sad(predicted, true, mask) == pytest.approx(0.5 / 1000)
    assert metrics.mse(predicted, true, mask) == pytest.approx(0.125)
    assert metrics.mad(predicted, true, np.zeros((10, 20), bool)) == 0.0


def test_grad_is_the_two_dimensional_convolution_of_the_definition() -> None:
    predicted, true = _mattes(1)
    sigma, half = 1.4, 4
    grid = np.arange(-half, half + 1)

    def gauss(x: float) -> float:
        return math.exp(-(x**2) / (2 * sigma**2)) / (sigma * math.sqrt(2 * math.pi))

    kernel = np.array(
        [[gauss(i) * -j * gauss(j) / sigma**2 for j in grid.tolist()] for i in grid.tolist()]
    )
    kernel /= np.sqrt((kernel**2).sum())
    amplitude = [
        np.sqrt(
            ndimage.convolve(m, kernel, mode="nearest") ** 2
            + ndimage.convolve(m, kernel.T, mode="nearest") ** 2
        )
        for m in (predicted, true)
    ]
    assert metrics.grad(predicted, true) == pytest.approx(
        ((amplitude[0] - amplitude[1]) ** 2).sum() / 1000
    )


def test_conn_is_the_loop_of_the_definition() -> None:
    predicted, true = _mattes(2)
    thresholds = np.arange(0, 11) / 10
    level = -np.ones(true.shape)
    for i in range(1, 11):
        both = (predicted >= thresholds[i]) & (true >= thresholds[i])
        labels, count = ndimage.label(both)
        omega = np.zeros(true.shape, bool)
        if count:
            omega = labels == 1 + np.argmax(np.bincount(labels.ravel())[1:])
        level[(level == -1) & ~omega] = thresholds[i - 1]
    level[level == -1] = 1
    phi = [1 - (m - level) * (m - level >= 0.15) for m in (predicted, true)]
    assert metrics.conn(predicted, true) == pytest.approx(np.abs(phi[0] - phi[1]).sum() / 1000)


def test_conn_sees_a_detached_piece_that_sad_sees_too() -> None:
    true = np.zeros((60, 60))
    true[20:60, 10:50] = 1
    predicted = true.copy()
    predicted[2:8, 2:8] = 1
    assert metrics.conn(predicted, true) == pytest.approx(36 / 1000)
    assert metrics.sad(predicted, true) == pytest.approx(36 / 1000)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_a_perfect_matte_has_no_error_and_errors_are_symmetric(seed: int) -> None:
    predicted, true = _mattes(seed)
    for metric in ALL:
        assert metric(true, true.copy()) == 0.0
        assert metric(predicted, true) > 0.0
        assert metric(predicted, true) == pytest.approx(metric(true, predicted))


@pytest.mark.parametrize("metric", ALL)
def test_wrong_input_is_named(metric: Callable[..., float]) -> None:
    with pytest.raises(ValueError, match="cannot be compared"):
        metric(np.zeros((3, 4)), np.zeros((4, 3)))
    with pytest.raises(ValueError, match="divide by 255"):
        metric(np.zeros((3, 4), np.uint8), np.zeros((3, 4)))
