"""Which generator a plan asks for, and how it is opened."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from builder.generation.protocol import Generator


def runs_in_workers(name: str) -> bool:
    """Whether a generator runs inside the CPU workers; else it owns a device and runs alone."""
    return name != "layer-diffusion"


def open_generator(identity: Mapping[str, Any], options: Mapping[str, Any]) -> Generator:
    """Open the generator of a plan.

    Args:
        identity: The plan's ``generator`` section.
        options: What does not decide bytes: ``source`` folder, device and batch options.
    """
    name = identity["name"]
    if name == "folder":
        from builder.generation.folder import FolderGenerator

        return FolderGenerator(Path(options["source"]))
    if name == "procedural":
        from builder.generation.procedural import ProceduralGenerator

        return ProceduralGenerator(damage=float(identity["damage"]))
    from builder.generation.devices import open_layer_diffusion

    return open_layer_diffusion(identity, options)
