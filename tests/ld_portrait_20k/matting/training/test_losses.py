"""Losses: values that can be worked out, and how they are normalised."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from ld_portrait_20k.matting.training.config import LossWeights
from ld_portrait_20k.matting.training.losses import (
    MattingLoss,
    fix_known,
    laplacian_distance,
    sobel,
    unknown_region,
)


def batch(count: int = 2, size: int = 32, seed: int = 0) -> dict[str, torch.Tensor]:
    torch.manual_seed(seed)
    trimap = torch.zeros(count, 1, size, size)
    trimap[..., :, size // 4 :] = 128 / 255
    trimap[..., :, size // 2 :] = 1
    alpha = torch.where(unknown_region(trimap), torch.rand_like(trimap), trimap)
    colours = torch.rand(2, count, 3, size, size)
    return {"alpha": alpha, "trimap": trimap, "foreground": colours[0], "background": colours[1]}


def test_a_perfect_alpha_costs_nothing() -> None:
    given = batch()
    total, terms = MattingLoss(LossWeights())(given["alpha"], given)
    assert total == 0 and set(terms) == {
        "unknown", "known", "composition", "laplacian", "gradient",
    }  # fmt: skip


def test_a_constant_error_costs_what_it_should() -> None:
    given = batch()
    wrong = given["alpha"] + 0.1
    _, terms = MattingLoss(LossWeights())(wrong, given)
    assert terms["unknown"] == pytest.approx(0.1, abs=1e-6)
    assert terms["known"] == pytest.approx(0.1, abs=1e-6)
    assert terms["gradient"] == pytest.approx(0, abs=1e-6)
    unknown = unknown_region(given["trimap"])
    gap = (given["foreground"] - given["background"]).abs().mean(1, keepdim=True)
    assert terms["composition"] == pytest.approx(0.1 * float(gap[unknown].mean()), abs=1e-6)


def test_composition_is_the_distance_of_the_composed_pictures() -> None:
    given, wrong = batch(), torch.rand(2, 1, 32, 32)
    _, terms = MattingLoss(LossWeights())(wrong, given)

    def compose(alpha: torch.Tensor) -> torch.Tensor:
        return alpha * given["foreground"] + (1 - alpha) * given["background"]

    apart = (compose(wrong) - compose(given["alpha"])).abs().mean(1, keepdim=True)
    expected = apart[unknown_region(given["trimap"])].mean()
    assert torch.allclose(terms["composition"], expected, atol=1e-6)


def test_weight_zero_leaves_a_term_out() -> None:
    given = batch()
    weights = LossWeights(known=0, composition=0, laplacian=2, gradient=0)
    total, terms = MattingLoss(weights)(torch.rand(2, 1, 32, 32), given)
    assert set(terms) == {"unknown", "laplacian"}
    assert torch.allclose(total, terms["unknown"] + 2 * terms["laplacian"])


def test_fixed_pixels_pass_no_gradient() -> None:
    given = batch()
    alpha = torch.rand(2, 1, 32, 32, requires_grad=True)
    fixed = fix_known(alpha, given["trimap"])
    total, _ = MattingLoss(LossWeights())(fixed, given)
    total.backward()
    unknown = unknown_region(given["trimap"])
    assert (fixed[~unknown] == given["trimap"][~unknown]).all()
    assert alpha.grad is not None
    assert (alpha.grad[~unknown] == 0).all() and (alpha.grad[unknown] != 0).any()


def test_parts_with_a_common_count_average_to_the_whole() -> None:
    """Two processes, each with a part, must come to what one has with all."""
    whole = batch(4)
    whole["trimap"][0, 0, :8] = 1  # so that the parts' unknown regions differ
    predicted = torch.rand(4, 1, 32, 32)
    loss = MattingLoss(LossWeights())
    expected, _ = loss(predicted, whole)
    parts = [{key: value[rows] for key, value in whole.items()} for rows in ([0, 1], [2, 3])]
    counts = []

    def count(value: torch.Tensor) -> torch.Tensor:
        counts.append(value)
        return value

    for part, rows in zip(parts, ([0, 1], [2, 3]), strict=True):
        loss(predicted[rows], part, count)
    half = len(counts) // 2
    means = [(a + b) / 2 for a, b in zip(counts[:half], counts[half:], strict=True)]
    total = torch.zeros(())
    for part, rows in zip(parts, ([0, 1], [2, 3]), strict=True):
        order = iter(means)

        def common(_: torch.Tensor, order: Iterator[torch.Tensor] = order) -> torch.Tensor:
            return next(order)

        total = total + loss(predicted[rows], part, common)[0] / 2
    assert torch.allclose(total, expected, atol=1e-6)


def test_laplacian_weighs_coarse_errors_by_level() -> None:
    """A speck is a matter of the finest level, a patch of the coarse ones."""
    flat, speck, patch = torch.zeros(3, 1, 1, 64, 64)
    speck[0, 0, 32, 32] = 1
    patch[0, 0, 16:48, 16:48] = 1
    one = laplacian_distance(speck[None, 0], flat[None, 0], levels=1)
    assert one == pytest.approx(1)  # of one level, the picture itself
    ratio = laplacian_distance(patch[None, 0], flat[None, 0]) / 32**2
    assert 0 < ratio < 1.5


def test_sobel_is_the_slope_of_a_ramp() -> None:
    ramp = (torch.arange(16.0) / 16).expand(1, 1, 16, 16)
    slope = sobel(ramp)[..., 1:-1, 1:-1]
    assert torch.allclose(slope[:, 0], torch.tensor(1 / 16))
    assert torch.allclose(slope[:, 1], torch.tensor(0.0))
