"""The entries of this package's generators. Each imports its generator when it is used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from builder.generation.protocol import Generator, GeneratorEntry
from ld_portrait_20k.errors import PortraitError

if TYPE_CHECKING:
    from builder.config import BuildConfig


class ProceduralEntry(GeneratorEntry):
    """Portraits drawn by a program, with exact mattes."""

    name = "procedural"
    summary = "draws portraits without model weights, with exact mattes (--damage)"

    def spec(
        self, config: BuildConfig, device: str = "auto", *, allow_unresolved: bool = False
    ) -> dict[str, Any]:
        """Name, version, and strength of the damage."""
        from builder.generation import procedural

        return {"name": self.name, "version": procedural.VERSION, "damage": config.damage}

    def open(self, spec: Mapping[str, Any], run_options: Mapping[str, Any]) -> Generator:
        """The generator."""
        from builder.generation.procedural import ProceduralGenerator

        return ProceduralGenerator(damage=float(spec["damage"]))

    def gives_truth(self, spec: Mapping[str, Any]) -> bool:
        """Where it damages its matte; else the matte is exact already."""
        return float(spec["damage"]) > 0.0

    def attributes_of(self, prompt: str, seed: int) -> dict[str, str | None]:
        """What the text words, filled up by the seed; refused where it says more."""
        from builder.generation.procedural.prompted import attributes_of

        return attributes_of(prompt, seed)

    def check_values(self, values: Mapping[str, Sequence[str]]) -> None:
        """Refuse values that it cannot draw."""
        from builder.prompts.vocabulary import VOCABULARY

        for attribute, known in values.items():
            for value in known:
                if value not in VOCABULARY[attribute]:
                    raise PortraitError(
                        f"--vocabulary: the procedural generator cannot draw {attribute} "
                        f"{value!r}; it draws {', '.join(VOCABULARY[attribute])}"
                    )


class FolderEntry(GeneratorEntry):
    """RGBA pictures that somebody already has."""

    name = "folder"
    summary = "takes RGBA PNG or WebP files of a folder (--source, --prompts)"

    def spec(
        self, config: BuildConfig, device: str = "auto", *, allow_unresolved: bool = False
    ) -> dict[str, Any]:
        """Name and version; the files' hashes are in the plan's rows."""
        from builder.generation import folder

        return {"name": self.name, "version": folder.VERSION}

    def open(self, spec: Mapping[str, Any], run_options: Mapping[str, Any]) -> Generator:
        """The generator, over the folder ``source``."""
        from builder.generation.folder import FolderGenerator

        return FolderGenerator(Path(run_options["source"]))


class DatasetEntry(GeneratorEntry):
    """The raw pictures of a dataset that was built before (``python -m builder refine``)."""

    name = "dataset"
    summary = "takes the raw pictures of a dataset; used by python -m builder refine"

    def spec(
        self, config: BuildConfig, device: str = "auto", *, allow_unresolved: bool = False
    ) -> dict[str, Any]:
        """The name of the generator that made the pictures, and the raw shards' hashes."""
        from builder.generation import dataset

        assert config.source is not None
        return dataset.generator_spec(config.source)

    def open(self, spec: Mapping[str, Any], run_options: Mapping[str, Any]) -> Generator:
        """The generator, over the dataset folder ``source``."""
        from builder.generation.dataset import DatasetGenerator

        return DatasetGenerator(Path(run_options["source"]))


class LayerDiffusionEntry(GeneratorEntry):
    """SDXL with latent transparency."""

    name = "layer-diffusion"
    summary = "SDXL with latent transparency, on a GPU (--steps, --guidance, --weights, ...)"
    on_device = True
    reads_negative_prompt = True

    def spec(
        self, config: BuildConfig, device: str = "auto", *, allow_unresolved: bool = False
    ) -> dict[str, Any]:
        """Settings, and models by hash."""
        from builder.generation import layer_diffusion

        return layer_diffusion.generator_spec(
            layer_diffusion.LayerDiffusionConfig(**config.layer_diffusion, device=device),
            allow_unresolved=allow_unresolved,
        )

    def open(self, spec: Mapping[str, Any], run_options: Mapping[str, Any]) -> Generator:
        """The generator; its models are loaded when the first picture is asked for."""
        from builder.generation import layer_diffusion

        return layer_diffusion.open_generator(spec, run_options)

    def check_ready(
        self, spec: Mapping[str, Any], run_options: Mapping[str, Any], pictures: int
    ) -> None:
        """Check that torch and the device are there."""
        from builder.generation import layer_diffusion

        layer_diffusion.check_device(spec, run_options, pictures)

    def run_needs(
        self, spec: Mapping[str, Any], width: int, height: int
    ) -> tuple[list[dict[str, Any]], list[str]]:
        """Repositories of the models with their sizes, and the GPU memory."""
        from builder.generation.layer_diffusion import needs

        return needs.downloads(spec), needs.hardware(spec, width, height)


BUILT_IN: Final[dict[str, GeneratorEntry]] = {
    entry.name: entry
    for entry in (FolderEntry(), ProceduralEntry(), LayerDiffusionEntry(), DatasetEntry())
}
"""This package's generators by name."""
