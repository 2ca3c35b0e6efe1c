"""What refinement must get right, on data with known truth, through refine()."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ld_portrait_20k.matting import metrics
from refinement import Options, RefinementError, refine
from refinement.report import Report
from tests.refinement import synthetic

MATTE = Options(estimate_colour=False)
SIZE = (384, 384)
Damage = Callable[[NDArray[np.float32], int], NDArray[np.float32]]
DAMAGES: tuple[Damage, ...] = (synthetic.damage_multiplied, synthetic.damage_subtracted)


def refined(alpha: NDArray[Any], **options: Any) -> NDArray[Any]:
    rgba = np.dstack([np.full((*alpha.shape, 3), 128, np.uint8), np.rint(alpha * 255)])
    return refine(rgba.astype(np.uint8), options=Options(estimate_colour=False, **options)).alpha


def report(alpha: NDArray[Any], **options: Any) -> Report:
    rgba = np.dstack([np.full((*alpha.shape, 3), 128, np.uint8), np.rint(alpha * 255)])
    return refine(rgba.astype(np.uint8), options=Options(**options)).report


def shape(*drawn: Any, size: int = 384) -> NDArray[Any]:
    """A smooth-edged matte of filled circles (x, y, radius, value), later over earlier."""
    canvas = np.zeros((4 * size, 4 * size), np.float32)
    for x, y, radius, value in drawn:
        cv2.circle(canvas, (4 * x, 4 * y), 4 * radius, value, -1)
    return cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA)


BODY = (192, 300, 150, 1.0)


@pytest.mark.parametrize("hair", synthetic.HAIR)
@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_undone_and_the_border_is_not_spoilt(hair: str, damage: Damage) -> None:
    errors = []
    for seed, cut in enumerate(("bottom", "none", "sides")):
        subject = synthetic.subject(
            10 + seed, SIZE, hair=hair, arm_gap=True, hoop=seed == 1, cut=cut
        )
        raw, true = damage(subject.alpha, seed), subject.alpha
        result = refine(subject.rgba(raw), options=MATTE).alpha
        errors.append(
            [f(m, true) for m in (raw, result) for f in (metrics.sad, metrics.grad, metrics.conn)]
        )
        assert metrics.sad(result, true) < metrics.sad(raw, true)
    raw_sad, raw_grad, raw_conn, sad, grad, conn = np.mean(errors, axis=0)
    assert sad < 0.25 * raw_sad
    assert grad < 0.25 * raw_grad
    assert conn < 0.25 * raw_conn


@pytest.mark.parametrize("hair", synthetic.HAIR)
def test_a_perfect_matte_stays(hair: str) -> None:
    subject = synthetic.subject(5, SIZE, hair=hair, arm_gap=True, hoop=True)
    result = refine(subject.rgba(), options=MATTE).alpha
    assert 1000 * metrics.mse(result, subject.alpha) < 0.001
    again = refine(subject.rgba(result), options=MATTE).alpha
    assert np.array_equal(np.rint(255 * again), np.rint(255 * result))


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(synthetic.HAIR), st.sampled_from(DAMAGES))
@example(172, "motion", synthetic.damage_subtracted)  # the numbering of regions decided
@example(9054, "motion", synthetic.damage_multiplied)  # the second pass levelled a good band
def test_range_idempotence_and_symmetry(seed: int, hair: str, damage: Damage) -> None:
    subject = synthetic.subject(seed, (256, 224), hair=hair, arm_gap=seed % 2 == 0)
    rgba = subject.rgba(damage(subject.alpha, seed))
    alpha = refine(rgba, options=MATTE).alpha
    assert alpha.dtype == np.float32
    assert alpha.min() >= 0
    assert alpha.max() <= 1
    again = rgba.copy()
    again[..., 3] = np.rint(255 * alpha)
    twice = refine(again, options=MATTE).alpha
    moved = np.abs(np.rint(255 * twice) - again[..., 3]) > 1
    assert moved.mean() < 0.001
    for turned in (rgba[:, ::-1], rgba[::-1], np.rot90(rgba), np.rot90(rgba, 2)):
        other = refine(np.ascontiguousarray(turned), options=MATTE).alpha
        expected = refine_like(alpha, turned, rgba)
        assert np.abs(other - expected).max() < 0.75 / 255


def refine_like(
    alpha: NDArray[np.float32],
    turned: NDArray[np.uint8],
    rgba: NDArray[np.uint8],
) -> NDArray[Any]:
    """The result turned as the input was."""
    moves: tuple[Callable[[NDArray[Any]], NDArray[Any]], ...] = (
        lambda x: x[:, ::-1],
        lambda x: x[::-1],
        np.rot90,
        lambda x: np.rot90(x, 2),
    )
    for move in moves:
        if move(rgba).shape == turned.shape and np.array_equal(move(rgba), turned):
            return move(alpha)
    raise AssertionError("no such turn")


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(("none", "straight", "wavy")))
def test_more_damage_is_never_a_better_score(seed: int, hair: str) -> None:
    subject = synthetic.subject(seed, SIZE, hair=hair)
    errors = [
        metrics.sad(
            refine(subject.rgba(synthetic.damage_multiplied(subject.alpha, seed, s))).alpha,
            subject.alpha,
        )
        for s in (0.0, 1.0, 2.0)
    ]
    assert errors[0] <= errors[1] + 0.01
    assert errors[1] <= errors[2] + 0.05


@pytest.mark.parametrize("level", [0.9, 0.95, 0.99])
def test_veil_into_the_border_band_is_divided_out(level: float) -> None:
    true = shape(BODY, (192, 120, 70, 1.0))
    result = refined(true * level)
    band = (true > 0) & (true < 1)
    assert np.rint(255 * result[true == 1]).min() == 255
    assert metrics.sad(result, true, band) <= metrics.sad(true * level, true, band)


@pytest.mark.parametrize("level", [0.4, 0.6, 0.9])
@pytest.mark.parametrize("place", [(192, 300), (192, 383)])
def test_panels_are_filled_deep_inside_and_at_the_frame(
    level: float, place: tuple[int, int]
) -> None:
    true = shape(BODY)
    raw = np.minimum(true, 1 - (1 - level) * shape((*place, 40, 1.0)))
    assert np.array_equal(refined(raw) == 1, true == 1)


@pytest.mark.parametrize("level", [0.4, 0.6])
def test_a_panel_beside_the_border_is_filled(level: float) -> None:
    true = shape(BODY)
    lost = (1 - level) * shape((76, 300, 30, 1.0))  # 4 px from the silhouette
    result = refined(true - lost)
    assert (1 - result)[true == 1].sum() < 0.15 * lost.sum()


def test_a_faint_patch_in_a_good_matte_is_no_hair() -> None:
    true = shape(BODY, (192, 120, 70, 1.0))
    raw = true * (1 - 0.07 * shape((192, 300, 20, 1.0)))
    assert np.array_equal(refined(raw) == 1, true == 1)


def test_lone_pin_holes_are_filled_and_gaps_among_others_are_not() -> None:
    true = shape(BODY)
    hole = shape((192, 300, 1, 1.0))
    assert np.rint(255 * refined(true * 0.97 * (1 - hole))[true == 1]).min() == 255
    for x in range(130, 250, 12):  # a row of them that runs to the border is a plait
        for y in range(152, 260, 12):
            hole = np.maximum(hole, shape((x, y, 1, 1.0)))
    gaps = true * 0.97 * (1 - hole)
    assert refined(gaps)[gaps == 0].max() == 0


def test_pin_holes_are_filled() -> None:
    true = shape(BODY)
    raw = true.copy()
    for i in range(8):
        raw[260 + 9 * i, 150 + 9 * i] = 0.1 * i
    assert np.rint(255 * refined(raw)[true == 1]).min() == 255


@pytest.mark.parametrize("radius", [2, 3, 6, 30])
@pytest.mark.parametrize("haze", [0, 8])
def test_true_openings_stay_open_at_any_size(radius: int, haze: int) -> None:
    deep = 300 if radius > 4 else 166  # small ones lie behind something thin, deep ones are holes
    true = shape(BODY, (192, deep, radius, 0.0))
    raw = np.maximum(true, haze / 255)
    result = refined(raw)
    opening = np.hypot(*(np.mgrid[:384, :384] - np.array([deep, 192])[:, None, None])) < radius - 1
    assert result[opening].max() <= raw[opening].max()
    assert result[opening].mean() < 0.3
    # Openings of more than a few pixels are cleared of their haze.
    assert radius < 6 or result[opening].max() == 0


def lines(*drawn: Any, thickness: float, size: int = 384) -> NDArray[Any]:
    """Smooth-edged lines ((x, y), (x, y), ...) and circles (x, y, radius)."""
    canvas = np.zeros((4 * size, 4 * size), np.uint8)
    for line in drawn:
        if isinstance(line[0], tuple):
            points = np.rint(4 * np.array(line)).astype(np.int32)
            cv2.polylines(canvas, [points], False, 255, round(4 * thickness))
        else:
            x, y, radius = (round(4 * number) for number in line)
            cv2.circle(canvas, (x, y), radius, 255, round(4 * thickness))
    whole = cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA)
    return whole.astype(np.float32) / 255


OPEN = {
    "crossed strands": lines(
        *(((150 + 8 * i, 150), (90 + 8 * i, 60)) for i in range(12)),
        *(((150 + 8 * i, 150), (210 + 8 * i, 60)) for i in range(12)),
        thickness=1.5,
    ),
    "hoop": lines((270, 190, 14), thickness=2.0),
    "glasses": lines((262, 120, 9), (284, 120, 9), ((240, 120), (253, 120)), thickness=2.0),
    "fingers": lines(*(((330, 250 + 9 * i), (372, 246 + 10 * i)) for i in range(4)), thickness=5.0),
}


@pytest.mark.parametrize("what", OPEN)
@pytest.mark.parametrize("damage", DAMAGES)
def test_what_thin_things_enclose_stays_open(what: str, damage: Damage) -> None:
    true = np.maximum(shape(BODY, (192, 120, 70, 1.0)), OPEN[what])
    true = np.rint(255 * true).astype(np.float32) / 255
    raw = damage(true, 5)
    result = refined(raw)
    about = cv2.dilate((OPEN[what] > 0).astype(np.uint8), np.ones((15, 15), np.uint8)) > 0
    clear = about & (true == 0)
    assert result[clear].mean() <= 0.7 * raw[clear].mean()
    thing = about & (OPEN[what] > 0.2) & (true > 0)
    assert np.abs(result - true)[thing].mean() < 0.03


@pytest.mark.parametrize("halo", [1, 6, 15])
def test_halo_and_haze_are_cleared_up_to_the_frame(halo: int) -> None:
    true = shape(BODY)
    raw = np.maximum(true, halo / 255)
    result = refined(raw)
    assert result[:100].max() == 0
    assert metrics.sad(result, true) < 0.1 * metrics.sad(raw, true)


def test_blobs_go_and_strands_that_fade_and_come_back_stay() -> None:
    true = shape(BODY, (192, 140, 60, 1.0))
    cv2.line(true, (240, 110), (262, 80), 0.8, 2, cv2.LINE_AA)
    cv2.line(true, (265, 76), (285, 50), 0.8, 2, cv2.LINE_AA)
    raw = np.maximum(true, shape((40, 60, 6, 0.7)))
    result = refined(raw)
    assert result[40:80, 20:60].max() == 0
    assert result[60, 277] > 0.5
    gone = refined(raw, keep_flyaways=False)
    assert gone[55:65, 270:285].max() == 0


HEAD = (192, 120, 70, 1.0)
AROUND_HEAD = (192, 120, 88, 1.0)  # a ring of 18 px; the default band is 24 px wide here


def translucent(kind: str) -> NDArray[Any]:
    """The body with something truly half transparent about its head."""
    body = shape(BODY, HEAD)
    x = np.arange(384, dtype=np.float32)
    if kind == "tulle":
        return np.maximum(body, 0.4 * shape(AROUND_HEAD))
    if kind == "folds":
        return np.maximum(body, shape(AROUND_HEAD) * (0.45 + 0.25 * np.sin(x / 4)))
    if kind == "smoke":
        return np.maximum(body, 0.9 * cv2.GaussianBlur(shape((192, 120, 76, 1.0)), (0, 0), 7))
    return cv2.blur(body, (31 if kind == "motion" else 71, 1))  # wider than the band


@pytest.mark.parametrize("kind", ["tulle", "folds", "smoke", "motion", "much motion"])
@pytest.mark.parametrize("halo", [0, 8])
def test_what_is_truly_translucent_at_the_border_stays(kind: str, halo: int) -> None:
    true = translucent(kind)
    raw = np.where(true < 0.5 / 255, halo / 255, true * (1 - 0.05 * shape((192, 320, 50, 1.0))))
    result = refined(raw)
    soft = (true > 0.1) & (true < 0.9)
    assert soft.sum() > 1500
    assert np.abs(result - true)[soft].mean() < 0.02
    assert metrics.sad(result, true) <= 0.2 * metrics.sad(raw, true) + 0.05


def test_tulle_with_an_edge_is_kept_whole_however_wide() -> None:
    true = np.maximum(shape(BODY, HEAD), 0.4 * shape((192, 120, 110, 1.0)))
    assert np.abs(refined(true) - true).max() < 0.02
    assert report(true).doubtful_area > 0.03


@pytest.mark.parametrize("level", [0.2, 0.5, 0.85])
def test_where_the_prior_cannot_tell_the_report_says_so(level: float) -> None:
    sure = report(shape(BODY, HEAD))
    wide = report(np.maximum(shape(BODY, HEAD), level * shape((192, 120, 130, 1.0))))
    assert sure.doubtful_area < 0.001
    assert wide.doubtful_area > 0.03 or "haze" in wide.reasons
    assert wide.confidence < sure.confidence - 0.02


@pytest.mark.parametrize("gap", [2, 4, 8])
def test_a_thin_strand_may_come_back_from_farther(gap: int) -> None:
    true = shape(BODY, (192, 120, 70, 1.0))
    cv2.line(true, (255, 90), (275, 74), 0.9, 1, cv2.LINE_AA)
    cv2.line(true, (275 + gap, 74 - gap), (315 + gap, 40 - gap), 0.9, 1, cv2.LINE_AA)
    raw = np.maximum(true, shape((300, 90, 4, 0.9)))  # a blob as near
    result = refined(raw)
    assert result[50:60, 280:320].max() > 0.5
    assert result[85:95, 296:304].max() == 0


def test_two_people_who_do_not_touch() -> None:
    raw = shape((100, 330, 80, 1.0), (290, 340, 70, 1.0))
    both = report(raw)
    assert both.bodies == 2 and both.reasons == ("several-bodies",) and both.confidence == 0
    assert report(raw, several_bodies="keep").reasons == ()
    assert np.array_equal(np.rint(255 * refined(raw)), np.rint(255 * raw))
    assert refined(raw, several_bodies="largest")[340, 290] == 0
    assert report(raw, several_bodies="largest").reasons == ()


def test_two_people_who_touch_are_one_body() -> None:
    raw = shape((130, 330, 80, 1.0), (270, 340, 80, 1.0))
    assert report(raw).bodies == 1 and report(raw).reasons == ()


@pytest.mark.parametrize("sides", ["none", "bottom", "left", "two", "three", "all"])
def test_a_subject_cut_by_any_side(sides: str) -> None:
    place = {"none": (192, 192, 100), "bottom": (192, 330, 120), "left": (40, 200, 120)}
    place |= {"two": (60, 330, 150), "three": (192, 330, 220)}
    true = np.ones(SIZE) if sides == "all" else shape((*place[sides], 1.0))
    if sides == "all":
        true = 1 - shape((300, 80, 50, 1.0))
    raw = true * 0.96
    result = refined(raw)
    assert np.rint(255 * result[true == 1]).min() >= 252
    assert (np.rint(255 * result[true == 1]) == 255).mean() > 0.99
    assert result[true == 0].max() == 0


def test_what_must_be_rejected_says_why() -> None:
    assert report(np.zeros(SIZE)).reasons == ("empty",)
    assert "no-opaque-body" in report(0.3 * shape(BODY)).reasons
    assert "no-background" in report(np.ones(SIZE)).reasons
    assert "haze" in report(np.maximum(shape(BODY), 0.25)).reasons
    good = report(shape(BODY, (192, 120, 70, 1.0)))
    assert good.reasons == () and good.confidence > 0.9
    assert good.to_dict()["reasons"] == []


def test_options_out_of_range_are_named() -> None:
    with pytest.raises(RefinementError, match="band_width"):
        Options(band_width=0)


def test_the_result_does_not_depend_on_threads() -> None:
    subject = synthetic.subject(8, SIZE, hair="curly")
    rgba = subject.rgba(synthetic.damage_subtracted(subject.alpha, 8))
    before = cv2.getNumThreads()
    try:
        results = []
        for threads in (1, 4):
            cv2.setNumThreads(threads)
            results.append(refine(rgba))
    finally:
        cv2.setNumThreads(before)
    assert np.array_equal(results[0].alpha, results[1].alpha)
    assert np.array_equal(results[0].foreground, results[1].foreground)


REAL = {
    "portrait_01": (),
    "portrait_03": (),
    "portrait_05": (),
    "portrait_06": (),
    "animal_01": (),
    "hard_02": ("haze",),
    "object_01": ("no-opaque-body",),
}


@pytest.mark.parametrize("name", REAL)
def test_real_layer_diffusion(name: str, shared: Path) -> None:
    path = next((shared / "data" / "layerdiffuse").glob(f"{name}*.png"))
    stored = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert stored is not None
    rgba = cv2.cvtColor(stored, cv2.COLOR_BGRA2RGBA)
    result = refine(rgba)
    assert result.report.reasons == REAL[name]
    if REAL[name]:
        return
    final = np.rint(255 * result.alpha).astype(np.uint8)
    assert result.report.bodies == 1
    count, _, stats, _ = cv2.connectedComponentsWithStats((final > 0).astype(np.uint8))
    assert count == 2 or np.sort(stats[1:, cv2.CC_STAT_AREA])[-2] <= 4
    # Nothing soft far from the border.
    scale = np.sqrt(final.size) / 1024
    edge = cv2.morphologyEx((final >= 128).astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((3, 3)))
    away = cv2.distanceTransform(1 - edge, cv2.DIST_L2, 5)
    soft = (final > 0) & (final < 255)
    assert away[soft].max() <= 64 * scale
    # Curls and gaps: where the raw matte is clear over more than a few pixels, it stays clear.
    clear = cv2.erode((rgba[..., 3] <= 15).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    assert final[clear].max() <= 15
