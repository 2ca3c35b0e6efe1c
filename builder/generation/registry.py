"""Which generator a plan asks for: its identity, and how it is opened."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from builder.config import BuildConfig
from builder.generation.protocol import Generator


def runs_in_workers(identity: Mapping[str, Any]) -> bool:
    """Whether a generator runs inside the CPU workers; else it owns a device and runs alone.

    Args:
        identity: See :func:`identity`.
    """
    return identity["name"] != "layer-diffusion" or "via" in identity


def identity(config: BuildConfig) -> dict[str, Any]:
    """Name, version, options and models: all that decides a generator's pictures.

    Raises:
        PortraitError: Model weights that are not there.
    """
    if config.generator == "procedural":
        from builder.generation import procedural

        return {"name": "procedural", "version": procedural.VERSION, "damage": config.damage}
    if config.generator == "folder":
        from builder.generation import folder

        return {"name": "folder", "version": folder.VERSION}
    if config.generator == "dataset":
        from builder.generation import dataset

        assert config.source is not None
        return dataset.identity(config.source)
    from builder.generation import layer_diffusion

    return layer_diffusion.identity(
        layer_diffusion.LayerDiffusionConfig(**config.layer_diffusion), config.count
    )


def device_options(config: BuildConfig) -> dict[str, Any]:
    """What a device generator needs beside its identity: where things are on this machine."""
    if config.generator != "layer-diffusion":
        return {}
    from builder.generation import layer_diffusion

    return layer_diffusion.run_options(
        layer_diffusion.LayerDiffusionConfig(**config.layer_diffusion)
    )


def open_generator(identity: Mapping[str, Any], options: Mapping[str, Any]) -> Generator:
    """Open the generator of a plan.

    Args:
        identity: The plan's ``generator`` section.
        options: What does not decide bytes: the ``source`` folder, the ``device``.
    """
    name = identity["name"]
    if "via" in identity:
        from builder.generation.dataset import DatasetGenerator

        return DatasetGenerator(Path(options["source"]))
    if name == "folder":
        from builder.generation.folder import FolderGenerator

        return FolderGenerator(Path(options["source"]))
    if name == "procedural":
        from builder.generation.procedural import ProceduralGenerator

        return ProceduralGenerator(damage=float(identity["damage"]))
    from builder.generation import layer_diffusion

    return layer_diffusion.open_generator(identity, options)
