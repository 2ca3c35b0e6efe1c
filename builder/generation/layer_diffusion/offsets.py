"""Layer Diffusion's attention weights: offsets added to the UNet, or the same as a LoRA."""

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

    The sum is formed in the wider of the two dtypes and rounded once to the UNet's, which
    is the reference's arithmetic. Everything is checked before anything is changed.

    Args:
        unet: A ``diffusers.UNet2DConditionModel`` of an SDXL model, or another module with
            the same tensor names.
        path: ``ld_diffusers_sdxl_attn.safetensors``.

    Returns:
        How many tensors were changed.

    Raises:
        PortraitError: The file is unsafe or broken, or it holds a LoRA; a tensor that the
            UNet lacks or that has another shape; offsets were added to this UNet before.
            The UNet is then as it was.
    """
    import torch
    from safetensors.torch import load_file

    shapes = check_safetensors(path)
    if any("lora" in name for name in shapes):
        raise PortraitError(
            f"{path} holds a LoRA, not offsets: load it with load_attention or "
            "load_lora_weights of diffusers"
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
    # All of it is read before the first sum: a disk that fails half-way changes nothing.
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
    """Give an SDXL pipeline Layer Diffusion's attention, from either published form.

    Args:
        sdxl: A ``diffusers.StableDiffusionXLPipeline``; its UNet is changed. A LoRA goes
            through diffusers' own loader and is fused, so that it costs nothing a step.
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
