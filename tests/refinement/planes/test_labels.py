"""Regions found from runs, against OpenCV's labels of pixels, and what passes share."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from refinement import Options
from refinement.planes.labels import label
from refinement.planes.masks import Mask
from refinement.regions.division import divide
from refinement.regions.earlier import Earlier
from tests.refinement import synthetic
from tests.refinement.planes.test_masks import masks

Pixels = NDArray[np.uint8]


def curls(seed: int, height: int, width: int) -> Pixels:
    """Winding lines and blobs, whose runs meet many others."""
    field = np.random.default_rng(seed).random((height // 3 + 2, width // 3 + 2)).astype(np.float32)
    large = cv2.resize(field, (width, height), interpolation=cv2.INTER_CUBIC)
    return (np.abs(np.asarray(large) - 0.5) < 0.14).astype(np.uint8)


shapes = st.one_of(
    masks(), st.builds(curls, st.integers(0, 999), st.integers(1, 90), st.integers(1, 150))
)


@settings(max_examples=120, deadline=None)
@given(shapes, st.sampled_from((4, 8)))
def test_regions_are_those_of_opencv(pixels: Pixels, connectivity: int) -> None:
    count, labels, stats, _ = cv2.connectedComponentsWithStats(pixels, connectivity=connectivity)
    regions = label(Mask(pixels), connectivity)
    assert regions.count == count
    plane = regions.plane()
    pairs = np.unique(np.stack([plane.ravel(), labels.ravel()]), axis=1)
    assert pairs.shape[1] == len(np.unique(labels))  # one to one
    ours, theirs = pairs[:, pairs[1] > 0]
    assert np.array_equal(regions.areas[ours], stats[theirs, cv2.CC_STAT_AREA])
    low, high = regions.corners()
    assert np.array_equal(low[0, ours], stats[theirs, cv2.CC_STAT_TOP])
    assert np.array_equal(low[1, ours], stats[theirs, cv2.CC_STAT_LEFT])
    assert np.array_equal((high - low)[0, ours], stats[theirs, cv2.CC_STAT_HEIGHT] - 1)
    assert np.array_equal((high - low)[1, ours], stats[theirs, cv2.CC_STAT_WIDTH] - 1)
    frame = np.zeros(count, np.bool_)
    frame[np.concatenate([plane[0], plane[-1], plane[:, 0], plane[:, -1]])] = True
    assert np.array_equal(regions.touching_frame()[1:], frame[1:])


@settings(max_examples=60, deadline=None)
@given(shapes, st.integers(0, 2**32 - 1))
def test_all_but_the_main_region_are_listed(pixels: Pixels, seed: int) -> None:
    regions = label(Mask(pixels), 8)
    plane = regions.plane()
    sampled = np.bincount(plane[::16, ::16].ravel(), minlength=regions.count)[1:]
    if regions.main:
        assert sampled[regions.main - 1] == sampled.max() > 0
    else:
        assert not sampled.any()
    listed = (plane > 0) & (plane != regions.main)
    assert np.array_equal(regions.places, np.flatnonzero(listed))
    assert np.array_equal(regions.names, plane[listed])
    part = pixels & np.random.default_rng(seed).integers(0, 2, pixels.shape, np.uint8)
    runs, names = regions.within(Mask(part))
    assert np.array_equal(np.repeat(names, runs.lengths), plane[part > 0])


@settings(max_examples=40, deadline=None)
@given(masks(), st.integers(0, 2**32 - 1), st.sampled_from((4, 8)))
def test_regions_that_meet_others_are_whole(
    pixels: NDArray[np.uint8], seed: int, connectivity: int
) -> None:
    other = (np.random.default_rng(seed).random(pixels.shape) < 0.03).astype(np.uint8)
    _, labels = cv2.connectedComponents(pixels, connectivity=connectivity)
    names = np.unique(labels[(pixels & other) > 0])
    regions = label(Mask(pixels), connectivity=connectivity)
    met = regions.meeting(Mask(other))
    assert np.array_equal(regions.mask_of(met).pixels(), np.isin(labels, names) & (labels > 0))
    assert np.array_equal(regions.mask_of(~met).pixels(), ~np.isin(labels, names) & (labels > 0))


@pytest.mark.parametrize(("side", "missing"), [(200, 0), (512, 2), (512, 1), (640, 0)])
@pytest.mark.parametrize("connectivity", [4, 8])
def test_as_many_regions_as_16_bits_can_number_and_more(
    side: int, missing: int, connectivity: int
) -> None:
    points = np.zeros((side, side), np.uint8)
    points[::2, ::2] = 1
    points.ravel()[np.flatnonzero(points)[:missing]] = 0
    regions = label(Mask(points), connectivity=connectivity)
    assert regions.count == 1 + points.sum()
    plane = regions.plane()
    assert int(plane.max()) == points.sum()
    assert plane.itemsize == (2 if points.sum() < 65535 else 4)


def test_what_a_pass_found_serves_the_next_one_only_for_the_same_input() -> None:
    earlier, calls = Earlier(), []

    def find(answer: int) -> int:
        calls.append(answer)
        return answer

    mask, plane = Mask(np.eye(5, dtype=np.uint8)), np.arange(4.0)
    assert earlier.of("step", (mask, plane, 1), lambda: find(1)) == 1
    assert earlier.of("step", (Mask(np.eye(5, dtype=np.uint8)), plane.copy(), 1), lambda: 2) == 1
    assert earlier.of("other", (mask, plane, 1), lambda: find(3)) == 3
    assert earlier.of("step", (~mask, plane, 1), lambda: find(4)) == 4
    assert earlier.of("step", (mask, plane, 1), lambda: find(5)) == 5
    assert earlier.of("step", (mask, plane + 1, 1), lambda: find(6)) == 6
    earlier.forget()
    assert earlier.of("step", (mask, plane + 1, 1), lambda: find(7)) == 7
    assert calls == [1, 3, 4, 5, 6, 7]


@pytest.mark.parametrize("seed", [1, 2])
def test_a_picture_is_divided_the_same_after_another_one(seed: int) -> None:
    first, second = (
        np.rint(255 * synthetic.subject(seed + n, (200, 200), hair="curly").alpha).astype(np.uint8)
        for n in range(2)
    )
    earlier = Earlier()
    for alpha in (first, second, second, first):
        alone, after = (divide(alpha, 0.2, Options(), known) for known in (None, earlier))
        assert alone == after
