from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from dataset_card import backdrops
from dataset_card.gallery import comparison_sheet, contact_sheet, pictures_of


def portrait(
    height: int = 48, width: int = 32, seed: int = 0
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    rng = np.random.default_rng(seed)
    colour = rng.integers(0, 256, (height, width, 3), np.uint8)
    return colour, rng.integers(0, 256, (height, width), np.uint8)


def test_composites_at_full_size_are_the_compositing_equation() -> None:
    colour, alpha = portrait()
    background = backdrops.out_of_focus(32, 48, 0)
    light, dark, place, matte = pictures_of(colour, alpha, 48, 0)
    a = alpha[..., None] / 255.0
    for picture, behind in ((light, backdrops.LIGHT), (dark, backdrops.DARK), (place, background)):
        exact = a * colour + (1 - a) * np.asarray(behind, float)
        assert np.abs(picture - exact).max() <= 0.51
    assert (matte == alpha[..., None]).all()


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 90), st.integers(1, 90), st.integers(8, 64))
def test_aspect_is_kept(height: int, width: int, longest: int) -> None:
    tiles = pictures_of(*portrait(height, width), longest, 3)
    for tile in tiles:
        assert tile.dtype == np.uint8 and max(tile.shape[:2]) == longest
        assert abs(tile.shape[0] / longest - height / max(height, width)) <= 0.51 / longest or (
            tile.shape[0] == 1
        )


def test_no_halo_from_colour_under_zero_alpha() -> None:
    # Straight colour outside the matte must not bleed in when the picture is made smaller.
    colour = np.full((64, 64, 3), (0, 255, 0), np.uint8)
    alpha = np.zeros((64, 64), np.uint8)
    colour[:, :21], alpha[:, :21] = (200, 0, 0), 255
    light, *_ = pictures_of(colour, alpha, 16, 0)
    assert light[..., 1].max() <= backdrops.LIGHT[1] and (light[:, 6:] == backdrops.LIGHT).all()


def test_the_sheet(tmp_path: Path) -> None:
    samples = [(f"ldp-000000{n}", *portrait(40 + 10 * n, 50, n)) for n in range(5)]
    sheet = contact_sheet(samples, columns=2, cell=64)
    assert sheet.dtype == np.uint8 and sheet.ndim == 3
    assert (sheet == contact_sheet(samples, columns=2, cell=64)).all()
    assert sheet.shape[1] > 2 * 4 * 64 and sheet.shape[0] > 3 * 64
    # Its first picture lies at the first cell, letterboxed, untouched by captions.
    first = pictures_of(samples[0][1], samples[0][2], 64, 0)[0]
    top = 14 + (64 - first.shape[0]) // 2
    assert (sheet[top : top + first.shape[0], 14 : 14 + 64] == first).all()
    one = contact_sheet(samples[:1], columns=4, cell=32)
    assert one.shape[1] < 5 * 40


def test_before_and_after() -> None:
    colour, _ = portrait(64, 64, 0)
    raw = np.zeros((64, 64), np.uint8)
    raw[:32], raw[32:, :32] = 200, 30
    refined = np.zeros((64, 64), np.uint8)
    refined[:32] = 210
    sheet = comparison_sheet([("a", (colour, raw), (colour, refined))], columns=2, cell=64)
    change = sheet[14 : 14 + 64, 14 + 3 * 68 :][:, :64]
    assert (change[:31] == (0, 80, 0)).all()  # raised by 10, eight times
    assert (change[33:, :31] == (240, 0, 0)).all()  # lowered by 30
    assert (change[33:, 33:] == 0).all()
    assert (sheet[14 : 14 + 64, 14 : 14 + 64] == pictures_of(colour, raw, 64, 0)[1]).all()
    # Words lie below each of the pictures.
    below = sheet[14 + 64 + 4 : -14].astype(int).sum(axis=2).min(axis=0)
    assert all(below[14 + n * 68 : 14 + n * 68 + 64].min() < 400 for n in range(4))
    with pytest.raises(ValueError, match="does not go with"):
        comparison_sheet([("a", (colour, raw), (colour, refined[:9]))], columns=2, cell=64)
    with pytest.raises(ValueError, match="at least one"):
        comparison_sheet([], columns=2, cell=64)


def test_bad_samples() -> None:
    with pytest.raises(ValueError, match="at least one"):
        contact_sheet([], columns=2, cell=64)
    colour, alpha = portrait()
    with pytest.raises(ValueError, match="does not go with"):
        contact_sheet([("a", colour, alpha[:-1])], columns=1, cell=64)


def test_made_places_differ_and_repeat() -> None:
    places = [backdrops.out_of_focus(80, 60, seed) for seed in range(6)]
    for seed, place in enumerate(places):
        assert place.shape == (60, 80, 3) and place.dtype == np.uint8
        assert (place == backdrops.out_of_focus(80, 60, seed)).all()
        assert place.std() > 5  # a place, not a wall
    assert len({place.tobytes() for place in places}) == 6


def test_real_portraits(shared: Path) -> None:
    samples = []
    for path in sorted((shared / "data" / "layerdiffuse").glob("portrait_*.png"))[:2]:
        rgba = np.asarray(Image.open(path).convert("RGBA"))
        samples.append((path.stem, rgba[..., :3], rgba[..., 3]))
    sheet = contact_sheet(samples, columns=1, cell=128)
    assert sheet.shape[0] > 2 * 128
    light, dark = sheet[14:142, 14:142].astype(int), sheet[14:142, 146:274].astype(int)
    assert light.mean() > dark.mean() + 20
