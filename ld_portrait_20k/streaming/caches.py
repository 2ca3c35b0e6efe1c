"""Folders of caches, which are optional: a cache that cannot be written is done without."""

from __future__ import annotations

import functools
import os
import tempfile
from pathlib import Path

from ld_portrait_20k.format import schema


def cache_file(kind: str, name: str) -> Path | None:
    """Where a cached file of this package lies; None without a home folder.

    Args:
        kind: Folder of such files.
        name: The file's own name.
    """
    try:
        home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    except RuntimeError:  # neither HOME nor an entry for the user
        return None
    return Path(home) / schema.NAME / kind / name


def is_writable(folder: Path) -> bool:
    """Whether files can be made in a folder, which is created if need be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK | os.X_OK)


@functools.cache
def spare_cache() -> Path:
    """A folder for what would be cached, where the usual one cannot be written.

    It is removed when the process ends.
    """
    return Path(_spare().name)


@functools.cache
def _spare() -> tempfile.TemporaryDirectory[str]:
    # Kept by the function's cache, because the folder goes with this object.
    return tempfile.TemporaryDirectory(prefix="ld-portrait-20k-")
