"""Mattes that flicker against a mask: when the mask is mixed in, and when it is not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import cv2
import numpy as np
import pytest

from ld_portrait_20k.matting.models.registry import load
from ld_portrait_20k.matting.video.alphas import Matted, mattes, steady_alphas
from ld_portrait_20k.matting.video.chain import CONTEXT, matte, segmented
from ld_portrait_20k.matting.video.edges import softness, trust
from ld_portrait_20k.matting.video.frames import Frame
from ld_portrait_20k.matting.video.fusion import fused
from ld_portrait_20k.matting.video.masks import Masked, steady, with_motion
from ld_portrait_20k.matting.video.motion import Flow
from ld_portrait_20k.matting.video.trimaps import Trimapped, trimaps

from . import moving
from .test_chain import figures

Pixels = moving.Pixels


class Given:
    """A segmenter that has the masks."""

    name = "given"

    def __init__(self, masks: list[Pixels]) -> None:
        self._masks = masks

    def __call__(self, frame: Frame, last: tuple[Frame, Pixels] | None) -> Pixels:
        return self._masks[frame.index]


def before_its_like(count: int, height: int = 180) -> tuple[list[Pixels], list[Pixels]]:
    """A striped disc before blocks of its own two colours that pan the other way."""
    width = height * 4 // 3
    alphas = moving.scene(count, height, width, speed=3)[1]
    rng = np.random.default_rng(3)
    light = np.array([225, 170, 140], np.float32)
    coarse = rng.integers(0, 2, (15, 27)).astype(np.float32)
    wide = (width + 4 * count, height)
    blocks = cv2.resize(coarse, wide, interpolation=cv2.INTER_NEAREST)[..., None]
    frames = []
    for index, alpha in enumerate(alphas):
        shades = np.where(blocks[:, 4 * index : 4 * index + width] > 0, 1, 0.5)
        behind = light * shades + rng.normal(0, 6, (height, width, 1))
        stripes = (np.arange(width) - 3 * index) // 9 % 2
        own = light * np.where(stripes, 1, 0.55)[None, :, None]
        share = alpha[..., None] / 255
        mixed = share * own + (1 - share) * behind
        frames.append(np.clip(mixed, 0, 255).astype(np.uint8))
    return frames, alphas


def unsure(alphas: list[Pixels]) -> list[Pixels]:
    """Masks that are soft over a dozen pixels and err by as much as they say."""
    rng = np.random.default_rng(0)
    masks = []
    for alpha in alphas:
        mask = cv2.blur(solid(alpha), (11, 11)).astype(np.float32)
        error = cv2.resize(rng.normal(0, 40, (9, 12)), mask.shape[::-1])
        mask += error * np.minimum(mask, 255 - mask) / 127
        masks.append(np.clip(mask, 0, 255).astype(np.uint8))
    return masks


def solid(alpha: Pixels) -> Pixels:
    return np.where(alpha >= 128, np.uint8(255), np.uint8(0))


def with_trimaps(frames: list[Pixels], masks: list[Pixels]) -> Iterator[Trimapped]:
    masked = segmented(moving.as_frames(frames), Given(masks))
    return trimaps(steady(steady(with_motion(masked))))


def test_masks_that_know_their_errors_help_where_the_model_cannot_tell() -> None:
    pytest.importorskip("torch")
    frames, alphas = before_its_like(6)
    alone = list(mattes(with_trimaps(frames, unsure(alphas)), load("hint-unet")))
    plain = figures([one.alpha for one in steady_alphas(alone)], alphas)
    mixed = [one.alpha for one in steady_alphas(fused(alone))]
    found = figures(mixed, alphas)
    assert found["MSE"] < 0.8 * plain["MSE"]
    assert found["dtSSD"] < 0.9 * plain["dtSSD"]
    assert found["MAD"] < plain["MAD"]
    for one, alpha in zip(alone, mixed, strict=True):
        assert np.array_equal(alpha[one.trimap != 128], one.trimap[one.trimap != 128])


def test_large_frames_are_compared_at_the_size_of_the_flow() -> None:
    frames, alphas = before_its_like(3)
    small = list(mattes(with_trimaps(frames, unsure(alphas)), load("guided-filter")))
    large = [
        replace(
            one,
            trimap=np.repeat(np.repeat(one.trimap, 4, 0), 4, 1),
            alpha=np.asarray(cv2.resize(one.alpha, None, fx=4, fy=4), np.uint8),
            mask=np.asarray(cv2.resize(mask_of(one), (640, 480)), np.uint8),
        )
        for one in small
    ]
    changes, missed = 0.0, 0.0
    for one, big, after, big_after in zip(small, large, fused(small), fused(large), strict=True):
        change = after.alpha.astype(float) - one.alpha
        big_change = cv2.resize(big_after.alpha.astype(float) - big.alpha, (240, 180))
        changes += np.abs(change).mean()
        missed += np.abs(big_change - change).mean()
    assert changes > 1
    assert missed < 0.25 * changes, (changes, missed)


def test_masks_may_be_smaller_than_the_frames() -> None:
    frames, alphas = before_its_like(3)
    halves = [np.asarray(cv2.resize(mask, (120, 90)), np.uint8) for mask in unsure(alphas)]
    masked = [Masked(f, m) for f, m in zip(moving.as_frames(frames), halves, strict=True)]
    flow = Flow()
    colours = [one.frame.colour for one in masked]
    linked = [
        replace(
            one,
            before=flow.between(colours[i], colours[i - 1]) if i else None,
            after=flow.between(colours[i], colours[i + 1]) if i < 2 else None,
        )
        for i, one in enumerate(masked)
    ]
    alone = list(mattes(trimaps(steady(linked)), load("guided-filter")))
    mixed = list(fused(alone))
    assert any((a.alpha != b.alpha).any() for a, b in zip(alone, mixed, strict=True))


def mask_of(one: Matted) -> Pixels:
    assert one.mask is not None
    return one.mask


def test_masks_that_jump_without_knowing_it_are_not_mixed_in() -> None:
    frames, alphas = before_its_like(6)
    masks = [np.roll(solid(alpha), 8 * (i % 2) - 4, axis=1) for i, alpha in enumerate(alphas)]
    alone = list(mattes(with_trimaps(frames, masks), load("guided-filter")))
    for plain, mixed in zip(alone, fused(alone), strict=True):
        assert np.array_equal(plain.alpha, mixed.alpha)


@pytest.mark.parametrize("soft", [False, True])
def test_mattes_that_agree_with_good_masks_stay(soft: bool) -> None:
    frames, alphas = moving.scene(6, 144, 192)
    masks = alphas if soft else [solid(alpha) for alpha in alphas]
    alone = list(mattes(with_trimaps(frames, masks), load("guided-filter")))
    for plain, mixed in zip(alone, fused(alone), strict=True):
        assert np.abs(plain.alpha.astype(int) - mixed.alpha).mean() < 0.02


def test_a_mask_is_believed_as_far_as_its_edge_jumps_less_than_it_is_soft() -> None:
    alpha = moving.scene(1, 360, 480)[1][0]
    hard = solid(alpha)
    soft = np.asarray(cv2.blur(hard, (15, 15)), np.uint8)
    assert softness(hard) == 0
    assert 8 < softness(soft) < 16
    still = np.zeros_like(hard)
    nine = np.ones((9, 9), np.uint8)
    ring = np.asarray(cv2.subtract(cv2.dilate(hard, nine), cv2.erode(hard, nine)), np.uint8)
    for mask in (hard, soft):
        assert trust(mask, still, softness(mask)) == 1
    assert trust(hard, ring, softness(hard)) == 0
    assert trust(soft, ring, softness(soft)) > 0.2
    assert trust(still, still, 0) == 1  # nobody: there is nothing to be wrong about


def test_a_run_that_goes_on_needs_no_more_than_the_context() -> None:
    frames, alphas = before_its_like(11)
    pairs = list(zip(moving.as_frames(frames), unsure(alphas), strict=True))
    model, begin = load("guided-filter"), 6
    whole = [one.alpha for one in matte(pairs, model)]
    later = [one.alpha for one in matte(pairs[begin - CONTEXT :], model)][CONTEXT:]
    earlier = [one.alpha for one in matte(pairs[: begin + CONTEXT], model)][:begin]
    assert all(map(np.array_equal, whole[begin:], later))
    assert all(map(np.array_equal, whole[:begin], earlier))
