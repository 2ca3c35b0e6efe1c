"""See-through parts of the body, which its outline tells from cloth beside it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.refinement.regions.test_absolute_regions import SIZE, refined
from tests.refinement.regions.test_cloth import before, drawn, folds, person

VEIL = pytest.mark.parametrize("veil", [1.0, 0.96])  # undamaged elsewhere, or under a veil


def below(row: int) -> NDArray[Any]:
    """1 below a line that is not quite straight, 0 above."""
    y, x = np.mgrid[:SIZE, :SIZE]
    return np.clip(y - row - 4 * np.sin(x / 40), 0, 1)


def left(body: NDArray[Any], result: NDArray[Any]) -> float:
    """The mean that lacks inside the body, 0..1."""
    return float(np.mean(255 - result[body == 1]) / 255)


@VEIL
@pytest.mark.parametrize(("level", "depth"), [(0.4, 0.0), (0.5, 0.3), (0.6, 0.4)])
def test_a_trunk_that_came_out_see_through_is_body(level: float, depth: float, veil: float) -> None:
    body, part = person(), below(360)
    raw = body * np.where(body == 1, veil, 1) * (1 - part + part * folds(level, depth, 23))
    result, _ = refined(255 * raw)
    assert left(body, result) < 0.01


@VEIL
def test_a_body_that_fades_downward_is_body(veil: float) -> None:
    body = person()
    fade = 1 - 0.55 * np.clip((np.mgrid[:SIZE, :SIZE][0] - 220) / 160, 0, 1)
    result, _ = refined(255 * body * np.where(body == 1, veil, 1) * fade)
    again, _ = refined(result)
    assert left(body, result) < 0.01
    assert np.abs(again - result).max() <= 1


def test_a_part_with_texture_that_body_and_the_frame_enclose_is_body() -> None:
    body = person()
    part = drawn([(180, 400), (332, 400), (332, SIZE), (180, SIZE)])
    raw = body * np.where(body == 1, 0.97, 1) * (1 - part + part * folds(0.5, 0.4, 17))
    result, _ = refined(255 * raw)
    assert left(body, result) < 0.01


@pytest.mark.parametrize(("hairs", "length"), [(260, 8), (400, 8), (260, 12), (160, 16)])
def test_a_wide_part_with_texture_is_body_where_hair_hides_the_outline(
    hairs: int, length: int
) -> None:
    rng, lines = np.random.default_rng(0), []
    for angle in np.linspace(np.pi, 2 * np.pi, hairs):
        reach = length * rng.uniform(0.5, 1)
        start = np.array([256, 512]) + [136, 283] * np.array([np.cos(angle), np.sin(angle)])
        turned = angle + rng.normal(0, 0.35)
        end = start + (4 + reach) * np.array([np.cos(turned), np.sin(turned)])
        lines.append([(round(x), round(y)) for x, y in (start, end)])
    body = np.maximum(person(), drawn(*lines, thick=2))
    part = drawn([(190, 300), (500, 330), (500, 380), (200, 470)])
    raw = body * np.where(body == 1, 0.97, 1) * (1 - part + part * folds(0.55, 0.3, 15))
    result, _ = refined(255 * raw)
    assert left(body, result) < 0.01
    assert np.count_nonzero(result[body == 0] > 25) < 20  # the gaps between the hairs
    assert np.abs(refined(result)[0] - result).max() <= 1


@pytest.mark.parametrize("seams", [0.25, 1.0])
def test_seams_in_a_panel_are_no_rim_of_it(seams: float) -> None:
    body, part = person(), below(400)
    lines = [[(150, y), (360, y + 30)] for y in (415, 440, 465)]
    seam = drawn(*lines, thick=2)
    raw = body * (1 - part + part * (0.7 * (1 - seam) + 0.7 * seams * seam))
    result, _ = refined(255 * raw)
    assert left(body, result) < 0.01


@VEIL
@pytest.mark.parametrize(("level", "depth"), [(0.35, 0.0), (0.45, 0.3), (0.55, 0.1)])
def test_a_skirt_beside_a_body_is_kept(level: float, depth: float, veil: float) -> None:
    body = person()
    skirt = drawn([(160, 330), (352, 330), (490, SIZE), (20, SIZE)])
    true = before(body, skirt * folds(level, depth, 31))
    result, _ = refined(np.where(body == 1, veil * true, true))
    assert np.mean(np.abs(result - true)[(skirt > 0) & (body < 1)] > 8) < 0.02


def test_a_mesh_beside_a_body_is_kept() -> None:
    body, y, x = person(), *np.mgrid[:SIZE, :SIZE]
    holes = np.clip(1.6 * np.sin(np.pi * (x + y) / 7) * np.sin(np.pi * (x - y) / 7), 0, 1)
    mesh = drawn([(240, 70), (420, 90), (440, 330), (300, 330)]) * (1 - holes) * 0.8
    true = before(body, mesh)
    result, _ = refined(true)
    assert np.abs(result - true).max() <= 1


def test_haze_over_everything_is_not_filled() -> None:
    body = person()
    result, _ = refined(255 * (body + (1 - body) * 0.35))
    assert np.mean(result[body == 0]) <= 255 * 0.35 + 1
