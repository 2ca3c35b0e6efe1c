"""Halo in openings, in small parts and beside hair, and what is faint there by right."""

from __future__ import annotations

from typing import Any, Final

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from builder.generation.procedural import draw
from builder.prompts.vocabulary import VOCABULARY
from tests.refinement import synthetic
from tests.refinement.regions.test_absolute_regions import SIZE, new_steps, refined

_OVER: Final = 4


def drawn(canvas: NDArray[np.uint8]) -> NDArray[Any]:
    small = cv2.resize(canvas, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float64)


def net(mesh: int) -> NDArray[Any]:
    """A net with a rim all around, and a body in it."""
    side = SIZE * _OVER
    canvas, within = (np.zeros((side, side), np.uint8) for _ in range(2))
    for at in range(-side, 2 * side, mesh * _OVER):
        cv2.line(canvas, (at, 0), (at + side // 2, side), 255, 14, cv2.LINE_AA)
        cv2.line(canvas, (at, 0), (at - side // 2, side), 255, 14, cv2.LINE_AA)
    middle, axes = (side // 2, side // 2), (side * 2 // 5, side // 3)
    cv2.ellipse(within, middle, axes, 0, 0, 360, 255, -1)
    canvas &= within
    cv2.ellipse(canvas, middle, axes, 0, 0, 360, 255, 24)
    cv2.circle(canvas, middle, side // 8, 255, -1)
    return drawn(canvas)


def ring(level: float) -> NDArray[Any]:
    """A body that holds up a lens of some level in a rim."""
    side = SIZE * _OVER
    rim, glass = (np.zeros((side, side), np.uint8) for _ in range(2))
    cv2.circle(rim, (side // 2, side), side * 2 // 5, 255, -1)
    cv2.line(rim, (side // 2, side * 2 // 3), (side // 2, side * 2 // 5), 255, 40)
    for canvas, thick in ((rim, 30), (glass, -1)):
        cv2.circle(canvas, (side // 2, side * 3 // 10), side // 12, 255, thick, cv2.LINE_AA)
    return np.maximum(drawn(rim), np.rint(drawn(glass) * level / 255))


def worn(alpha: NDArray[Any]) -> NDArray[Any]:
    """The same with a veil over all that is opaque, so that it counts as damaged."""
    veil = 0.03 + 0.05 * synthetic.field(np.random.default_rng(1), (SIZE, SIZE), 20)
    deep = cv2.erode((alpha >= 255).astype(np.uint8), np.ones((5, 5), np.uint8))
    return np.asarray(np.rint(alpha * (1 - veil * deep)))


def haloed(alpha: NDArray[Any], peak: float, *, added: bool) -> NDArray[Any]:
    """The same with a halo that varies and fades."""
    away = cv2.distanceTransform((alpha < 12).astype(np.uint8), cv2.DIST_L2, 5)
    field = synthetic.field(np.random.default_rng(4), (SIZE, SIZE), 50)
    halo = peak * (0.6 + 0.4 * field) / (1 + np.exp((away - 28) / 5))
    raw = worn(alpha)
    return np.asarray(np.rint(raw + halo * (1 - raw / 255) if added else np.maximum(raw, halo)))


@pytest.mark.parametrize("added", [False, True])
@pytest.mark.parametrize("peak", [22.0, 44.0])
@pytest.mark.parametrize("mesh", [24, 40])
def test_halo_in_the_openings_of_a_net_is_taken_off(mesh: int, peak: float, added: bool) -> None:
    true = net(mesh)
    raw = haloed(true, peak, added=added)
    result, _ = refined(raw)
    clear, opaque = true == 0, true == 255
    assert result[clear].sum() < 0.1 * raw[clear].sum()
    assert np.abs(result - true)[opaque].sum() < 0.2 * np.abs(raw - true)[opaque].sum()
    assert np.abs(result - true).sum() < 0.3 * np.abs(raw - true).sum()
    assert new_steps(raw, result) < 0.002 * np.count_nonzero(raw)
    assert np.count_nonzero(np.abs(refined(result)[0] - result) > 1) == 0


@pytest.mark.parametrize("level", [30.0, 50.0, 70.0])
def test_faint_parts_in_thin_rims_are_not_filled(level: float) -> None:
    true = ring(level)
    assert np.abs(refined(true)[0] - true).max() <= 1
    result, report = refined(worn(true))
    assert np.abs(result - true)[true == level].max() <= 1
    assert np.abs(result - true)[true == 255].mean() < 0.1
    assert report.doubtful_area > 0.01  # it may be halo
    meshes = np.maximum(net(40), level * (drawn_disc() > 0))
    assert np.abs(refined(meshes)[0] - meshes).max() <= 1


def drawn_disc() -> NDArray[Any]:
    canvas = np.zeros((SIZE, SIZE), np.uint8)
    cv2.ellipse(canvas, (SIZE // 2, SIZE // 2), (SIZE * 2 // 5, SIZE // 3), 0, 0, 360, 255, -1)
    return canvas.astype(np.float64)


def test_a_lens_denser_than_the_halo_outside_stays() -> None:
    true = ring(60)
    result, _ = refined(haloed(true, 30, added=False))
    glass = true == 60
    assert np.abs(result - true)[glass].mean() < 4
    assert result[true == 0].mean() < 0.5


def test_a_deep_panel_inside_a_wide_body_is_filled() -> None:
    true = ring(60)
    raw = worn(true)
    raw[440:470, 240:270] = 50
    assert refined(raw)[0][440:470, 240:270].min() >= 245


@pytest.mark.parametrize("hair", ["curly", "flyaway", "wavy"])
@pytest.mark.parametrize("added", [False, True])
def test_wide_halo_beside_hair_is_taken_off_without_steps(hair: str, added: bool) -> None:
    true = np.rint(255 * synthetic.subject(412, (SIZE, SIZE), hair=hair, arm_gap=True).alpha)
    raw = haloed(true, 36, added=added)
    result, _ = refined(raw)
    error, before = np.abs(result - true), np.abs(raw - true)
    band = (true > 0) & (true < 255)
    assert error[true == 0].sum() < 0.06 * before[true == 0].sum()
    assert error[band].sum() < (0.9 if added else 1.1) * before[band].sum()
    assert new_steps(raw, result) <= 30


def test_halo_that_was_lowered_to_the_level_of_clear_is_gone_over_again() -> None:
    """One of twenty-four portraits; a second refinement moved a hundred pixels of it."""
    parts = {"hair_style": 10, "arms": 5, "jewellery": 3}
    wanted = {kind: VOCABULARY[kind][n % len(VOCABULARY[kind])] for kind, n in parts.items()}
    true = draw(7010, wanted, SIZE, SIZE).alpha.astype(np.float32) / 255
    raw = 255 * synthetic.damage_seethrough(true, 10)
    result, _ = refined(raw)
    assert np.abs(refined(result)[0] - result).max() <= 1
