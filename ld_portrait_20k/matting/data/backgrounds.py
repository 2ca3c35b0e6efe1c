"""Backgrounds for training, from a line of text."""

from __future__ import annotations

from pathlib import Path

from ld_portrait_20k.compositing.backgrounds import SUFFIXES, PictureBackgrounds
from ld_portrait_20k.errors import PortraitError


def open_backgrounds(text: str | Path | None) -> tuple[PictureBackgrounds | None, str]:
    """Open a source of backgrounds.

    Args:
        text: A folder of pictures; a text file that lists them, one path a line, relative
            to that file's folder, ``#`` for comments; one picture; or None.

    Returns:
        The backgrounds, or None where crops are to be composited over generated ones; and
        a sentence for the log and the model's card that says which.

    Raises:
        PortraitError: Nothing there, no pictures, or a listed one is missing.
    """
    if text is None:
        return None, (
            "backgrounds: none given, so colours, gradients and noise are generated; "
            "photographs (--backgrounds DIR) make a better model"
        )
    path = Path(text).expanduser()
    if path.is_dir():
        found = PictureBackgrounds(path)
    elif path.suffix.lower() in SUFFIXES and path.is_file():
        found = PictureBackgrounds([path])
    elif path.is_file():
        found = PictureBackgrounds(_listed(path))
    else:
        raise PortraitError(
            f"{path}: no such backgrounds; try: a folder of pictures, or a file that lists them"
        )
    return found, f"backgrounds: {len(found)} picture{'s' * (len(found) != 1)} of {path}"


def _listed(path: Path) -> list[Path]:
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except UnicodeDecodeError as problem:
        raise PortraitError(f"{path}: neither a picture nor a list of pictures") from problem
    pictures = [path.parent / line for line in lines if line and not line.startswith("#")]
    missing = [picture for picture in pictures if not picture.is_file()]
    if missing:
        raise PortraitError(
            f"{path} lists {missing[0]}, which is not there ({len(missing)} missing in all); "
            "try: one path a line, relative to the list's folder"
        )
    if not pictures:
        raise PortraitError(f"{path}: lists no pictures")
    return pictures
