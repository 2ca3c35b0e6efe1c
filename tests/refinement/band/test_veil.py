"""The veil in the band, looked for in a box, against the same on whole planes."""

from __future__ import annotations

import cv2
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from refinement.band.veil import follow_veil
from refinement.planes.masks import Mask
from refinement.regions.division import Regions
from refinement.thresholds.band import VEIL_TOLERANCE, VEILED
from refinement.thresholds.levels import VEIL

STEP = 3


def regions_of(inside: NDArray[np.bool_], outside: NDArray[np.bool_]) -> Regions:
    nothing = Mask.empty(inside.shape)
    return Regions(
        inside=Mask(inside),
        outside=Mask(outside),
        ground=nothing,
        belongs=nothing,
        veiling=nothing,
        sound=nothing,
        fine=nothing,
        tail=1,
        step=STEP,
    )


def on_whole_planes(
    alpha: NDArray[np.uint8], inside: NDArray[np.bool_], outside: NDArray[np.bool_]
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Where a veil shows in the band, and its level in 255ths."""
    kernel, window = np.ones((2 * STEP + 1,) * 2, np.uint8), (2 * STEP + 1,) * 2
    near = cv2.dilate((inside & (alpha < VEILED)).astype(np.uint8), kernel) > 0
    places = np.flatnonzero(near & (alpha >= VEIL) & ~inside & ~outside)
    body = inside.astype(np.uint8)
    known = cv2.boxFilter(body, cv2.CV_32S, window, normalize=False).ravel()[places]
    total = cv2.boxFilter((alpha >> 1) * body, cv2.CV_32S, window, normalize=False).ravel()[places]
    level = np.asarray(2 * total.astype(np.float32) / known.astype(np.float32), np.float32)
    shows = (level >= VEIL) & (level < VEILED)
    return places[shows], level[shows]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 9999), st.integers(8, 70), st.integers(8, 90))
def test_a_veil_is_the_same_in_its_box_as_in_the_picture(
    seed: int, height: int, width: int
) -> None:
    rng = np.random.default_rng(seed)
    field = cv2.resize(rng.random((4, 4)).astype(np.float32), (width, height))
    inside, outside = field > 0.55, field < 0.4
    alpha = np.where(outside, 0, rng.integers(VEIL - 30, 256, field.shape)).astype(np.uint8)
    raw = np.asarray(alpha / np.float32(255), np.float32)
    regions = regions_of(inside, outside)
    found = follow_veil(raw, alpha, regions)
    places, level = on_whole_planes(alpha, inside, outside)
    assert np.array_equal(found.places, places)
    raised = np.minimum(raw.ravel()[places] / (level / np.float32(255)), np.float32(1))
    assert np.array_equal(found.raised, raised)
    grown = regions.inside.pixels().astype(bool)
    assert (grown >= inside).all()
    added = np.flatnonzero(grown & ~inside)
    where = np.isin(places, added)
    assert np.count_nonzero(where) == added.size
    assert (alpha.ravel()[places[where]] >= level[where] - VEIL_TOLERANCE[1]).all()
