"""Intervals, pairs, exponents and verdicts against scipy and known values."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ld_portrait_20k.matting.experiments.statistics import (
    Interval,
    exponent,
    interval,
    paired,
    verdict,
)

# torch flushes subnormal numbers to 0 in a process that trained before; hypothesis minds.
NUMBERS = st.lists(st.floats(-1e3, 1e3, allow_subnormal=False), min_size=2, max_size=12)


@given(NUMBERS)
def test_the_interval_is_students(values: list[float]) -> None:
    found = interval(values)
    error = stats.sem(values)
    assert found.mean == pytest.approx(np.mean(values), abs=1e-9)
    if error > 1e-6:
        low, high = stats.t.interval(0.95, len(values) - 1, np.mean(values), error)
        assert (found.low, found.high) == pytest.approx((low, high), rel=1e-6, abs=1e-6)


def test_one_value_has_no_interval() -> None:
    found = interval([3.0])
    assert found.mean == 3.0
    assert math.isnan(found.low)
    assert not found.known
    assert not found.clear_of_zero
    assert verdict(found, "raw", "refined") == "1 seed: no interval, no verdict"


def test_the_prototypes_figures() -> None:
    """Raw less refined +7.7 and +7.0: t(0.975, 1) = 12.706, standard error 0.35."""
    raw, refined = {0: 115.2, 1: 114.4}, {0: 107.5, 1: 107.4}
    found = paired(raw, refined)
    assert found is not None
    assert found.mean == pytest.approx(7.35)
    assert found.high - found.mean == pytest.approx(12.706 * 0.35, rel=1e-4)
    assert verdict(found, "raw", "refined") == "raw is worse than refined"
    assert verdict(paired(refined, raw), "refined", "raw") == "refined is better than raw"


def test_pairs_are_of_common_seeds() -> None:
    found = paired({0: 5.0, 1: 6.0, 2: 100.0}, {1: 5.0, 0: 3.0, 7: 0.0})
    assert found is not None
    assert found.count == 2
    assert found.mean == pytest.approx(1.5)
    assert paired({0: 1.0}, {1: 1.0}) is None
    assert verdict(None, "raw", "refined") == "not measured"


def test_an_interval_over_zero_shows_nothing() -> None:
    assert verdict(Interval(0.5, -0.1, 1.1, 3), "a", "b") == "no difference shown at this length"


@given(st.floats(-2, 2, allow_subnormal=False), st.floats(0.1, 100))
def test_the_exponent_of_a_power_law(power: float, factor: float) -> None:
    sizes = [8, 16, 32, 64]
    errors = {seed: [factor * (1 + seed) * size**-power for size in sizes] for seed in range(3)}
    found = exponent(sizes, errors)
    assert found.mean == pytest.approx(power, abs=1e-9)
    assert found.count == 3


def test_the_exponent_is_the_least_squares_slope() -> None:
    sizes, errors = [3, 7, 20], [5.0, 4.4, 2.9]
    slope = stats.linregress(np.log(sizes), np.log(errors)).slope
    assert exponent(sizes, {0: errors}).mean == pytest.approx(-slope)
