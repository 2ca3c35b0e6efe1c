"""Temporal errors of a predicted clip: dtSSD and MESSDdt.

Erofeev et al., "Perceptually motivated benchmark for video matting", BMVC 2015. Both are
given for one pair of neighbouring frames, so a clip of any length needs two frames in
memory; a clip's figure is the mean over its pairs.
"""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ld_portrait_20k.matting.metrics.errors import check_mattes, mean_of

Alpha = NDArray[np.floating[Any]]


def dtssd(
    predicted: Alpha,
    true: Alpha,
    next_predicted: Alpha,
    next_true: Alpha,
    mask: NDArray[np.bool_] | None = None,
) -> float:
    """How the change from a frame to the next differs from the true change.

    The root of the mean square, as RobustVideoMatting's script has it, which prints it
    times 100. Scripts that take the root of the sum instead give figures that grow with the
    picture's size.

    Args:
        predicted: (H, W) float, 0..1.
        true: (H, W) float, 0..1, of the same frame.
        next_predicted: (H, W) float, of the frame after it.
        next_true: (H, W) float.
        mask: (H, W) bool, the pixels that count; all without it.

    Raises:
        ValueError: The shapes differ, or the arrays are empty or not floating point in 0..1.
    """
    check_mattes(predicted, true, next_predicted, next_true)
    change = (next_predicted.astype(np.float64) - predicted) - (next_true.astype(np.float64) - true)
    return math.sqrt(mean_of(np.square(change), mask))


def messddt(
    predicted: Alpha,
    true: Alpha,
    next_predicted: Alpha,
    next_true: Alpha,
    mask: NDArray[np.bool_] | None = None,
    *,
    flow: NDArray[np.float32] | None = None,
) -> float:
    """Mean change of the squared error along motion, 0..1.

    ``mean |e(p)^2 - e'(p + v(p))^2|``, where ``e`` is the error of a pixel, ``e'`` that in
    the next frame and ``v`` the motion, rounded to whole pixels.

    Args:
        predicted: As for :func:`dtssd`.
        true: As for :func:`dtssd`.
        next_predicted: As for :func:`dtssd`.
        next_true: As for :func:`dtssd`.
        mask: As for :func:`dtssd`.
        flow: (H, W, 2) float32, right and down, in pixels, to the next frame; by default
            :func:`matte_flow` of the true mattes, as published scripts do. Figures are
            comparable for the same flow only.

    Raises:
        ValueError: As for :func:`dtssd`; also a flow of another shape.
    """
    check_mattes(predicted, true, next_predicted, next_true)
    if flow is None:
        flow = matte_flow(true, next_true)
    if flow.shape != (*true.shape, 2):
        raise ValueError(f"a flow of shape {flow.shape} does not fit mattes of {true.shape}")
    error = np.square(predicted.astype(np.float64) - true)
    after = np.square(next_predicted.astype(np.float64) - next_true)
    rows, columns = np.indices(true.shape)
    to_x = np.clip(columns + np.rint(flow[..., 0]).astype(np.intp), 0, true.shape[1] - 1)
    to_y = np.clip(rows + np.rint(flow[..., 1]).astype(np.intp), 0, true.shape[0] - 1)
    return mean_of(np.abs(error - after[to_y, to_x]), mask)


def matte_flow(first: Alpha, second: Alpha) -> NDArray[np.float32]:
    """The motion between two mattes by Farneback's method.

    The parameters are those of published MESSDdt scripts: pyramid 0.5, 5 levels, window 10,
    2 rounds, neighbourhood 7, sigma 1.5, Gaussian window.

    Args:
        first: (H, W) float, 0..1.
        second: (H, W) float, 0..1, of the next frame.

    Returns:
        (H, W, 2) float32, right and down, in pixels.
    """
    frames = [np.rint(frame * 255).astype(np.uint8) for frame in (first, second)]
    start = np.zeros((*first.shape, 2), np.float32)
    found = cv2.calcOpticalFlowFarneback(
        frames[0], frames[1], start, 0.5, 5, 10, 2, 7, 1.5, cv2.OPTFLOW_FARNEBACK_GAUSSIAN
    )
    return np.asarray(found, np.float32)
