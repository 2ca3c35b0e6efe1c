"""SAD, MSE, MAD, Grad and Conn of a predicted matte against the true one.

Definitions of alphamatting.com (Rhemann et al., "A perceptually motivated online benchmark
for image matting", CVPR 2009). All take alpha as floating point in 0..1; ``mask`` selects
the pixels that count: the unknown region of a trimap for the published protocol of
trimap-based matting, nothing for the whole picture. Always say which one a figure is of.

Each metric is a map of errors, a value a pixel, that is then summed or averaged over the
region. :func:`score` makes the maps once and takes the figures of several regions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ld_portrait_20k.matting.metrics.connectivity import connectivity_map
from ld_portrait_20k.matting.metrics.gradient import NORMALISED, gradient_map

Alpha = NDArray[np.floating[Any]]
Mask = NDArray[np.bool_]
Figures = dict[str, float]

METRICS: Final = ("sad", "mse", "mad", "grad", "conn")

_ROUNDING: Final = 0.01
"""A network's 16-bit floats may leave 0..1 by less; alpha of 0..255 does not fit in."""


def sad(predicted: Alpha, true: Alpha, mask: Mask | None = None) -> float:
    """Sum of absolute differences, in thousands of pixels.

    Args:
        predicted: (H, W) float, 0..1.
        true: (H, W) float, 0..1.
        mask: (H, W) bool, the pixels that count; all without it.

    Raises:
        ValueError: The shapes differ, or the arrays are empty or not floating point in 0..1.
    """
    return _thousands(np.abs(_difference(predicted, true)), mask)


def mse(predicted: Alpha, true: Alpha, mask: Mask | None = None) -> float:
    """Mean squared error, 0..1 (papers print it times 1000). Arguments as for :func:`sad`."""
    return mean_of(np.square(_difference(predicted, true)), mask)


def mad(predicted: Alpha, true: Alpha, mask: Mask | None = None) -> float:
    """Mean absolute difference, 0..1 (papers print it times 1000). Arguments as for :func:`sad`."""
    return mean_of(np.abs(_difference(predicted, true)), mask)


def grad(
    predicted: Alpha, true: Alpha, mask: Mask | None = None, *, convention: str = NORMALISED
) -> float:
    """Squared difference of the gradients' magnitudes, summed, in thousands.

    Args:
        predicted: As for :func:`sad`.
        true: As for :func:`sad`.
        mask: As for :func:`sad`.
        convention: One of :data:`~.gradient.CONVENTIONS`.

    Raises:
        ValueError: As for :func:`sad`; also an unknown convention.
    """
    _difference(predicted, true)
    return _thousands(gradient_map(predicted, true, convention), mask)


def conn(predicted: Alpha, true: Alpha, mask: Mask | None = None) -> float:
    """Connectivity error, in thousands of pixels. Arguments as for :func:`sad`."""
    _difference(predicted, true)
    return _thousands(connectivity_map(predicted, true), mask)


def score(
    predicted: Alpha,
    true: Alpha,
    regions: Mapping[str, Mask | None],
    *,
    convention: str = NORMALISED,
) -> dict[str, Figures]:
    """All five metrics over several regions, in the time of one.

    Args:
        predicted: (H, W) float, 0..1.
        true: (H, W) float, 0..1.
        regions: Name to (H, W) bool, or to None for the whole picture.
        convention: Of Grad, one of :data:`~.gradient.CONVENTIONS`.

    Returns:
        For each region the metrics by name, in the order of :data:`METRICS`.

    Raises:
        ValueError: As for :func:`sad`; also an unknown convention.
    """
    difference = np.abs(_difference(predicted, true))
    squares = np.square(difference)
    gradients = gradient_map(predicted, true, convention)
    connections = connectivity_map(predicted, true)
    return {
        name: {
            "sad": _thousands(difference, mask),
            "mse": mean_of(squares, mask),
            "mad": mean_of(difference, mask),
            "grad": _thousands(gradients, mask),
            "conn": _thousands(connections, mask),
        }
        for name, mask in regions.items()
    }


def check_mattes(*mattes: Alpha) -> None:
    """Check that mattes can be compared.

    Args:
        mattes: (H, W) float, 0..1; values that are no numbers pass and give no number.

    Raises:
        ValueError: They are no arrays, empty, of several shapes, not floating point, or on
            another scale.
    """
    for matte in mattes:
        if not isinstance(matte, np.ndarray):
            raise ValueError(f"alpha is a {type(matte).__name__}; try: a numpy array")
    shapes = [matte.shape for matte in mattes]
    if len(set(shapes)) != 1 or len(shapes[0]) != 2 or 0 in shapes[0]:
        told = " and ".join(map(str, dict.fromkeys(shapes)))
        raise ValueError(f"mattes of shapes {told} cannot be compared")
    for matte in mattes:
        if matte.dtype.kind != "f" or matte.max() > 1 + _ROUNDING or matte.min() < -_ROUNDING:
            raise ValueError("alpha must be floating point, 0..1; divide by 255 first")


def _difference(predicted: Alpha, true: Alpha) -> NDArray[np.float64]:
    check_mattes(predicted, true)
    return predicted.astype(np.float64) - true


def _masked(values: NDArray[np.float64], mask: Mask | None) -> NDArray[np.float64]:
    if mask is None:
        return values
    if np.shape(mask) != values.shape:
        raise ValueError(f"a mask of shape {np.shape(mask)} does not fit mattes of {values.shape}")
    return values[np.asarray(mask, bool)]


def _thousands(values: NDArray[np.float64], mask: Mask | None) -> float:
    return float(_masked(values, mask).sum()) / 1000.0


def mean_of(values: NDArray[np.float64], mask: Mask | None) -> float:
    """The mean of (H, W) values, of those that count; 0 where none does.

    Raises:
        ValueError: The mask is of another shape.
    """
    chosen = _masked(values, mask)
    return float(chosen.mean()) if chosen.size else 0.0
