"""Which generator a plan asks for: its section of the plan, and how it is opened."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from builder.config import BuildConfig
from builder.generation.protocol import Generator


def runs_in_workers(generator_spec: Mapping[str, Any]) -> bool:
    """Whether a generator runs inside the CPU workers; else it owns a device and runs alone.

    Args:
        generator_spec: See :func:`generator_spec`.
    """
    return generator_spec["name"] != "layer-diffusion" or "via" in generator_spec


def generator_spec(
    config: BuildConfig, device: str = "auto", *, allow_unresolved: bool = False
) -> dict[str, Any]:
    """Name, version, options and models: all that decides a generator's pictures.

    Args:
        config: What to build.
        device: Where a device generator will compute; it need not be there now.
        allow_unresolved: See :func:`builder.pipeline.planner.make_plan`.

    Raises:
        PortraitError: Model weights that do not exist or cannot be used.
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
        return dataset.generator_spec(config.source)
    from builder.generation import layer_diffusion

    return layer_diffusion.generator_spec(
        layer_diffusion.LayerDiffusionConfig(**config.layer_diffusion, device=device),
        allow_unresolved=allow_unresolved,
    )


def model_folders(config: BuildConfig) -> dict[str, str]:
    """Where the models that a configuration takes from local folders lie, absolute."""
    if config.generator != "layer-diffusion":
        return {}
    from builder.generation import layer_diffusion

    return layer_diffusion.model_folders(
        layer_diffusion.LayerDiffusionConfig(**config.layer_diffusion)
    )


def check_ready(
    generator_spec: Mapping[str, Any], options: Mapping[str, Any], pictures: int
) -> None:
    """Check that a plan's generator can run on this machine, before anything is written.

    Args:
        generator_spec: The plan's ``generator`` section.
        options: See :func:`open_generator`.
        pictures: How many pictures are wanted, for the estimate in a message.

    Raises:
        PortraitError: No such device, or a package that it needs is missing.
    """
    if not runs_in_workers(generator_spec):
        from builder.generation import layer_diffusion

        layer_diffusion.check_device(generator_spec, options, pictures)


def open_generator(generator_spec: Mapping[str, Any], options: Mapping[str, Any]) -> Generator:
    """Open the generator of a plan.

    Args:
        generator_spec: The plan's ``generator`` section.
        options: What does not decide bytes
            (:meth:`builder.pipeline.run_options.RunOptions.generator_options`).
    """
    name = generator_spec["name"]
    if "via" in generator_spec:
        from builder.generation.dataset import DatasetGenerator

        return DatasetGenerator(Path(options["source"]))
    if name == "folder":
        from builder.generation.folder import FolderGenerator

        return FolderGenerator(Path(options["source"]))
    if name == "procedural":
        from builder.generation.procedural import ProceduralGenerator

        return ProceduralGenerator(damage=float(generator_spec["damage"]))
    from builder.generation import layer_diffusion

    return layer_diffusion.open_generator(generator_spec, options)


def run_needs(
    generator_spec: Mapping[str, Any], width: int, height: int
) -> tuple[list[dict[str, Any]], list[str]]:
    """What a run takes beside disk: repositories to download from, and lines on hardware.

    Args:
        generator_spec: The plan's ``generator`` section.
        width: Of a picture, in pixels; 0 where that is not planned.
        height: Of a picture, in pixels; 0 where that is not planned.
    """
    if runs_in_workers(generator_spec):
        return [], ["CPU alone; a worker process a core"]
    from builder.generation.layer_diffusion import needs

    return needs.downloads(generator_spec), needs.hardware(generator_spec, width, height)
