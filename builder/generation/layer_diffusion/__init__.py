"""Layer Diffusion on today's diffusers: makes straight RGBA portraits of prompts.

The names below are imported at their first use, so that importing this package is cheap and
needs no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from builder.generation.layer_diffusion.config import LayerDiffusionConfig
    from builder.generation.layer_diffusion.decoder import TransparentVAEDecoder
    from builder.generation.layer_diffusion.encoder import TransparentVAEEncoder
    from builder.generation.layer_diffusion.generator import LayerDiffusionGenerator
    from builder.generation.layer_diffusion.offsets import apply_attention_offsets
    from builder.generation.layer_diffusion.pipeline import LayerDiffusionPipeline
    from builder.generation.layer_diffusion.planning import (
        check_device,
        generator_spec,
        model_folders,
        open_generator,
    )
    from builder.generation.layer_diffusion.repository import ModelRecord

_EXPORTS = {
    "LayerDiffusionConfig": "config",
    "LayerDiffusionGenerator": "generator",
    "LayerDiffusionPipeline": "pipeline",
    "ModelRecord": "repository",
    "TransparentVAEDecoder": "decoder",
    "TransparentVAEEncoder": "encoder",
    "apply_attention_offsets": "offsets",
    "check_device": "planning",
    "generator_spec": "planning",
    "model_folders": "planning",
    "open_generator": "planning",
}

__all__ = [
    "LayerDiffusionConfig",
    "LayerDiffusionGenerator",
    "LayerDiffusionPipeline",
    "ModelRecord",
    "TransparentVAEDecoder",
    "TransparentVAEEncoder",
    "apply_attention_offsets",
    "check_device",
    "generator_spec",
    "model_folders",
    "open_generator",
]


def __getattr__(name: str) -> Any:
    """Import an exported name's module on demand."""
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        module = import_module(f"{__name__}.{_EXPORTS[name]}")
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in ("torch", "safetensors", "diffusers", "transformers"):
            raise
        from ld_portrait_20k.errors import missing_extra

        raise missing_extra(package, "generate") from error
    return getattr(module, name)
