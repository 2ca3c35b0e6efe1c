"""Merges Layer Diffusion's attention weights into the UNet: offsets, or the same as a LoRA."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from builder.generation.layer_diffusion.files import check_safetensors
from ld_portrait_20k.errors import PortraitError

if TYPE_CHECKING:
    from torch import nn

_MARK = "layer_diffusion_offsets"


def is_lora(path: str | Path) -> bool:
    """Whether a weights file holds low-rank factors rather than whole offsets.

    Raises:
        PortraitError: See :func:`files.check_safetensors`.
    """
    return any("lora" in name for name in check_safetensors(path))


def apply_attention_offsets(unet: nn.Module, path: str | Path) -> int:
    """Add the published offsets to the weights of an SDXL UNet, in place.

    Like the reference it adds in the wider of the two dtypes and rounds once to the UNet's.
    It checks everything before it changes anything.

    Args:
        unet: A ``diffusers.UNet2DConditionModel`` of an SDXL model, or another module with
            the same tensor names.
        path: ``ld_diffusers_sdxl_attn.safetensors``.

    Returns:
        How many tensors were changed.

    Raises:
        PortraitError: The file is unsafe or broken or holds a LoRA, a tensor does not fit
            the UNet, or offsets were added to this UNet before. The UNet is then unchanged.
    """
    import torch
    from safetensors.torch import load_file

    shapes = check_safetensors(path)
    if any("lora" in name for name in shapes):
        raise PortraitError(
            f"{path} holds a LoRA, not offsets; try: load_attention, or load_lora_weights "
            "of diffusers"
        )
    if getattr(unet, _MARK, None):
        raise PortraitError(f"offsets were added to this UNet already: not adding {path}")
    weights = unet.state_dict()
    if not shapes:
        raise PortraitError(f"{path} holds no tensors")
    for name, shape in shapes.items():
        if name not in weights:
            raise PortraitError(
                f"{path} does not fit this UNet: it changes {name}, which the UNet lacks"
            )
        if tuple(weights[name].shape) != shape:
            raise PortraitError(
                f"{path} does not fit this UNet: {name} is {shape} in the file and "
                f"{tuple(weights[name].shape)} in the UNet"
            )
    # Read the whole file before the first sum, so that a failing disk changes nothing.
    offsets = load_file(path)
    odd = next((name for name, offset in offsets.items() if not offset.is_floating_point()), None)
    if odd is not None:
        raise PortraitError(f"{path} is damaged: {odd} is not floating point")
    with torch.no_grad():
        for name, offset in offsets.items():
            weight = weights[name]
            weight.copy_(weight + offset.to(weight.device))
    setattr(unet, _MARK, str(path))
    return len(offsets)


def load_attention(sdxl: Any, path: str | Path) -> None:
    """Merge Layer Diffusion's attention into an SDXL pipeline, from either published form.

    Args:
        sdxl: A ``diffusers.StableDiffusionXLPipeline``; its UNet is changed. The loader of
            diffusers fuses a LoRA into it, so that steps take no longer.
        path: The offsets or the LoRA, as safetensors.

    Raises:
        PortraitError: As :func:`apply_attention_offsets`.
    """
    if not is_lora(path):
        apply_attention_offsets(sdxl.unet, path)
        return
    path = Path(path)
    try:
        sdxl.load_lora_weights(str(path.parent), weight_name=path.name)
        if not sdxl.get_list_adapters().get("unet"):
            raise ValueError("no tensor of it belongs to the UNet")
        sdxl.fuse_lora(components=["unet"])
        sdxl.unload_lora_weights()
    except ImportError as error:
        from ld_portrait_20k.errors import missing_extra

        raise missing_extra("peft", "generate") from error
    except (ValueError, RuntimeError, KeyError) as error:
        reason = " ".join(str(error).split())[:200]
        raise PortraitError(f"{path} does not fit this UNet: {reason}") from error
