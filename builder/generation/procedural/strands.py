"""Strands of hair to colour and alpha: exact coverage far below a pixel's width.

A strand is a polyline with a width at every point. It is sampled in every row (or column,
where it runs across) at the row's own position, and the interval that it covers there is
split exactly between the pixels it touches. Coverages ``c`` of different strands combine
as ``1 - (1 - a)(1 - b)``, which is a plain sum of optical depths ``-log(1 - c)``; sums need
no order within a layer, and layers are laid over each other from back to front.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_SAMPLES = 1  # per row


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

    points: np.ndarray
    width: np.ndarray
    tone: np.ndarray
    depth: np.ndarray
    drawn: np.ndarray | None = None


def rasterise(
    groups: Sequence[Strands], shape: tuple[int, int], ramp: np.ndarray, layers: int = 12
) -> tuple[np.ndarray, np.ndarray]:
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
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray] | None:
    """Pixels, optical depths, tones and depths of every sample of every strand."""
    p = strands.points.astype(np.float32)
    start, stop = p[:, :-1].reshape(-1, 2), p[:, 1:].reshape(-1, 2)
    extra = [
        np.stack([v[:, :-1].reshape(-1), v[:, 1:].reshape(-1)]).astype(np.float32)
        for v in (strands.width, strands.tone, strands.depth)
    ]
    h, w = shape
    low, high = np.minimum(start, stop), np.maximum(start, stop)
    seen = (high[:, 0] > -1) & (low[:, 0] < w + 1) & (high[:, 1] > -1) & (low[:, 1] < h + 1)
    seen &= np.maximum(extra[0][0], extra[0][1]) > 1e-3
    if strands.drawn is not None:
        seen &= strands.drawn.reshape(-1)
    start, stop = start[seen], stop[seen]
    extra = [e[:, seen] for e in extra]
    steep = np.abs(stop[:, 1] - start[:, 1]) >= np.abs(stop[:, 0] - start[:, 0])
    parts = []
    for vertical in (True, False):
        pick = steep == vertical
        if pick.any():
            part = _march(start[pick], stop[pick], [e[:, pick] for e in extra], shape, vertical)
            parts.append(part)
    if not parts:
        return None
    pixel, thickness, tone, depth = (np.concatenate(column) for column in zip(*parts, strict=True))
    if pixel.size == 0:
        return None
    return pixel, thickness, tone, depth


def _march(
    start: np.ndarray,
    stop: np.ndarray,
    extra: list[np.ndarray],
    shape: tuple[int, int],
    vertical: bool,
) -> tuple[np.ndarray, ...]:
    main, cross = (1, 0) if vertical else (0, 1)
    m0, m1 = start[:, main] * _SAMPLES, stop[:, main] * _SAMPLES
    first = np.ceil(np.minimum(m0, m1) - 0.5).astype(np.int32)
    last = np.ceil(np.maximum(m0, m1) - 0.5).astype(np.int32)
    count = last - first
    segment = np.repeat(np.arange(count.size, dtype=np.int32), count)
    ends = np.cumsum(count)
    within = np.arange(segment.size, dtype=np.int32) - np.repeat(ends - count, count)
    at = first[segment] + within
    length = m1 - m0
    inverse = 1.0 / np.where(np.abs(length) < 1e-6, 1.0, length)
    t = (at.astype(np.float32) + 0.5 - m0[segment]) * inverse[segment]
    slope = (stop[:, cross] - start[:, cross]) / np.where(
        np.abs(length) < 1e-6, 1.0, length / _SAMPLES
    )
    stretch = np.sqrt(1.0 + np.minimum(slope * slope, 1.0)).astype(np.float32)
    middle = start[segment, cross] + (stop - start)[segment, cross] * t
    width, tone, depth = (e[0][segment] + (e[1] - e[0])[segment] * t for e in extra)
    width = width * stretch[segment]
    row = at // _SAMPLES
    left = middle - 0.5 * width
    cell = np.floor(left)
    split = np.minimum(cell + 1.0 - left, width)
    cell = cell.astype(np.int32)
    h, w = shape
    limit_main, limit_cross = (h, w) if vertical else (w, h)
    results = []
    ok = (row >= 0) & (row < limit_main)
    for offset, cover in ((0, split), (1, width - split)):
        column = cell + offset
        good = ok & (column >= 0) & (column < limit_cross) & (cover > 1e-4)
        r, c = row[good], column[good]
        pixel = r * w + c if vertical else c * w + r
        thickness = -np.log1p(-np.minimum(cover[good], 0.985)) / _SAMPLES
        results.append((pixel, thickness, tone[good], depth[good]))
    return tuple(np.concatenate(column) for column in zip(*results, strict=True))
