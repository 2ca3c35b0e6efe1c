"""Chooses, checks and records the files that a run loads."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from builder.generation.layer_diffusion.config import (
    FP16_VAE,
    TRANSPARENT_VAE,
    LayerDiffusionConfig,
    resolve_dtype,
)
from builder.generation.layer_diffusion.repository import (
    ModelRecord,
    Repository,
    is_local,
    open_repository,
)
from ld_portrait_20k.errors import PortraitError

ATTENTION_FILES: Final = (
    "ld_diffusers_sdxl_attn.safetensors",
    "diffuser_layer_xl_transparent_attn.safetensors",
)
DECODER_FILES: Final = (
    "ld_diffusers_sdxl_vae_transparent_decoder.safetensors",
    "vae_transparent_decoder.safetensors",
)
ENCODER_FILES: Final = (
    "ld_diffusers_sdxl_vae_transparent_encoder.safetensors",
    "vae_transparent_encoder.safetensors",
)
_COMPONENTS: Final = {
    "unet": "diffusion_pytorch_model",
    "text_encoder": "model",
    "text_encoder_2": "model",
    "vae": "diffusion_pytorch_model",
}
_SDXL_PIPELINES: Final = {
    "StableDiffusionXLPipeline",
    "StableDiffusionXLImg2ImgPipeline",
    "StableDiffusionXLInpaintPipeline",
}


@dataclass(slots=True)
class ModelFiles:
    """The files of a run.

    Attributes:
        records: The weights, in order of their roles.
        sources: Role to the repository that its files come from.
        settings: Configuration and tokenizer files of the base model and of the VAE.
        variant: The base model's file variant, ``fp16`` or None.
        vae_subfolder: Folder of the VAE that replaces the base model's, within its
            repository; None where the base model's own is used.
    """

    records: list[ModelRecord]
    sources: dict[str, Repository]
    settings: dict[str, list[str]]
    variant: str | None
    vae_subfolder: str | None

    def fetch(self, *roles: str) -> Path:
        """Download missing files of roles that share a repository; return its folder."""
        source = self.sources[roles[0]]
        paths = [record.file for record in self.records if record.role in roles]
        paths += [path for role in roles for path in self.settings.get(role, [])]
        return source.fetch(paths)

    def fetch_base(self) -> Path:
        """Download missing files of the base model; return its folder."""
        base = self.sources["unet"]
        return self.fetch(*(role for role, source in self.sources.items() if source is base))

    def path(self, role: str) -> Path:
        """Path of the one file of a role, which is downloaded if it is missing."""
        record = next(record for record in self.records if record.role == role)
        return self.fetch(role) / record.file


def select(config: LayerDiffusionConfig, *, encoder: bool = False) -> ModelFiles:
    """Choose the files of a run, without loading any.

    Local files are hashed; hashes of Hub files come from the server's metadata or the cache.

    Args:
        config: The run. A half-precision dtype takes the base model's fp16 variant.
        encoder: Take the transparent encoder too, which only image to image needs.

    Raises:
        PortraitError: Weights that are absent, unreachable, broken, pickled or of another
            architecture.
    """
    dtype = resolve_dtype(config)
    base = open_repository(config.base_model, config.base_revision, config)
    _check_sdxl(base)
    components = dict(_COMPONENTS)
    vae: Repository | None = None
    vae_subfolder: str | None = None
    wanted = config.vae
    if wanted == "auto":
        wanted = "base" if is_local(config.base_model) or dtype == "float32" else FP16_VAE
    if wanted != "base":
        vae = open_repository(wanted, config.vae_revision, config)
        vae_subfolder = "vae" if "vae/config.json" in vae.sizes else ""
        del components["vae"]
    variant, files = _base_files(base, components, half=dtype != "float32")

    records: list[ModelRecord] = []
    sources: dict[str, Repository] = {}
    settings: dict[str, list[str]] = {}
    for component, paths in files.items():
        role = component.replace("_", "-")
        records += [base.record(role, path) for path in paths]
        sources[role] = base
    settings["unet"] = base.settings()
    if vae is not None:
        prefix = f"{vae_subfolder}/" if vae_subfolder else ""
        path = _one_of(vae, [f"{prefix}diffusion_pytorch_model.safetensors"], "a VAE's weights")
        records.append(vae.record("vae", path))
        sources["vae"] = vae
        settings["vae"] = [f"{prefix}config.json"]

    for role, source, names, what in _layer_diffusion_files(config, encoder):
        records.append(source.record(role, _one_of(source, names, what)))
        sources[role] = source
    return ModelFiles(records, sources, settings, variant, vae_subfolder)


def _layer_diffusion_files(
    config: LayerDiffusionConfig, encoder: bool
) -> list[tuple[str, Repository, tuple[str, ...], str]]:
    """Role, repository, possible file names and description of Layer Diffusion's own weights."""
    weights = open_repository(config.weights, config.weights_revision, config)
    transparent = weights
    if not is_local(config.weights) and not any(name in weights.sizes for name in DECODER_FILES):
        # The LoRA is published without the transparent VAE.
        transparent = open_repository(TRANSPARENT_VAE, None, config)
    files: list[tuple[str, Repository, tuple[str, ...], str]] = [
        ("attention", weights, ATTENTION_FILES, "Layer Diffusion's attention weights"),
        ("transparent-decoder", transparent, DECODER_FILES, "the transparent decoder"),
    ]
    if encoder:
        files.append(("transparent-encoder", transparent, ENCODER_FILES, "the transparent encoder"))
    return files


def _check_sdxl(base: Repository) -> None:
    """Check that Layer Diffusion's weights fit the base model.

    Raises:
        PortraitError: The base model is not SDXL, or predicts something other than noise.
    """
    if "model_index.json" not in base.sizes:
        raise PortraitError(
            f"{base.name} has no model_index.json: the base model must be SDXL in diffusers' "
            "folder layout, not a single checkpoint file"
        )
    name = base.json("model_index.json").get("_class_name")
    unet = base.json("unet/config.json") if "unet/config.json" in base.sizes else {}
    if name not in _SDXL_PIPELINES or unet.get("addition_embed_type") != "text_time":
        raise PortraitError(
            f"{base.name} is {name}, not SDXL, which Layer Diffusion's weights need; "
            "try: --base-model SG161222/RealVisXL_V4.0"
        )
    if unet.get("in_channels") != 4:
        raise PortraitError(
            f"{base.name} takes {unet.get('in_channels')} latent channels, not 4: inpainting "
            "and refiner models cannot be used; try: --base-model SG161222/RealVisXL_V4.0"
        )
    if "scheduler/scheduler_config.json" in base.sizes:
        kind = base.json("scheduler/scheduler_config.json").get("prediction_type", "epsilon")
        if kind != "epsilon":
            raise PortraitError(
                f"{base.name} predicts {kind}, not noise (epsilon); try: another SDXL model"
            )


def _base_files(
    base: Repository, components: dict[str, str], half: bool
) -> tuple[str | None, dict[str, list[str]]]:
    """The variant of the base model, the same for all components, and component to files.

    Raises:
        PortraitError: A component has no safetensors.
    """
    lacking: list[list[str]] = []
    for variant in ("fp16", None) if half else (None, "fp16"):
        mark = rf"\.{variant}" if variant else ""
        files = {}
        for component, stem in components.items():
            pattern = re.compile(
                rf"{component}/{stem}({mark}|{mark}-\d+-of-\d+|-\d+-of-\d+{mark})\.safetensors"
            )
            files[component] = sorted(path for path in base.sizes if pattern.fullmatch(path))
        if all(files.values()):
            return variant, files
        lacking.append([component for component, paths in files.items() if not paths])
    missing = min(lacking, key=len)[0]
    if any(re.fullmatch(rf"{missing}/.*\.(bin|ckpt|pt)", path) for path in base.sizes):
        raise PortraitError(
            f"{base.name} offers {missing} only as a pickle, which can run code when loaded; "
            "try: a model with .safetensors files"
        )
    raise PortraitError(
        f"{base.name} has no {missing}/{components[missing]}.safetensors: the folder is "
        "incomplete; try: download it again"
    )


def _one_of(source: Repository, names: Iterable[str], what: str) -> str:
    names = list(names)
    for name in names:
        if name in source.sizes:
            return name
    pickles = [path for path in source.sizes if Path(path).suffix in (".bin", ".ckpt", ".pt")]
    if pickles:
        raise PortraitError(
            f"{source.name} offers {pickles[0]}, a pickle, which can run code when loaded; "
            f"try: {names[0]} ({what})"
        )
    raise PortraitError(f"{source.name} has no {names[0]} ({what})")
