"""Cloth, glass and lace that are translucent by right: each is kept or changed as a whole."""

from __future__ import annotations

from typing import Any, Final

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.refinement.regions.test_absolute_regions import SIZE, refined

_OVER: Final = 4


def drawn(*polygons: list[tuple[int, int]], thick: int = -1) -> NDArray[Any]:
    """Filled polygons, or their outlines, 0..1."""
    canvas = np.zeros((_OVER * SIZE, _OVER * SIZE), np.uint8)
    for polygon in polygons:
        points = [_OVER * np.array(polygon, np.int32)]
        if thick > 0:
            cv2.polylines(canvas, points, True, 255, _OVER * thick)
        else:
            cv2.fillPoly(canvas, points, 255)
    small = cv2.resize(canvas, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float64) / 255


def person(arm: bool = False) -> NDArray[Any]:
    """Head and shoulders; an arm on the hip encloses an opening."""
    canvas = np.zeros((_OVER * SIZE, _OVER * SIZE), np.uint8)
    middle = 2 * SIZE
    cv2.ellipse(canvas, (middle, 600), (240, 300), 0, 0, 360, 255, -1)
    cv2.ellipse(canvas, (middle, 2048), (560, 1150), 0, 0, 360, 255, -1)
    if arm:
        line = np.array([[middle + 250, 1080], [middle + 860, 1350], [middle + 500, 1800]])
        cv2.polylines(canvas, [line], False, 255, 110)
    small = cv2.resize(canvas, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float64) / 255


def before(body: NDArray[Any], cloth: NDArray[Any]) -> NDArray[Any]:
    return 255 * (1 - (1 - body) * (1 - np.clip(cloth, 0, 1)))


def folds(level: float, depth: float, period: float) -> NDArray[Any]:
    y, x = np.mgrid[:SIZE, :SIZE]
    wave = np.sin(2 * np.pi * (x + 8 * np.sin(y / 50)) / period)
    return np.asarray(level * (1 + depth * wave))


VEIL: Final = [(250, 60), (330, 100), (400, 300), (440, 505), (330, 505), (300, 200)]


@pytest.mark.parametrize("veil", [1.0, 0.96])  # undamaged, and with a veil over the body
@pytest.mark.parametrize(("level", "depth"), [(0.12, 0.1), (0.2, 0.4), (0.4, 0.1), (0.4, 0.4)])
def test_folded_tulle_is_kept_whole(level: float, depth: float, veil: float) -> None:
    body, cloth = person(), drawn(VEIL)
    true = before(body, cloth * folds(level, depth, 29))
    result, _ = refined(np.where(body == 1, veil * true, true))
    assert np.mean(np.abs(result - true)[(cloth > 0) & (body < 1)] > 8) < 0.01


@pytest.mark.parametrize("level", [0.15, 0.35, 0.6])
def test_cloth_that_goes_on_behind_an_arm_is_no_panel(level: float) -> None:
    body = person(arm=True)
    outline = [(250, 255), (420, 255), (505, 330), (505, 480), (330, 480)]
    true = before(body, drawn(outline) * folds(level, 0.1, 60))
    result, _ = refined(true)
    assert np.abs(result - true).max() <= 8


@pytest.mark.parametrize("level", [0.2, 0.4, 0.6])
def test_lenses_in_a_frame_are_no_panels_in_an_undamaged_matte(level: float) -> None:
    lenses = [[(318, 100), (372, 100), (372, 140), (318, 140)]]
    lenses.append([(382, 100), (436, 100), (436, 140), (382, 140)])
    bars = drawn(
        [(300, 108), (318, 108), (318, 114)], [(372, 108), (382, 108), (382, 114), (372, 114)]
    )
    frame = np.maximum(drawn(*lenses, thick=6), bars)
    true = before(np.maximum(person(), frame), level * drawn(*lenses))
    result, _ = refined(true)
    assert np.abs(result - true).max() <= 8
