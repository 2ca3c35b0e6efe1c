"""The metrics against figures worked out by hand and against a slow, literal reading."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from ld_portrait_20k.matting import metrics

ALL = (metrics.sad, metrics.mse, metrics.mad, metrics.grad, metrics.conn)


def _mattes(seed: int) -> tuple[NDArray[Any], NDArray[Any]]:
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

    def gauss(x: Any) -> Any:
        return np.exp(-(x**2) / (2 * sigma**2)) / (sigma * np.sqrt(2 * np.pi))

    kernel = np.array([[gauss(i) * -j * gauss(j) / sigma**2 for j in grid] for i in grid])
    kernel /= np.sqrt((kernel**2).sum())
    amplitude = [
        np.sqrt(
            ndimage.convolve(m, kernel, mode="nearest") ** 2
            + ndimage.convolve(m, kernel.T, mode="nearest") ** 2
        )
        for m in (predicted, true)
    ]
    expected = ((amplitude[0] - amplitude[1]) ** 2).sum() / 1000
    assert metrics.grad(predicted, true, convention=metrics.PLAIN) == pytest.approx(expected)
    # Both mattes span 0..1, so there is nothing to normalise.
    assert metrics.grad(predicted, true) == pytest.approx(expected)


def test_grad_conventions_differ_for_a_dimmed_matte() -> None:
    _, true = _mattes(3)
    dimmed = 0.25 + 0.5 * true
    assert metrics.grad(dimmed, true) == pytest.approx(0, abs=1e-12)
    assert metrics.grad(dimmed, true, convention=metrics.PLAIN) > 0.1
    assert metrics.grad(np.full((9, 9), 0.4), np.ones((9, 9))) == pytest.approx(0)
    with pytest.raises(ValueError, match="none of normalised, plain"):
        metrics.grad(true, true, convention="other")


def _literal_conn(predicted: NDArray[Any], true: NDArray[Any]) -> NDArray[Any]:
    """The definition, pixel by pixel: a flood fill of each region at each threshold."""
    level = -np.ones(true.shape)
    for i in range(1, 11):
        both = (predicted >= i / 10) & (true >= i / 10)
        largest: set[tuple[int, int]] = set()
        seen: set[tuple[int, int]] = set()
        for start in zip(*np.nonzero(both), strict=True):
            if start in seen:
                continue
            region, waiting = set(), [start]
            seen.add(start)
            while waiting:
                y, x = waiting.pop()
                region.add((y, x))
                for near in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                    inside = 0 <= near[0] < true.shape[0] and 0 <= near[1] < true.shape[1]
                    if inside and both[near] and near not in seen:
                        seen.add(near)
                        waiting.append(near)
            if len(region) > len(largest):
                largest = region
        for place in np.ndindex(true.shape):
            if level[place] == -1 and place not in largest:
                level[place] = (i - 1) / 10
    level[level == -1] = 1
    phi = [1 - (m - level) * (m - level >= 0.15) for m in (predicted, true)]
    return np.abs(phi[0] - phi[1])


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_conn_is_the_literal_definition(data: st.DataObject) -> None:
    height, width = (data.draw(st.integers(1, 9)) for _ in range(2))
    levels = st.sampled_from([0, 0, 25, 26, 51, 77, 128, 153, 204, 230, 255, 255])
    draw = st.lists(levels, min_size=height * width, max_size=height * width)
    predicted, true = (
        np.array(data.draw(draw), np.uint8).reshape(height, width) / 255.0 for _ in range(2)
    )
    expected = _literal_conn(predicted, true)
    assert metrics.conn(predicted, true) * 1000 == pytest.approx(expected.sum(), abs=1e-9)
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=width, max_size=width)))
    mask = np.broadcast_to(mask, true.shape)
    found = metrics.conn(predicted, true, mask) * 1000
    assert found == pytest.approx(expected[mask].sum(), abs=1e-9)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10_000))
def test_conn_is_the_definition_on_smooth_mattes(seed: int) -> None:
    predicted, true = _mattes(seed)
    assert metrics.conn(predicted, true) == pytest.approx(
        _literal_conn(predicted, true).sum() / 1000
    )


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(metrics.CONVENTIONS))
def test_score_gives_what_the_single_metrics_give(seed: int, convention: str) -> None:
    predicted, true = _mattes(seed)
    mask = np.random.default_rng(seed).random(true.shape) < 0.3
    scores = metrics.score(predicted, true, {"mean": None, "unknown": mask}, convention=convention)
    for region, chosen in (("mean", None), ("unknown", mask)):
        assert list(scores[region]) == list(metrics.METRICS)
        for name in ("sad", "mse", "mad", "conn"):
            assert scores[region][name] == getattr(metrics, name)(predicted, true, chosen)
        plain = metrics.grad(predicted, true, chosen, convention=convention)
        assert scores[region]["grad"] == plain


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
def test_wrong_input_is_named(metric: Any) -> None:
    with pytest.raises(ValueError, match="cannot be compared"):
        metric(np.zeros((3, 4)), np.zeros((4, 3)))
    with pytest.raises(ValueError, match="divide by 255"):
        metric(np.zeros((3, 4), np.uint8), np.zeros((3, 4)))


def test_dtssd_and_messddt_by_hand() -> None:
    still = np.zeros((4, 5))
    flicker = still.copy()
    flicker[1, 2] = 0.5
    # The truth stands still, the prediction flashes at one of 20 pixels.
    assert metrics.dtssd(still, still, flicker, still) == pytest.approx(np.sqrt(0.25 / 20))
    assert metrics.messddt(
        still, still, flicker, still, flow=np.zeros((4, 5, 2), np.float32)
    ) == pytest.approx(0.25 / 20)
    mask = np.zeros((4, 5), bool)
    mask[1, 2] = True
    assert metrics.dtssd(still, still, flicker, still, mask) == pytest.approx(0.5)
    with pytest.raises(ValueError, match="cannot be compared"):
        metrics.dtssd(still, still, still, np.zeros((5, 4)))


def test_messddt_follows_the_motion() -> None:
    rng = np.random.default_rng(0)
    true = np.clip(ndimage.gaussian_filter(rng.random((64, 64)), 4) * 12 - 5.5, 0, 1)
    error = ndimage.gaussian_filter(rng.normal(0, 1, (64, 64)), 1.5)
    predicted = np.clip(true + error, 0, 1)
    moved = [np.roll(matte, (2, 3), axis=(0, 1)) for matte in (predicted, true)]
    flow = np.zeros((64, 64, 2), np.float32)
    flow[..., 0], flow[..., 1] = 3, 2  # right and down
    inside = np.zeros((64, 64), bool)
    inside[:60, :60] = True
    assert metrics.messddt(predicted, true, moved[0], moved[1], inside, flow=flow) == pytest.approx(
        0
    )
    assert metrics.messddt(predicted, true, moved[0], moved[1], inside, flow=flow[..., ::-1]) > 1e-3
    # The flow that is found is close enough to make the error small.
    still = metrics.messddt(predicted, true, moved[0], moved[1], inside, flow=np.zeros_like(flow))
    assert metrics.messddt(predicted, true, moved[0], moved[1], inside) < 0.6 * still
