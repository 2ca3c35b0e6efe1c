"""Which picture of a folder each prompt of a user's file belongs to."""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Final

from ld_portrait_20k.errors import PortraitError

LOGGER: Final = logging.getLogger(__name__)
_NAMED: Final = 3
"""Keys that a message lists at most."""


def match_prompts(
    prompts: Mapping[str, str], pictures: Sequence[str], path: Path
) -> dict[str, str]:
    """Find the prompt of each picture.

    A key is a picture's path or name, with or without the extension. The longest form that is
    there counts, and accented letters may be encoded either way (macOS and Linux differ).

    Args:
        prompts: Key to prompt, as in the file.
        pictures: Paths relative to the source folder, with forward slashes.
        path: The file, for messages.

    Returns:
        Picture to prompt; a picture without one is left out.

    Raises:
        PortraitError: No key matches a picture, or two keys are the same name. Keys that match
            none beside others that do are logged as a warning, because a file may describe
            more pictures than the folder has.
    """
    keys: dict[str, str] = {}
    for key in prompts:
        name = _normal(key)
        if name in keys:
            raise PortraitError(
                f"{path}: {key!r:.100} is there twice, its accents encoded in two ways; "
                "try: keep one"
            )
        keys[name] = key
    found: dict[str, str] = {}
    used: set[str] = set()
    for picture in pictures:
        matching = [keys[name] for name in _names(picture) if name in keys]
        used.update(matching)
        if matching:
            found[picture] = prompts[matching[0]]
    unused = [key for key in prompts if key not in used]
    if not unused:
        return found
    listed = ", ".join(f"{key!r:.100}" for key in unused[:_NAMED])
    if len(unused) > _NAMED:
        listed += ", ..."
    what = f"{path}: {len(unused)} of {len(prompts)} prompts match no picture: {listed}"
    if not found:
        raise PortraitError(f"{what}; try: file names as keys, such as {pictures[0]!r:.100}")
    LOGGER.warning(what)
    return found


def _names(picture: str) -> tuple[str, ...]:
    """What a picture may be called, the longest first."""
    path = PurePosixPath(_normal(picture))
    return (str(path), str(path.with_suffix("")), path.name, path.stem)


def _normal(name: str) -> str:
    return unicodedata.normalize("NFC", name)
