"""The ``folder`` generator: RGBA pictures that somebody already has."""

from __future__ import annotations

import hashlib
import io
import os
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from builder.files import WORK_FOLDER
from builder.generation.protocol import Generated, Rejection, Request
from builder.plan import HEADER_FILE
from ld_portrait_20k import codec
from ld_portrait_20k.errors import PortraitError

VERSION: Final = "1"
SUFFIXES: Final = frozenset({".png", ".webp"})
MIN_SIDE: Final = 64
"""Shortest side in pixels; chosen by eye: below it no hair can be told from its background."""
MAX_PIXELS: Final = codec.MAX_PIXELS
"""What a shard may hold: enough for 8k, too little for a decompression bomb to do harm."""
MAX_FILE_BYTES: Final = 1 << 30
"""Largest file in bytes that is read; an uncompressed 8k RGBA picture has 133 MB."""


def list_pictures(source: Path) -> list[str]:
    """The PNG and WebP files under a folder, relative, sorted, forward slashes.

    Hidden files and folders are skipped. So are datasets that this package built inside the
    folder, because their gallery pictures are no source.

    Raises:
        PortraitError: No such folder, or no such file in it.
    """
    if not source.is_dir():
        raise PortraitError(f"{source}: no such folder; try: --source DIR with RGBA PNG or WebP")
    found = []
    for folder, inner, names in os.walk(source):
        inner[:] = [name for name in inner if not _is_skipped(Path(folder, name))]
        found += [
            Path(folder, name).relative_to(source).as_posix()
            for name in names
            if Path(name).suffix.lower() in SUFFIXES and not name.startswith(".")
        ]
    if not found:
        raise PortraitError(f"{source}: no PNG or WebP files in it; try: --source another folder")
    return sorted(found)


def _is_skipped(folder: Path) -> bool:
    return folder.name.startswith(".") or (folder / WORK_FOLDER / HEADER_FILE).exists()


class BadPictureError(PortraitError):
    """A picture that cannot be used.

    Attributes:
        reason: Short name of what is wrong (``no-alpha``, ``truncated``).
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


def read_rgba(content: bytes, name: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Decode an untrusted picture. The header is checked before any pixel is decoded.

    EXIF orientation is applied and a foreign colour profile converted to sRGB.

    Args:
        content: The file's bytes.
        name: Its name, for messages.

    Returns:
        Foreground (H, W, 3) and alpha (H, W), uint8, straight sRGB.

    Raises:
        BadPictureError: Not a picture, truncated, too small, too large, without alpha.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            # Pillow only warns of large pictures; the limit below refuses them by name.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            picture = Image.open(io.BytesIO(content), formats=("PNG", "WEBP"))
        width, height = picture.size
        if width * height > MAX_PIXELS:
            raise BadPictureError(
                "too-large", f"{name}: {width}x{height} pixels, over {MAX_PIXELS:,}; scale it down"
            )
        if min(width, height) < MIN_SIDE:
            raise BadPictureError(
                "too-small", f"{name}: {width}x{height} pixels, a side under {MIN_SIDE}"
            )
        if "A" not in picture.getbands() and "transparency" not in picture.info:
            raise BadPictureError(
                "no-alpha", f"{name}: mode {picture.mode} has no alpha; save it as RGBA"
            )
        picture.load()
        profile = picture.info.get("icc_profile")
        upright = ImageOps.exif_transpose(picture).convert("RGBA")
        pixels = np.asarray(_to_srgb(upright, profile))
    except BadPictureError:
        raise
    except UnidentifiedImageError:
        raise BadPictureError("not-a-picture", f"{name}: not a PNG or WebP picture") from None
    except Image.DecompressionBombError:
        raise BadPictureError(
            "too-large", f"{name}: over {MAX_PIXELS:,} pixels; scale it down"
        ) from None
    except (OSError, SyntaxError, ValueError, MemoryError) as problem:
        raise BadPictureError(
            "unreadable", f"{name}: truncated or damaged ({problem})"
        ) from problem
    return np.ascontiguousarray(pixels[..., :3]), np.ascontiguousarray(pixels[..., 3])


def _to_srgb(picture: Any, profile: bytes | None) -> Any:
    if not profile:
        return picture
    from PIL import Image, ImageCms

    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        colour = ImageCms.profileToProfile(
            picture.convert("RGB"), source, ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
        if colour is None:
            return picture
    except (ImageCms.PyCMSError, OSError, ValueError):
        return picture  # the profile is unreadable or grey: take the values as sRGB
    return Image.merge("RGBA", (*colour.split(), picture.getchannel("A")))


class FolderGenerator:
    """Reads the planned files of a folder.

    Args:
        source: The folder that the plan was made from.
    """

    name = "folder"
    batch_size = 1
    repeatable = False

    def __init__(self, source: Path) -> None:
        self._source = source

    def generate(self, requests: Sequence[Request]) -> Iterator[Generated | Rejection]:
        """Read the pictures; a bad one becomes a rejection that names it and says why."""
        for request in requests:
            try:
                yield self._read(request)
            except BadPictureError as problem:
                yield Rejection(request, problem.reason, str(problem))

    def _read(self, request: Request) -> Generated:
        source = request.row.source
        assert source is not None, "a folder's rows have sources"
        try:
            path = self._source / source.file
            if path.stat().st_size > MAX_FILE_BYTES:
                raise BadPictureError("too-large", f"{source.file}: over 1 GiB")
            content = path.read_bytes()
        except OSError as problem:
            reason = problem.strerror or type(problem).__name__
            raise BadPictureError("unreadable", f"{source.file}: {reason}") from problem
        if hashlib.sha256(content).hexdigest() != source.sha256:
            raise BadPictureError("changed", f"{source.file}: changed since it was planned")
        foreground, alpha = read_rgba(content, source.file)
        return Generated(request, foreground, alpha, {"name": self.name, "version": VERSION})
