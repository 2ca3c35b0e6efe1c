"""Mattes made from scratch: strands, fur, nets, leaves, veils and photographic texture.

Drawn portraits alone teach a network how drawn hair looks. These shapes carry no look of
their own: they are filled with photographs, and only their alpha is exact. Counts, widths
and lengths were chosen by eye beside hair, fur, lace and leaves; no figure tuned them.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from ld_portrait_20k.matting.training.textures import smooth_noise

Matte = NDArray[np.float32]
_FINE = 3  # lines are drawn 3 times as large, then shrunk: 9 levels of coverage a pixel


def draw_structure(rng: np.random.Generator, size: int, photo: NDArray[np.uint8]) -> Matte:
    """A matte of a kind drawn at random.

    Args:
        rng: Where everything is drawn from.
        size: Side of the square, in pixels.
        photo: (size, size, 3) uint8, for the kind that takes its alpha from a photograph.

    Returns:
        (size, size) float32, 0..1.
    """
    kinds: tuple[Callable[..., Matte], ...] = (_strands, _fur, _fur, _net, _leaves, _veil)
    pick = int(rng.integers(len(kinds) + 1))
    matte = _texture(rng, size, photo) if pick == len(kinds) else kinds[pick](rng, size)
    return matte.clip(0, 1)


def blob(rng: np.random.Generator, size: int, scale: float = 1.0) -> Matte:
    """An irregular closed shape with a soft edge of a random width, cut by the frame or not."""
    outline = _outline(rng, size, scale)
    shape = _fill(size, [outline])
    return _soften(rng, shape)


def _outline(rng: np.random.Generator, size: int, scale: float) -> NDArray[np.float64]:
    angle = np.linspace(0, 2 * np.pi, 97)[:-1]
    radius = np.full(angle.shape, rng.uniform(0.22, 0.55) * scale)
    for order in range(1, 7):
        wave = rng.uniform(0, 0.32 / order) * np.cos(order * angle + rng.uniform(0, 2 * np.pi))
        radius = radius * (1 + wave)
    centre = rng.uniform(0.15, 0.85, 2)
    stretch = np.exp(rng.normal(0, 0.25, 2))
    turn = rng.uniform(0, np.pi)
    points = np.stack([np.cos(angle), np.sin(angle)], 1) * radius[:, None] * stretch
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    result: NDArray[np.float64] = (points @ rotation.T + centre) * size
    return result


def _fill(size: int, outlines: list[NDArray[np.float64]]) -> Matte:
    fine = np.zeros((size * _FINE, size * _FINE), np.uint8)
    for outline in outlines:
        cv2.fillPoly(fine, [np.rint(outline * _FINE).astype(np.int32)], 255)
    return _reduce(fine, size)


def _reduce(fine: NDArray[np.uint8], size: int) -> Matte:
    small = cv2.resize(fine, (size, size), interpolation=cv2.INTER_AREA)
    result: Matte = small.astype(np.float32) / np.float32(255)
    return result


def _soften(rng: np.random.Generator, matte: Matte) -> Matte:
    """Put half of the mattes out of focus; the others stay sharp."""
    sigma = float(np.exp(rng.uniform(np.log(0.4), np.log(6.0)))) if rng.random() < 0.5 else 0.0
    return cv2.GaussianBlur(matte, (0, 0), sigma).astype(np.float32) if sigma else matte


def _curves(
    rng: np.random.Generator,
    roots: NDArray[np.float64],
    directions: NDArray[np.float64],
    length: float,
    curl: float,
) -> NDArray[np.float64]:
    """Curves (N, 12, 2) that start at ``roots`` and turn by smooth random angles."""
    count, steps = len(roots), 12
    common = rng.normal(0, curl, 1) + rng.normal(0, 0.4 * curl, (count, 1))
    turn = np.cumsum(common + rng.normal(0, 0.35 * curl, (count, steps)), axis=1)
    angle = directions[:, None] + turn
    step = length / steps * np.exp(rng.normal(0, 0.35, (count, 1)))
    moves = np.stack([np.cos(angle), np.sin(angle)], 2) * step[..., None]
    result: NDArray[np.float64] = roots[:, None] + np.cumsum(moves, axis=1)
    return np.concatenate([roots[:, None], result], 1)


def _draw_curves(size: int, curves: NDArray[np.float64], width: float, taper: bool) -> Matte:
    """Lines of a width in pixels; thinner than a fine pixel, they get fainter instead."""
    fine = np.zeros((size * _FINE, size * _FINE), np.uint8)
    points = np.rint(curves * _FINE * 16).astype(np.int32)
    thick = max(1, round(width * _FINE))
    if taper and thick > 1:
        half = points.shape[1] // 2 + 1
        cv2.polylines(fine, list(points[:, :half]), False, 255, thick, cv2.LINE_8, 4)
        cv2.polylines(
            fine, list(points[:, half - 1 :]), False, 255, max(1, thick // 2), cv2.LINE_8, 4
        )
    else:
        cv2.polylines(fine, list(points), False, 255, thick, cv2.LINE_8, 4)
    return _reduce(fine, size) * np.float32(min(1.0, width * _FINE / thick))


def _strands(rng: np.random.Generator, size: int) -> Matte:
    """Long hair: bundles that leave a solid body in one direction."""
    body = blob(rng, size, 0.8)
    matte = body
    for _ in range(int(rng.integers(1, 5))):
        start = rng.uniform(0, size, 2)
        spread = rng.uniform(0.05, 0.4) * size
        count = int(rng.integers(4, 90))
        roots = start + rng.normal(0, spread, (count, 2))
        toward = rng.uniform(0, 2 * np.pi) + rng.normal(0, rng.uniform(0.05, 0.5), count)
        curves = _curves(rng, roots, toward, rng.uniform(0.3, 1.2) * size, rng.uniform(0, 0.25))
        width = float(np.exp(rng.uniform(np.log(0.15), np.log(3.0))))
        lines = _draw_curves(size, curves, width, bool(rng.random() < 0.6))
        matte = 1 - (1 - matte) * (1 - lines)
    return matte.astype(np.float32)


def _fur(rng: np.random.Generator, size: int) -> Matte:
    """Short hair that leaves the outline of a body, along its normal, combed one way."""
    outline = _outline(rng, size, rng.uniform(0.7, 1.2))
    matte = _fill(size, [outline])
    tangent = np.gradient(outline, axis=0)
    normal = np.arctan2(-tangent[:, 0], tangent[:, 1])
    length = float(np.exp(rng.uniform(np.log(4.0), np.log(0.35 * size))))
    comb = rng.normal(0, 0.6)
    width = float(np.exp(rng.uniform(np.log(0.2), np.log(2.5))))
    for _ in range(int(rng.integers(1, 4))):
        count = int(rng.integers(60, 500))
        place = rng.uniform(0, len(outline), count).astype(int)
        roots = outline[place] + rng.normal(0, 2.0, (count, 2))
        toward = normal[place] + comb + rng.normal(0, rng.uniform(0.1, 0.5), count)
        curves = _curves(rng, roots, toward, length, rng.uniform(0, 0.2))
        lines = _draw_curves(size, curves, width * float(np.exp(rng.normal(0, 0.4))), True)
        matte = 1 - (1 - matte) * (1 - lines)
    return matte.astype(np.float32)


def _net(rng: np.random.Generator, size: int) -> Matte:
    """Lace, nets and grids: a warped periodic pattern inside a body's outline."""
    period = float(np.exp(rng.uniform(np.log(5.0), np.log(40.0))))
    y, x = np.mgrid[:size, :size].astype(np.float32)
    bend = period * rng.uniform(0, 1.5)
    x = x + bend * smooth_noise(rng, size, size / 4)
    y = y + bend * smooth_noise(rng, size, size / 4)
    turn, skew = rng.uniform(0, np.pi), rng.uniform(0.35, 0.65) * np.pi
    u = np.cos(2 * np.pi / period * (x * np.cos(turn) + y * np.sin(turn)))
    v = np.cos(2 * np.pi / period * (x * np.cos(turn + skew) + y * np.sin(turn + skew)))
    field = np.maximum(u, v) if rng.random() < 0.6 else u * v
    level, sharp = rng.uniform(-0.2, 0.85), period / (2 * np.pi) * rng.uniform(0.5, 1.5)
    pattern = np.clip((field - level) * sharp + 0.5, 0, 1)
    body = blob(rng, size, 1.2)
    solid = blob(rng, size, 0.7) if rng.random() < 0.7 else np.zeros_like(body)
    matte = body * pattern * np.float32(rng.uniform(0.6, 1.0))
    return np.maximum(matte, solid).astype(np.float32)


def _leaves(rng: np.random.Generator, size: int) -> Matte:
    """Foliage and feathers: many small convex shapes around a body."""
    matte = blob(rng, size, 0.7)
    outlines = []
    centre, spread = rng.uniform(0.2, 0.8, 2) * size, rng.uniform(0.1, 0.35) * size
    angle = np.linspace(0, 2 * np.pi, 17)[:-1]
    small = float(np.exp(rng.uniform(np.log(1.5), np.log(14.0))))
    for _ in range(int(rng.integers(20, 220))):
        length = small * float(np.exp(rng.normal(0, 0.4)))
        flat = rng.uniform(0.15, 0.7)
        turn = rng.uniform(0, 2 * np.pi)
        c, s = np.cos(turn), np.sin(turn)
        leaf = np.stack([np.cos(angle) * length, np.sin(angle) * length * flat], 1)
        outlines.append(leaf @ np.array([[c, s], [-s, c]]) + rng.normal(centre, spread, 2))
    return _soften(rng, np.maximum(matte, _fill(size, outlines)))


def _veil(rng: np.random.Generator, size: int) -> Matte:
    """Glass, smoke and thin cloth: broad half-transparent areas beside solid ones."""
    body = blob(rng, size, 1.3)
    cell = float(np.exp(rng.uniform(np.log(6.0), np.log(size))))
    low, high = np.sort(rng.uniform(0.05, 1.0, 2))
    thickness = low + (high - low) * (0.5 + 0.5 * np.tanh(smooth_noise(rng, size, cell)))
    matte = body * thickness
    if rng.random() < 0.8:
        matte = np.maximum(matte, blob(rng, size, 0.8))
    return matte.astype(np.float32)


def _texture(rng: np.random.Generator, size: int, photo: NDArray[np.uint8]) -> Matte:
    """The brightness of a photograph as alpha: shapes that nobody designed."""
    grey = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY).astype(np.float32)
    low, high = np.percentile(grey, [rng.uniform(5, 60), rng.uniform(65, 98)])
    matte = np.clip((grey - low) / max(high - low, 4.0), 0, 1)
    if rng.random() < 0.5:
        matte = 1 - matte
    inside = cv2.GaussianBlur(blob(rng, size, 1.2), (0, 0), rng.uniform(1, 12))
    return np.maximum(matte * inside, blob(rng, size, 0.7)).astype(np.float32)
