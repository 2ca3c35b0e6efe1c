"""Noise to latents: SDXL's UNet under classifier-free guidance, in batches that fit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from builder.generation.layer_diffusion import sampler
from builder.generation.layer_diffusion.memory import Room, even

NoiseSource: TypeAlias = torch.Generator | np.random.Generator


class Denoiser:
    """Runs the sampler over a batch, in smaller batches once memory ran out.

    Args:
        unet: SDXL's ``diffusers.UNet2DConditionModel``.
        schedule: The noise levels that it was trained on.
    """

    def __init__(self, unet: Any, schedule: sampler.NoiseSchedule) -> None:
        self._unet = unet
        self._schedule = schedule
        self._room = Room("denoiser")

    def run(
        self,
        x: Tensor,
        sigmas: Sequence[float],
        text: Sequence[Tensor],
        negative: Sequence[Tensor],
        guidance: float,
    ) -> Tensor:
        """Denoise latents.

        Args:
            x: (N, 4, h, w) float32 latents with noise of level ``sigmas[0]``.
            sigmas: Falling noise levels, the last one 0.
            text: The prompts' embeddings, as ``TextConditioner.encode`` gives them.
            negative: The negative prompts' embeddings.
            guidance: Classifier-free guidance scale; 1 leaves the negative prompts out.

        Returns:
            (N, 4, h, w) float32 latents without noise.

        Raises:
            PortraitError: Out of memory with a single picture.
        """
        count = len(x)
        done: list[Tensor] = []
        while len(done) < count:
            left = count - len(done)
            with self._room.attempt(1, count, left) as fit:
                part = slice(len(done), len(done) + even(left, fit))
                done += self._batch(
                    x[part],
                    sigmas,
                    [embedding[part] for embedding in text],
                    [embedding[part] for embedding in negative],
                    guidance,
                ).unbind(0)
        return torch.stack(done)

    def _batch(
        self,
        x: Tensor,
        sigmas: Sequence[float],
        text: Sequence[Tensor],
        negative: Sequence[Tensor],
        guidance: float,
    ) -> Tensor:
        unet = self._unet
        height, width = x.shape[2] * 8, x.shape[3] * 8
        guided = guidance != 1
        # The two halves of classifier-free guidance go through the UNet as one batch.
        embeddings, pooled = (
            (torch.cat([n, t]) if guided else t) for n, t in zip(negative, text, strict=True)
        )
        size = torch.tensor([[height, width, 0, 0, height, width]], dtype=unet.dtype)
        added = {
            "text_embeds": pooled,
            "time_ids": size.repeat(len(embeddings), 1).to(unet.device),
        }

        def denoise(noisy: Tensor, sigma: float) -> Tensor:
            feed = sampler.scale_input(noisy, sigma).to(unet.dtype)
            if guided:
                feed = torch.cat([feed, feed])
            # Filled on the device: a copy from the CPU would wait for the step before.
            step = torch.full((), self._schedule.time_step(sigma), device=unet.device)
            noise = unet(
                feed.contiguous(memory_format=torch.channels_last),
                step,
                encoder_hidden_states=embeddings,
                added_cond_kwargs=added,
                return_dict=False,
            )[0].float()
            if guided:
                away, toward = noise.chunk(2)
                noise = away + guidance * (toward - away)
            return noisy - noise * sigma

        return sampler.sample(denoise, x, sigmas)


def draw_noise(generator: NoiseSource, shape: tuple[int, ...]) -> Tensor:
    """Standard normal noise in float32, drawn on the generator's own device."""
    if isinstance(generator, np.random.Generator):
        return torch.from_numpy(generator.standard_normal(shape, dtype=np.float32))
    return torch.randn(shape, generator=generator, device=generator.device)
