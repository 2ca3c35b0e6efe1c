"""Settings of a training run: from flags, from a YAML or TOML file, saved with the model."""

from __future__ import annotations

import difflib
import math
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final

import yaml

from ld_portrait_20k.common.files import write_bytes
from ld_portrait_20k.errors import PortraitError

FILE_NAME: Final = "training.yaml"
"""Name of the settings beside the model they made."""

PRECISIONS: Final = ("auto", "fp32", "bf16")

MAX_CROP: Final = 4096
"""Chosen by eye: one crop and what it is made of then take more than a gigabyte."""

MAX_WORKERS: Final = 512
"""Chosen by eye: more processes than any machine has cores to spare for one training process."""

RECIPES: Final[dict[str, dict[str, Any]]] = {
    # Yao et al. 2023, "ViTMatte", section 4.2: AdamW 5e-4, weight decay 0.1, crops of 512.
    # Their batch is 32 in all; 4 a device fits a GPU of 16 GB.
    "vitmatte": {"learning_rate": 5e-4, "weight_decay": 0.1, "crop": 512, "batch_size": 4},
    # Of trials with a small U-Net: 1.5e-3 to 2e-3 was stable, 3e-3 was not.
    "hint-unet": {"learning_rate": 1.5e-3, "weight_decay": 0.01, "crop": 192, "batch_size": 8},
    # Whole people, in their own colours mostly; textures without a person teach it nothing.
    "portrait-unet": {
        "learning_rate": 1e-3, "weight_decay": 0.01, "crop": 384, "batch_size": 8,
        "crops": {"whole": 1.0, "structures": 0.0, "photo_colours": 0.1},
    },
}  # fmt: skip
"""Settings that depend on the model, by the longest prefix of its name."""


@dataclass(frozen=True, slots=True)
class LossWeights:
    """Weight of each term of the loss; 0 leaves a term out (see :mod:`.losses`).

    ``softness`` is no weight: absolute differences below it count squared, 0 for none.
    """

    unknown: float = 1.0
    known: float = 1.0
    composition: float = 0.25
    laplacian: float = 1.0
    gradient: float = 0.5
    softness: float = 0.0

    def __post_init__(self) -> None:
        _check_numbers(self, "losses.")


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """Everything that decides a run.

    Attributes:
        model: A name of ``models``.
        data: Sources, each ``[NAME=]DIR[:WEIGHT]``.
        validation: Sources to validate on; without, a part of ``data`` is held out.
        backgrounds: A folder or a list file of pictures; generated ones without it.
        init: Model folder or Hub repository whose weights the run starts from.
        steps: Optimiser steps in all.
        batch_size: Crops a step in each process.
        crop: Side of a training crop, pixels.
        learning_rate: The highest, reached after the warm-up.
        weight_decay: Of AdamW, on matrices and kernels only.
        warmup_steps: The learning rate climbs linearly over so many; 2 % of ``steps`` if None.
        clip: Largest norm of a gradient.
        ema_decay: Of the moving average of the weights, which is what is saved; 0 for none.
        losses: Weights of the loss's terms.
        crops: How crops are drawn: fields of :class:`.crops.CropOptions` but its size.
        seed: Of the fresh weights and of every draw.
        precision: ``auto`` takes bf16 where the hardware computes it, else fp32.
        device: ``auto`` takes a GPU where there is one; ``cpu`` never does.
        workers: Processes that prepare data, for each training process; None chooses.
        validate_every: Validate and save the model folder after so many steps.
        validation_samples: Crops to validate on.
        checkpoint_every: Write a checkpoint after so many steps.
        keep_checkpoints: Older ones are removed.
        log_every: A row of ``log.csv`` after so many steps.
    """

    model: str
    data: tuple[str, ...]
    steps: int
    validation: tuple[str, ...] = ()
    backgrounds: str | None = None
    init: str | None = None
    batch_size: int = 8
    crop: int = 256
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    warmup_steps: int | None = None
    clip: float = 1.0
    ema_decay: float = 0.999
    losses: LossWeights = field(default_factory=LossWeights)
    crops: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    precision: str = "auto"
    device: str = "auto"
    workers: int | None = None
    validate_every: int = 500
    validation_samples: int = 16
    checkpoint_every: int = 500
    keep_checkpoints: int = 2
    log_every: int = 10

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "crop", "validate_every", "checkpoint_every",
                     "keep_checkpoints", "log_every", "validation_samples"):  # fmt: skip
            if getattr(self, name) < 1:
                raise PortraitError(f"{name} is {getattr(self, name)}; it must be at least 1")
            if getattr(self, name) >= 2**31:
                raise PortraitError(f"{name} is {getattr(self, name)}; it must be below 2**31")
        _check_numbers(self)
        if not 0 <= self.seed < 2**63:
            raise PortraitError(f"seed is {self.seed}; it must be in 0..2**63 - 1; try: 0")
        if self.workers is not None and not 0 <= self.workers <= MAX_WORKERS:
            raise PortraitError(f"workers is {self.workers}; it must be in 0..{MAX_WORKERS}")
        if self.warmup_steps is not None and self.warmup_steps < 0:
            raise PortraitError(f"warmup_steps is {self.warmup_steps}; it must be at least 0")
        if self.crop > MAX_CROP:
            raise PortraitError(f"crop is {self.crop}; it must be at most {MAX_CROP}; try: 512")
        if self.crop % 32:
            raise PortraitError(
                f"crop is {self.crop}; networks halve it five times; "
                f"try: {max(32, round(self.crop / 32) * 32)}"
            )
        if not self.data:
            raise PortraitError("no data to train on; try: --data NAME=DIR")
        if self.precision not in PRECISIONS:
            raise PortraitError(f"precision {self.precision!r} is none of {', '.join(PRECISIONS)}")
        if not 0 <= self.ema_decay < 1:
            raise PortraitError(f"ema_decay is {self.ema_decay}; it must be in 0..1, below 1")

    @property
    def warmup(self) -> int:
        """Steps over which the learning rate climbs."""
        return self.steps // 50 if self.warmup_steps is None else self.warmup_steps

    def to_dict(self) -> dict[str, Any]:
        """As plain values, for YAML and JSON."""
        plain = asdict(self)
        return {**plain, "data": list(self.data), "validation": list(self.validation)}

    def save(self, folder: Path) -> None:
        """Write ``training.yaml`` into a folder; it can be given to ``--config`` again."""
        text = yaml.safe_dump(self.to_dict(), sort_keys=False, allow_unicode=True)
        write_bytes(folder / FILE_NAME, text.encode())


# What may differ between a run and its continuation: nothing here changes the steps that are
# already done. Another number of steps bends the rest of the cosine; it is said.
RESUMABLE: Final = frozenset({
    "steps", "workers", "validate_every", "validation_samples", "checkpoint_every",
    "keep_checkpoints", "log_every", "device",
})  # fmt: skip


def read_file(path: Path) -> dict[str, Any]:
    """The settings in a YAML or TOML file.

    Raises:
        PortraitError: The file is missing, malformed or no mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
        content = tomllib.loads(text) if path.suffix == ".toml" else yaml.safe_load(text)
    except OSError as problem:
        raise PortraitError(f"{path}: {problem.strerror or problem}") from problem
    except (yaml.YAMLError, ValueError, RecursionError) as problem:  # TOML's is a ValueError
        reason = " ".join(str(problem).split())
        raise PortraitError(f"{path}: neither YAML nor TOML can read it ({reason})") from problem
    if not isinstance(content, dict):
        raise PortraitError(f"{path}: no settings there; try: steps: 2000")
    return content


def build(*layers: Mapping[str, Any], where: str = "settings") -> TrainingConfig:
    """A configuration from layers of settings, later ones win.

    What no layer sets is taken from the model's recipe, then from the defaults.

    Args:
        *layers: Mappings of field names to values.
        where: Named in an error.

    Raises:
        PortraitError: An unknown setting, one of a wrong type or value, or one that is missing.
    """
    merged: dict[str, Any] = {}
    losses: dict[str, Any] = {}
    crops: dict[str, Any] = {}
    model = next((layer["model"] for layer in reversed(layers) if layer.get("model")), "")
    for layer in (recipe(str(model)), *layers):
        merged.update(layer)
        losses.update(_mapping("losses", layer.get("losses"), where))
        crops.update(_mapping("crops", layer.get("crops"), where))
    _known(losses, _names(LossWeights), where)
    losses = {name: _typed(name, value, "float", where) for name, value in losses.items()}
    merged.update(losses=LossWeights(**losses), crops=_crops(crops, where))
    _known(merged, _names(TrainingConfig), where)
    for name in ("model", "data", "steps"):
        if merged.get(name) in (None, "", [], ()):
            raise PortraitError(f"{where}: {name} is missing; try: --{name}")
    types = {entry.name: str(entry.type) for entry in fields(TrainingConfig)}
    return TrainingConfig(
        **{key: _typed(key, value, types[key], where) for key, value in merged.items()}
    )


def recipe(model: str) -> dict[str, Any]:
    """The settings that go with a model; none for one that is not known."""
    fitting = [name for name in RECIPES if model.startswith(name)]
    return dict(RECIPES[max(fitting, key=len)]) if fitting else {}


def continued(saved: TrainingConfig, wanted: TrainingConfig) -> TrainingConfig:
    """The settings under which a run goes on; what ``wanted`` leaves open stays as it was.

    Raises:
        PortraitError: ``wanted`` differs from ``saved`` in what decided the steps already done.
    """
    for name, left_open in (("precision", "auto"), ("warmup_steps", None)):
        if getattr(wanted, name) == left_open:
            wanted = replace(wanted, **{name: getattr(saved, name)})
    for name in names():
        before, now = getattr(saved, name), getattr(wanted, name)
        if before != now and name not in RESUMABLE:
            raise PortraitError(
                f"the run began with {name} {before!r}, not {now!r}; "
                "try: the same settings, or another --output"
            )
    return wanted


_SAID: Final = {"tuple": "a list", "int": "a whole number", "float": "a finite number"}


def _check_numbers(settings: Any, prefix: str = "") -> None:
    """No setting that is a real number means anything below 0, or beyond all numbers."""
    for entry in fields(settings):
        value = getattr(settings, entry.name)
        if str(entry.type).startswith("float") and not 0 <= value < math.inf:
            raise PortraitError(f"{prefix}{entry.name} is {value}; it must be 0 or more")


def _known(settings: Mapping[str, Any], names: Collection[str], where: str) -> None:
    for key in settings:
        if key not in names:
            near = difflib.get_close_matches(str(key), names, 1)
            hint = near[0] if near else ", ".join(names)
            raise PortraitError(f"{where}: no setting is called {key!r}; try: {hint}")


def _names(kind: type[Any]) -> list[str]:
    return [entry.name for entry in fields(kind)]


def _crops(settings: dict[str, Any], where: str) -> dict[str, Any]:
    from ld_portrait_20k.matting.training.crops import CropOptions

    types = {entry.name: str(entry.type) for entry in fields(CropOptions) if entry.name != "size"}
    _known(settings, types, where)
    return {name: _typed(name, value, types[name], where) for name, value in settings.items()}


def _mapping(name: str, value: Any, where: str) -> dict[str, Any]:
    if value is None:
        return {}
    if isinstance(value, LossWeights):
        return asdict(value)
    if not isinstance(value, dict):
        raise PortraitError(f"{where}: {name} must map names to numbers, not {value!r}")
    return value


def _typed(name: str, value: Any, kind: str, where: str) -> Any:
    """A value as its field's annotation wants it; YAML reads 1e-3 as a string."""
    if (value is None and "None" in kind) or isinstance(value, (LossWeights, dict)):
        return value
    try:
        if kind.startswith("tuple"):
            return (value,) if isinstance(value, str) else tuple(str(entry) for entry in value)
        if kind.startswith("int"):
            if isinstance(value, bool) or int(value) != float(value):
                raise ValueError
            return int(value)
        if kind.startswith("float"):
            if not math.isfinite(float(value)):
                raise ValueError
            return float(value)
    except (TypeError, ValueError, OverflowError):
        said = next(words for start, words in _SAID.items() if kind.startswith(start))
        raise PortraitError(f"{where}: {name} is {value!r}, not {said}") from None
    if not isinstance(value, str):
        raise PortraitError(f"{where}: {name} is {value!r}, not a word")
    return value


def names() -> list[str]:
    """Every setting's name; flags are called the same, with hyphens."""
    return _names(TrainingConfig)
