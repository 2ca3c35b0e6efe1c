"""Finding a dataset by name, path, URL or repository."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, cast

from ld_portrait_20k.common.nearby import suggestion
from ld_portrait_20k.errors import DatasetNotFoundError, PortraitError
from ld_portrait_20k.format import schema
from ld_portrait_20k.format.manifest import Manifest
from ld_portrait_20k.streaming.http import Patience, public_url
from ld_portrait_20k.streaming.listing import is_url, local_path, names_shards
from ld_portrait_20k.streaming.sources import DatasetSource, HttpSource, ListedSource, LocalSource

REPO_VARIABLE: Final = "LD_PORTRAIT_20K_REPO"
"""Environment variable that names the Hub repository to load by default."""


def resolve(
    path: str | Path = schema.NAME,
    *,
    repo_id: str | None = None,
    revision: str | None = None,
    token: bool | str | None = None,
    cache_dir: Path | str | None = None,
    patience: Patience | None = None,
) -> DatasetSource:
    """Find a dataset.

    In this order: ``repo_id`` if given; a folder of the name ``path``; a URL; a repository
    ``owner/name`` on the Hub; and for the bare name the repository that the environment
    variable ``LD_PORTRAIT_20K_REPO`` names, or the logged-in user's own ``ld-portrait-20k``.

    Args:
        path: Folder (``file://`` too), URL, repository id or the dataset's bare name.
        repo_id: Hub repository; with it, ``path`` is ignored.
        revision: Branch, tag or commit on the Hub; ``main`` by default. It is pinned to
            the commit that it names now.
        token: As in ``huggingface_hub``: a token, False for none, None or True for the
            stored one.
        cache_dir: Where small files of the Hub are cached.
        patience: How long to try.

    Raises:
        DatasetNotFoundError: There is none; the message lists the places that were tried.
        PortraitError: It was found but cannot be read, or has no revisions and one is given.
    """
    text = str(path)
    if repo_id is None:
        folder = Path(local_path(text)).expanduser()
        if folder.is_dir():
            _refuse_revision(revision, str(folder))
            return LocalSource(folder)
        if is_url(text):
            _refuse_revision(revision, public_url(text))
            return HttpSource(text, token if isinstance(token, str) else None, patience)
        if text.count("/") == 1 and not text.startswith((".", "/", "~")):
            repo_id = text
    looked = [f"no folder {text!r} in {Path.cwd()}"]
    if repo_id is None and text == schema.NAME:
        repo_id = default_repo(token, looked)
    if repo_id is None:
        raise DatasetNotFoundError(_nowhere(text, looked))
    from ld_portrait_20k.streaming.hub import hub_source

    try:
        return hub_source(repo_id, revision, token, cache_dir, patience)
    except DatasetNotFoundError as problem:
        nearby = suggestion(repo_id)
        if nearby:
            raise DatasetNotFoundError(f"{problem}; {nearby}") from problem
        raise


def _nowhere(text: str, looked: list[str]) -> str:
    """The line for a name that is nowhere; only the bare name stands for what can be built."""
    nearby = suggestion(text)
    tries = [nearby] if nearby else []
    tries.append('try: the path of a dataset folder, or repo_id="owner/name"')
    if text == schema.NAME:
        tries.append(f"or build it here: python -m builder regenerate --output {schema.NAME}")
    return f"dataset {text!r} not found: {'; '.join(looked)}; {', '.join(tries)}"


def open_source(
    source: str | Path | Iterable[str | Path] | DatasetSource,
    *,
    repo_id: str | None = None,
    revision: str | None = None,
    token: bool | str | None = None,
    cache_dir: str | Path | None = None,
    patience: Patience | None = None,
) -> DatasetSource:
    """A source from whatever a stream accepts: a name, a list of shards, or a source itself.

    Args:
        source: As for :func:`resolve`; or shards, as paths, URLs, globs and brace patterns,
            one or a list; or a source, which is returned as it is.
        repo_id: As for :func:`resolve`.
        revision: As for :func:`resolve`.
        token: As for :func:`resolve`.
        cache_dir: As for :func:`resolve`.
        patience: As for :func:`resolve`.

    Raises:
        DatasetNotFoundError: The dataset is nowhere.
        PortraitError: It cannot be read, or the list is empty.
        TypeError: Something else was given.
    """
    if isinstance(source, (str, Path)):
        text = str(source)
        if repo_id is None and names_shards(text) and not Path(local_path(text)).is_dir():
            return open_source([source], revision=revision, token=token, patience=patience)
        return resolve(
            source, repo_id=repo_id, revision=revision, token=token, cache_dir=cache_dir,
            patience=patience,
        )  # fmt: skip
    if hasattr(source, "window"):
        return cast("DatasetSource", source)
    if isinstance(source, Iterable) and not isinstance(source, (bytes, Mapping)):
        listed = list(source)
        if all(isinstance(path, (str, Path)) for path in listed):
            _refuse_revision(revision, "a list of shards")
            return ListedSource(listed, token if isinstance(token, str) else None, patience)
    raise TypeError(
        "a source is a folder, a URL, a repository, a list of shards or an open source, "
        f"not {type(source).__name__}"
    )


def _refuse_revision(revision: str | None, where: str) -> None:
    if revision is not None:
        raise PortraitError(
            f"{where}: has no revisions, {revision!r} was asked for; "
            'try: repo_id="owner/name" for the Hub, or leave revision out'
        )


def fingerprint(manifest: Manifest) -> str:
    """A short hash of a dataset's contents, the same for every copy."""
    text = "\n".join(f"{shard.path} {shard.sha256}" for shard in manifest.shards)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def default_repo(token: bool | str | None = None, looked: list[str] | None = None) -> str | None:
    """The Hub repository that the bare name stands for.

    Args:
        token: As in ``huggingface_hub``.
        looked: Reasons why there is none are appended to it.

    Returns:
        That of ``LD_PORTRAIT_20K_REPO``, else the logged-in user's own, else None.
    """
    looked = [] if looked is None else looked
    named = os.environ.get(REPO_VARIABLE)
    if named:
        return named
    looked.append(f"{REPO_VARIABLE} is not set")
    from ld_portrait_20k.streaming.hub import user_name

    try:
        user = user_name(token)
    except PortraitError as problem:
        looked.append(str(problem))
        return None
    if user is None:
        looked.append("not logged in to the Hub")
        return None
    return f"{user}/{schema.NAME}"
