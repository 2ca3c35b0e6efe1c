"""Settings of the Layer Diffusion generator. Importing this needs no torch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ld_portrait_20k.errors import PortraitError

if TYPE_CHECKING:
    import torch

BASE_MODEL: Final = "SG161222/RealVisXL_V4.0"
WEIGHTS: Final = "lllyasviel/LayerDiffuse_Diffusers"
LORA_WEIGHTS: Final = "rootonchair/diffuser_layerdiffuse"
TRANSPARENT_VAE: Final = "LayerDiffusion/layerdiffusion-v1"
FP16_VAE: Final = "madebyollin/sdxl-vae-fp16-fix"

PINNED: Final[dict[str, str]] = {
    BASE_MODEL: "49740684ab2d8f4f5dcf6c644df2b33388a8ba85",
    WEIGHTS: "e76ba7e9031888ee9c2595391f218a69a5cbfc20",
    LORA_WEIGHTS: "d3cecfd20c482d9b005f92cbf9ec8e55f38d857b",
    TRANSPARENT_VAE: "e337e9d7a0f2a6fee6c3580374327380f88d065b",
    FP16_VAE: "207b116dae70ace3637169f1ddd2434b91b3a8cd",
}
"""The commit of a Hub repository that is used where no revision is given."""

KNOWN_GB: Final[dict[str, float]] = {
    BASE_MODEL: 6.8,
    WEIGHTS: 2.1,
    LORA_WEIGHTS: 0.7,
    TRANSPARENT_VAE: 0.2,
    FP16_VAE: 0.3,
}
"""Gigabytes (10**9 bytes) that a run downloads of a repository, for messages without network."""

_FETCHED: Final[dict[str, str]] = {
    BASE_MODEL: '--include "*.json" --include "*.txt" --include "*.fp16.safetensors"',
    WEIGHTS: '--include "ld_diffusers_sdxl_attn*" --include "ld_diffusers_sdxl_vae*"',
    LORA_WEIGHTS: "diffuser_layer_xl_transparent_attn.safetensors",
    TRANSPARENT_VAE: '--include "vae_transparent_*"',
    FP16_VAE: "config.json diffusion_pytorch_model.safetensors",
}

DTYPES: Final = ("auto", "float16", "bfloat16", "float32")
DEMO_COMMAND: Final = "python -m builder regenerate --preset demo"


@dataclass(frozen=True, slots=True)
class LayerDiffusionConfig:
    """Models and settings of the Layer Diffusion generator.

    Attributes:
        base_model: SDXL in diffusers' layout: a Hub id or a local folder.
        base_revision: Its commit, tag or branch; None is :data:`PINNED`, else the newest.
        weights: Layer Diffusion's attention weights (offsets or LoRA) and transparent VAE:
            a Hub id or a local folder with files of the published names.
        weights_revision: As ``base_revision``.
        vae: A VAE to use instead of the base model's: a Hub id or a local folder; ``base``
            for the base model's own, which then runs in float32 where its configuration
            says that float16 overflows; ``auto`` for :data:`FP16_VAE` with a base model
            from the Hub, else ``base``.
        vae_revision: As ``base_revision``.
        steps: Sampling steps.
        guidance: Classifier-free guidance scale; 1 runs without the negative prompt.
        batch_size: Pictures denoised together.
        dtype: ``float16``, ``bfloat16``, ``float32``; ``auto`` is float16 unless ``device``
            names something other than CUDA, then float32.
        device: ``cuda``, ``cuda:1``, ``cpu``; ``auto`` is CUDA, and an error without one.
        compile: Compile the networks with ``torch.compile``.
        decode_memory_gib: What decoding may take for activations; None for a quarter of
            the GPU's memory.
    """

    base_model: str = BASE_MODEL
    base_revision: str | None = None
    weights: str = WEIGHTS
    weights_revision: str | None = None
    vae: str = "auto"
    vae_revision: str | None = None
    steps: int = 25
    guidance: float = 7.0
    batch_size: int = 4
    dtype: str = "auto"
    device: str = "auto"
    compile: bool = False
    decode_memory_gib: float | None = None

    def __post_init__(self) -> None:
        """Check the values that need no look at files or devices.

        Raises:
            PortraitError: A value that cannot work.
        """
        if self.steps < 1:
            raise PortraitError(f"--steps must be at least 1, got {self.steps}")
        if self.batch_size < 1:
            raise PortraitError(f"--batch-size must be at least 1, got {self.batch_size}")
        if not 0 <= self.guidance <= 100:
            raise PortraitError(f"--guidance must be in 0..100, got {self.guidance}")
        if self.dtype not in DTYPES:
            raise PortraitError(f"--dtype must be one of {', '.join(DTYPES)}, got {self.dtype}")
        if self.decode_memory_gib is not None and not self.decode_memory_gib > 0:
            raise PortraitError(f"decode_memory_gib must be above 0, got {self.decode_memory_gib}")

    @property
    def decode_budget(self) -> int | None:
        """``decode_memory_gib`` in bytes."""
        return None if self.decode_memory_gib is None else int(self.decode_memory_gib * 2**30)


def resolve_device(config: LayerDiffusionConfig, pictures: int | None = None) -> torch.device:
    """The device to compute on, after checking that it is there.

    Asks the driver's library (NVML) and makes no CUDA context, so that the process can still
    be forked afterwards.

    Args:
        config: The run, of which ``device`` counts.
        pictures: How many pictures are wanted, for the estimate in the message.

    Raises:
        PortraitError: CUDA is asked for, or needed, and absent; an unknown device.
    """
    try:
        import torch
    except ImportError as error:
        from ld_portrait_20k.errors import missing_extra

        raise missing_extra("torch", "generate") from error

    found = torch.cuda.device_count()
    if config.device == "auto":
        if not found:
            raise PortraitError(_without_gpu(config, pictures))
        return torch.device("cuda:0")
    try:
        device = torch.device(config.device)
    except RuntimeError:
        raise PortraitError(
            f"--device {config.device} is not a device; try: cuda, cuda:1 or cpu"
        ) from None
    if device.type == "cuda":
        if not found:
            raise PortraitError(f"--device {config.device}: {_without_gpu(config, pictures)}")
        if (device.index or 0) >= found:
            raise PortraitError(
                f"--device {config.device}: this machine has {found} CUDA device(s), "
                f"cuda:0 to cuda:{found - 1}"
            )
        return torch.device("cuda", device.index or 0)
    return device


def resolve_dtype(config: LayerDiffusionConfig) -> str:
    """The dtype's name; ``auto`` is resolved by the name of the device.

    The device ``auto`` counts as CUDA, whether or not this machine has a GPU, because the tasks
    of a plan run on CUDA.
    """
    if config.dtype != "auto":
        return config.dtype
    return "float16" if config.device.partition(":")[0] in ("auto", "cuda") else "float32"


@dataclass(frozen=True, slots=True)
class Part:
    """Models of a run that come from one place.

    Attributes:
        roles: What they are, see :class:`builder.generation.layer_diffusion.ModelRecord`.
        name: A Hub id or a local folder.
        revision: The commit, tag or branch on the Hub; None for the newest.
    """

    roles: tuple[str, ...]
    name: str
    revision: str | None

    @property
    def is_local(self) -> bool:
        """Whether it is a folder here rather than a repository on the Hub."""
        return Path(self.name).expanduser().is_dir()


def parts(config: LayerDiffusionConfig) -> list[Part]:
    """Where a run takes its models from, without looking at any of them."""
    dtype, vae = resolve_dtype(config), config.vae
    if vae == "auto":
        own = Path(config.base_model).expanduser().is_dir() or dtype == "float32"
        vae = "base" if own else FP16_VAE
    base_roles = ("unet", "text-encoder", "text-encoder-2", *(["vae"] if vae == "base" else []))
    found = [
        Part(base_roles, config.base_model, _revision(config.base_model, config.base_revision))
    ]
    if vae != "base":
        found.append(Part(("vae",), vae, _revision(vae, config.vae_revision)))
    weights = Part(
        ("attention", "transparent-decoder"),
        config.weights,
        _revision(config.weights, config.weights_revision),
    )
    if config.weights != LORA_WEIGHTS:
        return [*found, weights]
    # The LoRA is published without the transparent VAE.
    vae_part = Part(("transparent-decoder",), TRANSPARENT_VAE, PINNED[TRANSPARENT_VAE])
    return [*found, replace(weights, roles=("attention",)), vae_part]


def _revision(name: str, given: str | None) -> str | None:
    return given or PINNED.get(name)


def download_hint(config: LayerDiffusionConfig) -> str:
    """The repositories that a run downloads from the Hub, with their sizes."""
    names = [part.name for part in parts(config) if not part.is_local]
    sizes = [f"{name} ({KNOWN_GB[name]:.1f} GB)" if name in KNOWN_GB else name for name in names]
    return ", ".join(sizes)


def download_command(name: str, revision: str | None) -> str:
    """The shell command that downloads a run's files of a repository into the cache."""
    words = ["hf download", name, _FETCHED.get(name, "")]
    return " ".join(word for word in [*words, f"--revision {revision}" if revision else ""] if word)


def cpu_time(config: LayerDiffusionConfig, pictures: int | None = None) -> str:
    """How long this CPU would take, for messages; measures for a few tenths of a second."""
    from builder.generation.layer_diffusion.cost import cpu_hours

    hours = cpu_hours(steps=config.steps)
    total = hours * (pictures or 0)
    long = f"{total / 24:,.0f} days" if total > 48 else f"{total:,.0f} hours"
    many = f", {long} for {pictures:,}" if pictures else ""
    return f"about {hours:.1f} hours a 1024x1024 picture on this machine{many}"


def _without_gpu(config: LayerDiffusionConfig, pictures: int | None) -> str:
    weights = download_hint(config)
    needs = f", and weights to download: {weights}" if weights else ""
    return (
        f"Layer Diffusion needs a CUDA GPU and none is here{needs}; --device cpu would take "
        f"{cpu_time(config, pictures)}; portraits without weights or GPU: {DEMO_COMMAND}"
    )
