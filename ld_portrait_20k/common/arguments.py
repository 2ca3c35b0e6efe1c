"""Refusing wrong arguments at the call, in words, instead of deep inside a training loop."""

from __future__ import annotations

import operator
from numbers import Real
from typing import Any, cast


def whole_number(name: str, value: Any, least: int | None = None) -> int:
    """``value`` as an int.

    Raises:
        TypeError: Not a whole number: a string, a float, a truth value.
        ValueError: Under ``least``.
    """
    try:
        if isinstance(value, bool):
            raise TypeError
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} is a whole number, not {value!r}") from None
    if least is not None and number < least:
        raise ValueError(f"{name} is at least {least}, not {number}")
    return number


def number(name: str, value: Any, low: float | None = None, high: float | None = None) -> float:
    """``value``, a number from ``low`` to ``high``.

    Raises:
        TypeError: Not a number.
        ValueError: Out of range.
    """
    if not isinstance(value, Real) or isinstance(value, bool):
        raise TypeError(f"{name} is a number, not {value!r}")
    result = cast("float", value)
    if (low is not None and not result >= low) or (high is not None and not result <= high):
        bounds = f"from {low} to {high}" if high is not None else f"at least {low}"
        raise ValueError(f"{name} is {bounds}, not {value!r}")
    return result


def number_range(name: str, value: Any, low: float | None = None) -> tuple[float, float]:
    """``value`` as smallest and largest number.

    Raises:
        TypeError: Not a pair of numbers.
        ValueError: Out of range, or the smallest is larger than the largest.
    """
    if isinstance(value, (str, bytes)) or not hasattr(value, "__len__") or len(value) != 2:
        raise TypeError(f"{name} is a pair (smallest, largest), not {value!r}")
    first, second = (number(name, item, low) for item in value)
    if first > second:
        raise ValueError(f"{name} is (smallest, largest), not {value!r}")
    return first, second


def picture_size(name: str, value: Any) -> tuple[int, int]:
    """``value`` as height and width: a pair, or one number for both.

    Raises:
        TypeError: Neither.
        ValueError: Under one pixel.
    """
    if isinstance(value, (tuple, list)):
        if len(value) != 2:
            raise TypeError(f"{name} is a number or a pair (height, width), not {value!r}")
        return whole_number(name, value[0], 1), whole_number(name, value[1], 1)
    side = whole_number(name, value, 1)
    return side, side


def function(name: str, value: Any, called_with: str) -> None:
    """Make sure that ``value`` is None or can be called.

    Raises:
        TypeError: It is something else, such as a path.
    """
    if value is not None and not callable(value):
        raise TypeError(f"{name} is called with {called_with}; {value!r} cannot be called")
