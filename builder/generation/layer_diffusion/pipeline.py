"""Text, or text and a picture, to RGBA: SDXL with Layer Diffusion's weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from builder.generation.layer_diffusion import sampler
from builder.generation.layer_diffusion.conditioning import TextConditioner
from builder.generation.layer_diffusion.config import WEIGHTS, LayerDiffusionConfig
from builder.generation.layer_diffusion.decoder import MULTIPLE, TransparentVAEDecoder
from builder.generation.layer_diffusion.encoder import TransparentVAEEncoder
from builder.generation.layer_diffusion.memory import Room, even
from builder.generation.layer_diffusion.repository import ModelRecord
from builder.generation.layer_diffusion.vae import VAESteps
from ld_portrait_20k.errors import PortraitError

NoiseSource: TypeAlias = torch.Generator | np.random.Generator


class LayerDiffusionPipeline:
    """SDXL that draws on transparency.

    Attributes:
        sdxl: The ``diffusers.StableDiffusionXLPipeline`` that holds the networks, Layer
            Diffusion's attention merged into its UNet.
        decoder: The transparent decoder.
        records: Which files of weights it was made from.
        schedule: The noise levels that the UNet was trained on.
        text: Makes prompts into conditioning.
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
        self._denoiser_room = Room("denoiser")
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
        """Where it computes."""
        return self.sdxl.unet.device

    @property
    def dtype(self) -> torch.dtype:
        """What the UNet computes in."""
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
        images: Sequence[np.ndarray] | None = None,
        strength: float = 1.0,
        augment: bool = True,
    ) -> Tensor:
        """Make pictures.

        Args:
            prompts: One a picture.
            negative_prompts: One for all, one a picture, or none.
            generators: One a picture, so that a picture does not depend on its neighbours;
                of numpy, or of torch on the CPU (which takes 32 bits of its seed alone),
                for the same noise on every device.
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
        images: Sequence[np.ndarray] | None = None,
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
        noise = torch.stack([draw_noise(own, shape).to(self.device) for own in generators])
        x = noise * sigmas[0]
        if images is not None:
            if len(images) != count or any(p.shape != (height, width, 4) for p in images):
                raise ValueError(f"images must be {count} arrays of ({height}, {width}, 4) uint8")
            x = x + self.encode(images).to(x)
        text = self.text.encode(list(prompts))
        negative = self.text.encode_kept([prompt or "" for prompt in negative_prompts])

        done: list[Tensor] = []
        while len(done) < count:
            left = count - len(done)
            with self._denoiser_room.attempt(1, count, left) as fit:
                part = slice(len(done), len(done) + even(left, fit))
                done += self._denoise(
                    x[part],
                    sigmas,
                    [embedding[part] for embedding in text],
                    [embedding[part] for embedding in negative],
                    guidance,
                ).unbind(0)
        return torch.stack(done)

    def _denoise(
        self,
        x: Tensor,
        sigmas: Sequence[float],
        text: Sequence[Tensor],
        negative: Sequence[Tensor],
        guidance: float,
    ) -> Tensor:
        unet = self.sdxl.unet
        height, width = x.shape[2] * 8, x.shape[3] * 8
        guided = guidance != 1
        # The two halves of classifier-free guidance go through the UNet as one batch.
        embeddings, pooled = (
            (torch.cat([n, t]) if guided else t) for n, t in zip(negative, text, strict=True)
        )
        size = torch.tensor([[height, width, 0, 0, height, width]], dtype=unet.dtype)
        added = {
            "text_embeds": pooled,
            "time_ids": size.repeat(len(embeddings), 1).to(self.device),
        }

        def denoise(noisy: Tensor, sigma: float) -> Tensor:
            feed = sampler.scale_input(noisy, sigma).to(unet.dtype)
            if guided:
                feed = torch.cat([feed, feed])
            # Filled there: a copy from the processor would wait for the step before.
            step = torch.full((), self.schedule.time_step(sigma), device=self.device)
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

    @torch.no_grad()
    def encode(self, images: Sequence[np.ndarray]) -> Tensor:
        """Pictures to latents that decode to them, the other way of :meth:`decode`.

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
            with self._vae_steps.encoding(area, len(images) - len(done)) as some:
                done += self.encoder(vae, images[len(done) : len(done) + some]).unbind(0)
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
            with self._vae_steps.decoding(area, len(unscaled) - len(done)) as some:
                part = unscaled[len(done) : len(done) + some]
                feed = part.to(vae.dtype).contiguous(memory_format=torch.channels_last)
                pixels = vae.decode(feed, return_dict=False)[0] / 2 + 0.5
                done += self.decoder(pixels, part, augment).unbind(0)
        if not done:
            return latents.new_empty(0, 4, latents.shape[2] * 8, latents.shape[3] * 8)
        return torch.stack(done)


def draw_noise(generator: NoiseSource, shape: tuple[int, ...]) -> Tensor:
    """Standard normal noise in float32, drawn where the generator lives."""
    if isinstance(generator, np.random.Generator):
        return torch.from_numpy(generator.standard_normal(shape, dtype=np.float32))
    return torch.randn(shape, generator=generator, device=generator.device)


def check_size(width: int, height: int) -> None:
    """Check a picture's sides.

    Raises:
        PortraitError: A side that is not a multiple of 64, or not positive.
    """
    if width < MULTIPLE or height < MULTIPLE or width % MULTIPLE or height % MULTIPLE:
        near = [max(MULTIPLE, round(side / MULTIPLE) * MULTIPLE) for side in (width, height)]
        raise PortraitError(
            f"Layer Diffusion needs sides that are multiples of {MULTIPLE}, got "
            f"{width}x{height}: try {near[0]}x{near[1]}"
        )
