"""``load_dataset``: the dataset by name, from a folder, the Hub, or built on this machine."""

from __future__ import annotations

import hashlib
import importlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ld_portrait_20k.errors import (
    DatasetNotFoundError,
    PortraitError,
    install_command,
    missing_extra,
)
from ld_portrait_20k.format import schema
from ld_portrait_20k.streaming.caches import is_writable, spare_cache

if TYPE_CHECKING:
    import datasets

REGENERATE: Final = "regenerate"


def load_dataset(
    path: str | Path = schema.NAME,
    name: str | None = None,
    *,
    split: Any = None,
    streaming: bool = False,
    revision: str | None = None,
    token: bool | str | None = None,
    cache_dir: str | Path | None = None,
    repo_id: str | None = None,
    download_mode: Any = None,
    keep_in_memory: bool | None = None,
    num_proc: int | None = None,
    **builder_options: Any,
) -> (
    datasets.Dataset
    | datasets.DatasetDict
    | datasets.IterableDataset
    | datasets.IterableDatasetDict
):
    """Load LD-Portrait-20K; parameters and results are those of ``datasets.load_dataset``.

    The dataset is looked for as a local folder ``path``, then on the Hub: ``repo_id``, the
    repository in ``LD_PORTRAIT_20K_REPO``, or the logged-in user's ``ld-portrait-20k``.
    A URL of a dataset's folder and ``owner/name`` work as ``path`` too.

    Columns: ``foreground`` (RGB image, straight sRGB, continued smoothly outside the
    portrait), ``alpha`` (L image, 0 transparent to 255 opaque), ``prompt`` (string),
    ``attributes`` (struct of strings, null where not applicable) and ``metadata`` (struct:
    id, seed, size, generator, refinement and quality figures; see
    :data:`ld_portrait_20k.format.schema.METADATA`).

    Args:
        path: Folder, URL, Hub repository id, or the dataset's bare name.
        name: Subset: ``"default"`` (refined), ``"raw"`` (as generated) or ``"truth"``
            (exact, where known); or ``"regenerate"`` to build the dataset on this machine
            into ``cache_dir`` first, with ``builder_options``.
        split: ``"train"``, ``"validation"``, ``"test"``; map-style also slices such as
            ``"train[:10]"``. All splits in a dict by default.
        streaming: Read while iterating instead of preparing an Arrow copy.
        revision: Branch, tag or commit on the Hub.
        token: As in ``huggingface_hub``.
        cache_dir: Where prepared data, downloads and regenerated datasets are kept.
        repo_id: Hub repository to load, whatever ``path`` says.
        download_mode: As in ``datasets``.
        keep_in_memory: As in ``datasets``; map-style only.
        num_proc: As in ``datasets``; map-style only.
        **builder_options: For ``name="regenerate"``: see ``builder.api.regenerate``.

    Returns:
        A ``Dataset`` or ``IterableDataset`` with ``split``, else a dict of them.

    Raises:
        DatasetNotFoundError: There is none; the message lists the places that were tried.
        PortraitError: It was found but is unfinished, damaged or cannot be reached.
        ValueError: No such subset or split.
        TypeError: An option that is unknown, or that goes with ``regenerate`` only.
    """
    if builder_options and name != REGENERATE:
        raise TypeError(
            f"load_dataset() got unexpected options {', '.join(sorted(builder_options))}; "
            f'options of the builder go with name="{REGENERATE}"'
        )
    cache_dir = _usable_cache(cache_dir, streaming)
    if streaming and num_proc is not None:
        raise NotImplementedError(
            "num_proc does not work with streaming; try: num_workers of the DataLoader"
        )
    from ld_portrait_20k.streaming.resolve import fingerprint, resolve

    if name == REGENERATE:
        path, repo_id = _regenerate(_cache(cache_dir) / "regenerated", builder_options), None
        name = "default"
    source = resolve(
        path, repo_id=repo_id, revision=revision, token=token, cache_dir=_hub(cache_dir)
    )
    manifest = source.manifest()
    subset = name or "default"
    if subset not in manifest.subsets():
        there = ", ".join(manifest.subsets()) or "nothing"
        raise ValueError(f"{source.name}: no subset {subset!r}; there is {there}")

    from ld_portrait_20k.dataset_builder import PortraitBuilder

    mark = fingerprint(manifest)
    builder = PortraitBuilder(
        cache_dir=str(cache_dir) if cache_dir else None,
        dataset_name=schema.NAME,
        config_name=subset,
        config_id=subset,
        hash=mark,
        source=source,
        shards=tuple(manifest.select(subset)),
        foreground_format=manifest.foreground_format,
        downloads=str(_cache(cache_dir) / "downloads" / mark),
    )
    if streaming:
        return builder.as_streaming_dataset(split=split)
    _prepare(builder, download_mode, num_proc)
    return builder.as_dataset(split=split, in_memory=bool(keep_in_memory))


def _prepare(builder: Any, download_mode: Any, num_proc: int | None) -> None:
    from datasets.exceptions import DatasetGenerationError

    try:
        builder.download_and_prepare(download_mode=download_mode, num_proc=num_proc)
    except DatasetGenerationError as problem:
        # The error of `datasets` hides which shard and sample it was.
        cause: BaseException | None = problem
        while cause is not None and not isinstance(cause, PortraitError):
            cause = cause.__cause__
        if cause is not None:
            raise cause from None
        raise


def _regenerate(folder: Path, options: dict[str, Any]) -> Path:
    """Build the dataset with the builder's own entry point, or reuse what is finished."""
    try:
        api = importlib.import_module("builder.api")
    except ImportError as problem:
        if (problem.name or "").partition(".")[0] != "builder":
            raise missing_extra(str(problem.name), "generate") from problem
        raise PortraitError(
            "the builder is not installed beside ld_portrait_20k; "
            f"try: {install_command('generate')}"
        ) from problem
    text = json.dumps(options, sort_keys=True, default=str)
    output = folder / hashlib.sha256(text.encode()).hexdigest()[:16] / schema.NAME
    output.parent.mkdir(parents=True, exist_ok=True)
    from datasets.utils import is_progress_bar_enabled

    return Path(api.regenerate(output, progress=is_progress_bar_enabled(), **options))


def _cache(cache_dir: str | Path | None) -> Path:
    if cache_dir is not None:
        return Path(cache_dir).expanduser() / "ld_portrait_20k"
    from datasets import config

    return Path(config.HF_DATASETS_CACHE).expanduser() / "ld_portrait_20k"


def _usable_cache(cache_dir: str | Path | None, streaming: bool) -> str | Path | None:
    """``cache_dir``, or a spare one for streaming where it cannot be written.

    Raises:
        PortraitError: An Arrow copy is to be written there.
    """
    if cache_dir is None:
        from datasets import config

        folder = Path(config.HF_DATASETS_CACHE).expanduser()
    else:
        folder = Path(cache_dir).expanduser()
    if is_writable(folder):
        return cache_dir
    if streaming:
        return spare_cache()
    raise PortraitError(
        f"{folder}: the cache cannot be written; try: cache_dir= another folder, or streaming=True"
    )


def _hub(cache_dir: str | Path | None) -> Path | None:
    """Cache of the Hub's small files: its own, or inside ``cache_dir`` where that is given."""
    return None if cache_dir is None else Path(cache_dir).expanduser() / "hub"


__all__ = ["DatasetNotFoundError", "load_dataset"]
