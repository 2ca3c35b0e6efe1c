"""Which files a run takes, from the Hub or from folders: named, pinned and hashed."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from builder.generation.layer_diffusion.config import (
    DEMO_COMMAND,
    FP16_VAE,
    KNOWN_GB,
    PINNED,
    TRANSPARENT_VAE,
    LayerDiffusionConfig,
    download_hint,
    resolve_device,
    resolve_dtype,
)
from builder.generation.layer_diffusion.files import check_safetensors, file_sha256
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
_HUB_ID: Final = re.compile(r"[\w.-]+/[\w.-]+\Z")
_COMMIT: Final = re.compile(r"[0-9a-f]{40}\Z")
_SETTINGS: Final = re.compile(
    r"model_index\.json|(unet|text_encoder|text_encoder_2|vae)/config\.json"
    r"|(tokenizer|tokenizer_2)/[\w.]+\.(json|txt)|scheduler/scheduler_config\.json|config\.json"
)
_SDXL_PIPELINES: Final = {
    "StableDiffusionXLPipeline",
    "StableDiffusionXLImg2ImgPipeline",
    "StableDiffusionXLInpaintPipeline",
}


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """One file of weights that goes into the pictures.

    Attributes:
        role: ``unet``, ``text-encoder``, ``text-encoder-2``, ``vae``, ``attention``,
            ``transparent-decoder`` or ``transparent-encoder``.
        id: The Hub repository, or the name of a local folder.
        revision: The commit on the Hub; of a local folder the hash of its configuration
            and tokenizer files.
        file: The file's path in there.
        sha256: Of the file.
        size: In bytes.
    """

    role: str
    id: str
    revision: str | None
    file: str
    sha256: str
    size: int = 0

    def metadata(self) -> dict[str, Any]:
        """The record as :data:`ld_portrait_20k.schema.MODEL_FIELDS` declares it."""
        return {key: value for key, value in asdict(self).items() if key != "size"}


@dataclass(slots=True)
class Repository:
    """A Hub repository at one commit, or a local folder.

    Attributes:
        name: What the user called it.
        id: The Hub id, or the folder's name, which says nothing of the machine.
        folder: Where it lies; None for a repository that is not in the cache.
        revision: See :class:`ModelRecord`.
        sizes: Path of every file to its size.
        hashes: Path to SHA-256 where the Hub tells it.
    """

    name: str
    id: str
    folder: Path | None
    revision: str | None
    sizes: dict[str, int]
    hashes: dict[str, str] = field(default_factory=dict)

    def text(self, path: str) -> str:
        """A small file's text; it is fetched into the cache if need be."""
        if self.folder is not None:
            try:
                return (self.folder / path).read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise PortraitError(f"cannot read {self.folder / path}: {error}") from error
        from huggingface_hub import hf_hub_download

        return Path(hf_hub_download(self.id, path, revision=self.revision)).read_text("utf-8")

    def record(self, role: str, path: str) -> ModelRecord:
        """Check and hash one file of weights."""
        if self.folder is not None:
            check_safetensors(self.folder / path)
        known = self.hashes.get(path)
        if known is None and self.folder is None:
            raise PortraitError(f"the Hub gives no SHA-256 for {path} of {self.id}: not using it")
        sha256 = known or file_sha256(self.folder / path)  # type: ignore[operator]
        return ModelRecord(role, self.id, self.revision, path, sha256, self.sizes[path])

    def fetch(self, paths: Iterable[str]) -> Path:
        """The folder in which these files lie, after downloading what is missing."""
        if self.folder is not None:
            return self.folder
        from huggingface_hub import snapshot_download

        return Path(
            snapshot_download(self.id, revision=self.revision, allow_patterns=sorted(paths))
        )


@dataclass(slots=True)
class Selection:
    """The files of a run.

    Attributes:
        records: The weights, in order of their roles.
        sources: Role to the repository that its files come from.
        settings: Configuration and tokenizer files of the base model and of the VAE.
        variant: The base model's file variant, ``fp16`` or None.
        vae_subfolder: Where in its repository the replacing VAE lies; None without one.
    """

    records: list[ModelRecord]
    sources: dict[str, Repository]
    settings: dict[str, list[str]]
    variant: str | None
    vae_subfolder: str | None

    def fetch(self, *roles: str) -> Path:
        """Download what is missing of some roles, which share a repository; its folder."""
        source = self.sources[roles[0]]
        paths = [record.file for record in self.records if record.role in roles]
        paths += [path for role in roles for path in self.settings.get(role, [])]
        return source.fetch(paths)

    def fetch_base(self) -> Path:
        """Download what is missing of the base model; its folder."""
        base = self.sources["unet"]
        return self.fetch(*(role for role, source in self.sources.items() if source is base))

    def path(self, role: str) -> Path:
        """The one file of a role, downloaded if need be."""
        record = next(record for record in self.records if record.role == role)
        return self.fetch(role) / record.file


def resolve_models(
    config: LayerDiffusionConfig, *, pictures: int | None = None, need_device: bool = True
) -> list[ModelRecord]:
    """Every file of weights that a run will load, without loading any.

    Local files are hashed; of the Hub, the cache or the server's metadata is asked.

    Args:
        config: The run.
        pictures: How many pictures are wanted, for the estimate in a message.
        need_device: Also check that the device is there, as a run needs; False for a plan
            that is made on another machine.

    Raises:
        PortraitError: No GPU; weights that are absent, unreachable, broken, pickled or of
            another architecture.
    """
    device_type = "cuda"
    if need_device:
        device_type = resolve_device(config, pictures).type
    elif config.device != "auto":
        device_type = config.device.partition(":")[0]
    return select(config, resolve_dtype(config, device_type)).records


def select(config: LayerDiffusionConfig, dtype: str, *, encoder: bool = False) -> Selection:
    """Choose the files of a run.

    Args:
        config: The run.
        dtype: The dtype's name; the fp16 variant of the base model is taken for a half one.
        encoder: Also the transparent encoder, for image to image.

    Raises:
        PortraitError: See :func:`resolve_models`.
    """
    base = open_repository(config.base_model, config.base_revision, config)
    _check_sdxl(base)
    components = dict(_COMPONENTS)
    vae: Repository | None = None
    vae_subfolder: str | None = None
    wanted = config.vae
    if wanted == "auto":
        wanted = "base" if Path(config.base_model).is_dir() or dtype == "float32" else FP16_VAE
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
    settings["unet"] = [path for path in base.sizes if _SETTINGS.fullmatch(path)] + [
        path for path in base.sizes if path.endswith(".safetensors.index.json")
    ]
    if vae is not None:
        prefix = f"{vae_subfolder}/" if vae_subfolder else ""
        path = _one_of(vae, [f"{prefix}diffusion_pytorch_model.safetensors"], "a VAE's weights")
        records.append(vae.record("vae", path))
        sources["vae"] = vae
        settings["vae"] = [f"{prefix}config.json"]

    weights = open_repository(config.weights, config.weights_revision, config)
    transparent = weights
    local = Path(config.weights).expanduser().is_dir()
    if not local and not any(name in weights.sizes for name in DECODER_FILES):
        # The LoRA is published without the transparent VAE.
        transparent = open_repository(TRANSPARENT_VAE, None, config)
    chosen = [
        ("attention", weights, ATTENTION_FILES, "Layer Diffusion's attention weights"),
        ("transparent-decoder", transparent, DECODER_FILES, "the transparent decoder"),
    ]
    if encoder:
        chosen.append(
            ("transparent-encoder", transparent, ENCODER_FILES, "the transparent encoder")
        )
    for role, source, names, what in chosen:
        records.append(source.record(role, _one_of(source, names, what)))
        sources[role] = source
    return Selection(records, sources, settings, variant, vae_subfolder)


def open_repository(name: str, revision: str | None, config: LayerDiffusionConfig) -> Repository:
    """Find a local folder, a cached repository, or one on the Hub.

    Raises:
        PortraitError: None of these.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        sizes = _files_below(folder)
        return Repository(name, folder.resolve().name, folder, _settings_hash(folder, sizes), sizes)
    if folder.is_file():
        raise PortraitError(f"{name} is a file: give the folder or the Hub id that holds it")
    if not _HUB_ID.match(name):
        raise PortraitError(
            f"{name} is neither a folder nor the id of a Hub repository (user/name)"
        )
    return _open_hub(name, revision or PINNED.get(name), config)


def _open_hub(name: str, revision: str | None, config: LayerDiffusionConfig) -> Repository:
    from huggingface_hub import HfApi, constants, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError

    if not constants.HF_HUB_OFFLINE:
        try:
            info = HfApi().model_info(name, revision=revision, files_metadata=True, timeout=15)
        except RepositoryNotFoundError:
            raise PortraitError(
                f"the Hub has no model {name} that you may read: check its name, or log in with "
                "hf auth login"
            ) from None
        except HfHubHTTPError as error:
            status = getattr(error.response, "status_code", None)
            if status is not None and status < 500:
                at = f" at {revision}" if revision else ""
                raise PortraitError(f"the Hub refuses {name}{at} (status {status})") from None
        except Exception as error:  # whatever the network library of the day raises
            if isinstance(error, (KeyboardInterrupt, MemoryError)):
                raise
        else:
            files = info.siblings or []
            return Repository(
                name,
                name,
                None,
                info.sha,
                {file.rfilename: file.size or 0 for file in files},
                {file.rfilename: file.lfs.sha256 for file in files if file.lfs is not None},
            )
    try:
        folder = Path(snapshot_download(name, revision=revision, local_files_only=True))
    except Exception:
        size = f" ({KNOWN_GB[name]:.1f} GB)" if name in KNOWN_GB else ""
        raise PortraitError(
            f"the weights of {name}{size} are not in the cache and the Hub cannot be reached; "
            f"on a machine with a network run: hf download {name}"
            f"{f' --revision {revision}' if revision else ''}; the whole run needs "
            f"{download_hint(config)}; portraits without weights or GPU: {DEMO_COMMAND}"
        ) from None
    commit = folder.name if _COMMIT.match(folder.name) else revision
    return Repository(name, name, folder, commit, _files_below(folder))


def _files_below(folder: Path) -> dict[str, int]:
    return {
        path.relative_to(folder).as_posix(): path.stat().st_size
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _settings_hash(folder: Path, sizes: dict[str, int]) -> str | None:
    digest = hashlib.sha256()
    paths = [path for path in sizes if _SETTINGS.fullmatch(path)]
    for path in paths:
        digest.update(f"{path}\0{file_sha256(folder / path)}\n".encode())
    return f"settings-{digest.hexdigest()[:16]}" if paths else None


def _check_sdxl(base: Repository) -> None:
    """Refuse what the offsets cannot be added to.

    Raises:
        PortraitError: The base model is not SDXL, or predicts something other than noise.
    """
    if "model_index.json" not in base.sizes:
        raise PortraitError(
            f"{base.name} has no model_index.json: the base model must be SDXL in diffusers' "
            "folder layout, not a single checkpoint file"
        )
    name = _json(base, "model_index.json").get("_class_name")
    unet = _json(base, "unet/config.json") if "unet/config.json" in base.sizes else {}
    if name not in _SDXL_PIPELINES or unet.get("addition_embed_type") != "text_time":
        raise PortraitError(
            f"{base.name} is {name}, not SDXL: Layer Diffusion's weights need an SDXL base "
            "model such as SG161222/RealVisXL_V4.0"
        )
    if unet.get("in_channels") != 4:
        raise PortraitError(
            f"{base.name} takes {unet.get('in_channels')} latent channels, not 4: inpainting "
            "and refiner models cannot be used"
        )
    if "scheduler/scheduler_config.json" in base.sizes:
        kind = _json(base, "scheduler/scheduler_config.json").get("prediction_type", "epsilon")
        if kind != "epsilon":
            raise PortraitError(
                f"{base.name} predicts {kind}, not noise (epsilon): choose another SDXL model"
            )


def _json(source: Repository, path: str) -> dict[str, Any]:
    try:
        value = json.loads(source.text(path))
    except ValueError as error:
        raise PortraitError(f"{path} of {source.name} is not JSON: {error}") from error
    return value if isinstance(value, dict) else {}


def _base_files(
    base: Repository, components: dict[str, str], half: bool
) -> tuple[str | None, dict[str, list[str]]]:
    """The base model's weights, of one variant for all components.

    Raises:
        PortraitError: A component has no safetensors.
    """
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
    missing = next(name for name, paths in files.items() if not paths)
    if any(re.fullmatch(rf"{missing}/.*\.(bin|ckpt|pt)", path) for path in base.sizes):
        raise PortraitError(
            f"{base.name} offers {missing} only as a pickle, which can run code when loaded: "
            "choose a model with .safetensors files"
        )
    raise PortraitError(
        f"{base.name} has no {missing}/{components[missing]}.safetensors: the folder is "
        "incomplete, download it again"
    )


def _one_of(source: Repository, names: Iterable[str], what: str) -> str:
    names = list(names)
    for name in names:
        if name in source.sizes:
            return name
    pickles = [path for path in source.sizes if Path(path).suffix in (".bin", ".ckpt", ".pt")]
    if pickles:
        raise PortraitError(
            f"{source.name} offers {pickles[0]}, a pickle, which can run code when loaded: "
            f"{what} must be {names[0]}"
        )
    raise PortraitError(f"{source.name} has no {names[0]} ({what})")
