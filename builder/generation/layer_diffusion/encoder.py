"""The transparent encoder: makes latents of RGBA pictures that decode to them with alpha."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from builder.generation.layer_diffusion.decoder import MULTIPLE
from builder.generation.layer_diffusion.files import load_strictly

PYRAMID_FACTOR: Final = 1.2
"""Ratio of the sides of two levels of the colour pyramid, as in the reference."""

OFFSET_SCALE: Final = 300.0
"""Scales the network's output, as the published weights expect."""

# Channels and stride of each convolution.
_LAYERS: Final = (
    (32, 1),
    (32, 1),
    (64, 2),
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (4, 1),
)


class OffsetNetwork(nn.Module):
    """Nine convolutions from alpha and padded colour to the latent's offset."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = 4
        for channels, stride in _LAYERS:
            layers += [nn.Conv2d(before, channels, 3, stride=stride, padding=1), nn.SiLU()]
            before = channels
        self.blocks = nn.Sequential(*layers[:-1])

    def forward(self, x: Tensor) -> Tensor:
        """A, R, G, B (N, 4, H, W) to an offset (N, 4, H/8, W/8)."""
        return self.blocks(x)


class TransparentVAEEncoder(nn.Module):
    """Latent transparency's encoder (arXiv 2402.17113, section 3.1).

    SDXL's VAE encodes the picture composited on grey. From alpha, and from colour continued
    under it, the network predicts by how many standard deviations of the VAE's posterior the
    latent moves to carry the alpha.

    Attributes:
        model: The network, in evaluation mode.
    """

    def __init__(self, model: OffsetNetwork) -> None:
        super().__init__()
        self.model = model.eval().requires_grad_(False)

    @classmethod
    def from_safetensors(
        cls,
        path: str | Path,
        *,
        dtype: torch.dtype = torch.float32,
        device: str | torch.device = "cpu",
    ) -> TransparentVAEEncoder:
        """Load the published weights, strictly.

        Args:
            path: ``ld_diffusers_sdxl_vae_transparent_encoder.safetensors`` or
                ``vae_transparent_encoder.safetensors``.
            dtype: The dtype that the network computes in.
            device: The device that it computes on.

        Raises:
            PortraitError: The file is absent, a pickle, truncated, or holds other tensors.
        """
        with torch.device("meta"):
            model = OffsetNetwork()
        load_strictly(model, path, "a transparent encoder", dtype, device)
        return cls(model)

    @torch.no_grad()
    def forward(self, vae: Any, pictures: Sequence[NDArray[np.uint8]]) -> Tensor:
        """Encode pictures.

        Args:
            vae: SDXL's ``diffusers.AutoencoderKL``.
            pictures: Arrays (H, W, 4) uint8, straight sRGB and alpha, all of one size, the
                sides multiples of 64.

        Returns:
            (N, 4, H/8, W/8) latents in the VAE's dtype, as the decoders take them. Multiply
            them by the VAE's scaling factor before diffusion.

        Raises:
            ValueError: A picture of another kind, size or dtype.
        """
        for picture in pictures:
            if picture.ndim != 3 or picture.shape[2] != 4 or picture.dtype != np.uint8:
                raise ValueError(
                    f"a picture must be (H, W, 4) uint8, got {picture.shape} {picture.dtype}"
                )
            if picture.shape != pictures[0].shape:
                raise ValueError("pictures encoded together must have one size")
            if picture.shape[0] % MULTIPLE or picture.shape[1] % MULTIPLE:
                raise ValueError(
                    f"sides must be multiples of {MULTIPLE}, "
                    f"got {picture.shape[1]}x{picture.shape[0]}"
                )
        rgba = _planes(np.stack(pictures).astype(np.float32) / np.float32(255))
        padded = _planes(np.stack([pad_colour(picture) for picture in pictures]))
        rgb, alpha = rgba[:, :3], rgba[:, 3:]
        posterior = vae.encode(
            ((rgb * 2 - 1) * alpha).to(device=vae.device, dtype=vae.dtype)
        ).latent_dist
        weight = next(self.model.parameters())
        offset = self.model(torch.cat([alpha, padded], dim=1).to(weight)) * OFFSET_SCALE
        return posterior.mean + posterior.std * offset.to(posterior.std)


def _planes(pictures: NDArray[np.float32]) -> Tensor:
    return torch.from_numpy(pictures).movedim(-1, 1)


def pad_colour(rgba: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Continue a picture's colour under its transparent parts.

    An area-averaging pyramid of premultiplied colour and alpha, composited from the
    coarsest level to the finest, so that every pixel takes the colour of opaque pixels near it.

    Args:
        rgba: (H, W, 4) uint8, straight sRGB and alpha.

    Returns:
        (H, W, 3) float32, sRGB in 0..1; all zeros where nothing is opaque anywhere.
    """
    straight = rgba.astype(np.float32) / 255
    alpha: Any = straight[..., 3]
    colour: Any = straight[..., :3] * alpha[..., None]
    levels = [(colour, alpha)]
    while min(alpha.shape) > 1:
        size = (int(alpha.shape[1] / PYRAMID_FACTOR), int(alpha.shape[0] / PYRAMID_FACTOR))
        colour = cv2.resize(colour, size, interpolation=cv2.INTER_AREA)
        alpha = cv2.resize(alpha, size, interpolation=cv2.INTER_AREA)
        levels.append((colour, alpha))
    filled = colour.sum((0, 1), keepdims=True) / max(float(alpha.sum()), 1e-8)
    for colour, alpha in reversed(levels):
        filled = cv2.resize(
            filled, (alpha.shape[1], alpha.shape[0]), interpolation=cv2.INTER_LINEAR
        )
        filled = colour + filled * (1 - alpha[..., None])
    return filled
