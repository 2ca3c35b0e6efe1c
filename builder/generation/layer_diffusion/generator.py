"""The generator ``layer-diffusion``: makes RGBA pictures of planned rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from builder.generation.layer_diffusion.config import LayerDiffusionConfig
from builder.generation.layer_diffusion.repository import ModelRecord
from builder.generation.protocol import Generated, Rejection, Request
from ld_portrait_20k.errors import PortraitError

if TYPE_CHECKING:
    import torch

    from builder.generation.layer_diffusion.pipeline import LayerDiffusionPipeline

VERSION: Final = "1"
"""Raise it whenever the same models and settings give other pictures."""


class LayerDiffusionGenerator:
    """Makes portraits with SDXL and latent transparency.

    It loads its weights at the first picture; until then an instance can be sent to another
    process.

    Args:
        config: Models and settings.
        models: The files of weights that the plan recorded; None takes those that are loaded.

    Attributes:
        name: ``layer-diffusion``.
        batch_size: How many pictures are denoised together.
        repeatable: True, because another attempt has another seed and gives another picture.
    """

    name: str = "layer-diffusion"
    repeatable: bool = True

    def __init__(
        self, config: LayerDiffusionConfig, models: Sequence[ModelRecord] | None = None
    ) -> None:
        self.config = config
        self.batch_size = config.batch_size
        self._models = None if models is None else list(models)
        self._pipeline: LayerDiffusionPipeline | None = None

    @property
    def pipeline(self) -> LayerDiffusionPipeline:
        """The loaded pipeline.

        Raises:
            PortraitError: See :func:`models.select`; or the weights are not the planned ones.
        """
        if self._pipeline is None:
            from builder.generation.layer_diffusion.pipeline import LayerDiffusionPipeline

            loaded = LayerDiffusionPipeline.from_config(self.config)
            if self._models is not None:
                _check_models(self._models, loaded.records)
            self._pipeline = loaded
        return self._pipeline

    def generate(self, requests: Sequence[Request]) -> Iterator[Generated | Rejection]:
        """Make the pictures, in order, in batches of one size.

        Raises:
            PortraitError: Weights or device are missing, a size is impossible, or one
                picture alone does not fit the memory.
        """
        batch: list[Request] = []
        for request in requests:
            full = len(batch) == self.batch_size
            if batch and (full or _size(request) != _size(batch[0])):
                yield from self._batch(batch)
                batch = []
            batch.append(request)
        if batch:
            yield from self._batch(batch)

    def _batch(self, requests: list[Request]) -> Iterator[Generated | Rejection]:
        import torch

        from builder.generation.layer_diffusion.pipeline import check_size

        width, height = _size(requests[0])
        check_size(width, height)
        # A network is compiled for one batch size, so fill up the last batch.
        spare = self.batch_size - len(requests) if self.config.compile else 0
        fed = requests + requests[-1:] * spare
        # Load outside inference mode: weights made in it cannot be compiled.
        pipeline = self.pipeline
        with torch.inference_mode():
            rgba = pipeline(
                [request.row.prompt for request in fed],
                negative_prompts=[request.row.negative_prompt for request in fed],
                generators=[np.random.Generator(np.random.PCG64(r.seed)) for r in fed],
                width=width,
                height=height,
                steps=self.config.steps,
                guidance=self.config.guidance,
            )[: len(requests)]
            whole = rgba.isfinite().flatten(1).all(1).tolist()
            pictures = (rgba.float() * 255).round().to(torch.uint8).movedim(1, 3).cpu().numpy()
        for request, picture, finite in zip(requests, pictures, whole, strict=True):
            if finite:
                yield Generated(
                    request, picture[..., :3].copy(), picture[..., 3].copy(), self.record()
                )
            else:
                yield Rejection(
                    request,
                    "not-finite",
                    "half precision overflowed; try: --dtype bfloat16, or --vae auto",
                )

    def record(self) -> dict[str, Any]:
        """The ``generator`` section of a sample's metadata."""
        from builder.generation.layer_diffusion import sampler

        models = self._models if self._models is not None else self.pipeline.records
        return {
            "name": self.name,
            "version": VERSION,
            "models": [model.metadata() for model in models],
            "sampler": sampler.NAME,
            "steps": self.config.steps,
            "guidance": self.config.guidance,
            "batch_size": self.batch_size,
            "dtype": str(self.pipeline.dtype).removeprefix("torch."),
            "damage": None,
            "software": software(self.pipeline.device, self.config.compile),
        }


def _check_models(planned: Sequence[ModelRecord], loaded: Sequence[ModelRecord]) -> None:
    """Compare what was loaded with the plan: a folder may hold other files on this machine.

    Raises:
        PortraitError: A file differs.
    """
    wanted, found = ([record.metadata() for record in records] for records in (planned, loaded))
    if wanted != found:
        other = next((record for record in found if record not in wanted), found[0])
        raise PortraitError(
            f"{other['id']}/{other['file']} is not the file that was planned (sha256 "
            f"{other['sha256'][:12]} here); try: give the same models as before"
        )


def software(device: torch.device, compiled: bool) -> str:
    """One line with the versions and the device that the pixels depend on."""
    import diffusers
    import torch
    import transformers

    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    text = (
        f"numpy {np.__version__}, torch {torch.__version__}, diffusers {diffusers.__version__}, "
        f"transformers {transformers.__version__}, {name}"
    )
    return f"{text}, compiled" if compiled else text


def _size(request: Request) -> tuple[int, int]:
    return request.row.width, request.row.height
