"""Drawing tools: premultiplied layers, polygon coverage, splines, smooth noise."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from builder.generation.procedural.arrays import FloatArray

_SHIFT = 4  # fractional bits of the polygon vertices that cv2 is given


def stream(seed: int, name: str) -> np.random.Generator:
    """An independent random stream for one part of the picture.

    Each part draws from its own stream, so that other clothes leave the face as it was.
    """
    sequence = np.random.SeedSequence([int(seed), zlib.crc32(name.encode())])
    return np.random.Generator(np.random.PCG64(sequence))


def _floats(image: Any) -> FloatArray:
    """What cv2 returns for floats, whose type it leaves open."""
    result: FloatArray = image
    return result


def smoothstep(low: float | FloatArray, high: float | FloatArray, x: FloatArray) -> FloatArray:
    """Hermite step from 0 at ``low`` to 1 at ``high``; works with low > high."""
    t = np.clip((x - low) / (high - low), 0.0, 1.0)
    result: FloatArray = t * t * (3.0 - 2.0 * t)
    return result


def mix(a: FloatArray, b: FloatArray | Sequence[float], t: FloatArray) -> FloatArray:
    """Blend colour ``a`` (H, W, 3) towards ``b`` by weight ``t`` (H, W)."""
    return a + (np.asarray(b, np.float32) - a) * t[..., None]


def dot(a: FloatArray, b: FloatArray) -> FloatArray:
    """Scalar products along the last axis, which has three values."""
    product: FloatArray = a[..., 0] * b[..., 0] + a[..., 1] * b[..., 1] + a[..., 2] * b[..., 2]
    return product


def linear(colour: Sequence[float] | FloatArray) -> FloatArray:
    """Linear light, float32, of sRGB 0..1."""
    c = np.asarray(colour, np.float32)
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4).astype(np.float32)


def srgb(colour: FloatArray) -> FloatArray:
    """Linear light to sRGB 0..1, float32, with a soft shoulder above 0.75 (chosen by eye).

    The curve is the usual fit with square roots; its error is below 0.004.
    """
    c = np.maximum(colour, 0.0).astype(np.float32)
    over = np.maximum(c - 0.75, 0.0)
    c = np.minimum(c, 0.75) + over / (1.0 + over / 0.25)
    root = np.sqrt(c)
    curve = 0.585122381 * root + 0.783140355 * np.sqrt(root) - 0.368262736 * np.sqrt(np.sqrt(root))
    return np.clip(np.where(c < 0.0031308, c * 12.92, curve), 0.0, 1.0)


def spline(
    points: Sequence[Sequence[float]] | FloatArray, closed: bool, steps: int = 10
) -> FloatArray:
    """Uniform Catmull-Rom curve through points.

    Args:
        points: (N, D).
        closed: Whether it returns to its first point.
        steps: Points of the curve for each given point.

    Returns:
        (N * steps, D) if closed, else ((N - 1) * steps + 1, D), float64.
    """
    p = np.asarray(points, np.float64)
    if closed:
        q = np.concatenate([p[-1:], p, p[:2]])
    else:
        q = np.concatenate([2 * p[:1] - p[1:2], p, 2 * p[-1:] - p[-2:-1]])
    t = (np.arange(steps) / steps)[None, :, None]
    a, b, c, d = (q[i : len(q) - 3 + i, None, :] for i in range(4))
    curve = 0.5 * (
        2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3
    )
    curve = curve.reshape(-1, p.shape[1])
    return curve if closed else np.concatenate([curve, p[-1:]])


def polygon(shape: tuple[int, int], outlines: Sequence[FloatArray], scale: int = 4) -> FloatArray:
    """Supersampled coverage of closed outlines (even-odd rule).

    Args:
        shape: (H, W) of the picture.
        outlines: Each (N, 2) in pixels, x right, y down, pixel centres at +0.5.
        scale: Samples a pixel along each side.

    Returns:
        (H, W) float32, 0..1.
    """
    height, width = shape
    out = np.zeros(shape, np.float32)
    points = np.concatenate(outlines)
    x0, y0 = np.floor(points.min(0)).astype(int) - 1
    x1, y1 = np.ceil(points.max(0)).astype(int) + 1
    x0, y0, x1, y1 = max(x0, 0), max(y0, 0), min(x1, width), min(y1, height)
    if x0 >= x1 or y0 >= y1:
        return out
    samples = np.zeros(((y1 - y0) * scale, (x1 - x0) * scale), np.uint8)
    limit = float(2**25)  # keeps far points within cv2's coordinates
    shifted = [
        np.clip(np.rint(((o - (x0, y0)) * scale - 0.5) * (1 << _SHIFT)), -limit, limit).astype(
            np.int32
        )
        for o in outlines
    ]
    cv2.fillPoly(samples, shifted, 255, cv2.LINE_8, _SHIFT)
    small = cv2.resize(samples, (x1 - x0, y1 - y0), interpolation=cv2.INTER_AREA)
    out[y0:y1, x0:x1] = small.astype(np.float32) / 255.0
    return out


def ribbon(path: FloatArray, radius: FloatArray | float) -> FloatArray:
    """Closed outline of a stroke along ``path`` (N, 2) with half-widths ``radius``."""
    tangent = np.gradient(path, axis=0)
    tangent /= np.maximum(np.hypot(tangent[:, :1], tangent[:, 1:]), 1e-9)
    normal = np.stack([-tangent[:, 1], tangent[:, 0]], 1)
    r = np.broadcast_to(np.asarray(radius, np.float64), len(path))[:, None]
    return np.concatenate([path + normal * r, (path - normal * r)[::-1]])


def stroke(shape: tuple[int, int], path: FloatArray, radius: FloatArray | float) -> FloatArray:
    """Coverage of a stroke of half-width ``radius`` (pixels, per point) along ``path``."""
    return polygon(shape, [ribbon(path, radius)])


def inflate(mask: FloatArray, depth: float) -> FloatArray:
    """A rounded height over ``mask``: 0 at its edge, like a cushion inside.

    Args:
        mask: (H, W) coverage, 0..1.
        depth: Distance from the edge, in pixels, over which the surface turns.

    Returns:
        (H, W) float32 height in pixels.
    """
    height, width = mask.shape
    step = max(1, round(depth / 24))
    reduced = (max(1, width // step), max(1, height // step))
    small = cv2.resize(mask, reduced, interpolation=cv2.INTER_AREA)
    solid = (small > 0.5).astype(np.uint8)
    # The body goes on beyond the picture: replicate, so that its frame is no edge.
    pad = int(depth / step) + 2
    inside = cv2.copyMakeBorder(solid, pad, pad, pad, pad, cv2.BORDER_REPLICATE)
    distance = cv2.distanceTransform(inside, cv2.DIST_L2, 5)[pad:-pad, pad:-pad] * step
    t = np.clip(distance / depth, 0.0, 1.0)
    dome = np.sqrt(np.maximum(1.0 - (1.0 - t) ** 2, 0.0)) * depth
    dome = blur(dome, depth * 0.16 / step)
    return _floats(cv2.resize(dome, (width, height), interpolation=cv2.INTER_LINEAR))


def blur(image: FloatArray, sigma: float) -> FloatArray:
    """Gaussian blur; sigmas of 6 pixels and more work on a reduced picture."""
    if sigma < 0.3:
        return image
    height, width = image.shape[:2]
    step = max(1, int(sigma / 3.0))
    if step > 1 and min(height, width) > 4 * step:
        small = cv2.resize(image, (width // step, height // step), interpolation=cv2.INTER_AREA)
        small = cv2.GaussianBlur(small, (0, 0), sigma / step, borderType=cv2.BORDER_REPLICATE)
        return _floats(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR))
    return _floats(cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE))


def noise(
    rng: np.random.Generator, shape: tuple[int, int], cell: float | tuple[float, float]
) -> FloatArray:
    """Smooth noise of unit variance (about) with features of ``cell`` pixels (x, y)."""
    cell_x, cell_y = (cell, cell) if isinstance(cell, (int, float)) else cell
    height, width = shape
    grid_y = max(2, int(np.ceil(height / max(cell_y, 1.0))) + 3)
    grid_x = max(2, int(np.ceil(width / max(cell_x, 1.0))) + 3)
    grid = rng.standard_normal((grid_y, grid_x), dtype=np.float32)
    if cell_x <= 1.0 and cell_y <= 1.0:
        return grid[:height, :width]
    full = cv2.resize(
        grid,
        (max(width, int(grid_x * cell_x)), max(height, int(grid_y * cell_y))),
        interpolation=cv2.INTER_CUBIC,
    )
    return _floats(full[:height, :width])


def fractal(
    rng: np.random.Generator, shape: tuple[int, int], cell: float, octaves: int = 4
) -> FloatArray:
    """A sum of :func:`noise` octaves, each half as large and half as strong."""
    total = np.zeros(shape, np.float32)
    strength = 1.0
    for _ in range(octaves):
        total += strength * noise(rng, shape, cell)
        cell /= 2.0
        strength /= 2.0
        if cell < 1.0:
            break
    return total


class Canvas:
    """A premultiplied sRGB picture that layers are laid over.

    Attributes:
        colour: (H, W, 3) float32, premultiplied sRGB, 0..1.
        alpha: (H, W) float32, 0..1.
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        self.shape = shape
        self.colour = np.zeros((*shape, 3), np.float32)
        self.alpha = np.zeros(shape, np.float32)

    def over(self, straight: FloatArray, alpha: FloatArray) -> None:
        """Lay a straight sRGB layer (H, W, 3) or one colour (3,) with its alpha on top."""
        box = bounds(alpha)
        if box is None:
            return
        a = alpha[box][..., None]
        c = straight if straight.ndim == 1 else straight[box]
        self.colour[box] = self.colour[box] * (1.0 - a) + c * a
        self.alpha[box] = self.alpha[box] * (1.0 - a[..., 0]) + a[..., 0]

    def over_premultiplied(self, colour: FloatArray, alpha: FloatArray) -> None:
        """Lay a premultiplied layer on top."""
        self.colour = self.colour * (1.0 - alpha[..., None]) + colour
        self.alpha = self.alpha * (1.0 - alpha) + alpha

    def shadow(self, strength: FloatArray, tint: Sequence[float] = (0.30, 0.20, 0.18)) -> None:
        """Multiply colours by ``tint`` where ``strength`` (H, W) is 1, by 1 where it is 0."""
        box = bounds(strength, 0.004)
        if box is None:
            return
        t = np.asarray(tint, np.float32)
        self.colour[box] *= 1.0 - strength[box][..., None] * (1.0 - t)


def bounds(mask: FloatArray, threshold: float = 0.0) -> tuple[slice, slice] | None:
    """The slices of the smallest box that holds every pixel above ``threshold``."""
    inside = mask > threshold
    rows = np.flatnonzero(inside.any(1))
    if rows.size == 0:
        return None
    columns = np.flatnonzero(inside.any(0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def full_frame(colour: FloatArray, box: tuple[slice, slice], shape: tuple[int, ...]) -> FloatArray:
    """A picture (H, W, 3) that is black except for ``colour`` in its box."""
    full = np.zeros((*shape, 3), np.float32)
    full[box] = colour
    return full


def shift(image: FloatArray, dx: float, dy: float) -> FloatArray:
    """Move a picture (H, W) by a sub-pixel offset; zeros come in from outside."""
    matrix = np.array([[1.0, 0.0, dx], [0.0, 1.0, dy]])
    size = (image.shape[1], image.shape[0])
    return _floats(
        cv2.warpAffine(image, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    )


def normals(height: FloatArray) -> FloatArray:
    """Unit normals (H, W, 3) of a height (H, W) in pixels; x right, y down, z to the camera."""
    dx = cv2.Sobel(height, cv2.CV_32F, 1, 0, ksize=3, scale=0.125)
    dy = cv2.Sobel(height, cv2.CV_32F, 0, 1, ksize=3, scale=0.125)
    scale = 1.0 / np.sqrt(dx * dx + dy * dy + 1.0)
    return np.stack([-dx * scale, -dy * scale, scale], -1)


def extend(colour: FloatArray, alpha: FloatArray) -> FloatArray:
    """Straight colour from premultiplied, continued smoothly where alpha is 0.

    Works on a pyramid of premultiplied colour and alpha: each level fills what the finer
    level leaves empty.

    Args:
        colour: (H, W, 3) float32, premultiplied sRGB, 0..1.
        alpha: (H, W) float32, 0..1.

    Returns:
        (H, W, 3) float32, straight sRGB, 0..1.
    """
    levels: list[FloatArray] = [np.dstack([colour, alpha]).astype(np.float32)]
    while min(levels[-1].shape[:2]) > 2:
        h, w = levels[-1].shape[:2]
        size = ((w + 1) // 2, (h + 1) // 2)
        levels.append(_floats(cv2.resize(levels[-1], size, interpolation=cv2.INTER_AREA)))
    filled = levels[-1][..., :3] / np.maximum(levels[-1][..., 3:], 1e-6)
    for level in levels[-2::-1]:
        h, w = level.shape[:2]
        coarse = cv2.resize(filled, (w, h), interpolation=cv2.INTER_LINEAR)
        a = level[..., 3:]
        # From a coverage of 1/24 on a pixel keeps its own colour (chosen by eye).
        keep = np.clip(a * 24.0, 0.0, 1.0)
        filled = coarse + keep * (level[..., :3] / np.maximum(a, 1e-6) - coarse)
    return np.clip(filled, 0.0, 1.0)
