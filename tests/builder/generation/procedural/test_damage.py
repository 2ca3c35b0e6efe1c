"""Damage to exact mattes: none at 0, growing with strength, with the measured signature."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from builder.generation.procedural import Portrait, damage, draw

SIZE = 256


@pytest.fixture(scope="module")
def portraits() -> list[Portrait]:
    framings = ("close-up", "head and shoulders", "half body")
    return [draw(700 + i, {"framing": framings[i % 3]}, SIZE, SIZE) for i in range(12)]


def interior(alpha: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """More than 60 px at 1024 inside what is exactly opaque."""
    opaque = cv2.copyMakeBorder((alpha == 255).astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    opaque = cv2.morphologyEx(opaque, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    inside = cv2.distanceTransform(opaque, cv2.DIST_L2, 5)[1:-1, 1:-1] > 60 * SIZE / 1024
    return inside & (alpha == 255)


def test_zero_touches_nothing(portraits: list[Portrait]) -> None:
    p = portraits[0]
    foreground, alpha = damage(p.foreground, p.alpha, 3, 0.0)
    assert (foreground == p.foreground).all() and (alpha == p.alpha).all()
    assert foreground is not p.foreground and alpha is not p.alpha


def test_deterministic_and_distinct(portraits: list[Portrait]) -> None:
    p = portraits[0]
    first, again, other = (damage(p.foreground, p.alpha, seed) for seed in (3, 3, 4))
    assert (first[0] == again[0]).all() and (first[1] == again[1]).all()
    assert (first[1] != other[1]).any()
    assert first[0].dtype == first[1].dtype == np.uint8


def test_input_is_not_written_to(portraits: list[Portrait]) -> None:
    p = portraits[1]
    before = p.foreground.copy(), p.alpha.copy()
    damage(p.foreground, p.alpha, 3, 2.0)
    assert (p.foreground == before[0]).all() and (p.alpha == before[1]).all()


def test_grows_with_strength(portraits: list[Portrait]) -> None:
    for i, p in enumerate(portraits):
        exact = p.alpha.astype(np.int32)
        core = (p.alpha == 255) | (p.alpha == 0)
        errors = []
        previous = exact
        for strength in (0.5, 1.0, 2.0):
            alpha = damage(p.foreground, p.alpha, i, strength)[1].astype(np.int32)
            # Away from the edge band no pixel gets better with more strength.
            assert (np.abs(alpha - exact)[core] >= np.abs(previous - exact)[core] - 1).all()
            errors.append(np.abs(alpha - exact)[core].sum())
            previous = alpha
        assert errors[0] < errors[1] < errors[2]


def test_edge_band_stays_fine(portraits: list[Portrait]) -> None:
    for i, p in enumerate(portraits):
        alpha = damage(p.foreground, p.alpha, i)[1]
        band = (p.alpha > 25) & (p.alpha < 230)
        error = np.abs(alpha.astype(np.int32) - p.alpha)[band]
        assert np.median(error) <= 4
        assert np.quantile(error, 0.95) <= 24


def test_signature_is_the_measured_one(portraits: list[Portrait]) -> None:
    """Shares of the measured Layer Diffusion outputs, with room for 36 small samples."""
    below_1, below_98, below_90, halo = [], [], [], []
    for i, p in enumerate(portraits):
        inside = interior(p.alpha)
        outside = p.alpha == 0
        for k in range(3):
            alpha = damage(p.foreground, p.alpha, 100 * k + i)[1]
            below_1.append((alpha[inside] < 255).mean())
            below_98.append((alpha[inside] < 0.98 * 255).mean())
            below_90.append((alpha[inside] < 0.9 * 255).mean())
            halo.append(((alpha > 0) & (alpha < 16) & outside).mean())
    assert 0.02 < np.mean(below_1) < 0.22
    assert 0.002 < np.mean(below_98) < 0.04
    assert np.median(below_90) < 0.004
    assert 0.008 < np.mean(halo) < 0.04


def test_haze_only_on_request(portraits: list[Portrait]) -> None:
    p = portraits[2]
    far = cv2.distanceTransform((p.alpha == 0).astype(np.uint8), cv2.DIST_L2, 5) > 12
    usual = damage(p.foreground, p.alpha, 1)[1][far].astype(np.float32) / 255
    hazy = damage(p.foreground, p.alpha, 1, haze=True)[1][far].astype(np.float32) / 255
    assert usual.mean() < 0.02
    assert np.quantile(hazy, 0.05) > 0.08 and np.quantile(hazy, 0.9) < 0.42


def test_there_are_blobs_and_holes(portraits: list[Portrait]) -> None:
    blobs = holes = 0
    for i, p in enumerate(portraits):
        alpha = damage(p.foreground, p.alpha, i, 2.0)[1]
        far = cv2.distanceTransform((p.alpha == 0).astype(np.uint8), cv2.DIST_L2, 5) > 3
        blobs += int(((alpha > 60) & far).any())
        holes += int((alpha[interior(p.alpha)] < 230).any())
    assert blobs >= 6 and holes >= 6


def test_colour_changes_only_where_alpha_is_low(portraits: list[Portrait]) -> None:
    p = portraits[0]
    foreground, alpha = damage(p.foreground, p.alpha, 3)
    change = np.abs(foreground.astype(np.int32) - p.foreground).max(-1)
    assert change[alpha > 250].max() <= 4
    assert change[(alpha < 128) & (p.alpha > 0)].mean() > 3


def test_negative_strength_is_refused(portraits: list[Portrait]) -> None:
    with pytest.raises(ValueError, match="strength"):
        damage(portraits[0].foreground, portraits[0].alpha, 1, -1.0)
