"""The worst predictions as pictures: input, prediction, truth, difference, side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from ld_portrait_20k.common.files import write_bytes
from ld_portrait_20k.matting.data.pictures import list_pictures, read_colour, read_matte, to_8_bit
from ld_portrait_20k.matting.metrics.evaluation import INSIDE, Evaluation, Triple

COUNT: Final = 10
_SIDE = 768  # the longer side of each panel; four of them fit a screen
_BAR = 24
_GAP = 4


def save_worst(
    evaluation: Evaluation, folder: Path, inputs: Path | None = None, count: int = COUNT
) -> list[Path]:
    """Write the pictures with the largest SAD, of the unknown region where there is one.

    Args:
        evaluation: What to choose from.
        folder: Where they go: ``01-NAME.png`` is the worst.
        inputs: Folder of the pictures the mattes were predicted from; without it, or where
            it has none of that name, that panel is left out.
        count: How many.

    Returns:
        The files, the worst first.

    Raises:
        PortraitError: The folder of inputs does not exist, or a picture cannot be read.
    """
    region = INSIDE if INSIDE in evaluation.regions else evaluation.regions[0]
    pictures = list_pictures(inputs) if inputs else {}
    errors = [picture[region]["sad"] for picture in evaluation.pictures]
    order = sorted(range(len(errors)), key=lambda place: -errors[place])[:count]
    written = []
    for rank, place in enumerate(order, 1):
        triple = evaluation.triples[place]
        path = folder / f"{rank:02d}-{triple.name.replace('/', '-')}.png"
        sheet = _sheet(triple, pictures.get(triple.name), errors[place])
        write_bytes(path, cv2.imencode(".png", sheet)[1].tobytes())
        written.append(path)
    return written


def _sheet(triple: Triple, source: Path | None, error: float) -> NDArray[np.uint8]:
    """The panels of one picture in a row: (H, W, 3) uint8 BGR."""
    found, true = (to_8_bit(read_matte(path)) for path in (triple.predicted, triple.true))
    panels = {
        f"predicted, SAD {error:.3f}": cv2.cvtColor(found, cv2.COLOR_GRAY2BGR),
        "truth": cv2.cvtColor(true, cv2.COLOR_GRAY2BGR),
        "too opaque red, too clear blue": _difference(found, true),
    }
    if source is not None:
        panels = {"input": cv2.cvtColor(read_colour(source), cv2.COLOR_RGB2BGR), **panels}
    height, width = true.shape
    scale = min(1.0, _SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    columns = []
    for title, panel in panels.items():
        shown = cv2.resize(panel, size, interpolation=cv2.INTER_AREA)
        bar = np.full((_BAR, size[0], 3), 255, np.uint8)
        cv2.putText(bar, title, (4, 17), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1, cv2.LINE_AA)
        columns.extend([np.vstack([bar, shown]), np.full((size[1] + _BAR, _GAP, 3), 255, np.uint8)])
    return np.hstack(columns[:-1]).astype(np.uint8)


def _difference(found: NDArray[np.uint8], true: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """White where right; (H, W, 3) uint8 BGR."""
    more, less = cv2.subtract(found, true), cv2.subtract(true, found)
    return np.asarray(255 - cv2.merge((more, cv2.max(more, less), less)), np.uint8)
