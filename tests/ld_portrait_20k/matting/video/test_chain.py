"""Masks, trimaps, mattes, cut-outs: each stage, and the chain."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ld_portrait_20k.common.in_order import map_in_order
from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.matting.models.protocol import MattingModel
from ld_portrait_20k.matting.models.registry import load
from ld_portrait_20k.matting.prediction.pictures import predict_alpha
from ld_portrait_20k.matting.video import matte_video
from ld_portrait_20k.matting.video.alphas import Matted, matte_of, mattes
from ld_portrait_20k.matting.video.chain import Options, matte, segmented
from ld_portrait_20k.matting.video.composites import cut_out
from ld_portrait_20k.matting.video.evaluation import Judge, evaluate_video
from ld_portrait_20k.matting.video.frames import Frame
from ld_portrait_20k.matting.video.lookahead import neighbours, run_ahead
from ld_portrait_20k.matting.video.masks import ALL, LARGEST, Masked, person, steady, with_motion
from ld_portrait_20k.matting.video.motion import Flow, averaged
from ld_portrait_20k.matting.video.segmenters.first_mask import FirstMask
from ld_portrait_20k.matting.video.segmenters.given import GivenMasks
from ld_portrait_20k.matting.video.segmenters.prompts import mask_in_box
from ld_portrait_20k.matting.video.segmenters.protocol import Segmenter
from ld_portrait_20k.matting.video.segmenters.registry import Guides, open_segmenter
from ld_portrait_20k.matting.video.trimaps import trimap_of, trimaps

from . import moving


class Fixed:
    """The truth at 0.5, worse by errors that change from frame to frame."""

    name = "fixed"

    def __init__(self, alphas: list[moving.Pixels], jitter: int = 0) -> None:
        self._alphas, self._jitter = alphas, jitter

    def __call__(self, frame: Frame, last: tuple[Frame, moving.Pixels] | None) -> moving.Pixels:
        mask = np.where(self._alphas[frame.index] >= 128, np.uint8(255), np.uint8(0))
        return np.roll(mask, self._jitter * (frame.index % 2), axis=1)


def figures(found: list[moving.Pixels], true: list[moving.Pixels]) -> dict[str, float]:
    judge = Judge()
    for one, other in zip(found, true, strict=True):
        judge.add(one, other)
    return judge.figures()


def test_neighbours() -> None:
    assert list(neighbours("abc")) == [(None, "a", "b"), ("a", "b", "c"), ("b", "c", None)]
    assert list(neighbours("a")) == [(None, "a", None)]
    assert list(neighbours("")) == []


def test_running_ahead_keeps_order_raises_and_ends() -> None:
    assert list(run_ahead(range(50), 3)) == list(range(50))

    def failing() -> Iterator[int]:
        yield 1
        raise PortraitError("broken")

    ahead = run_ahead(failing())
    assert next(ahead) == 1
    with pytest.raises(PortraitError, match="broken"):
        next(ahead)
    before = threading.active_count()
    early = run_ahead(iter(range(10**9)))
    next(early)
    early.close()
    assert threading.active_count() == before


def test_items_are_worked_on_side_by_side_and_come_in_order() -> None:
    both = threading.Barrier(2, timeout=20)  # broken unless two are under way at once
    prepared: list[str] = []

    def slow_first(item: int) -> int:
        both.wait()
        if item % 2 == 0:
            time.sleep(0.01)
        return -item

    name = lambda: prepared.append(threading.current_thread().name)  # noqa: E731
    assert list(map_in_order(slow_first, range(10), 2, name)) == [-item for item in range(10)]
    assert len(set(prepared)) == 2

    def failing(item: int) -> int:
        if item == 3:
            raise PortraitError("broken")
        return item

    found = map_in_order(failing, iter(range(10**9)), 2)
    assert [next(found) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(PortraitError, match="broken"):
        next(found)
    before = threading.active_count()
    early = map_in_order(failing, iter(range(4, 10**9)), 3)
    next(early)
    early.close()
    assert threading.active_count() == before


def test_frames_matted_side_by_side_are_those_of_one_after_the_other() -> None:
    torch = pytest.importorskip("torch")
    frames, alphas = moving.scene(4, 144, 192)
    masked = [Masked(f, a) for f, a in zip(moving.as_frames(frames), alphas, strict=True)]
    model, threads = load("hint-unet"), torch.get_num_threads()
    # Sums by several threads differ in their last bits.
    one, several = (list(mattes(trimaps(masked), model, workers=count)) for count in (1, 3))
    assert [matted.frame.index for matted in several] == [0, 1, 2, 3]
    for alone, beside in zip(one, several, strict=True):
        assert np.array_equal(alone.alpha, beside.alpha)
    assert torch.get_num_threads() == threads


def test_flow_follows_the_motion() -> None:
    frames, alphas = moving.scene(2, 144, 192, speed=6)
    motion = Flow().between(frames[1], frames[0])
    moved = motion.warp(alphas[0])
    still = np.abs(alphas[0].astype(int) - alphas[1]).mean()
    assert np.abs(moved.astype(int) - alphas[1]).mean() < 0.35 * still
    weights = motion.weights(144, 192)
    assert weights.shape == (144, 192)
    assert 0 <= weights.min() <= weights.max() <= 1
    assert averaged(alphas[1], []).tolist() == alphas[1].tolist()
    # At some pixels alone it is the same, on planes larger than the flow too.
    large = np.repeat(np.repeat(alphas[0], 3, 0), 3, 1)
    places = np.nonzero(large > 0)
    values, shares = motion.sample(large, places)
    assert np.abs(values - motion.warp(large)[places]).mean() < 0.2
    assert shares == pytest.approx(motion.weights(432, 576)[places], abs=0.02)


def test_one_of_two_people_is_followed_or_both_are_kept() -> None:
    alphas = moving.scene(1, people=2)[1][0]
    left = np.where(np.arange(96) < 55, alphas, 0).astype(np.uint8)
    right = np.where(np.arange(96) >= 55, alphas, 0).astype(np.uint8)
    assert np.array_equal(person(alphas, LARGEST), left)
    assert np.array_equal(person(alphas, LARGEST, last=right), right)  # though it is smaller
    assert np.array_equal(person(alphas, ALL), alphas)
    speck = np.zeros_like(alphas)
    speck[5, 5] = 255
    assert not person(speck).any()
    assert np.array_equal(person(alphas, LARGEST, last=speck * 0), left)  # after an absence


def test_trimaps_are_unknown_where_the_mask_is_not_sure() -> None:
    alpha = moving.scene(1, 360, 480)[1][0]
    hard = np.where(alpha >= 128, np.uint8(255), np.uint8(0))
    narrow = trimap_of(hard)
    assert set(np.unique(narrow)) == {0, 128, 255}
    wide = trimap_of(hard, band=12)
    assert (narrow == 128).sum() * 2 < (wide == 128).sum()
    unsure = np.zeros_like(hard)
    unsure[alpha == 255] = 255
    capped = trimap_of(hard, unsure)
    assert (capped == 128).sum() > 2 * (narrow == 128).sum()
    assert (capped == 255).any()  # but not further than the cap
    assert not trimap_of(np.zeros_like(hard)).any()
    assert (trimap_of(np.full_like(hard, 255)) == 255).all()
    double = np.repeat(np.repeat(hard, 2, 0), 2, 1)
    ratio = (trimap_of(double) == 128).mean() / (narrow == 128).mean()
    assert ratio > 0.8  # the band grows with the frame: of a fixed width it would be half


def test_the_band_widens_where_masks_jump_from_frame_to_frame() -> None:
    frames, alphas = moving.scene(6, 360, 480)
    shares = []
    for jitter in (0, 1, 12):
        masked = list(segmented(moving.as_frames(frames), Fixed(alphas, jitter=jitter)))
        found = list(trimaps(steady(steady(with_motion(masked)))))[2:4]
        shares.append(np.mean([(one.trimap == 128).mean() for one in found]))
    assert shares[1] < 1.3 * shares[0]
    assert shares[2] > 1.6 * shares[0]


def test_masks_of_large_frames_are_steadied_at_the_size_of_the_flow() -> None:
    frames, alphas = moving.scene(3, 540, 1080)
    masked = segmented(moving.as_frames(frames), Fixed(alphas))
    steadied = list(steady(steady(with_motion(masked))))
    assert {one.mask.shape for one in steadied} == {(320, 640)}
    for one, alpha in zip(trimaps(steadied), alphas, strict=True):
        assert one.trimap.shape == (540, 1080)
        assert alpha[one.trimap == 255].min() > 200
        assert alpha[one.trimap == 0].max() < 55


def test_small_people_are_enlarged_for_the_model_and_large_ones_are_not() -> None:
    sides = []

    class Watched:
        name, licence, needs_trimap = "watched", "none", True

        def __call__(
            self, image: NDArray[np.float32], trimap: NDArray[np.float32] | None = None
        ) -> NDArray[np.float32]:
            assert trimap is not None and trimap.shape == image.shape[:2]
            assert set(np.unique(trimap)) <= {0.0, 0.5, 1.0}
            sides.append(max(trimap.shape))
            return np.where(trimap == 0.5, np.float32(0.25), trimap)

    for height, width in ((90, 120), (960, 1280)):
        trimap = np.zeros((height, width), np.uint8)
        trimap[:, width // 2 - 3 : width // 2 + 3] = 128
        trimap[:, width // 2 + 3 :] = 255
        alpha = matte_of(np.zeros((height, width, 3), np.uint8), trimap, Watched())
        assert alpha.shape == trimap.shape
        assert np.array_equal(alpha[trimap != 128], trimap[trimap != 128])
        assert alpha[0, width // 2] == 64
    assert sides == [2 * 90, 960]


class Seen:
    """A model that notes the sizes it is given."""

    def __init__(self, model: MattingModel, sizes: set[tuple[int, ...]]) -> None:
        self._model, self._sizes, self.local = model, sizes, True
        self.name, self.licence, self.needs_trimap = model.name, model.licence, model.needs_trimap

    def __call__(
        self, image: NDArray[np.float32], trimap: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        self._sizes.add(image.shape[:2])
        return self._model(image, trimap)


def test_a_model_that_sees_locally_gets_tiles_and_gives_the_same() -> None:
    pytest.importorskip("torch")
    frames, alphas = moving.scene(1, 720, 960)
    trimap = trimap_of(np.where(alphas[0] >= 128, np.uint8(255), np.uint8(0)))
    model = load("hint-unet")
    whole = predict_alpha(model, frames[0], trimap)
    tiled = matte_of(frames[0], trimap, model)
    assert not np.array_equal(tiled, whole)  # it was in tiles
    assert np.abs(tiled.astype(int) - whole).mean() < 0.05
    small = np.ascontiguousarray(frames[0][::4, ::4])
    sizes: set[tuple[int, ...]] = set()
    for cut in range(0, 30, 5):  # parts of other sizes are shown in a few
        moved = np.roll(alphas[0][::4, ::4], cut, axis=1)
        matte_of(small, trimap_of(moved), Seen(load("guided-filter"), sizes))
    assert all(side % 64 == 0 for size in sizes for side in size)
    errors = [np.abs(one.astype(int) - alphas[0]).mean() for one in (tiled, whole)]
    assert errors[0] < 1.1 * errors[1]


def test_averaging_makes_masks_and_mattes_steadier_and_better() -> None:
    frames, alphas = moving.scene(8, 144, 192)
    segmenter = Fixed(alphas, jitter=4)
    masked = list(segmented(moving.as_frames(frames), segmenter))
    rough = figures([mask for _, mask in masked], alphas)
    smooth = figures([one.mask for one in steady(steady(with_motion(masked)))], alphas)
    assert smooth["dtSSD"] < 0.6 * rough["dtSSD"]
    model = load("guided-filter")
    results = {
        flag: figures([one.alpha for one in matte(masked, model, Options(steady=flag))], alphas)
        for flag in (False, True)
    }
    assert results[True]["dtSSD"] < 0.8 * results[False]["dtSSD"]
    assert results[True]["MSE"] < results[False]["MSE"] < rough["MSE"]


def test_stages_can_be_used_alone() -> None:
    frames, alphas = moving.scene(2)
    masked = [Masked(f, a) for f, a in zip(moving.as_frames(frames), alphas, strict=True)]
    found = list(mattes(trimaps(masked), load("guided-filter")))
    assert len(found) == 2
    for one in found:
        assert one.alpha[one.trimap == 255].min() == 255
        assert one.alpha[one.trimap == 0].max() == 0


def test_matte_video_gives_rgba_of_any_reader(tmp_path: Path) -> None:
    frames, alphas = moving.scene(6)
    result = matte_video(iter(frames), segmenter=Fixed(alphas), model="guided-filter")
    first = next(result)
    rest = list(result)
    assert [picture.shape for picture in (first, *rest)] == [(72, 96, 4)] * 6
    assert figures([picture[..., 3] for picture in (first, *rest)], alphas)["MAD"] < 25
    # Colours of soft pixels are the person's, not mixed with the dark background.
    soft = (first[..., 3] > 60) & (first[..., 3] < 190)
    assert first[..., 0][soft].mean() > frames[0][..., 0][soft].mean() + 20


def test_colours_of_soft_pixels_are_the_persons_at_any_size() -> None:
    height, width = 700, 900  # larger than what colours are estimated on
    x = np.linspace(0, 1, width, dtype=np.float32)
    alpha = np.rint(255 * np.clip((x - 0.4) * 8, 0, 1)).astype(np.uint8)[None].repeat(height, 0)
    own, behind = np.array([200, 90, 40], np.uint8), np.array([20, 60, 180], np.uint8)
    share = alpha[..., None] / 255
    mixed = np.rint(share * own + (1 - share) * behind).astype(np.uint8)
    frame = Frame(0, Fraction(0), Fraction(1), mixed)
    rgba = cut_out(Matted(frame, np.full_like(alpha, 128), alpha))
    assert np.array_equal(rgba[..., 3], alpha)
    soft = (alpha > 25) & (alpha < 255)
    assert np.abs(rgba[..., :3][soft].astype(int) - own).mean() < 4
    assert np.abs(mixed[soft].astype(int) - own).mean() > 40
    assert np.array_equal(rgba[alpha == 255][:, :3], mixed[alpha == 255])


def test_people_who_come_and_go() -> None:
    frames, alphas = moving.scene(10)
    nobody = moving.scene(1, people=0)[0][0]
    for gone in (0, 1, 5, 6, 9):
        frames[gone] = nobody
        alphas[gone] = np.zeros_like(alphas[0])
    rgba = list(matte_video(frames, segmenter=Fixed(alphas), model="guided-filter"))
    there = [bool((picture[..., 3] > 128).sum() > 200) for picture in rgba]
    assert there == [index not in (0, 1, 5, 6, 9) for index in range(10)]


def test_first_mask_is_carried_along() -> None:
    frames, alphas = moving.scene(12, 144, 192, speed=4)
    first = np.where(alphas[0] >= 128, np.uint8(255), np.uint8(0))
    segmenter = FirstMask(first)
    assert isinstance(segmenter, Segmenter)
    *_, (_, mask) = segmented(moving.as_frames(frames), segmenter)
    true = alphas[-1] >= 128
    overlap = ((mask >= 128) & true).sum() / ((mask >= 128) | true).sum()
    still = ((first >= 128) & true).sum() / ((first >= 128) | true).sum()
    assert still < 0.35 < 0.9 < overlap
    with pytest.raises(PortraitError, match="empty"):
        next(segmented(moving.as_frames(frames), FirstMask(first * 0)))
    with pytest.raises(PortraitError, match="does not fit"):
        next(segmented(moving.as_frames(frames), FirstMask(first[:, :99])))


def test_a_box_becomes_a_mask() -> None:
    frames, alphas = moving.scene(1)
    rows, columns = np.nonzero(alphas[0] > 0)
    box = (columns.min() - 3, rows.min() - 3, np.ptp(columns) + 7, np.ptp(rows) + 7)
    mask = mask_in_box(frames[0], tuple(int(value) for value in box))  # type: ignore[arg-type]
    true = alphas[0] >= 128
    assert ((mask > 0) & true).sum() / ((mask > 0) | true).sum() > 0.85
    with pytest.raises(PortraitError, match="does not lie in the frame"):
        mask_in_box(frames[0], (50, 50, 90, 10))


def test_given_masks_are_scaled_and_counted(tmp_path: Path) -> None:
    frames, alphas = moving.scene(3)
    half = [alpha[::2, ::2] for alpha in alphas]
    segmenter = GivenMasks(moving.save_folder(tmp_path / "half", half))
    masks = [mask for _, mask in segmented(moving.as_frames(frames), segmenter)]
    assert [mask.shape for mask in masks] == [(72, 96)] * 3
    assert figures(masks, alphas)["MAD"] < 20
    ones = moving.save_folder(
        tmp_path / "ones", [(alpha >= 128).astype(np.uint8) for alpha in alphas]
    )
    assert GivenMasks(ones)(moving.as_frames(frames)[1], None).max() == 255
    with pytest.raises(PortraitError, match="3 masks, but the clip has more"):
        list(segmented(moving.as_frames(frames + frames[:1]), segmenter))
    wrong = GivenMasks(moving.save_folder(tmp_path / "wrong", [alphas[0][:30]]))
    with pytest.raises(PortraitError, match="same proportions"):
        wrong(moving.as_frames(frames)[0], None)


def test_a_segmenter_is_opened_by_name_or_by_what_is_given(tmp_path: Path) -> None:
    folder = moving.save_folder(tmp_path / "masks", moving.scene(1)[1])
    assert open_segmenter("auto", Guides(masks=folder)).name == "masks"
    with pytest.raises(PortraitError, match="no segmenter 'best'"):
        open_segmenter("best")
    with pytest.raises(PortraitError, match="try: --first-mask or"):
        open_segmenter("first-mask")


def test_mediapipe_takes_only_the_file_it_knows(tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    other = tmp_path / "other.tflite"
    other.write_bytes(b"something else")
    with pytest.raises(PortraitError, match=r"other\.tflite: not selfie_segmentation\.tflite"):
        open_segmenter("mediapipe", Guides(weights=other))


def test_figures_of_a_clip_against_itself_and_against_another(tmp_path: Path) -> None:
    frames, alphas = moving.scene(4)
    truth = moving.save_folder(tmp_path / "truth", alphas)
    both = [np.dstack(pair) for pair in zip(frames, alphas, strict=True)]
    clip = moving.save_clip(tmp_path / "clip.mkv", both, codec="ffv1", pixels="bgra")
    found, count = evaluate_video(clip, truth)
    assert count == 4
    assert all(value == 0 for value in found.values())
    worse = moving.save_folder(tmp_path / "worse", [alpha // 2 for alpha in alphas])
    found, _ = evaluate_video(worse, truth)
    mean = np.mean([(alpha - alpha // 2) / 255 for alpha in alphas])
    assert found["MAD"] == pytest.approx(1000 * mean)
    (tmp_path / "worse/00003.png").unlink()
    with pytest.raises(PortraitError, match="ends after 3 frames"):
        evaluate_video(worse, truth)
