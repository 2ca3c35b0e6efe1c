"""What people upload: told by its first bytes, before any decoder sees it.

Pillow and FFmpeg also open formats that run programs or name other files and hosts
(PostScript, playlists). The page takes none of these, whatever a file is called.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.matting.data import pictures

PICTURES: Final = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp")
"""Suffixes that the page asks for."""

CLIPS: Final = (".mp4", ".mov", ".m4v", ".webm", ".mkv", ".avi", ".y4m")

_PICTURE_FORMATS: Final = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF")
_CLIP_STARTS: Final = {
    b"\x1a\x45\xdf\xa3": 0,  # Matroska, WebM
    b"ftyp": 4, b"moov": 4, b"mdat": 4, b"wide": 4, b"free": 4,  # MP4, QuickTime
    b"AVI ": 8, b"YUV4MPEG2": 0,
}  # fmt: skip
"""First bytes of containers that hold all of a clip, and where they stand."""


def read_picture(path: Path) -> NDArray[np.uint8]:
    """A picture as (H, W, 3) uint8 sRGB, upright.

    Raises:
        PortraitError: Not a picture that the page takes, broken, or too large.
    """
    _check_picture(path)
    return pictures.read_colour(path)


def read_mask(path: Path) -> NDArray[np.uint8]:
    """A mask as (H, W) uint8.

    Raises:
        PortraitError: As for :func:`read_picture`; also a colour picture.
    """
    _check_picture(path)
    return pictures.read_mask(path)


def read_trimap(path: Path) -> NDArray[np.uint8]:
    """A trimap as (H, W) uint8 of 0, 128 and 255.

    Raises:
        PortraitError: As for :func:`read_picture`; also a colour picture.
    """
    _check_picture(path)
    return pictures.read_trimap(path)


def check_clip(path: Path) -> None:
    """Check that a file is a clip and not a list of other files.

    Raises:
        PortraitError: It is not, or cannot be read.
    """
    with path.open("rb") as stream:
        start = stream.read(16)
    if not any(start[at : at + len(text)] == text for text, at in _CLIP_STARTS.items()):
        raise PortraitError(f"{path}: not a clip that the page takes; try: {', '.join(CLIPS)}")


def _check_picture(path: Path) -> None:
    import warnings

    from PIL import Image

    Image.init()  # of the formats named, only those of plugins that are loaded are looked for
    try:
        # Sizes are checked by the reader.
        with warnings.catch_warnings(action="ignore"), Image.open(path, formats=_PICTURE_FORMATS):
            pass
    except Image.DecompressionBombError:
        pass  # the reader says how large it may be
    except Exception:  # Pillow's plugins raise whatever they like on broken files
        raise PortraitError(
            f"{path}: not a picture that can be read; try: {', '.join(PICTURES)}"
        ) from None
