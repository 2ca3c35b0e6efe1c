"""Small bar charts of the statistics, drawn with Pillow; the same numbers give the same pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from dataset_card.statistics import Histogram, Statistics

if TYPE_CHECKING:
    from PIL import ImageDraw

PAPER: Final = (255, 255, 255)
INK: Final = (52, 58, 64)
FAINT: Final = (134, 142, 150)
RULE: Final = (222, 226, 230)
BAR: Final = (59, 113, 160)
EMPTY_BAR: Final = (206, 212, 218)

HISTOGRAM_FILE: Final = "assets/histograms.png"
ATTRIBUTE_FILE: Final = "assets/attributes.png"

_MARGIN = 28
_PANEL = (340, 220)
_COLUMN = 340
_LINE = 20
_MOST_BARS = 16
_SCALE = 2  # for screens with fine pixels
_HISTOGRAMS: Final = (
    ("coverage", "Mean alpha, %", 100),
    ("opaque_area", "Opaque area, %", 100),
    ("soft_area", "Partly transparent area, %", 100),
    ("band_area", "Kept soft border, %", 100),
    ("prompt_words", "Words in the prompt", 1),
    ("refined_sad", "SAD to the exact matte, thousands", 1),
)


def figures(statistics: Statistics) -> dict[str, NDArray[np.uint8]]:
    """The card's plots.

    Args:
        statistics: What to plot.

    Returns:
        Path in the repository to a picture, (H, W, 3) uint8 sRGB; plots without anything to
        show are left out.
    """
    found: dict[str, NDArray[np.uint8]] = {}
    shown = [entry for entry in _HISTOGRAMS if statistics.histograms[entry[0]].count]
    if shown:
        found[HISTOGRAM_FILE] = _histograms(statistics, shown)
    if any(set(counts) - {None} for counts in statistics.attributes.values()):
        found[ATTRIBUTE_FILE] = _attributes(statistics)
    return found


def _histograms(statistics: Statistics, shown: Sequence[tuple[str, str, int]]) -> NDArray[np.uint8]:
    columns = min(3, len(shown))
    rows = -(-len(shown) // columns)
    width, height = _PANEL
    sheet = _Sheet(columns * width + _MARGIN, rows * height + _MARGIN)
    for place, (name, title, scale) in enumerate(shown):
        left = _MARGIN + place % columns * width
        top = _MARGIN + place // columns * height
        sheet.histogram(left, top, title, statistics.histograms[name], scale)
    return sheet.pixels()


def _attributes(statistics: Statistics) -> NDArray[np.uint8]:
    panels = []
    for name, counts in statistics.attributes.items():
        known = [(value, count) for value, count in counts.items() if value is not None]
        known.sort(key=lambda pair: (-pair[1], pair[0]))
        if known:
            panels.append((name.replace("_", " "), known[:_MOST_BARS], counts[None]))
    columns: list[list[tuple[str, list[tuple[str, int]], int]]] = [[] for _ in range(3)]
    heights = [0, 0, 0]
    for panel in panels:  # each into the column that is shortest so far
        shortest = heights.index(min(heights))
        columns[shortest].append(panel)
        heights[shortest] += (len(panel[1]) + (panel[2] > 0)) * _LINE + 56
    sheet = _Sheet(3 * _COLUMN + _MARGIN, max(heights) + _MARGIN)
    for place, column in enumerate(columns):
        top = _MARGIN
        for title, known, missing in column:
            top = sheet.bars(_MARGIN + place * _COLUMN, top, title, known, missing)
    return sheet.pixels()


class _Sheet:
    """A canvas in points, drawn at twice the pixels."""

    def __init__(self, width: int, height: int) -> None:
        from PIL import Image, ImageDraw

        self.image = Image.new("RGB", (width * _SCALE, height * _SCALE), PAPER)
        self.draw: ImageDraw.ImageDraw = ImageDraw.Draw(self.image)

    def pixels(self) -> NDArray[np.uint8]:
        return np.asarray(self.image).copy()

    def box(self, left: float, top: float, right: float, bottom: float, fill: tuple) -> None:
        corners = [round(edge * _SCALE) for edge in (left, top, right, bottom)]
        if corners[2] > corners[0] and corners[3] > corners[1]:
            self.draw.rectangle((corners[0], corners[1], corners[2] - 1, corners[3] - 1), fill)

    def text(
        self, left: float, top: float, text: str, size: int, fill: tuple, anchor: str = "la"
    ) -> None:
        from PIL import ImageFont

        font = ImageFont.load_default(size * _SCALE)
        self.draw.text((left * _SCALE, top * _SCALE), text, fill, font, anchor)

    def histogram(self, left: int, top: int, title: str, histogram: Histogram, scale: int) -> None:
        width, height = _PANEL[0] - _MARGIN, 130
        used = max(place for place, count in enumerate(histogram.bins) if count) + 1
        # At least eight bins, so that one full bin is still a bar and not a wall.
        bins = histogram.bins[: max(used, min(8, len(histogram.bins)))]
        self.text(left, top, title, 14, INK)
        mean = histogram.mean or 0.0
        self.text(left + width, top + 2, f"mean {mean * scale:.3g}", 11, FAINT, "ra")
        base, step = top + 28 + height, width / len(bins)
        for level in (0.5, 1.0):
            y = base - level * height
            self.box(left, y, left + width, y + 0.5, RULE)
        self.text(left + width, base - height - 1, f"tallest {max(bins):,}", 10, FAINT, "rd")
        for place, count in enumerate(bins):
            x = left + place * step
            self.box(x + 1, base - height * count / max(bins), x + step - 1, base, BAR)
        self.box(left, base, left + width, base + 1, INK)
        edge = histogram.width / 1e6 * scale
        for place in range(0, len(bins) + 1, max(1, -(-len(bins) // 5))):
            more = "+" if place and place == len(histogram.bins) else ""
            label = f"{place * edge:g}{more}"
            anchor = {0: "la", len(bins): "ra"}.get(place, "ma")
            self.text(left + place * step, base + 5, label, 10, FAINT, anchor)

    def bars(
        self, left: int, top: int, title: str, known: Sequence[tuple[str, int]], missing: int
    ) -> int:
        width, label = _COLUMN - _MARGIN, 132
        self.text(left, top, title, 14, INK)
        top += 26
        rows = [(value, count, BAR) for value, count in known]
        if missing:
            rows.append(("not applicable", missing, EMPTY_BAR))
        most = max(count for _, count, _ in rows)
        for value, count, colour in rows:
            middle = top + _LINE / 2
            fitted = _printable(value if len(value) <= 22 else f"{value[:20]}..")
            self.text(left + label - 8, middle, fitted, 11, INK, "rm")
            reach = (width - label - 40) * count / most
            self.box(left + label, top + 4, left + label + reach, top + _LINE - 4, colour)
            self.text(left + label + reach + 6, middle, f"{count:,}", 10, FAINT, "lm")
            top += _LINE
        return top + 30


def _printable(text: str) -> str:
    """What the built-in font has; anything else as a question mark."""
    return "".join(c if c.isprintable() and ord(c) < 256 else "?" for c in text)
