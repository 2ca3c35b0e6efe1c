from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.quality import REASONS, Figures, find_duplicates, judge, measure, perceptual_hash
from tests.builder.pictures import cutout

GOOD = Figures(
    coverage=0.4, opaque_area=0.37, soft_area=0.05, bodies=1, body_width=0.6, body_height=0.9,
    touches_bottom=True, perceptual_hash="0" * 32,
)  # fmt: skip


def test_a_good_sample_passes() -> None:
    assert judge(GOOD, (), {}).accepted
    assert judge(GOOD, (), {"framing": "half body"}).accepted


@pytest.mark.parametrize(
    ("change", "reasons", "attributes", "expected"),
    [
        ({"coverage": 0.001}, (), {}, "empty"),
        ({}, ("haze",), {}, "haze"),
        ({}, ("no-opaque-body",), {}, "no-opaque-body"),
        ({}, ("several-bodies",), {}, "several-bodies"),
        ({"coverage": 0.03}, (), {}, "body-too-small"),
        ({"body_height": 0.2}, (), {}, "body-too-small"),
        ({"coverage": 0.99}, (), {}, "body-too-large"),
        ({"soft_area": 0.0}, (), {}, "all-hard"),
        ({"opaque_area": 0.05}, (), {}, "all-soft"),
        ({"touches_bottom": False}, (), {"framing": "close-up"}, "no-lower-border"),
    ],
)
def test_each_rule_names_its_reason(
    change: dict[str, float], reasons: tuple[str, ...], attributes: dict[str, str], expected: str
) -> None:
    verdict = judge(replace(GOOD, **change), reasons, attributes)  # type: ignore[arg-type]
    assert verdict.reason == expected
    assert verdict.detail
    assert expected in REASONS


def test_a_floating_body_is_fine_where_no_framing_is_known() -> None:
    assert judge(replace(GOOD, touches_bottom=False), (), {}).accepted


def test_figures_of_a_known_matte() -> None:
    alpha = np.zeros((100, 200), np.uint8)
    alpha[40:, 50:150] = 255
    alpha[39, 50:150] = 51
    figures = measure(np.zeros((100, 200, 3), np.uint8), alpha, bodies=1)
    assert figures.coverage == pytest.approx((6000 + 100 * 0.2) / 20_000)
    assert figures.opaque_area == pytest.approx(0.3)
    assert figures.soft_area == pytest.approx(100 / 20_000)
    assert (figures.body_width, figures.body_height) == (0.5, 0.6)
    assert figures.touches_bottom


def test_the_hash_is_blind_to_encoding_and_scale_but_not_to_the_person() -> None:
    picture = cutout(5)
    foreground, alpha = picture[..., :3], picture[..., 3]
    _, coded = cv2.imencode(".jpg", foreground, [cv2.IMWRITE_JPEG_QUALITY, 90])
    again = cv2.imdecode(coded, cv2.IMREAD_COLOR)
    assert again is not None
    scaled = cv2.resize(picture, None, fx=0.8, fy=0.8, interpolation=cv2.INTER_AREA)
    other = cutout(6)
    hashes = [
        perceptual_hash(foreground, alpha),
        perceptual_hash(again, alpha),
        perceptual_hash(scaled[..., :3], scaled[..., 3]),
        perceptual_hash(other[..., :3], other[..., 3]),
    ]
    found = find_duplicates(hashes)
    assert [(item.position, item.of) for item in found] == [(1, 0), (2, 0)]


@given(st.lists(st.sampled_from(["0" * 32, "f" * 32, "0" * 31 + "1", "0f" * 16]), max_size=12))
def test_the_first_of_a_kind_is_kept(hashes: list[str]) -> None:
    found = find_duplicates(hashes)
    dropped = {item.position for item in found}
    kept = [text for place, text in enumerate(hashes) if place not in dropped]
    assert find_duplicates(kept) == []
    assert 0 not in dropped
    assert all(item.of not in dropped and item.of < item.position for item in found)
