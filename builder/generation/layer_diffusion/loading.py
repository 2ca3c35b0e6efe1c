"""Loads the networks of a configuration onto its device."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from shutil import which
from typing import Any

import torch

from builder.generation.layer_diffusion.config import (
    LayerDiffusionConfig,
    resolve_device,
    resolve_dtype,
)
from builder.generation.layer_diffusion.decoder import TransparentVAEDecoder
from builder.generation.layer_diffusion.encoder import TransparentVAEEncoder
from builder.generation.layer_diffusion.models import ModelFiles, select
from builder.generation.layer_diffusion.offsets import load_attention
from builder.generation.layer_diffusion.repository import ModelRecord
from ld_portrait_20k.common.memory import is_out_of_memory
from ld_portrait_20k.errors import PortraitError, missing_extra


@dataclass(slots=True)
class Parts:
    """The networks of a pipeline.

    Attributes:
        sdxl: ``diffusers.StableDiffusionXLPipeline`` with Layer Diffusion's attention.
        decoder: The transparent decoder.
        records: The files of weights.
        load_encoder: Loads the transparent encoder, which only image to image needs.
    """

    sdxl: Any
    decoder: TransparentVAEDecoder
    records: list[ModelRecord]
    load_encoder: Callable[[], TransparentVAEEncoder]


def load(config: LayerDiffusionConfig) -> Parts:
    """Load a run's networks, safetensors only.

    Raises:
        PortraitError: See :func:`models.select`.
    """
    for package in ("diffusers", "transformers", "accelerate", "safetensors"):
        if find_spec(package) is None:
            raise missing_extra(package, "generate")
    device = resolve_device(config)
    if config.compile:
        check_compiler(device)
    dtype: torch.dtype = getattr(torch, resolve_dtype(config))
    chosen = select(config)
    path = chosen.path("transparent-decoder")
    with _quiet():
        sdxl = _load_sdxl(config, chosen, dtype)
        load_attention(sdxl, chosen.path("attention"))
        try:
            _place(sdxl, device, dtype)
            decoder = TransparentVAEDecoder.from_safetensors(
                path, dtype=dtype, device=device, budget=config.decode_budget
            )
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            raise PortraitError(
                f"the networks do not fit the memory that is free on {device}: they take 7.1 GB "
                "in half precision, twice that in float32; try: free memory, another --device or "
                "--dtype"
            ) from error
    if config.compile:
        sdxl.unet.compile(dynamic=False)
        sdxl.vae.decoder.compile()
        decoder.model.compile()

    def load_encoder() -> TransparentVAEEncoder:
        path = select(config, encoder=True).path("transparent-encoder")
        return TransparentVAEEncoder.from_safetensors(path, dtype=dtype, device=device)

    return Parts(sdxl, decoder, chosen.records, load_encoder)


def check_compiler(device: torch.device) -> None:
    """Check before loading that the code of ``torch.compile`` can be built here.

    Raises:
        PortraitError: Triton (on CUDA) or a compiler is missing.
    """
    if device.type == "cuda" and find_spec("triton") is None:
        raise PortraitError(
            "--compile on CUDA needs triton; try: pip install triton, or leave it out"
        )
    # On CUDA, Triton builds its launchers in C; on a CPU, all code is C++.
    variable, names = ("CC", ("cc", "gcc", "clang", "cl"))
    if device.type == "cpu":
        variable, names = ("CXX", ("c++", "g++", "clang++", "cl"))
    if not any(which(name) for name in (os.environ.get(variable), *names) if name):
        raise PortraitError(
            f"--compile needs a compiler ({names[1]} or {names[2]}) and none is on the PATH; "
            "try: install one, or leave it out"
        )


def _load_sdxl(config: LayerDiffusionConfig, chosen: ModelFiles, dtype: torch.dtype) -> Any:
    from diffusers import AutoencoderKL, StableDiffusionXLPipeline

    given: dict[str, Any] = {
        "dtype": dtype,
        "use_safetensors": True,
        "local_files_only": True,
    }
    failures = (OSError, ValueError, RuntimeError, KeyError)
    replaced = {}
    if chosen.vae_subfolder is not None:
        folder = chosen.fetch("vae") / chosen.vae_subfolder
        try:
            vae = AutoencoderKL.from_pretrained(folder, **given)
        except failures as error:
            raise PortraitError(f"cannot load the VAE {config.vae}: {_line(error)}") from error
        if vae.config.latent_channels != 4:
            raise PortraitError(f"the VAE {config.vae} has no 4-channel latents: it is not SDXL's")
        replaced["vae"] = vae
    try:
        return StableDiffusionXLPipeline.from_pretrained(
            chosen.fetch_base(),
            variant=chosen.variant,
            add_watermarker=False,
            **given,
            **replaced,
        )
    except failures as error:
        raise PortraitError(f"cannot load {config.base_model}: {_line(error)}") from error


def _place(sdxl: Any, device: torch.device, dtype: torch.dtype) -> None:
    """Move the networks to the device, in the dtype and memory layout that they run in."""
    sdxl.to(device)
    if dtype == torch.float16 and sdxl.vae.config.get("force_upcast", True):
        # Its activations overflow float16, and the picture turns black.
        sdxl.vae.to(torch.float32)
    for module in (sdxl.unet, sdxl.vae):
        module.to(memory_format=torch.channels_last)


def _line(error: BaseException) -> str:
    """An error's text on one line, at most 300 characters."""
    return " ".join(str(error).split())[:300]


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the progress bars and notes of diffusers and transformers."""
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    logs = (diffusers_logging, transformers_logging)
    before = [(log.get_verbosity(), log.is_progress_bar_enabled()) for log in logs]
    for log in logs:
        log.set_verbosity_error()
        log.disable_progress_bar()
    try:
        yield
    finally:
        for log, (verbosity, bar) in zip(logs, before, strict=True):
            log.set_verbosity(verbosity)
            if bar:
                log.enable_progress_bar()
