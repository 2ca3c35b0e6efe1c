"""What a cut-out is laid over: a colour, a checker board or a picture."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.matting.demo.uploads import read_picture
from ld_portrait_20k.matting.prediction.outputs import Background

COLOUR: Final = "colour"
CHECKER: Final = "checker"
PICTURE: Final = "picture"

_SQUARES: Final = 40  # along the longer side; chosen by eye
_LIGHT: Final = 235
_DARK: Final = 190

_FUNCTION: Final = re.compile(r"rgba?\(\s*([\d.]+)\s*,\s*([\d.]+)\s*,\s*([\d.]+)")


def background(
    kind: str, colour: str | None, picture: Path | None, shape: tuple[int, ...]
) -> Background:
    """What was chosen on the page.

    Args:
        kind: :data:`COLOUR`, :data:`CHECKER` or :data:`PICTURE`.
        colour: ``#rrggbb`` or ``rgba(r, g, b, a)``, as Gradio's colour picker gives it.
        picture: File of the picture.
        shape: Of what is laid over it, height first: a checker board is made to measure.

    Raises:
        PortraitError: There is no picture, it cannot be read, or it is no colour.
    """
    if kind == CHECKER:
        return Background(CHECKER, checker(shape[0], shape[1]))
    if kind == PICTURE:
        if picture is None:
            raise PortraitError("no background picture yet; try: upload one, or take a colour")
        return Background(str(picture), read_picture(picture))
    return Background.open(_hexadecimal(colour or "white"))


def checker(height: int, width: int) -> NDArray[np.uint8]:
    """A checker board of two greys, (height, width, 3) uint8."""
    square = max(1, round(max(height, width) / _SQUARES))
    rows, columns = np.arange(height) // square, np.arange(width) // square
    light = (rows[:, None] + columns[None, :]) % 2 == 0
    grey = np.where(light, np.uint8(_LIGHT), np.uint8(_DARK))
    return np.repeat(grey[..., None], 3, axis=2)


def _hexadecimal(text: str) -> str:
    """The picker gives fractions of 255, which Pillow does not read."""
    found = _FUNCTION.match(text)
    if not found:
        return text
    return "#" + "".join(f"{min(255, round(float(part))):02x}" for part in found.groups())
