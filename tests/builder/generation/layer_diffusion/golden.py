"""Inputs of the golden figures: everything from a seed, nothing from a file."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import torch
from numpy.typing import NDArray

from builder.generation.layer_diffusion.decoder import TransparentVAEDecoder
from builder.generation.layer_diffusion.encoder import OffsetNetwork, TransparentVAEEncoder
from builder.generation.layer_diffusion.network import TransparencyUNet
from tests.builder.generation.layer_diffusion.tiny import decoder_weights, encoder_weights, seeded


def golden_decoder() -> TransparentVAEDecoder:
    """A float32 decoder with weights of seed 7."""
    network = TransparencyUNet()
    network.load_state_dict(decoder_weights(7))
    return TransparentVAEDecoder(network)


def golden_encoder() -> TransparentVAEEncoder:
    """A float32 encoder with weights of seed 7."""
    network = OffsetNetwork()
    network.load_state_dict(encoder_weights(7))
    return TransparentVAEEncoder(network)


def decoder_inputs(count: int, height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Pixels that exceed 0..1 a little, and latents."""
    pixels = seeded(f"pixels {count}", (count, 3, height, width), 7) * 0.3 + 0.5
    latents = seeded(f"latents {count}", (count, 4, height // 8, width // 8), 7)
    return pixels, latents


def soft_picture(height: int, width: int, seed: int) -> NDArray[np.uint8]:
    """An RGBA picture of noise with a soft-edged disc of alpha, (height, width, 4) uint8."""
    colour = seeded(f"colour {seed}", (height, width, 3), 7).numpy() * 60 + 128
    y, x = np.mgrid[:height, :width]
    distance = np.hypot(y - height / 2, x - width / 3)
    alpha = (height / 3 - distance) * 25
    return np.dstack([colour, alpha]).clip(0, 255).astype(np.uint8)


def figures(tensor: torch.Tensor, count: int = 6) -> list[float]:
    """Mean, standard deviation, and values spread evenly over a tensor."""
    flat = tensor.detach().float().flatten()
    at = torch.linspace(0, len(flat) - 1, count).long()
    return [round(float(value), 6) for value in (flat.mean(), flat.std(), *flat[at])]


class PlainVAE:
    """Stands where SDXL's VAE stands in the encoder: a posterior by strided averaging."""

    device = torch.device("cpu")
    dtype = torch.float32

    def encode(self, pixels: torch.Tensor) -> SimpleNamespace:
        """Mean: area averages of R, G, B and their mean; standard deviation: a half."""
        from types import SimpleNamespace

        small = torch.nn.functional.avg_pool2d(pixels, 8)
        mean = torch.cat([small, small.mean(1, keepdim=True)], dim=1)
        return SimpleNamespace(
            latent_dist=SimpleNamespace(mean=mean, std=torch.full_like(mean, 0.5))
        )


def curved_denoiser(x: torch.Tensor, sigma: float) -> torch.Tensor:
    """A nonlinear denoiser without weights, for the sampler's golden figures."""
    kept = 1 / (1 + sigma**2)
    return x * kept + 0.3 * torch.sin(2 * x.roll(1, dims=-1) * kept**0.5) * sigma * kept**0.5
