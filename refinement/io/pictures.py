"""Reading untrusted pictures, and encoding refined ones."""

from __future__ import annotations

import io
import os
import struct
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import cv2
import numpy as np

from refinement.io.png import SIGNATURE, Essence, chunk, essence
from refinement.options import PictureError, RefinementError
from refinement.planes.grid import Pixels

if TYPE_CHECKING:
    from PIL import Image

MAX_PIXELS: Final = 160_000_000
"""More pixels than this are not decoded (8k x 8k has 67 million)."""
MAX_BYTES: Final = 2 << 30
"""Larger files are not read: 160 million pixels of 16 bit are 1.3 GB uncompressed."""
MIN_SIDE: Final = 16
MADE_FOR: Final = 96
"""Shortest side in pixels that the refinement is made for; chosen by eye: of a smaller portrait
little is left beside its border."""
ALPHA_MODES: Final = ("RGBA", "LA", "PA", "RGBa", "La")
"""Pillow's modes with an alpha channel."""
_NAMES = "apng avif bmp dds gif icns ico j2k jp2 jpeg jpg jpx png psd qoi sgi tga tif tiff webp"
SUFFIXES: Final = frozenset("." + name for name in _NAMES.split())
"""What is looked at in a folder; a file named on the command line is tried whatever its name."""
_RECORD: Final = "refinement"
_ORIENTATION: Final = 0x0112  # TIFF and EXIF tags
_BITS_PER_SAMPLE: Final = 258
_EXTRA_SAMPLES: Final = 338
_MAX_PROFILE: Final = 1 << 20  # what Pillow reads back from a PNG
_END: Final = chunk(b"IEND", b"")


@dataclass(slots=True)
class Picture:
    """A decoded picture.

    Attributes:
        rgba: (H, W, 4) uint8 or uint16, straight, upright (EXIF orientation applied).
        profile: The ICC profile of the colours, as stored; None if the file has none.
        colour: The PNG chunks that say what else the colours mean, gamma and primaries.
    """

    rgba: Pixels
    profile: bytes | None = None
    colour: bytes = b""

    def colour_space(self) -> bytes:
        """The PNG chunks that say what the colours mean; empty if the file says nothing.

        Raises:
            PictureError: The profile is larger than what is read back from a PNG.
        """
        profile = self.profile
        if profile is None or profile[16:20] in (b"GRAY", b"CMYK"):
            return self.colour  # none, or one that does not fit RGB, which the picture became
        if len(profile) > _MAX_PROFILE:
            raise PictureError(
                "too-large", "a colour profile of over 1 MB; try: convert the picture to sRGB"
            )
        return self.colour + chunk(b"iCCP", b"icc\0\0" + zlib.compress(profile, 6))


@dataclass(frozen=True, slots=True)
class Limits:
    """What is decoded; every other file is refused by name.

    Attributes:
        formats: Pillow's names of the formats that are tried; None for all.
        max_pixels: Most pixels.
        max_side: Longest side in pixels.
        min_side: Shortest side in pixels.
        keep_16_bit: Whether 16-bit samples stay as they are; else their high bytes are taken.
        opaque: Whether a picture without alpha is taken too.
    """

    formats: tuple[str, ...] | None = None
    max_pixels: int = MAX_PIXELS
    max_side: int = MAX_PIXELS
    min_side: int = MIN_SIDE
    keep_16_bit: bool = True
    opaque: bool = False


def load(path: Path) -> bytes:
    """The bytes of a file that may be a picture.

    Raises:
        RefinementError: There is no such file, it cannot be read, or it is too large.
    """
    try:
        if path.is_dir():
            raise RefinementError("a folder; try: python -m refinement for all its pictures")
        if not path.is_file():
            missing = not path.exists() and not path.is_symlink()
            raise RefinementError(
                "no such file; try: another path" if missing else "not a file; try: a regular one"
            )
        if path.stat().st_size > MAX_BYTES:
            raise RefinementError(f"more than {MAX_BYTES >> 30} GB; try: a smaller one")
        return path.read_bytes()
    except OSError as error:
        raise RefinementError(
            f"cannot be read: {error.strerror or error}; try: another file"
        ) from None
    except ValueError as error:  # a zero byte in the name
        if isinstance(error, RefinementError):
            raise
        raise RefinementError(f"no name of a file ({error}); try: another path") from None


def read(data: bytes, limits: Limits = Limits()) -> Picture:
    """Decode a picture with an alpha channel.

    16-bit PNG and TIFF keep their depth; other formats come with 8 bits. Chunks of a PNG that
    decide no pixel may be broken, in the wrong place or too large: they are left out.

    Args:
        data: The whole file.
        limits: What to accept.

    Raises:
        PictureError: Not a picture, truncated, too large, too small, animated, or no alpha.
    """
    from PIL import Image

    try:
        png = essence(data) if data.startswith(SIGNATURE) else Essence(data)
        data = png.data
        if data[8:16] == b"\0\0\0\rIHDR" and len(data) > 24:
            width, height = struct.unpack(">II", data[16:24])
            _check_size(width, height, limits)
        # Pillow warns about broken tags and sizes below; one line a file is enough.
        with (
            warnings.catch_warnings(action="ignore"),
            Image.open(io.BytesIO(data), formats=limits.formats) as image,
        ):
            _check(image, data, limits)
            if png.animated or (image.format != "PSD" and getattr(image, "is_animated", False)):
                # A PSD has layers.
                raise PictureError(
                    "animated", "more than one frame or page; try: save the one wanted alone"
                )
            image.load()  # all of it: EXIF may follow the pixels, and cv2 passes over truncation
            orientation = _orientation(image)
            profile = image.info.get("icc_profile") if png.profile is None else png.profile
            rgba = _pixels(image, data, limits)
            if image.format == "TIFF":
                orientation = 1  # both decoders have turned it
    except RefinementError:
        raise
    except Image.UnidentifiedImageError:
        raise PictureError("not-a-picture", "not a picture that can be read; try: PNG") from None
    except Image.DecompressionBombError:
        raise PictureError(
            "too-large", "more pixels than are safe to decode; try: a smaller one"
        ) from None
    except MemoryError:
        raise PictureError(
            "unreadable", "not enough memory to decode it; try: a smaller one"
        ) from None
    except Exception as error:  # Pillow's plugins raise whatever they like on broken files
        detail = f"broken or truncated ({one_line(error)}); try: another copy"
        raise PictureError("unreadable", detail) from None
    return Picture(
        _upright(rgba, orientation), profile if isinstance(profile, bytes) else None, png.colour
    )


def _check(image: Image.Image, data: bytes, limits: Limits) -> None:
    """Refuse what must not or cannot be decoded, from the header."""
    _check_size(*image.size, limits)
    keyed = "transparency" in image.info
    if image.mode not in ALPHA_MODES and not keyed and not limits.opaque:
        raise PictureError("no-alpha", "no alpha channel; try: a picture saved as RGBA")
    if keyed and image.format == "PNG" and data[24] == 16:
        raise PictureError(
            "unreadable", "16 bit with one transparent colour; try: a picture saved as RGBA"
        )


def _check_size(width: int, height: int, limits: Limits) -> None:
    size = f"{width} x {height}"
    if width * height > limits.max_pixels:
        most = limits.max_pixels // 1_000_000
        raise PictureError(
            "too-large", f"{size} is more than {most} million pixels; try: scale it down"
        )
    if max(width, height) > limits.max_side:
        raise PictureError(
            "too-large", f"{size} has a side over {limits.max_side:,} px; try: scale it down"
        )
    if min(width, height) < limits.min_side:
        raise PictureError(
            "too-small",
            f"{size} is too small: {limits.min_side} px at least; try: the picture before it was "
            "scaled down",
        )


def _pixels(image: Image.Image, data: bytes, limits: Limits) -> Pixels:
    """(H, W, 4) of the loaded picture, straight."""
    if not (limits.keep_16_bit and _is_16_bit(image, data)):
        return np.asarray(as_rgba(image))
    rgba = _decode_16_bit(data)
    if 1 in _tiff_tag(image, _EXTRA_SAMPLES):  # premultiplied
        _make_straight(rgba)
    return rgba


def as_rgba(image: Image.Image) -> Image.Image:
    """The picture in mode RGBA, straight."""
    if image.mode == "La":  # Pillow converts premultiplied grey to LA alone
        image = image.convert("LA")
    return image.convert("RGBA")


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:
        return 1  # broken EXIF says nothing, and the picture itself may be whole


def one_line(error: Exception) -> str:
    """What a library says of an error, short and without line breaks."""
    return " ".join(str(error).split())[:120] or type(error).__name__


def _is_16_bit(image: Image.Image, data: bytes) -> bool:
    """Whether the file holds 16-bit samples, which Pillow would cut to 8 for RGBA."""
    if image.format == "PNG":
        return len(data) > 25 and data[24] == 16 and data[25] in (4, 6)
    return max(_tiff_tag(image, _BITS_PER_SAMPLE), default=8) == 16


def _tiff_tag(image: Image.Image, tag: int) -> tuple[int, ...]:
    tags = getattr(image, "tag_v2", {}) if image.format == "TIFF" else {}
    return tuple(tags.get(tag, ()))


def _decode_16_bit(data: bytes) -> Pixels:
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if decoded is None:
        raise PictureError("unreadable", "broken or truncated (no pixels); try: another copy")
    if decoded.ndim != 3 or decoded.shape[2] != 4:
        raise PictureError("unreadable", "16 bit of a kind that cannot be read; try: RGBA")
    return cast("Pixels", cv2.cvtColor(decoded, cv2.COLOR_BGRA2RGBA))


def _make_straight(rgba: Pixels) -> None:
    """Divide premultiplied 16-bit colour by alpha, in place."""
    for row in rgba:
        share = np.maximum(row[:, 3:], 1).astype(np.uint32)
        row[:, :3] = np.minimum((row[:, :3] * np.uint32(65535) + share // 2) // share, 65535)


def _upright(rgba: Pixels, orientation: int) -> Pixels:
    """Undo an EXIF orientation (TIFF 6.0 tag 274, values 1 to 8)."""
    if orientation in (2, 4, 5, 7):
        flipped = {2: rgba[:, ::-1], 4: rgba[::-1], 5: rgba.transpose(1, 0, 2)}
        turned = flipped.get(orientation, rgba[::-1, ::-1].transpose(1, 0, 2))
    else:
        turned = np.rot90(rgba, {3: 2, 6: 3, 8: 1}.get(orientation, 0))
    return np.ascontiguousarray(turned)


def encode(picture: Pixels, record: str = "", colour_space: bytes = b"") -> bytes:
    """A PNG of the picture that carries a record and what its colours mean.

    Args:
        picture: (H, W, 3 or 4) or, of one plane, (H, W); uint8 or uint16.
        record: Latin-1 text, kept in a tEXt chunk; none if empty.
        colour_space: As in :class:`Picture`; left out of one plane, which holds no colours.
    """
    if picture.ndim == 2:
        colour_space = b""
    else:
        order = cv2.COLOR_RGBA2BGRA if picture.shape[2] == 4 else cv2.COLOR_RGB2BGR
        picture = cast("Pixels", cv2.cvtColor(picture, order))
    ok, encoded = cv2.imencode(".png", picture, [cv2.IMWRITE_PNG_COMPRESSION, 4])
    if not ok:
        raise RefinementError("the PNG encoder failed; try: more free memory")
    png = encoded.tobytes()
    text = chunk(b"tEXt", _RECORD.encode() + b"\0" + record.encode("latin-1")) if record else b""
    # Behind the signature and IHDR.
    return b"".join([png[:33], colour_space, text, png[33:]])


def read_record(path: Path) -> str | None:
    """The record that :func:`encode` put into a PNG, or None; also if its end is missing."""
    from PIL import Image

    try:
        with path.open("rb") as file:
            file.seek(-len(_END), os.SEEK_END)
            whole = file.read() == _END
            file.seek(0)
            with warnings.catch_warnings(action="ignore"), Image.open(file) as image:
                value = image.info.get(_RECORD)
    except Exception:
        return None  # whatever is wrong with it, it is not a finished output
    return value if whole and isinstance(value, str) else None
