"""The pipeline: text, or text and a picture, to RGBA by SDXL with Layer Diffusion."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from builder.generation.layer_diffusion import sampler
from builder.generation.layer_diffusion.conditioning import TextConditioner
from builder.generation.layer_diffusion.config import WEIGHTS, LayerDiffusionConfig
from builder.generation.layer_diffusion.decoder import MULTIPLE, TransparentVAEDecoder
from builder.generation.layer_diffusion.denoiser import Denoiser, NoiseSource, draw_noise
from builder.generation.layer_diffusion.encoder import TransparentVAEEncoder
from builder.generation.layer_diffusion.repository import ModelRecord
from builder.generation.layer_diffusion.vae import VAESteps
from ld_portrait_20k.errors import PortraitError


class LayerDiffusionPipeline:
    """SDXL with Layer Diffusion: prompts to straight RGBA.

    Attributes:
        sdxl: The ``diffusers.StableDiffusionXLPipeline`` that holds the networks, Layer
            Diffusion's attention merged into its UNet.
        decoder: The transparent decoder.
        records: The files of weights that it was loaded from.
        schedule: The noise levels that the UNet was trained on.
        text: Encodes prompts.
    """

    def __init__(
        self,
        sdxl: Any,
        decoder: TransparentVAEDecoder,
        *,
        records: Sequence[ModelRecord] = (),
        load_encoder: Callable[[], TransparentVAEEncoder] | None = None,
        decode_budget: int | None = None,
    ) -> None:
        self.sdxl = sdxl
        self.decoder = decoder
        self.records = list(records)
        self.schedule = sampler.NoiseSchedule.of(sdxl.scheduler)
        self.text = TextConditioner(sdxl)
        self._load_encoder = load_encoder
        self._encoder: TransparentVAEEncoder | None = None
        self._denoiser = Denoiser(sdxl.unet, self.schedule)
        self._vae_steps = VAESteps(sdxl.vae, decode_budget)

    @classmethod
    def from_pretrained(
        cls,
        base_model: str | Path,
        *,
        layer_diffusion: str | Path = WEIGHTS,
        vae: str | Path = "auto",
        base_revision: str | None = None,
        layer_diffusion_revision: str | None = None,
        vae_revision: str | None = None,
        dtype: str | torch.dtype = "auto",
        device: str | torch.device = "auto",
        compile: bool = False,  # noqa: A002 - torch's and diffusers' word for it
        decode_memory_gib: float | None = None,
    ) -> LayerDiffusionPipeline:
        """Load everything, from the Hub or from folders, safetensors only.

        Args:
            base_model: SDXL in diffusers' layout; Hub id or folder.
            layer_diffusion: The attention weights and the transparent VAE; Hub id or folder.
            vae: See :attr:`LayerDiffusionConfig.vae`.
            base_revision: Commit, tag or branch; pinned for the models this project names.
            layer_diffusion_revision: Likewise.
            vae_revision: Likewise.
            dtype: See :attr:`LayerDiffusionConfig.dtype`.
            device: See :attr:`LayerDiffusionConfig.device`.
            compile: See :attr:`LayerDiffusionConfig.compile`.
            decode_memory_gib: See :attr:`LayerDiffusionConfig.decode_memory_gib`.

        Raises:
            PortraitError: See :func:`models.select`.
        """
        return cls.from_config(
            LayerDiffusionConfig(
                base_model=str(base_model),
                base_revision=base_revision,
                weights=str(layer_diffusion),
                weights_revision=layer_diffusion_revision,
                vae=str(vae),
                vae_revision=vae_revision,
                dtype=str(dtype).removeprefix("torch."),
                device=str(device),
                compile=compile,
                decode_memory_gib=decode_memory_gib,
            )
        )

    @classmethod
    def from_config(cls, config: LayerDiffusionConfig) -> LayerDiffusionPipeline:
        """Load what a configuration names.

        Raises:
            PortraitError: See :func:`models.select`.
        """
        from builder.generation.layer_diffusion.loading import load

        parts = load(config)
        return cls(
            parts.sdxl,
            parts.decoder,
            records=parts.records,
            load_encoder=parts.load_encoder,
            decode_budget=config.decode_budget,
        )

    @property
    def device(self) -> torch.device:
        """The device it computes on."""
        return self.sdxl.unet.device

    @property
    def dtype(self) -> torch.dtype:
        """The dtype that the UNet computes in."""
        return self.sdxl.unet.dtype

    @property
    def encoder(self) -> TransparentVAEEncoder:
        """The transparent encoder, loaded when first asked for.

        Raises:
            PortraitError: The weights came without one.
        """
        if self._encoder is None:
            if self._load_encoder is None:
                raise PortraitError("this pipeline was made without a transparent encoder")
            self._encoder = self._load_encoder()
        return self._encoder

    def __call__(
        self,
        prompts: Sequence[str],
        *,
        negative_prompts: str | Sequence[str | None] | None = None,
        generators: Sequence[NoiseSource],
        width: int = 1024,
        height: int = 1024,
        steps: int = 25,
        guidance: float = 7.0,
        images: Sequence[NDArray[np.uint8]] | None = None,
        strength: float = 1.0,
        augment: bool = True,
    ) -> Tensor:
        """Make pictures.

        Args:
            prompts: One a picture.
            negative_prompts: One for all, one a picture, or none.
            generators: One a picture, so that a picture does not depend on its neighbours.
                Generators of numpy, or of torch on the CPU (which uses 32 bits of its seed
                only), give the same noise on every device.
            width: A multiple of 64.
            height: A multiple of 64.
            steps: Sampling steps.
            guidance: Classifier-free guidance scale; 1 leaves the negative prompt out.
            images: For image to image, pictures (height, width, 4) uint8, straight RGBA.
            strength: How far ``images`` are changed, above 0 to 1.
            augment: See :meth:`TransparentVAEDecoder.forward`.

        Returns:
            (N, 4, height, width) straight RGBA in 0..1, on the device. A picture in which
            half precision overflowed holds NaN.

        Raises:
            ValueError: Arguments that do not fit each other.
            PortraitError: Out of memory with a single picture.
        """
        latents = self.sample_latents(
            prompts,
            negative_prompts=negative_prompts,
            generators=generators,
            width=width,
            height=height,
            steps=steps,
            guidance=guidance,
            images=images,
            strength=strength,
        )
        return self.decode(latents, augment=augment)

    @torch.no_grad()
    def sample_latents(
        self,
        prompts: Sequence[str],
        *,
        negative_prompts: str | Sequence[str | None] | None = None,
        generators: Sequence[NoiseSource],
        width: int = 1024,
        height: int = 1024,
        steps: int = 25,
        guidance: float = 7.0,
        images: Sequence[NDArray[np.uint8]] | None = None,
        strength: float = 1.0,
    ) -> Tensor:
        """Sample latents; arguments as for a call.

        Returns:
            (N, 4, height/8, width/8) float32 latents, as diffusion scales them.
        """
        check_size(width, height)
        count = len(prompts)
        if isinstance(negative_prompts, str) or negative_prompts is None:
            negative_prompts = [negative_prompts] * count
        for what, given in (("generators", generators), ("negative prompts", negative_prompts)):
            if len(given) != count:
                raise ValueError(f"{count} prompts with {len(given)} {what}")
        sigmas = self.schedule.karras(steps, strength)
        shape = (4, height // 8, width // 8)
        if not count:
            return torch.empty(0, *shape, device=self.device)
        noise = torch.stack([draw_noise(each, shape).to(self.device) for each in generators])
        x = noise * sigmas[0]
        if images is not None:
            if len(images) != count or any(p.shape != (height, width, 4) for p in images):
                raise ValueError(f"images must be {count} arrays of ({height}, {width}, 4) uint8")
            x = x + self.encode(images).to(x)
        text = self.text.encode(list(prompts))
        negative = self.text.encode_kept([prompt or "" for prompt in negative_prompts])

        return self._denoiser.run(x, sigmas, text, negative, guidance)

    @torch.no_grad()
    def encode(self, images: Sequence[NDArray[np.uint8]]) -> Tensor:
        """Pictures to latents: the inverse of :meth:`decode`.

        Args:
            images: (H, W, 4) uint8, straight sRGB and alpha, all of one size, the sides
                multiples of 64.

        Returns:
            (N, 4, H/8, W/8) latents in the VAE's dtype, as diffusion scales them.

        Raises:
            ValueError: A picture of another kind, size or dtype.
            PortraitError: Out of memory with a single picture; the weights came without a
                transparent encoder.
        """
        vae = self.sdxl.vae
        area = images[0].shape[0] * images[0].shape[1]
        done: list[Tensor] = []
        while len(done) < len(images):
            with self._vae_steps.encoding(area, len(images) - len(done)) as count:
                done += self.encoder(vae, images[len(done) : len(done) + count]).unbind(0)
        return torch.stack(done) * vae.config.scaling_factor

    @torch.no_grad()
    def decode(self, latents: Tensor, augment: bool = True) -> Tensor:
        """Latents to pictures.

        Args:
            latents: (N, 4, h, w), as :meth:`sample_latents` gives them.
            augment: See :meth:`TransparentVAEDecoder.forward`.

        Returns:
            (N, 4, 8h, 8w) straight RGBA in 0..1, on the device.

        Raises:
            PortraitError: Out of memory with a single picture.
        """
        vae = self.sdxl.vae
        unscaled = latents.to(self.device) / vae.config.scaling_factor
        area = latents.shape[2] * latents.shape[3] * 64
        done: list[Tensor] = []
        while len(done) < len(unscaled):
            with self._vae_steps.decoding(area, len(unscaled) - len(done)) as count:
                part = unscaled[len(done) : len(done) + count]
                feed = part.to(vae.dtype).contiguous(memory_format=torch.channels_last)
                pixels = vae.decode(feed, return_dict=False)[0] / 2 + 0.5
                done += self.decoder(pixels, part, augment).unbind(0)
        if not done:
            return latents.new_empty(0, 4, latents.shape[2] * 8, latents.shape[3] * 8)
        return torch.stack(done)


def check_size(width: int, height: int) -> None:
    """Check a picture's sides.

    Raises:
        PortraitError: A side that is not a multiple of 64, or not positive.
    """
    if width < MULTIPLE or height < MULTIPLE or width % MULTIPLE or height % MULTIPLE:
        near = [max(MULTIPLE, round(side / MULTIPLE) * MULTIPLE) for side in (width, height)]
        raise PortraitError(
            f"Layer Diffusion needs sides that are multiples of {MULTIPLE}, got "
            f"{width}x{height}; try: {near[0]}x{near[1]}"
        )
