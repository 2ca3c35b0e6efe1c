"""The ``folder`` generator: RGBA pictures that somebody already has."""

from __future__ import annotations

import hashlib
import io
import logging
import os
import re
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from builder.files import WORK_FOLDER
from builder.generation.protocol import Generated, Rejection, Request
from builder.plan import HEADER_FILE
from ld_portrait_20k import codec
from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.format import manifest
from refinement.io import pictures
from refinement.io.listing import picture_files
from refinement.options import PictureError

LOGGER: Final = logging.getLogger(__name__)
VERSION: Final = "1"
SUFFIXES: Final = frozenset({".png", ".webp"})
MIN_SIDE: Final = 64
"""Shortest side in pixels; chosen by eye: below it no hair can be told from its background."""
LIMITS: Final = pictures.Limits(
    formats=("PNG", "WEBP"),
    max_pixels=codec.MAX_PIXELS,  # what a shard may hold: enough for 8k, too little for a bomb
    max_side=codec.MAX_SIDE,
    min_side=MIN_SIDE,
    keep_16_bit=False,
)
MAX_FILE_BYTES: Final = 1 << 30
"""Largest file in bytes that is read; an uncompressed 8k RGBA picture has 133 MB."""


def list_pictures(source: Path) -> list[str]:
    r"""The PNG and WebP files under a folder, relative, sorted, forward slashes.

    Hidden files and folders are skipped. So are datasets that this package built inside the
    folder, because their gallery pictures are no source. Links to folders are followed. A
    byte of a name that is not UTF-8 is recorded as ``\xe9``; :func:`locate` finds the file.

    Raises:
        PortraitError: No such folder, or no such file in it.
    """
    if not source.is_dir():
        raise PortraitError(f"{source}: no such folder; try: --source DIR with RGBA PNG or WebP")
    found = picture_files(
        source,
        SUFFIXES,
        skip=lambda folder: (folder / WORK_FOLDER / HEADER_FILE).exists(),
        unreadable=lambda problem: LOGGER.warning(
            "%s: cannot be read (%s); its pictures are left out", problem.filename, problem.strerror
        ),
    )
    if not found:
        raise PortraitError(f"{source}: no PNG or WebP files in it; try: --source another folder")
    return sorted(_recorded(path.relative_to(source).as_posix()) for path in found)


def _recorded(name: str) -> str:
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


class BadPictureError(PortraitError):
    """A picture that cannot be used.

    Attributes:
        reason: Short name of what is wrong (``no-alpha``, ``truncated``).
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


def file_hash(source: Path, recorded: str) -> str:
    """SHA-256 of a picture's file, in hex; empty for one that cannot be read.

    Such a file is planned as any other, and rejected by name when its turn comes.

    Args:
        source: The folder.
        recorded: As from :func:`list_pictures`.
    """
    try:
        return manifest.file_sha256(_regular(source, recorded))
    except (BadPictureError, OSError):
        return ""


def locate(source: Path, recorded: str) -> Path:
    """Where a picture lies.

    Args:
        source: The folder.
        recorded: As from :func:`list_pictures`.
    """
    path = source / recorded
    if "\\x" not in recorded or os.path.lexists(path):
        return path
    plain = re.sub(r"\\x([0-9a-f]{2})", lambda found: chr(0xDC00 + int(found[1], 16)), recorded)
    return source / plain


def read_rgba(content: bytes, name: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Decode an untrusted picture. The header is checked before any pixel is decoded.

    EXIF orientation is applied and a foreign colour profile converted to sRGB.

    Args:
        content: The file's bytes.
        name: Its name, for messages.

    Returns:
        Foreground (H, W, 3) and alpha (H, W), uint8, straight sRGB.

    Raises:
        BadPictureError: Not a picture, truncated, too small, too large, animated, without alpha.
    """
    try:
        picture = pictures.read(content, LIMITS)
    except PictureError as problem:
        raise BadPictureError(problem.reason, f"{name}: {problem}") from None
    pixels = _to_srgb(picture.rgba, picture.profile)
    return np.ascontiguousarray(pixels[..., :3]), np.ascontiguousarray(pixels[..., 3])


def _to_srgb(rgba: Any, profile: bytes | None) -> NDArray[np.uint8]:
    if not profile:
        return cast("NDArray[np.uint8]", rgba)
    from PIL import Image, ImageCms

    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        colour = ImageCms.profileToProfile(
            Image.fromarray(np.ascontiguousarray(rgba[..., :3])),
            source,
            ImageCms.createProfile("sRGB"),
            outputMode="RGB",
        )
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return cast("NDArray[np.uint8]", rgba)  # unreadable or grey: the values are taken as sRGB
    if colour is None:
        return cast("NDArray[np.uint8]", rgba)
    return np.dstack([np.asarray(colour), rgba[..., 3]])


def _regular(source: Path, recorded: str) -> Path:
    """The path of a regular file of a size that is read; a pipe would be waited for."""
    path = locate(source, recorded)
    try:
        status = path.stat()
    except FileNotFoundError:
        if path.is_symlink():
            detail = f"{recorded}: a link to nothing ({os.fspath(path.readlink())!r:.200})"
            raise BadPictureError("unreadable", detail) from None
        raise
    if not stat.S_ISREG(status.st_mode):
        raise BadPictureError("not-a-picture", f"{recorded}: not a file")
    if status.st_size > MAX_FILE_BYTES:
        raise BadPictureError("too-large", f"{recorded}: over 1 GiB")
    return path


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
            content = _regular(self._source, source.file).read_bytes()
        except OSError as problem:
            reason = problem.strerror or type(problem).__name__
            raise BadPictureError("unreadable", f"{source.file}: {reason}") from problem
        if hashlib.sha256(content).hexdigest() != source.sha256:
            raise BadPictureError("changed", f"{source.file}: changed since it was planned")
        foreground, alpha = read_rgba(content, source.file)
        return Generated(request, foreground, alpha, {"name": self.name, "version": VERSION})
