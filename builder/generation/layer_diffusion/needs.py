"""What a run takes: bytes to download, a GPU. Imports neither torch nor diffusers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from builder.generation.layer_diffusion.config import KNOWN_GB
from builder.generation.layer_diffusion.cost import picture_tflop

PARAMETERS: Final = {
    "UNet": 2.57e9,
    "text encoders": 0.82e9,
    "VAE": 0.08e9,
    "transparent decoder": 0.10e9,
}
"""Counted on the published architectures."""
_BYTES_A_PARAMETER: Final = {"float16": 2, "bfloat16": 2, "float32": 4}
_DECODING_SHARE: Final = 4
"""Decoding takes a quarter of the GPU's memory by itself (``memory.DEVICE_SHARE``)."""


def downloads(generator_spec: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The repositories of the Hub that a run takes weights from, each once.

    Args:
        generator_spec: The plan's ``generator`` section.

    Returns:
        For each ``id``, ``revision``, ``gigabytes`` (10**9 bytes; None where they are known
        only to the Hub), ``cached`` (whether all its weights are in the cache here) and
        ``resolved`` (whether the plan has the hashes).
    """
    models: Sequence[Mapping[str, Any]] = generator_spec["models"]
    found = {}
    for name in dict.fromkeys(model["id"] for model in models if "/" in model["id"]):
        own = [model for model in models if model["id"] == name]
        found[name] = {
            "id": name,
            "revision": own[0]["revision"],
            "gigabytes": KNOWN_GB.get(name),
            "cached": all(_is_cached(model) for model in own),
            "resolved": all(model["sha256"] is not None for model in own),
        }
    return list(found.values())


def _is_cached(model: Mapping[str, Any]) -> bool:
    from huggingface_hub import try_to_load_from_cache

    if model["file"] is None:
        return False
    path = try_to_load_from_cache(model["id"], model["file"], revision=model["revision"])
    return isinstance(path, str)


def hardware(generator_spec: Mapping[str, Any], width: int, height: int) -> list[str]:
    """Lines for a person on what the run itself needs, each with where its figure comes from.

    Args:
        generator_spec: The plan's ``generator`` section.
        width: Of a picture, in pixels.
        height: Of a picture, in pixels.
    """
    dtype = generator_spec["dtype"]
    weights = sum(PARAMETERS.values()) * _BYTES_A_PARAMETER[dtype] / 1e9
    tflop = picture_tflop(generator_spec["steps"], width, height)
    if dtype == "float32":
        place = "on the CPU with --device cpu, or on a CUDA GPU"
    else:
        place = "on a CUDA GPU"
    return [
        f"{place}, in {dtype}, {generator_spec['batch_size']} pictures at a time",
        f"memory: {weights:.1f} GB for the weights (counted), {1 / _DECODING_SHARE:.0%} of the "
        "device's for decoding (by design), more for denoising (not measured)",
        f"estimated: {1.5 * weights + 5:.0f} GB are enough for --batch-size 1",
        f"{tflop:,.0f} TFLOP a picture (counted)",
    ]
