"""Reading untrusted pictures and writing refined ones, whole or not at all."""

from __future__ import annotations

import io
import os
import struct
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from refinement.options import RefinementError

MAX_PIXELS: Final = 160_000_000
"""More pixels than this are not decoded (8k x 8k has 67 million)."""
MIN_SIDE: Final = 16
SUFFIXES: Final = frozenset(
    [
        ".png",
        ".webp",
        ".tif",
        ".tiff",
        ".tga",
        ".gif",
        ".bmp",
        ".avif",
        ".jp2",
        ".dds",
        ".ico",
        ".jpg",
        ".jpeg",
        ".psd",
    ]
)
"""What is looked at in a folder; a file named on the command line is tried whatever its name."""
_RECORD: Final = "refinement"
_ORIENTATION: Final = 0x0112
_BITS_PER_SAMPLE: Final = 258


@dataclass(slots=True)
class Picture:
    """A decoded picture.

    Attributes:
        rgba: (H, W, 4) uint8 or uint16, straight, upright (EXIF orientation applied).
        icc_profile: The colour profile as stored, or None.
    """

    rgba: np.ndarray
    icc_profile: bytes | None


def read(data: bytes) -> Picture:
    """Decode a picture with an alpha channel.

    Args:
        data: The whole file.

    Raises:
        RefinementError: Not a picture, truncated, too large, too small, or no alpha.
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data)) as image:
            width, height = image.size
            if width * height > MAX_PIXELS:
                raise RefinementError(
                    f"{width} x {height} is more than {MAX_PIXELS // 1_000_000} million pixels"
                )
            if min(width, height) < MIN_SIDE:
                raise RefinementError(f"{width} x {height} is too small: {MIN_SIDE} px at least")
            if image.mode not in ("RGBA", "LA", "PA", "RGBa", "La") and (
                "transparency" not in image.info
            ):
                raise RefinementError("no alpha channel; an RGBA picture is needed")
            profile = image.info.get("icc_profile")
            orientation = int(image.getexif().get(_ORIENTATION, 1))
            if _is_16_bit(image, data):
                image.load()  # finds truncation that the other decoder would pass over
                rgba = _decode_16_bit(data)
            else:
                rgba = np.asarray(image.convert("RGBA"))
    except RefinementError:
        raise
    except Image.UnidentifiedImageError:
        raise RefinementError("not a picture that can be read") from None
    except Image.DecompressionBombError:
        raise RefinementError("more pixels than are safe to decode") from None
    except MemoryError:
        raise RefinementError("not enough memory to decode it") from None
    except Exception as error:  # Pillow's plugins raise whatever they like on broken files
        raise RefinementError(f"broken or truncated ({_one_line(error)})") from None
    return Picture(_upright(rgba, orientation), profile if isinstance(profile, bytes) else None)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__


def _is_16_bit(image: object, data: bytes) -> bool:
    """Whether the file holds 16-bit samples, which Pillow would cut to 8 for RGBA."""
    kind = getattr(image, "format", None)
    if kind == "PNG":
        return len(data) > 25 and data[24] == 16 and data[25] in (4, 6)
    if kind == "TIFF":
        bits = getattr(image, "tag_v2", {}).get(_BITS_PER_SAMPLE, ())
        return bool(bits) and max(bits) == 16
    return False


def _decode_16_bit(data: bytes) -> np.ndarray:
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if decoded is None or decoded.ndim != 3 or decoded.shape[2] != 4:
        raise RefinementError("a 16-bit picture of a kind that cannot be read; use RGBA")
    return cv2.cvtColor(decoded, cv2.COLOR_BGRA2RGBA)


def _upright(rgba: np.ndarray, orientation: int) -> np.ndarray:
    """Undo an EXIF orientation (TIFF 6.0 tag 274, values 1 to 8)."""
    if orientation in (2, 4, 5, 7):
        flipped = {2: rgba[:, ::-1], 4: rgba[::-1], 5: rgba.transpose(1, 0, 2)}
        turned = flipped.get(orientation, rgba[::-1, ::-1].transpose(1, 0, 2))
    else:
        turned = np.rot90(rgba, {3: 2, 6: 3, 8: 1}.get(orientation, 0))
    return np.ascontiguousarray(turned)


def encode(rgba: np.ndarray, record: str, icc_profile: bytes | None) -> bytes:
    """A PNG of the picture that carries a record and a colour profile.

    Args:
        rgba: (H, W, 4) uint8 or uint16.
        record: Latin-1 text, kept in a tEXt chunk.
        icc_profile: Kept in an iCCP chunk unless None.
    """
    ok, encoded = cv2.imencode(
        ".png", cv2.cvtColor(rgba, cv2.COLOR_RGBA2BGRA), [cv2.IMWRITE_PNG_COMPRESSION, 4]
    )
    if not ok:
        raise RefinementError("the PNG encoder failed")
    png = encoded.tobytes()
    extra = _chunk(b"tEXt", _RECORD.encode() + b"\0" + record.encode("latin-1"))
    if icc_profile is not None:
        extra = _chunk(b"iCCP", b"icc\0\0" + zlib.compress(icc_profile, 6)) + extra
    return png[:33] + extra + png[33:]  # behind the signature and IHDR


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def read_record(path: Path) -> str | None:
    """The record that :func:`encode` put into a PNG, or None."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            value = image.info.get(_RECORD)
    except Exception:
        return None  # whatever is wrong with it, it is not a finished output
    return value if isinstance(value, str) else None


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that it is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        Path(temporary).chmod(0o666 & ~umask)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
