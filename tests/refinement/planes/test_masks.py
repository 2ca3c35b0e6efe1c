"""Masks of one bit a pixel, and what works in boxes and strips, against OpenCV on whole planes."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from refinement.holes.pin_holes import find_pin_holes
from refinement.planes import distances, grid
from refinement.planes.masks import Mask
from refinement.regions.earlier import Earlier
from refinement.regions.rings import Rings, measure_rings
from tests.refinement import synthetic

SIDES = st.integers(1, 200)
RADII = st.sampled_from((0.2, 1, 2, 3.5, 8, 31, 32, 33, 63, 64, 65, 130))


@st.composite
def masks(draw: st.DrawFn) -> NDArray[np.uint8]:
    """Sparse, dense and empty masks, of any width beside a multiple of the word's."""
    height, width = draw(SIDES), draw(st.one_of(SIDES, st.sampled_from((63, 64, 65, 128))))
    share = draw(st.sampled_from((0.0, 0.002, 0.05, 0.5, 0.98, 1.0)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return (rng.random((height, width)) < share).astype(np.uint8)


def square(radius: float) -> NDArray[np.uint8]:
    return np.ones((2 * max(1, round(radius)) + 1,) * 2, np.uint8)


@settings(max_examples=60, deadline=None)
@given(masks(), st.integers(0, 9))
def test_a_mask_holds_what_it_was_made_of(pixels: NDArray[np.uint8], margin: int) -> None:
    mask = Mask(pixels)
    assert mask.shape == pixels.shape
    assert np.array_equal(mask.pixels(), pixels)
    assert np.array_equal(mask.places(), np.flatnonzero(pixels))
    assert mask == Mask(pixels > 0) == Mask.of_places(mask.places(), pixels.shape)
    assert mask.count() == pixels.sum()
    assert bool(mask) == pixels.any()
    assert (
        mask.at(np.arange(pixels.size)[::3]).tolist() == pixels.ravel()[::3].astype(bool).tolist()
    )
    height, width = pixels.shape
    left, top, wide, tall = cv2.boundingRect(pixels)
    if pixels.any():
        rows, columns = mask.box(margin)
        assert rows == slice(max(0, top - margin), top + tall + margin)
        assert columns == slice(max(0, left - margin), left + wide + margin)
    runs = mask.runs()
    edges = np.diff(np.pad(pixels.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    row, column = np.nonzero(edges == 1)
    assert np.array_equal(runs.rows, row)
    assert np.array_equal(runs.columns, column)
    assert np.array_equal(runs.lengths, np.nonzero(edges == -1)[1] - column)
    assert np.array_equal(runs.places(), mask.places())
    assert runs.width == width < runs.pitch
    assert len(runs.starts) <= height * ((width + 1) // 2)


@settings(max_examples=60, deadline=None)
@given(masks(), st.integers(0, 2**32 - 1))
def test_masks_are_combined_as_sets(pixels: NDArray[np.uint8], seed: int) -> None:
    other = np.random.default_rng(seed).integers(0, 2, pixels.shape, np.uint8)
    one, two = Mask(pixels), Mask(other)
    assert np.array_equal((one & two).pixels(), pixels & other)
    assert np.array_equal((one | two).pixels(), pixels | other)
    assert np.array_equal((one - two).pixels(), pixels & (1 - other))
    assert np.array_equal((~one).pixels(), 1 - pixels)
    assert (~one).count() == pixels.size - one.count()
    assert not Mask.empty(pixels.shape)


@settings(max_examples=80, deadline=None)
@given(masks(), RADII)
def test_dilation_and_erosion_are_those_by_a_square(
    pixels: NDArray[np.uint8], radius: float
) -> None:
    mask = Mask(pixels)
    assert np.array_equal(mask.dilate(radius).pixels(), cv2.dilate(pixels, square(radius)))
    assert np.array_equal(mask.erode(radius).pixels(), cv2.erode(pixels, square(radius)))
    assert (~mask).dilate(radius) == ~mask.erode(radius)


@settings(max_examples=40, deadline=None)
@given(masks(), st.integers(1, 30))
def test_an_octagon_is_squares_and_crosses(pixels: NDArray[np.uint8], radius: int) -> None:
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    expected = cv2.erode(pixels, np.ones((3, 3), np.uint8), iterations=radius // 2)
    expected = cv2.erode(expected, cross, iterations=radius - radius // 2)
    assert np.array_equal(Mask(pixels).erode_octagon(radius).pixels(), expected)


@settings(max_examples=40, deadline=None)
@given(masks(), st.integers(0, 2**32 - 1), st.integers(0, 12))
def test_growth_goes_step_by_step_over_what_is_allowed(
    pixels: NDArray[np.uint8], seed: int, steps: int
) -> None:
    allowed = (np.random.default_rng(seed).random(pixels.shape) < 0.6).astype(np.uint8)
    expected = pixels & allowed
    for _ in range(steps):
        expected = np.asarray(cv2.dilate(expected, square(1)), np.uint8) & allowed
    grown = Mask(pixels & allowed).grow_within(Mask(allowed), steps)
    assert np.array_equal(grown.pixels(), expected)


@settings(max_examples=40, deadline=None)
@given(masks(), st.integers(0, 2**32 - 1), st.sampled_from((0.0, 0.05, 0.6, 1.0)))
def test_growth_may_begin_beside_what_is_allowed(
    pixels: NDArray[np.uint8], seed: int, share: float
) -> None:
    allowed = (np.random.default_rng(seed).random(pixels.shape) < share).astype(np.uint8)
    expected = pixels
    for _ in range(5):
        expected = np.asarray(cv2.dilate(expected, square(1)), np.uint8) & allowed
    assert np.array_equal(Mask(pixels).grow_within(Mask(allowed), 5).pixels(), expected)


@pytest.mark.parametrize("width", [64, 130])
@pytest.mark.parametrize("at", [(0, 0), (49, 63), (99, 10), (30, 30)])
def test_a_small_mask_is_dilated_as_a_large_one(width: int, at: tuple[int, int]) -> None:
    pixels = np.zeros((100, width), np.uint8)
    pixels[at] = 1
    for radius in (1, 7, 33, 120):
        assert np.array_equal(
            Mask(pixels).dilate(radius).pixels(), cv2.dilate(pixels, square(radius))
        )
    assert not Mask(np.zeros_like(pixels)).dilate(5)


@settings(max_examples=40, deadline=None)
@given(masks())
def test_distances_in_a_box_are_those_in_the_picture(pixels: NDArray[np.uint8]) -> None:
    whole = cv2.distanceTransform(1 - pixels, cv2.DIST_L2, 5)
    assert np.array_equal(distances.distance_from(Mask(pixels)), whole)


@settings(max_examples=40, deadline=None)
@given(st.tuples(SIDES, SIDES), st.integers(0, 999), st.sampled_from((0.0, 1e-4, 0.02)))
def test_distances_to_a_region_added_later_are_those_to_both(
    shape: tuple[int, int], seed: int, density: float
) -> None:
    rng = np.random.default_rng(seed)
    first, added = (rng.random(shape) < chance for chance in (density, 1e-3))
    first[0, 0] = added[-1, -1] = True
    asked = rng.random(shape) < 0.5
    found = distances.nearer(distances.distance_from(Mask(first)), Mask(added), Mask(asked | added))
    both = cv2.distanceTransform((~(first | added)).astype(np.uint8), cv2.DIST_L2, 5)
    assert np.array_equal(found[asked], both[asked])


@settings(max_examples=40, deadline=None)
@given(masks(), st.integers(1, 9))
def test_sums_about_pixels_are_those_of_a_box_filter(pixels: NDArray[np.uint8], reach: int) -> None:
    plane = 200 * pixels
    sums = cv2.boxFilter(plane, cv2.CV_32S, (2 * reach + 1,) * 2, normalize=False)
    places = np.flatnonzero(pixels)
    assert np.array_equal(grid.sums_about(plane, places, reach), sums.ravel()[places])


@settings(max_examples=30, deadline=None)
@given(st.tuples(SIDES, SIDES), st.sampled_from((2, 3, 5, 8)), st.booleans(), st.integers(0, 999))
def test_means_over_cells_taken_in_strips_are_those_of_the_plane(
    shape: tuple[int, int], step: int, even: bool, seed: int
) -> None:
    height, width = (n * step if even else n for n in shape)
    plane = np.random.default_rng(seed).random((height, width)).astype(np.float32)
    size = -(-width // step), -(-height // step)
    expected = cv2.resize(plane, size, interpolation=cv2.INTER_AREA)
    means = grid.cell_means(lambda rows: [plane[rows], plane[rows] ** 2], plane.shape, step)
    assert np.array_equal(means[0], expected.reshape(means[0].shape))
    assert means[1].shape == means[0].shape
    alpha = np.rint(255 * plane).astype(np.uint8)
    for power, mean in enumerate(grid.cell_moments(alpha, step), 1):
        exact = alpha.astype(np.float32) ** power
        expected = cv2.resize(exact, size, interpolation=cv2.INTER_AREA)
        assert np.array_equal(mean, expected.reshape(mean.shape))


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 30),
    st.integers(1, 30),
    st.sampled_from(((8, 8), (8, 8), (8, 6), (8, 4), (5, 5), (4, 4), (16, 16), (1, 1))),
    st.sampled_from((0.02, 0.3, 0.5, 0.9)),
    st.integers(0, 2**32 - 1),
)
def test_cells_are_interpolated_part_by_part_as_in_the_whole(
    rows: int, columns: int, cell: tuple[int, int], share: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    shape = height, width = rows * cell[0], columns * cell[1]
    holds = (rng.random((rows, columns)) < share).astype(np.uint8)
    whole = cv2.resize(holds * np.uint8(255), (width, height), interpolation=cv2.INTER_LINEAR)
    assert np.array_equal(grid.mask_from_cells(holds, shape).pixels() > 0, whole > 127)
    values = (255 * rng.random((rows, columns))).astype(np.float32)
    plane = cv2.resize(values, (width, height), interpolation=cv2.INTER_LINEAR)
    found = grid.Interpolated(values, shape)
    (top, bottom), (left, right) = (np.sort(rng.permutation(n + 1)[:2]) for n in shape)
    part = slice(int(top), int(bottom)), slice(int(left), int(right))
    assert np.array_equal(found.part(*part), plane[part])
    places = np.flatnonzero(rng.random(shape) < 0.1)
    assert np.array_equal(found.at(places), plane.ravel()[places])
    rounded = (plane + np.float32(0.501)).astype(np.uint8)
    assert np.array_equal(grid.interpolate_level(values, shape), rounded)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 999), st.integers(30, 300), st.integers(30, 300), st.floats(0.2, 1.2))
def test_rings_in_a_box_are_those_in_the_picture(
    seed: int, height: int, width: int, scale: float
) -> None:
    rng = np.random.default_rng(seed)
    border = np.zeros((height, width), np.uint8)
    y, x = int(rng.integers(0, height)), int(rng.integers(0, width))
    border[y : y + int(rng.integers(1, 40)), x : x + int(rng.integers(1, 40))] = 1
    step = max(2, round(8 * scale))
    cells = cv2.dilate(grid.cell_mean(border, step), np.ones((3, 3), np.uint8))
    thick = (cells > 0).astype(np.float32) * np.float32(rng.uniform(0, 60))
    found = measure_rings(Mask(border), thick, step, scale, 64.0)
    away = distances.distance_to(border)
    width_there = grid.interpolate_cells(thick, border.shape)
    wanted = {"ring": away <= 32 * scale, "band": away <= 64 * scale}
    wanted["near"] = cv2.scaleAdd(width_there, -0.35, away) <= 0.5
    wanted["nearby"] = cv2.scaleAdd(width_there, -1.5, away) <= 2 * (1.5 + 3 * scale) + 12 * scale
    for name, expected in wanted.items():
        assert np.array_equal(getattr(found, name).pixels().astype(bool), expected), name


def test_without_a_border_nothing_is_near_it() -> None:
    found = measure_rings(Mask.empty((40, 50)), np.zeros((5, 7), np.float32), 8, 1.0, 64.0)
    assert isinstance(found, Rings)
    masks = ("near", "close", "nearby", "tail", "edge", "band", "ring")
    assert not any(getattr(found, name) for name in masks)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 9999), st.integers(1, 40), st.integers(1, 40))
def test_pin_holes_do_not_depend_on_how_much_background_lies_about(
    seed: int, rows: int, columns: int
) -> None:
    subject = synthetic.subject(seed, (224, 192), hair="wavy", cut="none")
    alpha: NDArray[Any] = np.rint(255 * synthetic.damage_seethrough(subject.alpha, seed))
    alpha = alpha.astype(np.uint8)
    alpha[[0, -1]], alpha[:, [0, -1]] = 0, 0
    padding = ((rows, 3), (columns, 70))
    found = find_pin_holes(alpha, 0.2, Earlier()).pixels()
    padded = find_pin_holes(np.pad(alpha, padding), 0.2, Earlier()).pixels()
    assert np.array_equal(padded, np.pad(found, padding))


@pytest.mark.parametrize("width", [50, 64, 70, 130, 192])
def test_a_part_of_a_mask_is_that_of_its_pixels(width: int) -> None:
    pixels = np.random.default_rng(width).random((40, width)) < 0.3
    for rows in (slice(0, 40), slice(3, 17), slice(30, 90)):
        for columns in (slice(0, width), slice(5, 48), slice(width - 9, width + 30)):
            cropped = Mask(pixels).crop((rows, columns))
            assert np.array_equal(cropped.pixels().astype(bool), pixels[rows, columns])
