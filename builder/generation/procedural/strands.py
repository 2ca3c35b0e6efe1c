"""Strands of hair to colour and alpha: exact coverage far below a pixel's width.

A strand is a polyline with a width at every point. It is sampled at the middle of every row
that it crosses (of every column, where it is flat), and the interval that it covers there is
split exactly between the pixels it touches. Coverages ``a`` and ``b`` of two strands combine
to ``1 - (1 - a)(1 - b)``, so their optical depths ``-log(1 - coverage)`` add up. A sum needs
no order within a layer; layers are laid over each other from back to front.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from builder.generation.procedural.arrays import BoolArray, FloatArray, IndexArray


@dataclass(slots=True)
class Strands:
    """Strands in pixels.

    Attributes:
        points: (N, K, 2) float32, x right, y down.
        width: (N, K) float32 full width in pixels.
        tone: (N, K) float32 brightness, 0..1, an index into a colour ramp.
        depth: (N, K) float32, larger is nearer.
        drawn: (N, K - 1) bool, which segments to draw, or None for all.
    """

    points: FloatArray
    width: FloatArray
    tone: FloatArray
    depth: FloatArray
    drawn: BoolArray | None = None


def rasterise(
    groups: Sequence[Strands], shape: tuple[int, int], ramp: FloatArray, layers: int = 12
) -> tuple[FloatArray, FloatArray]:
    """Draw strands.

    Args:
        groups: What to draw; the groups may differ in their number of points.
        shape: (H, W) of the picture.
        ramp: (R, 3) sRGB 0..1 colours for tones 0..1.
        layers: Number of layers from back to front.

    Returns:
        Premultiplied sRGB (H, W, 3) and alpha (H, W), float32.
    """
    h, w = shape
    colour = np.zeros((h, w, 3), np.float32)
    alpha = np.zeros((h, w), np.float32)
    samples = [s for s in (_samples(strands, shape) for strands in groups) if s is not None]
    if not samples:
        return colour, alpha
    pixel, thickness, tone, depth = (
        column[0] if len(column) == 1 else np.concatenate(column)
        for column in zip(*samples, strict=True)
    )
    limits = np.quantile(depth[:: max(1, depth.size // 20000)], np.linspace(0, 1, layers + 1)[1:-1])
    rank = np.searchsorted(limits.astype(np.float32), depth).astype(np.uint8)
    order = np.argsort(rank, kind="stable")
    edges = np.searchsorted(rank[order], np.arange(layers + 1))
    for k in range(layers):
        part = order[edges[k] : edges[k + 1]]
        if part.size == 0:
            continue
        where = pixel[part]
        first, last = int(where.min()) // w, int(where.max()) // w + 1
        where = where - first * w
        size = (last - first) * w
        total = np.bincount(where, thickness[part], size)
        shade = np.bincount(where, thickness[part] * tone[part], size)
        used = np.flatnonzero(total)
        value = total[used]
        a = (1.0 - np.exp(-value)).astype(np.float32)
        index = np.clip(shade[used] / value, 0.0, 1.0) * (len(ramp) - 1)
        c = ramp[np.rint(index).astype(np.intp)]
        flat_colour = colour[first:last].reshape(-1, 3)
        flat_alpha = alpha[first:last].reshape(-1)
        flat_colour[used] = flat_colour[used] * (1.0 - a)[:, None] + c * a[:, None]
        flat_alpha[used] += (1.0 - flat_alpha[used]) * a
    return colour, alpha


def _samples(
    strands: Strands, shape: tuple[int, int]
) -> tuple[IndexArray, FloatArray, FloatArray, FloatArray] | None:
    """Pixels, optical depths, tones and depths of every sample of every strand."""
    points = strands.points.astype(np.float32)
    start, stop = points[:, :-1].reshape(-1, 2), points[:, 1:].reshape(-1, 2)
    ends = [
        np.stack([v[:, :-1].reshape(-1), v[:, 1:].reshape(-1)]).astype(np.float32)
        for v in (strands.width, strands.tone, strands.depth)
    ]
    h, w = shape
    low, high = np.minimum(start, stop), np.maximum(start, stop)
    seen = (high[:, 0] > -1) & (low[:, 0] < w + 1) & (high[:, 1] > -1) & (low[:, 1] < h + 1)
    seen &= np.maximum(ends[0][0], ends[0][1]) > 1e-3
    if strands.drawn is not None:
        seen &= strands.drawn.reshape(-1)
    start, stop = start[seen], stop[seen]
    ends = [e[:, seen] for e in ends]
    steep = np.abs(stop[:, 1] - start[:, 1]) >= np.abs(stop[:, 0] - start[:, 0])
    parts = []
    for vertical in (True, False):
        pick = steep == vertical
        if pick.any():
            parts.append(
                _march(start[pick], stop[pick], [e[:, pick] for e in ends], shape, vertical)
            )
    if not parts:
        return None
    pixel, thickness, tone, depth = (np.concatenate(column) for column in zip(*parts, strict=True))
    if pixel.size == 0:
        return None
    return pixel, thickness, tone, depth


def _march(
    start: FloatArray,
    stop: FloatArray,
    ends: list[FloatArray],
    shape: tuple[int, int],
    vertical: bool,
) -> tuple[FloatArray, ...]:
    """Sample segments once in every row (or column) that they cross.

    Args:
        start: (N, 2) pixels.
        stop: (N, 2) pixels.
        ends: Width, tone and depth, (2, N) each, at start and stop.
        shape: (H, W) of the picture.
        vertical: Whether the segments are steep and are sampled by rows, else by columns.

    Returns:
        As :func:`_samples`.
    """
    main, cross = (1, 0) if vertical else (0, 1)
    first = np.ceil(np.minimum(start[:, main], stop[:, main]) - 0.5).astype(np.int32)
    last = np.ceil(np.maximum(start[:, main], stop[:, main]) - 0.5).astype(np.int32)
    count = last - first
    segment = np.repeat(np.arange(count.size, dtype=np.int32), count)
    offsets = np.cumsum(count)
    within = np.arange(segment.size, dtype=np.int32) - np.repeat(offsets - count, count)
    row = first[segment] + within
    length = stop[:, main] - start[:, main]
    length = np.where(np.abs(length) < 1e-6, 1.0, length)
    inverse = 1.0 / length
    t = (row.astype(np.float32) + 0.5 - start[segment, main]) * inverse[segment]
    slope = (stop[:, cross] - start[:, cross]) / length
    stretch = np.sqrt(1.0 + np.minimum(slope * slope, 1.0)).astype(np.float32)
    middle = start[segment, cross] + (stop - start)[segment, cross] * t
    width, tone, depth = (e[0][segment] + (e[1] - e[0])[segment] * t for e in ends)
    return _cover(row, middle, width * stretch[segment], tone, depth, shape, vertical)


def _cover(
    row: IndexArray,
    middle: FloatArray,
    width: FloatArray,
    tone: FloatArray,
    depth: FloatArray,
    shape: tuple[int, int],
    vertical: bool,
) -> tuple[FloatArray, ...]:
    """Split the interval that each sample covers between the two pixels it touches.

    Rows and columns are exchanged where ``vertical`` is False.
    """
    left = middle - 0.5 * width
    cell = np.floor(left)
    split = np.minimum(cell + 1.0 - left, width)
    cell = cell.astype(np.int32)
    h, w = shape
    rows, columns = (h, w) if vertical else (w, h)
    results = []
    in_rows = (row >= 0) & (row < rows)
    for offset, cover in ((0, split), (1, width - split)):
        column = cell + offset
        inside = in_rows & (column >= 0) & (column < columns) & (cover > 1e-4)
        r, c = row[inside], column[inside]
        pixel = r * w + c if vertical else c * w + r
        # Below 1, so that the optical depth is finite.
        thickness = -np.log1p(-np.minimum(cover[inside], 0.985))
        results.append((pixel, thickness, tone[inside], depth[inside]))
    return tuple(np.concatenate(column) for column in zip(*results, strict=True))
