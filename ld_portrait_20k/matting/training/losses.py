"""Losses of the matting literature, normalised so that several processes agree with one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

from ld_portrait_20k.matting.training.config import LossWeights

LEVELS: Final = 5
"""Levels of the Laplacian pyramid (Hou and Liu 2019)."""

Reduce = Callable[[Tensor], Tensor]
"""The mean of a number over all processes."""


class MattingLoss:
    """A weighted sum of five terms.

    - ``unknown``: L1 of alpha over the unknown region (Xu et al., "Deep Image Matting", CVPR
      2017, equation 1, without its epsilon).
    - ``known``: L1 over the rest, a mean of its own, so that a large background does not
      drown the edge (Yao et al., "ViTMatte", 2023, the separate L1 loss). Zero for a model
      that is given the trimap, because the trimap's values are put there.
    - ``composition``: L1 between the picture composed with the predicted and with the true
      alpha, over the unknown region (Xu et al. 2017, equation 2). The true picture is
      composed again, so that noise and compression of the input do not count. Where only
      the finished picture is known, foreground and background are both that picture and the
      term is zero.
    - ``laplacian``: L1 between Laplacian pyramids, level s weighted with 2^s, summed over the
      whole crop (Hou and Liu, "Context-Aware Image Matting", ICCV 2019, equation 3) and
      divided by the unknown region's pixels, which puts it on the other terms' scale.
    - ``gradient``: L1 between Sobel gradients, over the unknown region (Dai et al., "Boosting
      Robustness of Image Matting with Context Assembling and Strong Data Augmentation",
      CVPR 2022).

    With a ``softness``, differences below it count squared (Huber 1964) in the terms
    ``unknown``, ``known``, ``laplacian`` and ``gradient``. A network that corrects a good
    estimate needs that: most pixels are right already, and under a plain L1 their tiny errors
    weigh as much in the gradient as the few large ones.

    Args:
        weights: Of the terms.
    """

    def __init__(self, weights: LossWeights) -> None:
        self.weights = weights

    def __call__(
        self, alpha: Tensor, batch: Mapping[str, Tensor], reduce: Reduce | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of a batch.

        Args:
            alpha: Predicted, (B, 1, H, W), 0..1.
            batch: ``alpha`` (B, 1, H, W) the true one; ``trimap`` (B, 1, H, W) of 0, 0.5, 1;
                ``foreground`` and ``background`` (B, 3, H, W); all 0..1.
            reduce: Averages a count over all processes. With it, the mean of the processes'
                losses is the loss of one process with all their crops.

        Returns:
            The weighted sum, and each term that counts, unweighted.
        """
        alpha, true = alpha.float(), batch["alpha"].float()
        unknown = unknown_region(batch["trimap"]).float()
        error, soft = (alpha - true).abs(), self.weights.softness
        terms: dict[str, Tensor] = {}
        if self.weights.unknown:
            terms["unknown"] = _mean(soften(error, soft), unknown, reduce)
        if self.weights.known:
            terms["known"] = _mean(soften(error, soft), 1 - unknown, reduce)
        if self.weights.composition:
            terms["composition"] = _composition(error, unknown, batch, reduce)
        if self.weights.laplacian:
            terms["laplacian"] = laplacian_distance(alpha, true, soft=soft) / _count(
                unknown, reduce
            )
        if self.weights.gradient:
            slope = soften((sobel(alpha) - sobel(true)).abs(), soft).sum(1, keepdim=True)
            terms["gradient"] = _mean(slope, unknown, reduce)
        total = sum((getattr(self.weights, name) * term for name, term in terms.items()),
                    start=torch.zeros((), device=alpha.device))  # fmt: skip
        return total, terms


def soften(values: Tensor, width: float) -> Tensor:
    """Values from 0 on, quadratic up to ``width`` and of slope 1 beyond (Huber 1964)."""
    if not width:
        return values
    inside = values.clamp(max=width)
    return values - inside + inside * inside / (2 * width)


def laplacian_distance(
    first: Tensor, second: Tensor, levels: int = LEVELS, *, soft: float = 0.0
) -> Tensor:
    """Sum over a Laplacian pyramid's levels s of 2^s times the sum of absolute differences.

    Args:
        first: (B, 1, H, W).
        second: (B, 1, H, W).
        levels: At most; one of under 4 pixels a side is left out.
        soft: Differences below it count squared, see :func:`soften`.
    """
    # The pyramid is linear: that of the difference is the difference of the two.
    rest = first - second
    total = torch.zeros((), device=rest.device)
    for level in range(levels):
        smaller = _blur(rest)[..., ::2, ::2]
        if level == levels - 1 or min(smaller.shape[-2:]) < 4:
            return total + 2**level * soften(rest.abs(), soft).sum()
        grown = F.interpolate(smaller, rest.shape[-2:], mode="bilinear", align_corners=False)
        total = total + 2**level * soften((rest - grown).abs(), soft).sum()
        rest = smaller
    return total


def sobel(alpha: Tensor) -> Tensor:
    """Gradients across and down, (B, 2, H, W) of (B, 1, H, W), in alpha a pixel."""
    kernel = alpha.new_tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]) / 8
    weight = torch.stack((kernel, kernel.T)).unsqueeze(1)
    return F.conv2d(F.pad(alpha, (1, 1, 1, 1), mode="replicate"), weight)


def fix_known(alpha: Tensor, trimap: Tensor) -> Tensor:
    """Alpha with 0 and 1 put where the trimap says so; the gradient flows in the rest only.

    Args:
        alpha: (B, 1, H, W), 0..1.
        trimap: (B, 1, H, W) of 0, 0.5 and 1.
    """
    return torch.where(unknown_region(trimap), alpha, trimap.to(alpha.dtype))


def unknown_region(trimap: Tensor) -> Tensor:
    """Where a trimap is neither 0 nor 1 (0.5, or 128 / 255), bool."""
    return (trimap > 0) & (trimap < 1)


def _mean(values: Tensor, mask: Tensor, reduce: Reduce | None) -> Tensor:
    return (values * mask).sum() / _count(mask, reduce)


def _count(mask: Tensor, reduce: Reduce | None) -> Tensor:
    count = mask.sum()
    return (count if reduce is None else reduce(count)).clamp(min=1)


def _composition(
    error: Tensor, unknown: Tensor, batch: Mapping[str, Tensor], reduce: Reduce | None
) -> Tensor:
    contrast = (batch["foreground"] - batch["background"]).abs().mean(1, keepdim=True)
    return _mean(error * contrast, unknown, reduce)


def _blur(picture: Tensor) -> Tensor:
    """The 5 x 5 binomial kernel of Burt and Adelson 1983, borders mirrored."""
    row = picture.new_tensor([1.0, 4, 6, 4, 1]) / 16
    padded = F.pad(picture, (2, 2, 2, 2), mode="reflect")
    return F.conv2d(F.conv2d(padded, row.view(1, 1, 1, 5)), row.view(1, 1, 5, 1))
