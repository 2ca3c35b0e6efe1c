"""Downloading a dataset, or a part of it: resumable, and every file verified."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ld_portrait_20k.common.files import naming, write_bytes
from ld_portrait_20k.common.locks import alone
from ld_portrait_20k.errors import PortraitError, ShardError
from ld_portrait_20k.format.card_fitting import fit_card, shown_pictures
from ld_portrait_20k.format.manifest import (
    FILE_NAME,
    Manifest,
    ShardRecord,
    count_samples,
    file_sha256,
)
from ld_portrait_20k.streaming.http import RemoteError

if TYPE_CHECKING:
    from ld_portrait_20k.streaming.sources import DatasetSource, HttpSource, LocalSource

CONNECTIONS: Final = 4
_CARD: Final = "README.md"
_MAX_CARD_FILE: Final = 64 * 2**20
"""A picture of a card has a few hundred kilobytes."""
_PIECE = 2**20


def download_file(
    source: HttpSource,
    path: str,
    target: Path,
    size: int,
    sha256: str,
    progress: Callable[[int], None] | None = None,
) -> bool:
    """Fetch one file; an earlier try that was interrupted is continued.

    Args:
        source: Where from.
        path: The file's path there.
        target: Where to; the file appears complete and verified, or not at all.
        size: Its size in bytes.
        sha256: Its sha256 in hex.
        progress: Called with bytes as they arrive.

    Returns:
        False if the file was there already.

    Raises:
        RemoteError: It cannot be fetched.
        ShardError: What the server has is not what the manifest says.
    """
    if target.exists() and target.stat().st_size == size and file_sha256(target) == sha256:
        if progress:
            progress(size)
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{sha256[:16]}.part")
    # If the hash is wrong, start once more: bytes of the earlier try may be damaged.
    for fresh in (False, True):
        digest = hashlib.sha256()
        have = 0
        if part.exists() and not fresh:
            with part.open("rb") as stream:
                while data := stream.read(_PIECE):
                    digest.update(data)
                    have += len(data)
        if have > size:
            have, digest = 0, hashlib.sha256()
        if progress:
            progress(have)
        with naming(target), part.open("r+b" if have else "wb") as out:
            out.seek(have)
            with source.client.open(source.url(path), have, size - have) as stream:
                while have < size and (data := stream.read(_PIECE)):
                    out.write(data)
                    digest.update(data)
                    have += len(data)
                    if progress:
                        progress(len(data))
            out.flush()
            os.fsync(out.fileno())
        if have == size and digest.hexdigest() == sha256:
            part.replace(target)
            return True
        if progress:
            progress(-have)
    with contextlib.suppress(FileNotFoundError):
        part.unlink()
    raise ShardError(
        source.locate(path), f"{have} bytes, sha256 {digest.hexdigest()[:12]}, not as recorded"
    )


def download_shards(
    source: DatasetSource,
    shards: Iterable[ShardRecord],
    folder: Path,
    progress: Callable[[int], None] | None = None,
) -> LocalSource:
    """Fetch shards into a folder, several at a time.

    Returns:
        The folder as a source.

    Raises:
        RemoteError, ShardError: See :func:`download_file`; shards that are complete stay.
    """
    from ld_portrait_20k.streaming.sources import HttpSource, LocalSource

    if not isinstance(source, HttpSource):
        raise PortraitError(f"{source.name} is on this machine already")

    def fetch(shard: ShardRecord) -> None:
        download_file(source, shard.path, folder / shard.path, shard.bytes, shard.sha256, progress)

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        tasks = [pool.submit(fetch, shard) for shard in shards]
        try:
            for task in tasks:
                task.result()
        except BaseException:
            for task in tasks:
                task.cancel()
            raise
    return LocalSource(folder)


def select(
    manifest: Manifest,
    subset: str = "default",
    split: str | None = None,
    max_samples: int | None = None,
) -> tuple[list[ShardRecord], Manifest]:
    """The shards to fetch, and the manifest of the folder that they make.

    Args:
        manifest: The whole dataset's.
        subset: Which subset.
        split: Which split; all by default.
        max_samples: Fetch whole shards until so many samples are there.

    Returns:
        The shards, and a manifest that lists exactly them.

    Raises:
        PortraitError: Nothing matches.
    """
    chosen: list[ShardRecord] = []
    for shard in manifest.select(subset, split):
        if max_samples is not None and sum(s.samples for s in chosen) >= max_samples:
            break
        chosen.append(shard)
    if not chosen:
        raise PortraitError(
            f"nothing to fetch: the dataset has {', '.join(manifest.subsets()) or 'no shards'} "
            f"with splits {', '.join(manifest.splits)}"
        )
    return chosen, replace(manifest, shards=tuple(chosen), splits=count_samples(chosen), files={})


def download(
    source: HttpSource,
    folder: Path,
    *,
    subset: str = "default",
    split: str | None = None,
    max_samples: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Manifest:
    """Fetch a dataset into a folder that loads like the original.

    Shards are fetched first, then card, licence and the pictures that the card shows, and the
    manifest last: a folder without a manifest is unfinished, and running again goes on where it
    stood.

    Returns:
        The manifest of what is now there.

    Raises:
        PortraitError: Something cannot be fetched, the folder holds another dataset, or another
            run is downloading into it.
    """
    whole = source.manifest()
    chosen, part = select(whole, subset, split, max_samples)
    with alone(folder):
        if (folder / FILE_NAME).exists():
            old = Manifest.load(folder)
            if old.plan_hash != whole.plan_hash:
                raise PortraitError(
                    f"{folder}: holds another dataset; try: --output another folder"
                )
            part = _merge(whole, old, part)
        download_shards(source, chosen, folder, progress)
        _download_card(source, folder, whole, part)
        return part.save(folder)


def _download_card(source: HttpSource, folder: Path, whole: Manifest, part: Manifest) -> None:
    """Fetch card and licence, and the pictures that the card shows; what is absent is left out."""
    card = _fetch(source, whole, _CARD)
    if card is not None:
        for name in shown_pictures(card):
            picture = _fetch(source, whole, name)
            if picture is not None:
                write_bytes(folder / name, picture)
        fitted = card if part.shards == whole.shards else fit_card(card, part)
        write_bytes(folder / _CARD, fitted)
    licence = _fetch(source, whole, "LICENSE")
    if licence is not None:
        write_bytes(folder / "LICENSE", licence)


def _fetch(source: HttpSource, manifest: Manifest, name: str) -> bytes | None:
    """A small file; None where there is none.

    Raises:
        RemoteError: It cannot be fetched.
        ShardError: It is not what the manifest says.
    """
    try:
        data = source.client.get(source.url(name), _MAX_CARD_FILE)
    except RemoteError as problem:
        if problem.status in (404, 410):
            return None
        raise
    listed = manifest.files.get(name)
    if (
        listed is not None
        and name != _CARD
        and hashlib.sha256(data).hexdigest() != listed["sha256"]
    ):
        raise ShardError(source.locate(name), "its sha256 differs from the manifest's")
    return data


def _merge(whole: Manifest, old: Manifest, new: Manifest) -> Manifest:
    """The new manifest with the shards that were fetched earlier."""
    listed = {shard.path for shard in (*old.shards, *new.shards)}
    shards = tuple(shard for shard in whole.shards if shard.path in listed)
    return replace(new, shards=shards, splits=count_samples(shards))
