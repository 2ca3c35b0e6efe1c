"""Reading pictures, mattes, masks and trimaps from other people's files.

Whatever comes in (grey, palette, RGBA, CMYK, 16 bit, turned by EXIF) goes out in one of
four plain forms. Colours are taken to be sRGB; profiles are not converted.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from ld_portrait_20k.codec import MAX_PIXELS, ImageError
from ld_portrait_20k.compositing.backgrounds import named_pictures
from ld_portrait_20k.compositing.trimaps import BACKGROUND, FOREGROUND, UNKNOWN

if TYPE_CHECKING:
    from PIL import Image

Samples = NDArray[np.unsignedinteger[Any]]
"""Values of 8 bits (uint8) or 16 (uint16)."""

TRIMAP_MARGIN: Final = 32
"""A trimap's value this near to 0 or 255 is known. JPEG's ringing at a step of 128 stays
within it (at most a fifth of the step); what interpolation puts between is unknown."""

_GREY_TOLERANCE: Final = 16  # channels of a grey JPEG differ by a few values
_ORIENTATION: Final = 0x0112
_BITS_PER_SAMPLE: Final = 258
_TURNS: Final = {2: (0, True), 3: (2, False), 4: (2, True), 5: (3, True), 6: (3, False),
                 7: (1, True), 8: (1, False)}  # fmt: skip
"""EXIF orientation to quarter turns anti-clockwise, and whether to mirror afterwards."""


def list_pictures(folder: Path) -> dict[str, Path]:
    """The pictures of a folder and its sub-folders, in the order of their names.

    Args:
        folder: Where to look, as :func:`~.backgrounds.named_pictures` does.

    Returns:
        Path relative to the folder, without suffix and with forward slashes, to the file.

    Raises:
        ImageError: No such folder, or two pictures whose names differ in the suffix alone.
    """
    if not folder.is_dir():
        raise ImageError(f"{folder}: no such folder")
    found: dict[str, Path] = {}
    for path in named_pictures(folder):
        key = path.relative_to(folder).with_suffix("").as_posix()
        if key in found:
            raise ImageError(
                f"{found[key]} and {path.name} have one name; try: leave one of them out"
            )
        found[key] = path
    return found


def list_frames(folder: Path) -> dict[str, Path]:
    """The same in the order in which frames are counted: ``f2.png`` comes before ``f10.png``.

    Raises:
        ImageError: As :func:`list_pictures`.
    """
    found = list_pictures(folder)
    return {name: found[name] for name in sorted(found, key=_as_counted)}


def _as_counted(name: str) -> list[tuple[list[str | int], str]]:
    return [(_numbers_apart(part), part) for part in name.split("/")]


def _numbers_apart(text: str) -> list[str | int]:
    # Text and numbers alternate, so that like is compared with like.
    parts = re.split(r"([0-9]+)", text)
    return [int(part) if index % 2 else part for index, part in enumerate(parts)]


def read_colour(path: Path) -> NDArray[np.uint8]:
    """A picture as (H, W, 3) uint8 sRGB, upright; an alpha channel is left out.

    Raises:
        ImageError: Not a picture, broken, or too large.
    """
    return read_colour_and_alpha(path)[0]


def read_colour_samples(path: Path) -> Samples:
    """A picture as (H, W, 3) sRGB, upright: uint8, or uint16 where the file has that depth.

    Raises:
        ImageError: Not a picture, broken, or too large.
    """
    planes = _read(path)
    return np.ascontiguousarray(
        planes[..., :3] if _rgb(planes) else np.repeat(planes[..., :1], 3, axis=2)
    )


def read_colour_and_alpha(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
    """A picture as (H, W, 3) uint8 sRGB, straight, and its alpha (H, W) uint8 if it has any.

    Raises:
        ImageError: Not a picture, broken, or too large.
    """
    planes = _read(path)
    colour = planes[..., :3] if _rgb(planes) else np.repeat(planes[..., :1], 3, axis=2)
    alpha = to_8_bit(planes[..., -1]) if planes.shape[2] in (2, 4) else None
    return to_8_bit(colour), alpha


def read_matte(path: Path) -> Samples:
    """An alpha matte or mask as (H, W) uint8, or uint16 where the file has that depth.

    Of a picture with an alpha channel, that channel counts; but a grey picture that is
    opaque all over is itself the matte.

    Raises:
        ImageError: As for :func:`read_colour`; also a colour picture without alpha.
    """
    planes = _read(path)
    if planes.shape[2] in (2, 4):
        alpha = planes[..., -1]
        opaque = alpha.min() == np.iinfo(alpha.dtype).max
        if not (opaque and (planes.shape[2] == 2 or _is_grey(planes))):
            return np.ascontiguousarray(alpha)
    elif planes.shape[2] == 3 and not _is_grey(planes):
        raise ImageError(
            f"{path}: a colour picture without alpha, not a matte; try: a grey or RGBA picture"
        )
    return np.ascontiguousarray(planes[..., 1 if _rgb(planes) else 0])


def read_mask(path: Path) -> NDArray[np.uint8]:
    """A segmentation mask, hard or soft, as (H, W) uint8; one of 0 and 1 is stretched.

    Raises:
        ImageError: As for :func:`read_matte`.
    """
    mask = to_8_bit(read_matte(path))
    return mask * np.uint8(255) if int(mask.max(initial=0)) == 1 else mask


def read_trimap(path: Path) -> NDArray[np.uint8]:
    """A trimap as (H, W) uint8 of exactly 0, 128 and 255.

    Values within :data:`TRIMAP_MARGIN` of black and white are background and foreground,
    all others unknown. A picture of no value over 2 counts as one of 0, 1, 2.

    Raises:
        ImageError: As for :func:`read_colour`; also a colour picture.
    """
    planes = _read(path)
    if _rgb(planes) and not _is_grey(planes):
        raise ImageError(f"{path}: a colour picture, not a trimap; try: a grey one")
    return clean_trimap(to_8_bit(planes[..., 1 if _rgb(planes) else 0]))


def clean_trimap(values: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The nearest trimap of exactly 0, 128 and 255; see :func:`read_trimap`.

    Args:
        values: (H, W) uint8.
    """
    if int(values.max(initial=0)) == 2:
        return np.array([BACKGROUND, UNKNOWN, FOREGROUND], np.uint8)[values]
    table = np.full(256, UNKNOWN, np.uint8)
    table[: TRIMAP_MARGIN + 1] = BACKGROUND
    table[255 - TRIMAP_MARGIN :] = FOREGROUND
    return table[values]


def to_unit(values: Samples) -> NDArray[np.float64]:
    """Values of 8 or 16 bits as float64, 0..1."""
    return values / np.float64(np.iinfo(values.dtype).max)


def to_8_bit(values: Samples) -> NDArray[np.uint8]:
    """Values of 8 or 16 bits as 8 bits, rounded to nearest."""
    if values.dtype == np.uint8:
        return np.ascontiguousarray(values, np.uint8)
    # 257 = 65535 / 255; in 32 bits, since 65535 + 128 does not fit into 16.
    return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)


def check_sizes(first: Path | str, second: Path | str, sizes: Sequence[tuple[int, ...]]) -> None:
    """Compare two pictures' sizes.

    Args:
        first: Name of one.
        second: Name of the other.
        sizes: Both shapes, height first.

    Raises:
        ImageError: They differ; the message names both.
    """
    one, other = (tuple(size[:2]) for size in sizes)
    if one != other:
        raise ImageError(
            f"{first} is {one[1]}x{one[0]} but {second} is {other[1]}x{other[0]}; "
            "try: files of one size"
        )


def _rgb(planes: Samples) -> bool:
    return planes.shape[2] >= 3


def _is_grey(planes: Samples) -> bool:
    scale = 257 if planes.dtype == np.uint16 else 1
    green = planes[..., 1].astype(np.int32)
    return all(
        int(np.abs(planes[..., channel] - green).max(initial=0)) <= _GREY_TOLERANCE * scale
        for channel in (0, 2)
    )


def _read(path: Path) -> Samples:
    """(H, W, C) of 8 or 16 bits: grey, grey and alpha, RGB or RGBA; upright."""
    from PIL import Image, UnidentifiedImageError

    try:
        data = path.read_bytes()
    except OSError as problem:
        raise ImageError(f"{path}: cannot be read ({problem.strerror})") from problem
    try:
        # Pillow warns of odd tags and of sizes that are checked here.
        with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(data)) as picture:
            width, height = picture.size
            if width * height > MAX_PIXELS:
                raise ImageError(
                    f"{path}: {width}x{height} is over the limit of {MAX_PIXELS} pixels"
                )
            picture.load()
            planes = _decode_16_bit(data) if _is_16_bit(picture, data) else _plain(picture)
            turn = 1 if picture.format == "TIFF" else _orientation(picture)
    except ImageError:
        raise
    except (UnidentifiedImageError, Image.DecompressionBombError):
        raise ImageError(f"{path}: not a picture that can be read") from None
    except Exception as problem:  # Pillow's plugins raise whatever they like on broken files
        text = " ".join(str(problem).split())[:120] or type(problem).__name__
        raise ImageError(f"{path}: broken or truncated ({text})") from None
    turns, mirrored = _TURNS.get(turn, (0, False))
    planes = np.rot90(planes, turns)
    return np.ascontiguousarray(planes[:, ::-1] if mirrored else planes)


def _plain(picture: Image.Image) -> Samples:
    """The pixels of an 8-bit picture, or of a 16-bit grey one that Pillow reads itself."""
    mode = picture.mode
    if mode in ("I;16", "I;16B", "I;16L", "I;16N"):
        return np.asarray(picture).astype(np.uint16)[..., None]
    if mode == "I":
        return np.clip(np.asarray(picture), 0, 65535).astype(np.uint16)[..., None]
    if mode == "F":
        unit = np.nan_to_num(np.asarray(picture, np.float64))
        return np.rint(np.clip(unit, 0, 1) * 65535).astype(np.uint16)[..., None]
    if mode in ("RGBa", "La") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
    elif mode in ("1", "L", "LA", "RGB", "RGBA"):
        picture = picture.convert("L") if mode == "1" else picture
    else:
        picture = picture.convert("RGBA" if mode == "PA" else "RGB")
    pixels = np.asarray(picture, np.uint8)
    return pixels[..., None] if pixels.ndim == 2 else pixels


def _is_16_bit(picture: Image.Image, data: bytes) -> bool:
    """Whether the file has 16-bit samples that Pillow would cut to 8."""
    if picture.format == "PNG":
        return len(data) > 25 and data[24] == 16 and picture.mode not in ("I;16", "I")
    tags: Any = getattr(picture, "tag_v2", {})
    bits = tags.get(_BITS_PER_SAMPLE, 8)
    deepest = max(bits) if isinstance(bits, tuple) else bits
    return deepest == 16 and not picture.mode.startswith("I")


def _decode_16_bit(data: bytes) -> Samples:
    flags = cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION
    pixels: NDArray[Any] | None = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if pixels is None or pixels.dtype not in (np.uint8, np.uint16):
        raise ImageError("16 bit that cannot be decoded")
    if pixels.ndim == 2:
        return pixels[..., None]
    return pixels[..., [2, 1, 0, 3][: pixels.shape[2]]]


def _orientation(picture: Image.Image) -> int:
    try:
        return int(picture.getexif().get(_ORIENTATION, 1))
    except Exception:
        return 1  # broken EXIF says nothing, and the picture itself may be whole
