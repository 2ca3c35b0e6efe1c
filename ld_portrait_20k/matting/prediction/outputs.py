"""What a prediction leaves behind: alpha, RGBA and composites, each file whole or absent."""

from __future__ import annotations

import hashlib
import io
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from ld_portrait_20k.common.files import write_bytes
from ld_portrait_20k.compositing.composite import composite
from ld_portrait_20k.compositing.geometry import resize_picture
from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.matting.data.pictures import read_colour
from ld_portrait_20k.matting.prediction.pictures import estimate_foreground

RECORD: Final = "ld-portrait-matting"
"""PNG text that says what a file was made from; see :func:`fingerprint`."""

_COMPRESSION = 1  # zlib level: an 8k RGBA takes seconds at 6, for a twentieth less
_HEADER: Final = 33  # bytes of a PNG's signature and first chunk


@dataclass(frozen=True, slots=True)
class Background:
    """What composites are laid over.

    Attributes:
        text: As it was given, a colour or a path.
        picture: (H, W, 3) uint8, or (1, 1, 3) of one colour.
    """

    text: str
    picture: NDArray[np.uint8]

    @classmethod
    def open(cls, text: str) -> Background:
        """A colour (``white``, ``#00ff00``, ``rgb(0,128,0)``) or a picture's path.

        Raises:
            PortraitError: Neither.
        """
        from PIL import ImageColor

        if Path(text).is_file():
            return cls(text, read_colour(Path(text)))
        try:
            colour = ImageColor.getrgb(text)[:3]
        except ValueError:
            raise PortraitError(
                f"{text!r} is neither a colour nor a picture; try: green, '#00ff00', beach.jpg"
            ) from None
        return cls(text, np.array([[colour]], np.uint8))

    def fit(self, height: int, width: int) -> NDArray[np.uint8]:
        """The middle of it, scaled to cover (height, width, 3)."""
        if self.picture.shape[:2] == (1, 1):
            return np.broadcast_to(self.picture, (height, width, 3)).copy()
        rows, columns = self.picture.shape[:2]
        window = min(rows / height, columns / width)
        tall, wide = (max(1, round(side * window)) for side in (height, width))
        top, left = (rows - tall) // 2, (columns - wide) // 2
        cut = self.picture[top : top + tall, left : left + wide]
        return np.asarray(resize_picture(cut, (height, width)), np.uint8)


@dataclass(frozen=True, slots=True)
class Outputs:
    """The folders that get files.

    Attributes:
        alpha: For mattes, 8-bit grey.
        rgba: For RGBA pictures of the estimated foreground; None for none.
        composite: For composites; None for none.
        background: What they are laid over.
    """

    alpha: Path
    rgba: Path | None = None
    composite: Path | None = None
    background: Background | None = None

    def paths(self, name: str) -> dict[str, Path]:
        """The files of a picture, the matte last: when it is there, all are."""
        folders = {"rgba": self.rgba, "composite": self.composite, "alpha": self.alpha}
        return {
            kind: folder / f"{name}.png" for kind, folder in folders.items() if folder is not None
        }

    def write(
        self, name: str, image: NDArray[np.uint8], alpha: NDArray[np.uint8], made_from: str
    ) -> None:
        """Write a picture's files.

        Args:
            name: Relative to the folders, without suffix.
            image: (H, W, 3) uint8 sRGB.
            alpha: (H, W) uint8.
            made_from: Their fingerprint.

        Raises:
            PortraitError: pymatting is missing, which RGBA and composites need.
            OSError: A file cannot be written.
        """
        paths = self.paths(name)
        colour = estimate_foreground(image, alpha) if len(paths) > 1 else image
        if "rgba" in paths:
            write_png(paths["rgba"], np.dstack([colour, alpha]), made_from)
        if "composite" in paths:
            assert self.background is not None
            behind = self.background.fit(*alpha.shape)
            write_png(paths["composite"], composite(colour, alpha, behind), made_from)
        write_png(paths["alpha"], alpha, made_from)


def fingerprint(*parts: bytes | str) -> str:
    """A short hash of what a file is made from: picture, trimap, model, options."""
    digest = hashlib.sha256()
    for part in parts:
        content = part.encode() if isinstance(part, str) else part
        digest.update(len(content).to_bytes(8, "big"))
        digest.update(content)
    return digest.hexdigest()[:20]


def recorded(path: Path) -> str | None:
    """The fingerprint of a file that :meth:`Outputs.write` wrote.

    Returns:
        None where there is no whole picture; ``""`` for one that was made by other means.
    """
    from PIL import Image

    try:
        with Image.open(path) as picture:
            picture.load()
            return str(picture.info.get(RECORD, ""))
    except Exception:  # whatever is wrong with it, it is made anew
        return None


def write_png(path: Path, pixels: NDArray[np.uint8] | NDArray[np.uint16], made_from: str) -> None:
    """Write a PNG that says what it was made from; whole, or not at all.

    Args:
        path: Where to.
        pixels: (H, W), (H, W, 3) or (H, W, 4), uint8 or uint16.
        made_from: Its fingerprint, for :func:`recorded`.

    Raises:
        OSError: The file cannot be written.
    """
    from PIL import Image, PngImagePlugin

    if pixels.dtype == np.uint16:
        write_bytes(path, _encode_16_bit(pixels, made_from))
        return
    text = PngImagePlugin.PngInfo()
    text.add_text(RECORD, made_from)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", compress_level=_COMPRESSION, pnginfo=text)
    write_bytes(path, stream.getvalue())


def _encode_16_bit(pixels: NDArray[np.uint8] | NDArray[np.uint16], made_from: str) -> bytes:
    """Pillow has no 16-bit colours and OpenCV no texts, so the text is put in by hand."""
    order = [2, 1, 0, 3][: pixels.shape[2]] if pixels.ndim == 3 else ...
    done, coded = cv2.imencode(".png", pixels[..., order], [cv2.IMWRITE_PNG_COMPRESSION, 1])
    if not done:
        raise OSError(f"{pixels.shape} cannot be written as PNG")
    content = coded.tobytes()
    chunk = b"tEXt" + RECORD.encode() + b"\0" + made_from.encode()
    framed = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return content[:_HEADER] + framed + content[_HEADER:]
