from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.quality import (
    REASONS,
    Duplicate,
    Figures,
    QualityControl,
    Thresholds,
    Verdict,
    duplicates,
    find_duplicates,
    measure,
    perceptual_hash,
)
from ld_portrait_20k.errors import PortraitError
from refinement import Report
from tests.builder.pictures import cutout

GOOD = Figures(
    coverage=0.4, opaque_area=0.37, soft_area=0.05, bodies=1, body_width=0.6, body_height=0.9,
    touches_bottom=True, perceptual_hash="0" * 32,
)  # fmt: skip


REPORT = Report(
    filled_area=0.01, cleared_area=0.01, pieces_removed=0, openings_kept=0, band_area=0.05,
    raw_haze=0.0, doubtful_area=0.0, bodies=1, opaque_area=0.37, soft_area=0.05, confidence=1.0,
    reasons=(),
)  # fmt: skip


def judge(
    figures: Figures,
    reasons: tuple[str, ...] = (),
    attributes: dict[str, str] | None = None,
    control: QualityControl | None = None,
) -> Verdict:
    control = control or QualityControl()
    return control.judge(figures, replace(REPORT, reasons=reasons), attributes or {})


def test_a_good_sample_passes() -> None:
    assert judge(GOOD).accepted
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
    assert judge(replace(GOOD, touches_bottom=False)).accepted


@pytest.mark.parametrize(
    ("change", "threshold"),
    [
        ({"coverage": 0.001}, {"min_coverage": 0.0, "min_body_coverage": 0.0}),
        ({"coverage": 0.03}, {"min_body_coverage": 0.02}),
        ({"body_height": 0.2}, {"min_body_height": 0.2}),
        ({"coverage": 0.99}, {"max_coverage": 1.0, "min_opaque_share": 0.3}),
        ({"soft_area": 0.0}, {"min_soft_area": 0.0}),
        ({"opaque_area": 0.05}, {"min_opaque_share": 0.1}),
    ],
)
def test_a_threshold_decides(change: dict[str, float], threshold: dict[str, float]) -> None:
    figures = replace(GOOD, **change)  # type: ignore[arg-type]
    assert not judge(figures).accepted
    lenient = QualityControl(Thresholds(**threshold))  # type: ignore[arg-type]
    assert judge(figures, control=lenient).accepted


def test_the_duplicate_distance_decides() -> None:
    near = ["0" * 32, "0" * 29 + "7ff"]  # 11 bits apart
    assert find_duplicates(near) == []
    assert len(find_duplicates(near, 11)) == 1
    assert find_duplicates(["0" * 32] * 2, -1) == []


def test_options_win_over_the_file_and_the_file_over_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "quality.toml"
    path.write_text("min_coverage = 0.02\nmax_coverage = 0.9\n")
    found = Thresholds.from_options(["min_coverage=0.05"], path)
    assert found == replace(Thresholds(), min_coverage=0.05, max_coverage=0.9)
    assert Thresholds.from_options() == Thresholds()


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ("min_coverage", "--quality 'min_coverage': write it as min_coverage=0.05"),
        ("min_covrage=1", "no threshold 'min_covrage'; there are min_coverage, "),
        ("min_coverage=5", "--quality min_coverage=5.0: is 0 to 1 "),
        ("min_coverage=nan", "--quality min_coverage=nan: is a number, 0 to 1"),
        ("min_coverage=much", "--quality min_coverage=much: is a number, 0 to 1"),
        ("max_duplicate_distance=1.5", "is a whole number, -1 to 64"),
    ],
)
def test_bad_options_are_named_with_their_range(pair: str, message: str) -> None:
    with pytest.raises(PortraitError) as caught:
        Thresholds.from_options([pair])
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("min_coverage = true", "min_coverage=True: is a number"),
        ("min_coverage 0.1", "not a TOML file"),
        ("coverage = 0.1", "no threshold 'coverage'"),
    ],
)
def test_bad_files_are_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "quality.toml"
    path.write_text(text)
    with pytest.raises(PortraitError) as caught:
        Thresholds.from_options([], path)
    assert str(caught.value).startswith(f"--quality-file {path}: ")
    assert message in str(caught.value)
    with pytest.raises(PortraitError, match="no such file"):
        Thresholds.from_options([], tmp_path / "absent.toml")


def test_what_the_plan_stores_gives_the_same_quality_control() -> None:
    control = QualityControl(Thresholds(min_coverage=0.2))
    assert QualityControl.from_plan(control.to_dict()) == control


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
    small = scaled.astype(np.uint8, copy=False)
    other = cutout(6)
    hashes = [
        perceptual_hash(foreground, alpha),
        perceptual_hash(again.astype(np.uint8, copy=False), alpha),
        perceptual_hash(small[..., :3], small[..., 3]),
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


def compare_all(hashes: list[str], limit: int) -> list[Duplicate]:
    """The definition of near-duplicates, pair by pair."""
    numbers = [int(text, 16) for text in hashes]
    kept: list[int] = []
    found: list[Duplicate] = []
    for position, number in enumerate(numbers):
        distances = [((number ^ numbers[place]).bit_count(), place) for place in kept]
        distance, place = min(distances, default=(129, -1))
        if distance <= limit:
            found.append(Duplicate(position, place, distance))
        else:
            kept.append(position)
    return found


BASES = (0, 2**128 - 1, 0x0123456789ABCDEF0123456789ABCDEF, 0xFFFF0000FFFF0000123456789ABCDEF0)


@given(
    st.lists(
        st.tuples(st.sampled_from(BASES), st.lists(st.integers(0, 127), max_size=12)), max_size=40
    ),
    st.sampled_from([-1, 0, 1, 3, 4, 7, 8, 9, 11, 20, 64, 127, 128]),
)
def test_near_duplicates_are_those_of_comparing_every_pair(
    flipped: list[tuple[int, list[int]]], limit: int
) -> None:
    numbers = [base ^ sum(1 << bit for bit in set(bits)) for base, bits in flipped]
    hashes = [f"{number:032x}" for number in numbers]
    assert find_duplicates(hashes, limit) == compare_all(hashes, limit)
    with pytest.MonkeyPatch.context() as patch:  # as where there are many
        patch.setattr(duplicates, "_BLOCK", 3)
        patch.setattr(duplicates, "_PAIRS", 2)
        assert find_duplicates(hashes, limit) == compare_all(hashes, limit)


def test_near_duplicates_among_many_that_look_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of the bits hardly ever differ, as in the alphas of portraits."""
    rng = np.random.default_rng(1)
    words = rng.integers(0, 2**64, (1200, 2), np.uint64)
    words[:, 1] = 0xFFFFFFFF
    words[:, 1] ^= np.uint64(1) << rng.integers(0, 64, 1200, np.uint64)
    words[600:, 0] = words[:600, 0] ^ (np.uint64(7) << rng.integers(0, 61, 600, np.uint64))
    hashes = [f"{int(a):016x}{int(b):016x}" for a, b in words]
    found = find_duplicates(hashes)
    assert len(found) == 600
    assert found == compare_all(hashes, 8)
    monkeypatch.setattr(duplicates, "_BLOCK", 256)
    assert find_duplicates(hashes) == found
