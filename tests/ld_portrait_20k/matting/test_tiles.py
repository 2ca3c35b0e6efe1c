"""Tiles: the same as the whole, and no more memory than promised."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ld_portrait_20k.matting import load
from ld_portrait_20k.matting.models.classical import ClosedForm, guided_filter
from ld_portrait_20k.matting.prediction.pictures import estimate_foreground, predict_alpha
from ld_portrait_20k.matting.prediction.tiles import spans, tiled, to_float, trimap_to_float

from .fixtures import scene


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 5000), st.integers(8, 900), st.data())
def test_spans_cover_a_side_with_enough_overlap(
    length: int, tile: int, data: st.DataObject
) -> None:
    overlap = data.draw(st.integers(0, (tile - 1) // 2))
    ends = spans(length, tile, overlap)
    assert ends[0][0] == 0 and ends[-1][1] == length
    assert all(end - start == min(tile, length) for start, end in ends)
    for (_, end), (start, _) in pairwise(ends):
        assert end - start >= overlap


def _local(image: NDArray[Any], trimap: NDArray[Any]) -> NDArray[Any]:
    """A method that looks 8 pixels far."""
    return cv2.blur(image.mean(axis=2), (17, 17), borderType=cv2.BORDER_REFLECT)


@settings(max_examples=30, deadline=None)
@given(st.integers(40, 200), st.integers(40, 200), st.integers(0, 99))
def test_a_local_method_in_tiles_equals_the_whole(height: int, width: int, seed: int) -> None:
    parts = scene(seed, height, width)
    image, trimap = to_float(parts["image"]), trimap_to_float(parts["trimap"])
    whole = tiled(_local, image, trimap, tile=512, overlap=16)
    parted = tiled(_local, image, trimap, tile=64, overlap=16)
    # Away from seams they are equal; in the overlap a tile's own border has its share.
    assert np.abs(whole - parted).max() < 0.02
    assert np.all(parted[trimap == 0] == 0) and np.all(parted[trimap == 1] == 1)
    bytes_ = tiled(_local, parts["image"], parts["trimap"], tile=64, overlap=16)
    assert np.abs(bytes_ - parted).max() < 1e-6


def test_a_tile_is_never_larger_than_promised_and_known_tiles_cost_nothing() -> None:
    parts = scene(1, 300, 260)
    seen = []

    def note(image: Any, trimap: Any) -> Any:
        seen.append(trimap.shape)
        assert ((trimap > 0) & (trimap < 1)).any()
        assert image.dtype == trimap.dtype == np.float32
        return np.full(trimap.shape, 0.25, np.float32)

    alpha = tiled(note, parts["image"], parts["trimap"], tile=64, overlap=8)
    assert max(max(shape) for shape in seen) <= 64
    assert sum(height * width for height, width in seen) < 0.8 * 300 * 260
    # The weights of neighbours add up to 1 everywhere.
    assert np.allclose(alpha[parts["trimap"] == 128], 0.25)
    with pytest.raises(ValueError, match="does not fit"):
        tiled(note, parts["image"], parts["trimap"], tile=64, overlap=32)


@pytest.mark.parametrize("name", ["closed-form", "guided-filter"])
def test_classical_models_find_a_clean_matte(name: str) -> None:
    parts = scene(0, 120, 100)
    model = load(name)
    alpha = model(to_float(parts["image"]), trimap_to_float(parts["trimap"]))
    assert alpha.dtype == np.float32 and alpha.shape == (120, 100)
    assert np.all(alpha[parts["trimap"] == 0] == 0) and np.all(alpha[parts["trimap"] == 255] == 1)
    unknown = parts["trimap"] == 128
    error = np.abs(alpha - parts["alpha"] / 255)[unknown].mean()
    assert error < 0.03  # the constant 0.5 is over 0.3 away


def test_closed_form_is_pymattings_and_in_tiles_nearly_so() -> None:
    from pymatting import estimate_alpha_cf

    parts = scene(2, 160, 140)
    image, trimap = to_float(parts["image"]), trimap_to_float(parts["trimap"])
    expected = estimate_alpha_cf(image.astype(np.float64), trimap.astype(np.float64))
    assert np.abs(ClosedForm()(image, trimap) - expected).max() < 1e-3
    parted = ClosedForm(tile=64, overlap=16)(image, trimap)
    assert np.abs(parted - expected).mean() < 2e-3
    assert np.abs(parted - expected).max() < 0.12


def test_models_survive_trimaps_that_say_little() -> None:
    parts = scene(3, 40, 40)
    image = to_float(parts["image"])
    for name in ("closed-form", "guided-filter"):
        model = load(name)
        for trimap in (
            np.full((40, 40), 0.5, np.float32),
            np.zeros((40, 40), np.float32),
            np.where(np.arange(1600).reshape(40, 40) < 800, np.float32(0), np.float32(0.5)),
        ):
            alpha = model(image, trimap)
            assert np.isfinite(alpha).all() and alpha.min() >= 0 and alpha.max() <= 1
            assert np.all(alpha[trimap == 0] == 0)


@settings(max_examples=25, deadline=None)
@given(st.floats(0, 1, width=32), st.integers(0, 99), st.sampled_from([0.0, 1e-4, 0.3]))
def test_guided_filter_is_finite_on_flat_and_on_grey_pictures(
    level: float, seed: int, contrast: float
) -> None:
    rng = np.random.default_rng(seed)
    grey = np.clip(level + contrast * rng.standard_normal((40, 40)), 0, 1).astype(np.float32)
    image = np.repeat(grey[..., None], 3, axis=2)
    trimap = np.full((40, 40), 0.5, np.float32)
    trimap[:12], trimap[28:] = 0, 1
    alpha = load("guided-filter")(image, trimap)
    assert np.isfinite(alpha).all() and alpha.min() >= 0 and alpha.max() <= 1


def test_guided_filter_equals_a_plain_one_window_at_a_time() -> None:
    parts = scene(4, 24, 22)
    image = to_float(parts["image"]).astype(np.float64)
    target = to_float(parts["alpha"]).astype(np.float64)
    radius, ridge = 3, 1e-3
    slopes, offsets = np.zeros((24, 22, 3)), np.zeros((24, 22))
    wide = np.pad(image, ((6, 6), (6, 6), (0, 0)), mode="symmetric")
    high = np.pad(target, 6, mode="symmetric")
    for y in range(24):
        for x in range(22):
            window = (slice(y + 3, y + 10), slice(x + 3, x + 10))
            colour, alpha = wide[window].reshape(-1, 3), high[window].ravel()
            spread = colour - colour.mean(axis=0)
            matrix = spread.T @ spread / 49 + ridge * np.eye(3)
            slopes[y, x] = np.linalg.solve(matrix, spread.T @ alpha / 49)
            offsets[y, x] = alpha.mean() - slopes[y, x] @ colour.mean(axis=0)
    expected = np.zeros((24, 22))
    for y in range(radius, 24 - radius):
        for x in range(radius, 22 - radius):
            near = (slice(y - 3, y + 4), slice(x - 3, x + 4))
            mean = slopes[near].reshape(-1, 3).mean(axis=0)
            expected[y, x] = mean @ image[y, x] + offsets[near].mean()
    found = guided_filter(to_float(parts["image"]), to_float(parts["alpha"]), radius, ridge)
    inner = (slice(radius, -radius), slice(radius, -radius))
    assert np.abs(found - expected)[inner].max() < 2e-3


def test_foreground_colours_lose_the_background(monkeypatch: pytest.MonkeyPatch) -> None:
    from ld_portrait_20k.matting.prediction import pictures

    parts = scene(5, 220, 180)
    whole = estimate_foreground(parts["image"], parts["alpha"])
    soft = (parts["alpha"] > 20) & (parts["alpha"] < 250)
    before = np.abs(parts["image"].astype(int) - parts["foreground"])[soft].mean()
    after = np.abs(whole.astype(int) - parts["foreground"])[soft].mean()
    assert after < 0.25 * before
    monkeypatch.setattr(pictures, "_COLOUR_TILE", 96)
    monkeypatch.setattr(pictures, "_COLOUR_OVERLAP", 32)
    parted = estimate_foreground(parts["image"], parts["alpha"])
    assert np.abs(parted.astype(int) - whole)[soft].mean() < 1.5


def test_large_pictures_without_trimap_are_shrunk(monkeypatch: pytest.MonkeyPatch) -> None:
    from ld_portrait_20k.matting.prediction import pictures

    class Bright:
        name, licence, needs_trimap = "bright", "none", False

        def __call__(self, image: Any, trimap: Any = None) -> Any:
            assert max(image.shape) <= 64
            return (image[..., 0] > 0.47).astype(np.float32)

    monkeypatch.setattr(pictures, "_WHOLE", 64)
    parts = scene(6, 200, 160)
    alpha = predict_alpha(Bright(), parts["image"])
    assert alpha.shape == (200, 160)
    assert np.abs(alpha.astype(int) - parts["alpha"]).mean() < 10


_MEASURE = """
import resource, sys
import numpy as np
from ld_portrait_20k.matting.models.classical import GuidedFilter
from ld_portrait_20k.matting.prediction import pictures
from ld_portrait_20k.matting.prediction.pictures import predict_alpha
pictures._WHOLE, pictures._OVERLAP = 512, 64
height, width = (int(side) for side in sys.argv[1:])
image = np.zeros((height, width, 3), np.uint8)
image[:, width // 2:] = 200
trimap = np.zeros((height, width), np.uint8)
trimap[:, width // 2:] = 255
trimap[:, width // 2 - 20:width // 2 + 20] = 128
predict_alpha(GuidedFilter(radius=8), image, trimap)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in kB on Linux")
def test_memory_grows_by_the_pictures_own_arrays_alone() -> None:
    def peak(height: int, width: int) -> float:
        done = subprocess.run(
            [sys.executable, "-c", _MEASURE, str(height), str(width)],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        return float(done.stdout) * 1024

    small, large = (1024, 1024), (4096, 4096)
    pixels = large[0] * large[1] - small[0] * small[1]
    # image 3, trimap 1, alpha as floats 4 and as bytes 1, masks 2; floats of all would be 20.
    assert (peak(*large) - peak(*small)) / pixels < 14
