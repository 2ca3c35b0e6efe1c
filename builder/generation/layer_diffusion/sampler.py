"""DPM++ 2M on Karras' noise levels, the sampler that Layer Diffusion is published with.

It follows the papers. The scheduler of diffusers starts from another initial scale and
rounds its time steps elsewhere, so its latents differ from those of the reference.

Sources: Lu et al., "DPM-Solver++" (arXiv 2211.01095), algorithm 2; Karras et al.,
"Elucidating the Design Space of Diffusion-Based Generative Models" (arXiv 2206.00364),
equation 5.

Noise levels are Python numbers, so that no step waits until the device has sent one back.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Final

import torch
from torch import Tensor

from ld_portrait_20k.errors import PortraitError

NAME: Final = "DPM++ 2M Karras"
RHO: Final = 7.0
"""Exponent of the noise levels, the value of Karras et al."""


class NoiseSchedule:
    """SDXL's training noise levels.

    Args:
        beta_start: First variance of the scaled linear schedule.
        beta_end: Last variance.
        steps: Training steps.

    Attributes:
        sigmas: (steps,) float32, ratio of noise to signal at each training step, rising.
    """

    def __init__(
        self, beta_start: float = 0.00085, beta_end: float = 0.012, steps: int = 1000
    ) -> None:
        betas = torch.linspace(beta_start**0.5, beta_end**0.5, steps, dtype=torch.float64) ** 2
        kept = torch.cumprod(1 - betas, dim=0).float()
        self.sigmas = ((1 - kept) / kept) ** 0.5

    @classmethod
    def of(cls, scheduler: Any) -> NoiseSchedule:
        """The schedule of a base model's diffusers scheduler.

        Raises:
            PortraitError: It is of another kind than SDXL's.
        """
        config = scheduler.config
        kind = config.get("beta_schedule", "scaled_linear")
        if kind != "scaled_linear":
            raise PortraitError(f"the base model's noise is {kind}, not SDXL's scaled_linear")
        return cls(
            config.get("beta_start", 0.00085),
            config.get("beta_end", 0.012),
            config.get("num_train_timesteps", 1000),
        )

    def karras(self, steps: int, strength: float = 1.0) -> list[float]:
        """Noise levels to step through.

        Args:
            steps: How many steps are taken.
            strength: 1 starts from pure noise. Image to image takes less: as many steps, on
                a finer ladder, from part of the way down.

        Returns:
            steps + 1 levels, falling, the last one 0.

        Raises:
            ValueError: Fewer than one step, or a strength outside 0..1.
        """
        if steps < 1 or not 0 < strength <= 1:
            raise ValueError(f"needs steps >= 1 and 0 < strength <= 1, got {steps}, {strength}")
        rungs = int(steps / strength)
        low, high = (sigma ** (1 / RHO) for sigma in (self.sigmas[0], self.sigmas[-1]))
        ladder = (high + torch.linspace(0, 1, rungs) * (low - high)) ** RHO
        return [*ladder[-steps:].tolist(), 0.0]

    def time_step(self, sigma: float) -> int:
        """The training step whose noise level is nearest to ``sigma`` in the logarithm."""
        return int((self.sigmas.log() - math.log(sigma)).abs().argmin())


def scale_input(x: Tensor, sigma: float) -> Tensor:
    """Scale noisy latents to the variance that the UNet was trained on."""
    return x / (sigma**2 + 1) ** 0.5


def sample(
    denoise: Callable[[Tensor, float], Tensor], x: Tensor, sigmas: Sequence[float]
) -> Tensor:
    """Run DPM++ 2M.

    Args:
        denoise: Returns the denoised latents of noisy ones and their noise level.
        x: (N, C, h, w) float32 latents with noise of level ``sigmas[0]``.
        sigmas: Falling noise levels, the last one 0; see :meth:`NoiseSchedule.karras`.

    Returns:
        (N, C, h, w) float32 latents without noise.
    """
    before: Tensor | None = None
    last_step = 0.0
    for sigma, following in pairwise(sigmas):
        denoised = denoise(x, sigma)
        if following == 0:
            return denoised
        # Time is the negative logarithm of the noise level.
        step = math.log(sigma) - math.log(following)
        toward = denoised
        if before is not None:
            weight = step / (2 * last_step)
            toward = (1 + weight) * denoised - weight * before
        ratio = following / sigma
        x = ratio * x + (1 - ratio) * toward
        before, last_step = denoised, step
    return x
