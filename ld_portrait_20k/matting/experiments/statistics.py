"""Means with intervals, paired differences, and the exponent of a power law.

Every interval is Student's (1908, "The probable error of a mean") at 95 %, two-sided, over
seeds or foregrounds. With three seeds it is 4.3 standard errors wide on each side: what is
clear of 0 then is clear.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

CONFIDENCE: Final = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean and where it may lie.

    Attributes:
        mean: Of the values.
        low: Lower end; NaN with fewer than two values.
        high: Upper end; NaN with fewer than two values.
        count: How many values.
    """

    mean: float
    low: float
    high: float
    count: int

    @property
    def known(self) -> bool:
        """Whether there are ends at all."""
        return not math.isnan(self.low)

    @property
    def clear_of_zero(self) -> bool:
        """Whether 0 lies outside."""
        return self.known and (self.low > 0 or self.high < 0)


def interval(values: Sequence[float]) -> Interval:
    """The mean of values with Student's 95 % interval.

    Args:
        values: Independent, at least one.
    """
    from scipy import stats

    count = len(values)
    mean = math.fsum(values) / count
    if count < 2:
        return Interval(mean, math.nan, math.nan, count)
    variance = math.fsum((value - mean) ** 2 for value in values) / (count - 1)
    half = float(stats.t.ppf(0.5 + CONFIDENCE / 2, count - 1)) * math.sqrt(variance / count)
    return Interval(mean, mean - half, mean + half, count)


def paired(values: Mapping[int, float], base: Mapping[int, float]) -> Interval | None:
    """The mean difference ``values - base`` over the seeds that both have; None if none.

    What both share (the weights at the start, crops, backgrounds) falls out of a
    difference, so its interval is narrower than the two means' own.
    """
    common = sorted(set(values) & set(base))
    return interval([values[seed] - base[seed] for seed in common]) if common else None


def exponent(sizes: Sequence[float], errors: Mapping[int, Sequence[float]]) -> Interval:
    """The exponent b of error = a * size ** -b, fitted for each seed by least squares of logs.

    Args:
        sizes: Numbers of training samples, at least two different ones.
        errors: For each seed an error, above 0, for each size.

    Returns:
        The mean of the seeds' exponents, with its interval over seeds.
    """
    x = [math.log(size) for size in sizes]
    middle = math.fsum(x) / len(x)
    spread = math.fsum((value - middle) ** 2 for value in x)
    found = []
    for row in errors.values():
        y = [math.log(value) for value in row]
        slope = math.fsum((a - middle) * b for a, b in zip(x, y, strict=True)) / spread
        found.append(-slope)
    return interval(found)


def verdict(difference: Interval | None, arm: str, base: str) -> str:
    """What a paired difference of errors allows to say.

    Args:
        difference: Error of ``arm`` minus error of ``base``.
        arm: Its name.
        base: Its name.
    """
    if difference is None:
        return "not measured"
    if not difference.known:
        return f"{difference.count} seed: no interval, no verdict"
    if not difference.clear_of_zero:
        return "no difference shown at this length"
    return f"{arm} is {'worse' if difference.mean > 0 else 'better'} than {base}"
