"""Encodes prompts with SDXL's two text encoders."""

from __future__ import annotations

import logging
from typing import Any, Final

import torch
from torch import Tensor

LOGGER = logging.getLogger(__name__)

KEPT: Final = 64
"""Most encoded prompts kept; a run has one or a few negative prompts."""


class TextConditioner:
    """Encodes prompts; keeps the embeddings of negative prompts, which repeat.

    Args:
        sdxl: A ``diffusers.StableDiffusionXLPipeline``.
    """

    def __init__(self, sdxl: Any) -> None:
        self._sdxl = sdxl
        self._kept: dict[str, tuple[Tensor, Tensor]] = {}
        self._said_long = False

    @torch.no_grad()
    def encode(self, prompts: list[str]) -> tuple[Tensor, Tensor]:
        """Encode prompts.

        The pooled embedding is the second encoder's with its projection, as SDXL was trained;
        the reference's demo leaves the projection out.

        Args:
            prompts: Texts. Tokens beyond 77 are cut off, with one warning.

        Returns:
            The penultimate hidden states of both text encoders, (N, 77, C), and the pooled
            output, (N, P), in the UNet's dtype and on its device.
        """
        sdxl = self._sdxl
        states: list[Tensor] = []
        for tokenizer, model in (
            (sdxl.tokenizer, sdxl.text_encoder),
            (sdxl.tokenizer_2, sdxl.text_encoder_2),
        ):
            limit = tokenizer.model_max_length
            longest = max(len(ids) for ids in tokenizer(prompts, verbose=False).input_ids)
            if longest > limit and not self._said_long:
                self._said_long = True
                LOGGER.warning("a prompt of %d tokens is cut to SDXL's %d", longest, limit)
            ids = tokenizer(
                prompts,
                padding="max_length",
                max_length=limit,
                truncation=True,
                return_tensors="pt",
            ).input_ids
            output = model(ids.to(sdxl.unet.device), output_hidden_states=True)
            states.append(output.hidden_states[-2])
        dtype = sdxl.unet.dtype
        return torch.cat(states, dim=-1).to(dtype), output.text_embeds.to(dtype)

    def encode_kept(self, prompts: list[str]) -> tuple[Tensor, Tensor]:
        """Like :meth:`encode`, but encode each text once and keep its embeddings."""
        wanted = list(dict.fromkeys(prompts))
        if len(self._kept) + len(wanted) > KEPT:
            self._kept.clear()
        new = [prompt for prompt in wanted if prompt not in self._kept]
        if new:
            states, pooled = self.encode(new)
            self._kept.update(zip(new, zip(states, pooled, strict=True), strict=True))
        kept = [self._kept[prompt] for prompt in prompts]
        return torch.stack([one[0] for one in kept]), torch.stack([one[1] for one in kept])
