"""Finding the pictures of a folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from pathlib import Path


def picture_files(
    folder: Path,
    suffixes: Collection[str],
    *,
    skip: Callable[[Path], bool] = lambda folder: False,
    unreadable: Callable[[OSError], None] | None = None,
) -> list[Path]:
    """Every file under a folder that is named like a picture, in no order.

    Hidden files and folders are passed over. Links to folders are followed; each folder is
    looked through once, under its own path where it has one here, so that circles end. Names
    that are no regular file (a link to nothing, a pipe) are among the found.

    Args:
        folder: Where to look.
        suffixes: Of the names, with a dot and in lower case.
        skip: Folders that are passed over.
        unreadable: Told of each folder that cannot be read.
    """
    found: list[Path] = []
    known: set[tuple[int, int]] = set()
    waiting = [folder]
    while waiting:
        links: list[Path] = []
        for top in sorted(waiting):
            _walk(top, found, links, known, skip, unreadable)
        waiting = links
    wanted = frozenset(suffixes)
    return [path for path in found if path.suffix.lower() in wanted]


def _walk(
    top: Path,
    found: list[Path],
    links: list[Path],
    known: set[tuple[int, int]],
    skip: Callable[[Path], bool],
    unreadable: Callable[[OSError], None] | None,
) -> None:
    for at, inner, names in os.walk(top, onerror=unreadable):
        status = Path(at).stat()
        place = (status.st_dev, status.st_ino)
        if place in known:
            inner.clear()
            continue
        known.add(place)
        paths = [Path(at, name) for name in inner if not name.startswith(".")]
        paths = [path for path in paths if not skip(path)]
        links += [path for path in paths if path.is_symlink()]
        inner[:] = [path.name for path in paths if not path.is_symlink()]
        found += [Path(at, name) for name in names if not name.startswith(".")]
