"""A sheet that shows what refinement changed."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from refinement.planes.grid import Pixels
from refinement.result import RefinedMatte

_LIGHT: Final = 245.0
_DARK: Final = 24.0
_SIDE: Final = 1024  # of one panel at most
_STRIP: Final = 64  # rows of the sheet made at a time, for the memory
LABELS: Final = (
    *("raw on light", "refined on light", "raw alpha", "change x 8: + green, - red"),
    *("raw on dark", "refined on dark", "refined alpha", "trimap"),
)
"""Of the panels, row by row."""
ACROSS: Final = 4
"""Panels in a row."""
BAR: Final = 26
"""Height in pixels of the bars with text; twice that if a panel has 768 px or more across."""
CELL: Final = 256
"""Least width of a panel, for its label; smaller pictures are enlarged as far as that allows."""
GAP: Final = 2
"""Grey pixels on either side of a panel."""
_GREY: Final = 128


def sheet(raw: Pixels, result: RefinedMatte) -> NDArray[np.uint8]:
    """Before and after on light and dark, both mattes, their difference and the trimap.

    Args:
        raw: (H, W, 4) uint8 or uint16, the input.
        result: What came of it.

    Returns:
        (2 H' + 3 bars, 4 (W' + 2 GAP), 3) uint8 sRGB: two rows of :data:`LABELS`, each below a
        bar with their names, and a bar with the size, the confidence and the reasons against
        serving as ground truth. The change of alpha is amplified eight times. Sides are halved
        until they are at most 1024 pixels, after compositing.
    """
    height, width = result.alpha.shape
    step = 1
    while max(height, width) > _SIDE * step:
        step *= 2
    trimap = result.trimap
    strips = [
        _panels(raw[rows], result, trimap[rows], rows, step)
        for rows in (slice(top, top + _STRIP * step) for top in range(0, height, _STRIP * step))
    ]
    cells = [_cell(np.vstack(parts)) for parts in zip(*strips, strict=True)]
    across = cells[0].shape[1]
    zoom = (
        1 if across < 768 else 2
    )  # of the text, so that it is read where the sheet is shown small
    rows = []
    for first in (0, ACROSS):
        rows += [
            np.hstack([_bar(label, across, zoom) for label in LABELS[first : first + ACROSS]]),
            np.hstack(cells[first : first + ACROSS]),
        ]
    said = f"{width} x {height} px, confidence {result.report.confidence:.2f}"
    if result.report.reasons:
        said += f", should not serve as ground truth: {', '.join(result.report.reasons)}"
    return np.vstack([*rows, _bar(said, rows[0].shape[1], zoom)])


def _panels(
    raw: Pixels, result: RefinedMatte, trimap: NDArray[np.uint8], rows: slice, step: int
) -> list[NDArray[np.uint8]]:
    """The panels of a strip of rows, made smaller by ``step``; the strip of raw and trimap."""
    scale = 255 / np.float32(np.iinfo(raw.dtype).max)
    before = raw[..., :3] * scale
    after = result.foreground[rows] * scale
    old = raw[..., 3:] * (scale / 255)
    new = result.alpha[rows, :, None]
    change = 8 * 255 * (new - old)
    pairs = ((before, old), (after, new))
    full = [
        *(colour * a + _LIGHT * (1 - a) for colour, a in pairs),
        np.repeat(255 * old, 3, axis=2),
        np.dstack([np.maximum(-change, 0), np.maximum(change, 0), 0 * change]),
        *(colour * a + _DARK * (1 - a) for colour, a in pairs),
        np.repeat(255 * new, 3, axis=2),
        np.repeat(trimap[..., None], 3, axis=2),
    ]
    height, width = old.shape[:2]
    border = (0, -height % step, 0, -width % step, cv2.BORDER_REPLICATE)
    size = (-(-width // step), -(-height // step))
    return [
        np.asarray(
            cv2.resize(
                cv2.copyMakeBorder(np.clip(np.rint(panel), 0, 255).astype(np.uint8), *border),
                size,
                interpolation=cv2.INTER_AREA,
            ),
            np.uint8,
        )
        for panel in full
    ]


def _cell(panel: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The panel, enlarged by a whole number if it is small, wide enough for its label."""
    zoom = max(1, CELL // max(panel.shape[:2]))
    panel = panel.repeat(zoom, axis=0).repeat(zoom, axis=1)
    room = max(0, CELL - panel.shape[1])
    beside = ((0, 0), (GAP + room // 2, GAP + room - room // 2), (0, 0))
    return np.pad(panel, beside, constant_values=_GREY)


def _bar(text: str, width: int, zoom: int) -> NDArray[np.uint8]:
    bar = np.full((zoom * BAR, width, 3), 255, np.uint8)
    at, font = (6 * zoom, 18 * zoom), cv2.FONT_HERSHEY_SIMPLEX
    cv2.putText(bar, text, at, font, 0.5 * zoom, (0, 0, 0), zoom, cv2.LINE_AA)
    return bar
