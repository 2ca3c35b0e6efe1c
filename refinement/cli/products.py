"""What of a result the command writes: RGBA, the matte, the trimap or a composite."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final, Literal, cast

import numpy as np
from numpy.typing import NDArray

from refinement.io import pictures
from refinement.options import RefinementError
from refinement.planes.grid import Pixels
from refinement.result import RefinedMatte

PLANES: Final = ("rgba", "alpha", "trimap")
_ROWS: Final = 64  # composed at a time, for the memory


@dataclass(frozen=True, slots=True)
class Background:
    """What a composite shows behind the subject.

    Attributes:
        key: Tells one background from another: ``#rrggbb``, or the sha256 of a picture.
        picture: The file of the picture; None for a colour.
    """

    key: str
    picture: Path | None = None

    def pixels(self, height: int, width: int) -> NDArray[np.uint8]:
        """(H, W, 3) or (1, 1, 3) sRGB; a picture fills the frame, its middle is kept."""
        from PIL import Image, ImageOps

        if self.picture is None:
            return np.frombuffer(bytes.fromhex(self.key[1:]), np.uint8).reshape(1, 1, 3)
        whole = Image.fromarray(_read(self.picture))
        return np.asarray(ImageOps.fit(whole, (width, height), Image.Resampling.LANCZOS))


def background(text: str) -> Background:
    """Read ``--background``.

    Args:
        text: A CSS colour without alpha (``white``, ``#00ff00``, ``rgb(0, 255, 0)``), or the path
            of a picture.

    Raises:
        RefinementError: It is neither, or cannot be used.
    """
    from PIL import ImageColor

    try:
        colour = ImageColor.getrgb(text)
    except ValueError:
        colour = None
    if colour is not None:
        if len(colour) > 3:
            raise RefinementError(f"--background {text}: has an alpha; try: {text[:7]}")
        return Background("#" + bytes(colour).hex())
    path = Path(text)
    if not path.exists():
        raise RefinementError(
            f"--background {text}: neither a colour nor a file; try: white, '#00ff00' or a picture"
        )
    try:
        digest = hashlib.sha256(pictures.load(path)).hexdigest()
        _read(path)
    except RefinementError as error:
        raise RefinementError(f"--background {text}: {error}") from None
    return Background(digest, path)


@lru_cache(maxsize=1)
def _read(path: Path) -> NDArray[np.uint8]:
    """(H, W, 3) of an opaque picture, 8 bit."""
    limits = pictures.Limits(min_side=1, keep_16_bit=False, opaque=True)
    rgba = cast("NDArray[np.uint8]", pictures.read(pictures.load(path), limits).rgba)
    if rgba[..., 3].min() < 255:
        raise RefinementError("is see-through in places; try: an opaque picture")
    return np.ascontiguousarray(rgba[..., :3])


@dataclass(frozen=True, slots=True)
class Product:
    """What is written of each result.

    Attributes:
        plane: ``rgba``; ``alpha``, grey of the input's depth; or ``trimap``, 8-bit grey.
        background: If given, RGB over this is written instead of RGBA.
    """

    plane: Literal["rgba", "alpha", "trimap"] = "rgba"
    background: Background | None = None

    def __post_init__(self) -> None:
        if self.background is not None and self.plane != "rgba":
            raise RefinementError(
                f"--background shows the colours, which --only {self.plane} leaves out; try: one "
                "of them"
            )

    @property
    def key(self) -> str:
        """Tells one product from another."""
        return f"over {self.background.key}" if self.background else self.plane

    def pixels(self, result: RefinedMatte) -> Pixels:
        """(H, W, 4), (H, W, 3) or (H, W) of uint8 or uint16."""
        if self.background is not None:
            return composite(result, self.background)
        if self.plane == "trimap":
            return cast("Pixels", result.trimap)
        rgba = result.rgba
        return rgba if self.plane == "rgba" else np.ascontiguousarray(rgba[..., 3])


def composite(result: RefinedMatte, behind: Background) -> Pixels:
    """The subject over a background, blended in sRGB values, not in linear light.

    So do browsers, image editors by default, and the matting papers; linear light would make
    strands of hair thinner or thicker than the mattes were made for.

    Returns:
        (H, W, 3) of the foreground's dtype.
    """
    height, width = result.alpha.shape
    foreground = result.foreground
    scale = np.float32(np.iinfo(foreground.dtype).max / 255)
    ground = np.broadcast_to(behind.pixels(height, width), foreground.shape)
    final = np.empty_like(foreground)
    for top in range(0, height, _ROWS):
        rows = slice(top, top + _ROWS)
        alpha = result.alpha[rows, :, None]
        final[rows] = foreground[rows] * alpha + ground[rows] * scale * (1 - alpha) + 0.5
    return final
