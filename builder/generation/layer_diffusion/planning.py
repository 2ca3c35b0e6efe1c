"""The generator's part of a plan, and a generator from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from builder.generation.layer_diffusion.config import (
    LayerDiffusionConfig,
    resolve_device,
    resolve_dtype,
)
from builder.generation.layer_diffusion.generator import VERSION, LayerDiffusionGenerator
from builder.generation.layer_diffusion.models import select
from builder.generation.layer_diffusion.repository import ModelRecord, is_local
from ld_portrait_20k.errors import PortraitError

_RUN_FIELDS: Final = ("base_model", "weights", "vae", "device", "decode_memory_gib")
_REVISION_OF: Final = {
    "base_model": ("base_revision", "unet"),
    "weights": ("weights_revision", "attention"),
    "vae": ("vae_revision", "vae"),
}


def identity(config: LayerDiffusionConfig, pictures: int | None = None) -> dict[str, Any]:
    """All that decides the pictures, ready for JSON: settings, and models by hash.

    It says nothing of this machine: of a local folder it has the name and the hashes.

    Args:
        config: The run.
        pictures: How many are wanted, for the estimate in a message.

    Raises:
        PortraitError: See :func:`models.resolve_models`.
    """
    dtype = resolve_dtype(config, resolve_device(config, pictures).type)
    chosen = select(config, dtype)
    return {
        "name": LayerDiffusionGenerator.name,
        "version": VERSION,
        "base_model": chosen.sources["unet"].id,
        "weights": chosen.sources["attention"].id,
        "vae": "base" if chosen.vae_subfolder is None else chosen.sources["vae"].id,
        "steps": config.steps,
        "guidance": config.guidance,
        "batch_size": config.batch_size,
        "dtype": dtype,
        "compile": config.compile,
        "models": [record.metadata() for record in chosen.records],
    }


def run_options(config: LayerDiffusionConfig) -> dict[str, Any]:
    """What :func:`open_generator` needs beside the identity: where things are here."""
    options = {"device": config.device, "decode_memory_gib": config.decode_memory_gib}
    for name in _REVISION_OF:
        place = getattr(config, name)
        if is_local(place):
            options[name] = place
    return options


def open_generator(
    identity: Mapping[str, Any], options: Mapping[str, Any]
) -> LayerDiffusionGenerator:
    """The generator of a plan; nothing is loaded yet.

    Args:
        identity: See :func:`identity`.
        options: See :func:`run_options`; what is absent or None is as in the identity or
            the default. Other keys are ignored.

    Raises:
        PortraitError: The plan was made with a local folder, and none is given.
    """
    given = {name: options[name] for name in _RUN_FIELDS if options.get(name) is not None}
    models = [ModelRecord(**record) for record in identity["models"]]
    for name, (revision, role) in _REVISION_OF.items():
        place = str(given.setdefault(name, identity[name]))
        if place == "base" or is_local(place):
            continue
        if "/" not in place:
            option = "--" + name.replace("_", "-")
            raise PortraitError(
                f"the plan was made with the local folder {place}: give {option} FOLDER"
            )
        given[revision] = next(model.revision for model in models if model.role == role)
    settings = ("steps", "guidance", "batch_size", "dtype", "compile")
    config = LayerDiffusionConfig(**given, **{name: identity[name] for name in settings})
    return LayerDiffusionGenerator(config, models)


def config_of(options: Mapping[str, Any]) -> LayerDiffusionConfig:
    """A configuration from options of which None means not given.

    Raises:
        PortraitError: An option that does not exist, or a value that cannot work.
    """
    known = set(asdict(LayerDiffusionConfig()))
    unknown = set(options) - known
    if unknown:
        raise PortraitError(f"no such Layer Diffusion option: {', '.join(sorted(unknown))}")
    return LayerDiffusionConfig(
        **{name: value for name, value in options.items() if value is not None}
    )
