"""The generator's part of a plan, and a generator from it. Nothing here imports torch.

How a plan holds weights that are not downloaded yet: it pins every file of weights by
repository, commit, path and SHA-256. Commit and hashes come from the Hub's metadata (large
files are stored there under their SHA-256), or from the cache, or, for a local folder, from
the files themselves; so no weights are downloaded to plan. Where neither the Hub answers nor
the cache has a repository, planning fails, except for a dry run: its plan names repositories
and pinned commits, with None for paths and hashes, is never saved and cannot be built. When
a run loads the weights, it compares them with the plan and refuses others.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from builder.generation.layer_diffusion.config import (
    LayerDiffusionConfig,
    parts,
    resolve_device,
    resolve_dtype,
)
from builder.generation.layer_diffusion.generator import VERSION, LayerDiffusionGenerator
from builder.generation.layer_diffusion.models import select
from builder.generation.layer_diffusion.repository import (
    ModelRecord,
    UnreachableError,
    is_local,
)
from ld_portrait_20k.errors import PortraitError

_RUN_FIELDS: Final = ("base_model", "weights", "vae", "device", "decode_memory_gib")
_SETTINGS: Final = ("steps", "guidance", "batch_size", "dtype", "compile")
_REVISION_OF: Final = {
    "base_model": ("base_revision", "unet"),
    "weights": ("weights_revision", "attention"),
    "vae": ("vae_revision", "vae"),
}


def generator_spec(
    config: LayerDiffusionConfig, *, allow_unresolved: bool = False
) -> dict[str, Any]:
    """All that decides the pictures, ready for JSON: settings, and models by hash.

    It holds nothing of this machine: a local folder is recorded by its name and hashes.

    Args:
        config: The run.
        allow_unresolved: Record models without hashes if the Hub cannot be reached.

    Raises:
        PortraitError: See :func:`models.select`.
    """
    try:
        chosen = select(config)
    except UnreachableError:
        if not allow_unresolved:
            raise
        models, place = _unresolved(config)
    else:
        models = [record.metadata() for record in chosen.records]
        place = {role: source.id for role, source in chosen.sources.items()}
        if chosen.vae_subfolder is None:
            place["vae"] = "base"
    return {
        "name": LayerDiffusionGenerator.name,
        "version": VERSION,
        "base_model": place["unet"],
        "weights": place["attention"],
        "vae": place["vae"],
        "steps": config.steps,
        "guidance": config.guidance,
        "batch_size": config.batch_size,
        "dtype": resolve_dtype(config),
        "compile": config.compile,
        "models": models,
    }


def _unresolved(config: LayerDiffusionConfig) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Models without their hashes, and role to repository, from the configuration alone."""
    models: list[dict[str, Any]] = []
    place: dict[str, str] = {}
    for part in parts(config):
        name = Path(part.name).expanduser().resolve().name if part.is_local else part.name
        for role in part.roles:
            models.append(
                {"role": role, "id": name, "revision": part.revision, "file": None, "sha256": None}
            )
            place[role] = "base" if role == "vae" and "unet" in part.roles else name
    return models, place


def model_folders(config: LayerDiffusionConfig) -> dict[str, str]:
    """Option to absolute path of the models that come from folders of this machine."""
    return {
        name: str(Path(getattr(config, name)).expanduser().resolve())
        for name in _REVISION_OF
        if is_local(getattr(config, name))
    }


def check_device(
    generator_spec: Mapping[str, Any], options: Mapping[str, Any], pictures: int
) -> None:
    """Check that the device of a run is there; nothing is loaded.

    Args:
        generator_spec: See :func:`generator_spec`.
        options: See :func:`open_generator`.
        pictures: How many pictures are wanted, for the estimate in the message.

    Raises:
        PortraitError: No GPU, or no torch.
    """
    resolve_device(_run_config(generator_spec, options), pictures)


def open_generator(
    generator_spec: Mapping[str, Any], options: Mapping[str, Any]
) -> LayerDiffusionGenerator:
    """The generator of a plan; nothing is loaded yet.

    Args:
        generator_spec: See :func:`generator_spec`.
        options: ``device``, ``decode_memory_gib`` and, for models that come from a folder,
            :func:`model_folders`; what is absent or None is the default. Other keys are
            ignored.

    Raises:
        PortraitError: The plan was made with a local folder, and none is given.
    """
    models = [ModelRecord(**record) for record in generator_spec["models"]]
    return LayerDiffusionGenerator(_run_config(generator_spec, options), models)


def _run_config(
    generator_spec: Mapping[str, Any], options: Mapping[str, Any]
) -> LayerDiffusionConfig:
    given = {name: options[name] for name in _RUN_FIELDS if options.get(name) is not None}
    for name, (revision, role) in _REVISION_OF.items():
        place = str(given.setdefault(name, generator_spec[name]))
        if place == "base" or is_local(place):
            continue
        if "/" not in place:
            option = "--" + name.replace("_", "-")
            raise PortraitError(
                f"the plan was made with the local folder {place}; try: {option} FOLDER"
            )
        models = generator_spec["models"]
        given[revision] = next(model["revision"] for model in models if model["role"] == role)
    return LayerDiffusionConfig(**given, **{name: generator_spec[name] for name in _SETTINGS})
