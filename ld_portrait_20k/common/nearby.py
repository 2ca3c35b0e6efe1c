"""Datasets with a name like one that is nowhere."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Final

_MANIFEST: Final = "manifest.json"  # the manifest's module imports this one
_CUTOFF: Final = 0.6  # difflib's own: two of three letters in common
_MOST: Final = 3
_LOOKED_AT: Final = 5000  # entries of a folder, which may be a home with a million files


def near_names(text: str) -> list[str]:
    """Folders with a dataset, and repositories in the Hub's cache, whose names are near.

    Args:
        text: A path or ``owner/name`` that was not found.

    Returns:
        The nearest first, at most three, as they would be given instead.
    """
    path = Path(text).expanduser()
    folders = {_lower(folder.name): str(folder) for folder in _datasets_in(path.parent)}
    repositories = {_lower(name): name for name in _cached_repositories()}
    by_last = {_lower(name.rpartition("/")[2]): name for name in repositories.values()}
    found = [
        *_near(path.name, folders),
        *_near(text, repositories),
        *_near(path.name, by_last),
    ]
    return list(dict.fromkeys(found))[:_MOST]


def suggestion(text: str) -> str:
    """``did you mean A or B?``, or nothing where no name is near."""
    names = near_names(text)
    return f"did you mean {' or '.join(map(repr, names))}?" if names else ""


def _near(name: str, known: dict[str, str]) -> list[str]:
    return [known[one] for one in difflib.get_close_matches(_lower(name), known, _MOST, _CUTOFF)]


def _lower(name: str) -> str:
    return name.lower().replace("_", "-")


def _datasets_in(folder: Path) -> list[Path]:
    found = []
    try:
        for number, path in enumerate(folder.iterdir()):
            if number == _LOOKED_AT:
                break
            if not path.name.startswith(".") and (path / _MANIFEST).is_file():
                found.append(path)
    except OSError:
        return found
    return sorted(found)


def _cached_repositories() -> list[str]:
    from huggingface_hub import constants

    kind = "datasets--"
    try:
        names = sorted(path.name for path in Path(constants.HF_HUB_CACHE).glob(f"{kind}*--*"))
    except OSError:
        return []
    return [name.removeprefix(kind).replace("--", "/", 1) for name in names]
