"""Networks in the Hub's format: ``model.safetensors``, ``config.json`` and a card.

Safetensors only: a pickle is never read or written.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from ld_portrait_20k.common.files import write_bytes
from ld_portrait_20k.errors import PortraitError

WEIGHTS: Final = "model.safetensors"
CONFIG: Final = "config.json"
CARD: Final = "README.md"
AVERAGE: Final = "average.safetensors"
"""In a checkpoint: the moving average of the weights."""
PUBLISHED: Final = (WEIGHTS, CONFIG, CARD, "preprocessor_config.json", "training.yaml")
"""What goes to the Hub of a model folder; logs and checkpoints stay."""

TYPES: Final[dict[str, str]] = {
    "hint-unet": "hint_unet.network:HintUNet",
    "portrait-unet": "portrait:PortraitUNet",
    "vitmatte": "vitmatte:VitMatte",
}
"""Class by ``model_type``; called with the whole config it gives a fresh network."""


def save_pretrained(
    module: Any,
    folder: str | Path,
    *,
    card: str,
    weights: dict[str, Tensor] | None = None,
) -> Path:
    """Write a model folder; each file is whole or as it was.

    Args:
        module: A :class:`~.protocol.TrainableModel`.
        folder: Made if need be.
        card: Text of ``README.md``, see :func:`.card.model_card`.
        weights: Instead of the module's own, a moving average for instance.

    Returns:
        The folder.
    """
    folder = Path(folder)
    state = module.state_dict() if weights is None else weights
    plain = {name: value.detach().cpu().contiguous() for name, value in state.items()}
    # transformers refuses a file that does not name the framework.
    write_bytes(folder / WEIGHTS, save(plain, metadata={"format": "pt"}))
    text = json.dumps(module.config, indent=2, sort_keys=True)
    write_bytes(folder / CONFIG, (text + "\n").encode())
    write_bytes(folder / CARD, card.encode())
    if hasattr(module, "save_extras"):
        module.save_extras(folder)
    return folder


def load_pretrained(source: str | Path) -> Any:
    """A :class:`~.protocol.TrainableModel` with its weights, in evaluation mode, on the CPU.

    Args:
        source: A model folder, a checkpoint within a run, or a repository ``owner/name`` on the
            Hub.

    Raises:
        PortraitError: Nothing there, not a matting model, or damaged.
    """
    folder = model_folder(source)
    path, file = model_files(folder)
    module = build_network(_config(path), path)
    try:
        weights = load_file(file)
        module.load_state_dict(weights)
    except FileNotFoundError as problem:
        raise PortraitError(
            f"{folder}: no {WEIGHTS} there (pickled weights are never read)"
        ) from problem
    except (OSError, SafetensorError) as problem:
        raise PortraitError(f"{file}: damaged ({problem}); try: fetch it again") from problem
    except RuntimeError as problem:
        reason = " ".join(str(problem).split())[:200]
        raise PortraitError(f"{file}: does not fit {CONFIG} ({reason})") from problem
    if not all(bool(value.isfinite().all()) for value in weights.values()):
        raise PortraitError(
            f"{file}: has weights that are no numbers; "
            "try: fetch it again, or train it with a lower --learning-rate"
        )
    return module.eval()


def model_files(folder: Path) -> tuple[Path, Path]:
    """The config and the weights of a folder; neither need be there.

    Of a checkpoint within a run they are the run's config and the moving average of its weights,
    which is what a run saves as its model.
    """
    average = folder / AVERAGE
    if average.is_file() and not (folder / CONFIG).exists():
        return folder.resolve().parents[1] / CONFIG, average
    return folder / CONFIG, folder / WEIGHTS


def build_network(config: dict[str, Any], where: Path) -> Any:
    """A fresh network of a config.

    Raises:
        PortraitError: The config is of no network known here.
    """
    kind = str(config.get("model_type"))
    if kind not in TYPES:
        raise PortraitError(f"{where}: model_type {kind!r} is none of {', '.join(TYPES)}")
    if _largest(config) > _MOST:
        raise PortraitError(f"{where}: not a config of {kind} (a number over {_MOST})")
    module, _, name = TYPES[kind].partition(":")
    build: Callable[..., Any] = getattr(import_module(f".{module}", __package__), name)
    try:
        return build(config)
    except (TypeError, ValueError, KeyError) as problem:
        reason = " ".join(str(problem).split())[:200]
        raise PortraitError(f"{where}: not a config of {kind} ({reason})") from problem


_MOST: Final = 4096
"""No width, depth or size of a network is larger: ViTMatte-B has 768 channels and 512 px. With
10**9 layers a config of others would take all memory before its weights are looked at."""


def _largest(value: Any) -> float:
    """The largest number anywhere in a JSON value; 0 where there is none."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return max(map(_largest, value), default=0)
    return abs(value) if isinstance(value, (int, float)) else 0


def model_folder(source: str | Path) -> Path:
    """The folder of a model; a repository's files are fetched into the Hub's cache.

    Raises:
        PortraitError: There is no such folder and no such repository, or it cannot be reached.
    """
    folder = Path(source).expanduser()
    if folder.is_dir():
        return folder
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        return Path(snapshot_download(str(source), allow_patterns=list(PUBLISHED)))
    except (HFValidationError, HfHubHTTPError, OSError) as problem:
        reason = str(problem).strip().split("\n", 1)[0]
        raise PortraitError(
            f"{source}: neither a folder nor a model on the Hub that can be reached ({reason})"
        ) from problem


def push_to_hub(folder: str | Path, repo_id: str, *, private: bool = False) -> str:
    """Publish a model folder, in one commit.

    Args:
        folder: Of :func:`save_pretrained`; logs and checkpoints in it stay here.
        repo_id: ``owner/name``; made if need be.
        private: For a repository that is made.

    Returns:
        The commit's URL.

    Raises:
        PortraitError: No model there, or the Hub refused; its reason is told.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    folder = Path(folder)
    _config(folder / CONFIG)
    if not (folder / WEIGHTS).is_file():
        raise PortraitError(f"{folder}: no {WEIGHTS} there; try: train first")
    api = HfApi()
    try:
        api.create_repo(repo_id, repo_type="model", private=private, exist_ok=True)
        commit = api.upload_folder(
            repo_id=repo_id, folder_path=folder, allow_patterns=list(PUBLISHED),
            commit_message="Matting model of ld-portrait-20k",
        )  # fmt: skip
    except (HFValidationError, HfHubHTTPError, OSError) as problem:
        reason = str(problem).strip().split("\n", 1)[0]
        raise PortraitError(f"{repo_id}: {reason}; try: hf auth login") from problem
    return str(commit.commit_url)


def _config(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_text())
    except FileNotFoundError as problem:
        raise PortraitError(f"{path.parent}: no model there ({CONFIG} is missing)") from problem
    except (OSError, ValueError) as problem:
        raise PortraitError(f"{path}: cannot be read ({problem})") from problem
    if not isinstance(config, dict):
        raise PortraitError(f"{path}: not a mapping")
    return config
