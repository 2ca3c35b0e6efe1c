"""Shards as people write them down: one path, ``file://``, a glob, braces, or a list of these."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from ld_portrait_20k.errors import DatasetNotFoundError, PortraitError


def is_url(text: str) -> bool:
    """Whether a path or URL is read over HTTP."""
    return text.startswith(("http://", "https://"))


def local_path(text: str) -> str:
    """The path of a ``file://`` URL; any other text as it is.

    Raises:
        PortraitError: The URL names another machine.
    """
    if not text.lower().startswith("file:"):
        return text
    parts = urlsplit(text)
    if parts.netloc not in ("", "localhost"):
        raise PortraitError(f"{text}: a file on another machine; try: file:///PATH")
    return url2pathname(parts.path)


def names_shards(text: str) -> bool:
    """Whether a text names shards rather than a dataset: a tar file, a glob, or braces."""
    path = re.split("[?#]", text)[0] if is_url(text) else local_path(text)
    return path.endswith(".tar") or any(mark in path for mark in "*?{")


def list_shards(sources: Iterable[str | Path]) -> list[str]:
    """Every shard that some paths, URLs, globs and brace patterns name.

    Braces are expanded as in bash (``{000..012}``, ``{a,b}``), globs by name order, ``**`` through
    folders. A file whose own name has such marks is taken as it is. Local paths become
    absolute, so that they stay valid when the process changes its folder.

    Raises:
        DatasetNotFoundError: A glob matches nothing.
        PortraitError: Braces that do not match, or a ``file://`` URL of another machine.
    """
    found: list[str] = []
    for source in sources:
        text = str(source)
        if is_url(text):
            found += _braces(text)
            continue
        path = str(Path(local_path(text)).expanduser().absolute())
        found += [path] if Path(path).exists() else _matches(path)
    return found


def _matches(path: str) -> list[str]:
    found: list[str] = []
    for one in _braces(path):
        if not glob.has_magic(one):
            found.append(one)
            continue
        # Not Path.glob: it takes no absolute pattern.
        matched = sorted(glob.glob(one, recursive=True))  # noqa: PTH207
        if not matched:
            raise DatasetNotFoundError(f"{one}: matches no file; try: quote it, and see ls")
        found += matched
    return found


def _braces(text: str) -> list[str]:
    if "{" not in text:
        return [text]
    from braceexpand import braceexpand

    try:
        return list(braceexpand(text))
    except ValueError as problem:
        raise PortraitError(f"{text}: braces that do not match; try: {{000..012}}") from problem
