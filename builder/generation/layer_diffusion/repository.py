"""Repositories of weights: a local folder, the Hub's cache, or the Hub at a pinned commit."""

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
    KNOWN_GB,
    PINNED,
    LayerDiffusionConfig,
    cpu_time,
    download_command,
    download_hint,
)
from builder.generation.layer_diffusion.files import check_safetensors, file_sha256
from ld_portrait_20k.errors import PortraitError


class UnreachableError(PortraitError):
    """The cache does not have a repository and the Hub cannot be reached."""


_HUB_ID: Final = re.compile(r"[\w.-]+/[\w.-]+\Z")
_COMMIT: Final = re.compile(r"[0-9a-f]{40}\Z")
_SETTINGS: Final = re.compile(
    r"model_index\.json|(unet|text_encoder|text_encoder_2|vae)/config\.json"
    r"|(tokenizer|tokenizer_2)/[\w.]+\.(json|txt)|scheduler/scheduler_config\.json|config\.json"
    r"|.+\.safetensors\.index[\w.]*\.json"
)


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """One file of weights that decides the pictures.

    Attributes:
        role: ``unet``, ``text-encoder``, ``text-encoder-2``, ``vae``, ``attention``,
            ``transparent-decoder`` or ``transparent-encoder``.
        id: The Hub repository, or the name of a local folder.
        revision: The commit on the Hub; of a local folder the hash of its configuration
            and tokenizer files.
        file: The file's path in the repository or folder.
        sha256: The file's hash, hexadecimal.
        size: Bytes.
    """

    role: str
    id: str
    revision: str | None
    file: str
    sha256: str
    size: int = 0

    def metadata(self) -> dict[str, Any]:
        """The record as :data:`ld_portrait_20k.format.schema.MODEL_FIELDS` declares it."""
        return {key: value for key, value in asdict(self).items() if key != "size"}


@dataclass(slots=True)
class Repository:
    """A Hub repository at one commit, or a local folder.

    Attributes:
        name: What the user called it.
        id: The Hub id, or the folder's name without its path.
        folder: Its local folder; None for a repository that is not in the cache.
        revision: See :class:`ModelRecord`.
        sizes: Path of every file to its size.
        hashes: Path to SHA-256, for the files whose hash the Hub gives.
    """

    name: str
    id: str
    folder: Path | None
    revision: str | None
    sizes: dict[str, int]
    hashes: dict[str, str] = field(default_factory=dict)

    def text(self, path: str) -> str:
        """A small file's text; it is downloaded into the cache if it is missing."""
        if self.folder is not None:
            try:
                return (self.folder / path).read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise PortraitError(f"cannot read {self.folder / path}: {error}") from error
        from huggingface_hub import hf_hub_download

        return Path(hf_hub_download(self.id, path, revision=self.revision)).read_text("utf-8")

    def json(self, path: str) -> dict[str, Any]:
        """A small JSON file's object; empty if it is another value.

        Raises:
            PortraitError: It cannot be read.
        """
        try:
            value = json.loads(self.text(path))
        except ValueError as error:
            raise PortraitError(f"{path} of {self.name} is not JSON: {error}") from error
        return value if isinstance(value, dict) else {}

    def settings(self) -> list[str]:
        """The configuration and tokenizer files of a model in diffusers' layout."""
        return [path for path in self.sizes if _SETTINGS.fullmatch(path)]

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
        """Download missing files; return the folder that holds them all."""
        if self.folder is not None:
            return self.folder
        from huggingface_hub import snapshot_download

        return Path(
            snapshot_download(self.id, revision=self.revision, allow_patterns=sorted(paths))
        )


def is_local(name: str) -> bool:
    """Whether a model is a folder here rather than a repository on the Hub."""
    return Path(name).expanduser().is_dir()


def open_repository(name: str, revision: str | None, config: LayerDiffusionConfig) -> Repository:
    """Find a local folder, a cached repository, or one on the Hub.

    Raises:
        UnreachableError: It is not in the cache and the Hub cannot be reached.
        PortraitError: It is none of these.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        sizes = _files_below(folder)
        return Repository(name, folder.resolve().name, folder, _settings_hash(folder, sizes), sizes)
    if folder.is_file():
        raise PortraitError(f"{name} is a file; try: the folder or the Hub id that holds it")
    if not _HUB_ID.match(name):
        raise PortraitError(
            f"{name} is neither a folder nor the id of a Hub repository (user/name)"
        )
    return _open_hub(name, revision or PINNED.get(name), config)


def _open_hub(name: str, revision: str | None, config: LayerDiffusionConfig) -> Repository:
    """Ask the Hub for a repository; use the cache where the Hub cannot be reached."""
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import IncompleteSnapshotError

    if not constants.HF_HUB_OFFLINE:
        found = _ask_hub(name, revision)
        if found is not None:
            return found
    try:
        folder = Path(snapshot_download(name, revision=revision, local_files_only=True))
    except IncompleteSnapshotError as error:
        # The cache holds only the files that a run loads, as the download command says.
        folder = Path(error.snapshot_path)
    except Exception:
        raise _unreachable(name, revision, config) from None
    commit = folder.name if _COMMIT.match(folder.name) else revision
    return Repository(name, name, folder, commit, _files_below(folder))


def _ask_hub(name: str, revision: str | None) -> Repository | None:
    """The repository as the Hub's metadata describe it; None where the Hub gives no answer.

    Raises:
        PortraitError: The Hub has no such repository or revision, or refuses it.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError

    try:
        info = HfApi().model_info(name, revision=revision, files_metadata=True, timeout=15)
    except RepositoryNotFoundError:
        raise PortraitError(
            f"the Hub has no model {name} that you may read; try: check its name, or log in with "
            "hf auth login"
        ) from None
    except HfHubHTTPError as error:
        status = getattr(error.response, "status_code", None)
        if status is not None and status < 500:
            where = f" at {revision}" if revision else ""
            raise PortraitError(f"the Hub refuses {name}{where} (status {status})") from None
        return None
    except MemoryError:
        raise
    except Exception:  # the errors of the network library, which change between versions
        return None
    files = info.siblings or []
    return Repository(
        name,
        name,
        None,
        info.sha,
        {file.rfilename: file.size or 0 for file in files},
        {file.rfilename: file.lfs.sha256 for file in files if file.lfs is not None},
    )


def _unreachable(name: str, revision: str | None, config: LayerDiffusionConfig) -> UnreachableError:
    size = f" ({KNOWN_GB[name]:.1f} GB)" if name in KNOWN_GB else ""
    slow = f"; --device cpu takes {cpu_time(config)}" if config.device == "cpu" else ""
    return UnreachableError(
        f"the weights of {name}{size} are not in the cache and the Hub cannot be reached; "
        f"try on a machine with a network: {download_command(name, revision)}; the whole "
        f"run needs {download_hint(config)}{slow}; portraits without weights or GPU: "
        f"{DEMO_COMMAND}"
    )


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
