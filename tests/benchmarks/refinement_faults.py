"""Nine designs of damage with large faults: see-through garments and limbs, fading bodies, patches.

They share nothing with the designs of ``refinement_damage`` and of the tests. No decision of the
refinement was tuned on them; the weights of its ``confidence`` were, on some of the seeds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.refinement_damage import apply, depths

Plane = NDArray[Any]
Random = np.random.Generator
Design = Callable[[Plane, Random, float, float], Plane]


def floors(alpha: Plane, rng: Random, strength: float, scale: float) -> Plane:
    """Every part of the body has another level, with crisp or soft borders between them."""
    down, right = _places(alpha.shape)
    shift_right, shift_down = _shifts(rng, alpha.shape, 60 * scale, 18 * scale)
    count = int(rng.integers(3, 9))
    middles = rng.random((count, 2)) * alpha.shape
    apart = [(down + shift_down - y) ** 2 + (right + shift_right - x) ** 2 for y, x in middles]
    nearest = np.stack(apart).argmin(0)
    levels = 1 - strength * np.where(rng.random(count) < 0.3, 0, rng.uniform(0.02, 0.16, count))
    gain = cv2.GaussianBlur(
        levels[nearest].astype(np.float32), (0, 0), rng.uniform(0.6, 6) * scale + 0.3
    )
    veil = strength * rng.uniform(0, 0.05)
    gain -= veil * np.clip(_noise(rng, alpha.shape, rng.uniform(25, 120) * scale) + 0.5, 0, 1.5)
    gain += strength * rng.uniform(0, 0.008) * _noise(rng, alpha.shape, 3)
    return _frame(_specks(alpha * np.clip(gain, 0.3, 1), alpha, rng, strength, 8), rng, strength)


def fade(alpha: Plane, rng: Random, strength: float, scale: float) -> Plane:
    """The body fades towards one side, by up to a third."""
    (top, bottom, left, right), (y, x) = _box(alpha), _places(alpha.shape)
    angle = rng.uniform(0, 2 * np.pi)
    slope = ((y - top) / (bottom - top) - 0.5) * np.sin(angle)
    slope += ((x - left) / (right - left) - 0.5) * np.cos(angle)
    start = rng.uniform(-0.2, 0.15)
    slope = np.clip((slope - start) / (0.6 - start), 0, 1) ** rng.choice([0.7, 1.0, 1.6])
    lost = min(0.7, strength * rng.uniform(0.12, 0.35))
    gain = 1 - lost * slope * (1 + 0.15 * _noise(rng, alpha.shape, 40 * scale))
    rough = np.clip(_noise(rng, alpha.shape, 8 * scale + 2), 0, 1)
    gain -= strength * 0.01 * rough * (slope > 0)
    return _frame(alpha * np.clip(gain, 0.3, 1), rng, strength, 0.3)


def garment(alpha: Plane, rng: Random, strength: float, scale: float) -> Plane:
    """A see-through garment below a neckline, with weave or folds, and with seams."""
    shape, (top, bottom, left, right), (y, x) = alpha.shape, _box(alpha), _places(alpha.shape)
    shift_x, shift_y = _shifts(rng, shape, 50 * scale, 10 * scale)
    high = top + (bottom - top) * rng.uniform(0.45, 0.75)
    off = (x - (left + right) / 2) / (0.12 * (right - left))
    neck = rng.uniform(0, 60) * scale * np.exp(-(off**2))
    cloth = (y + shift_y * 0.4 > high + neck).astype(np.float32)
    if rng.random() < 0.4:  # on one side alone
        if rng.random() < 0.5:
            cloth *= x + shift_x > rng.uniform(left, right)
        else:
            cloth *= x + shift_x < rng.uniform(left, right)
    cloth = cv2.GaussianBlur(cloth, (0, 0), rng.uniform(0.4, 1.2))
    period, angle = rng.uniform(2.5, 7), rng.uniform(0, np.pi)
    warp = (x + shift_x) * np.cos(angle) + (y + shift_y) * np.sin(angle)
    weft = -(x + shift_x) * np.sin(angle) + (y + shift_y) * np.cos(angle)
    weave = 0.5 + 0.25 * (np.sin(2 * np.pi * warp / period) + np.sin(2 * np.pi * weft / period))
    waves = 2 * np.pi * (warp + 12 * scale * _noise(rng, shape, 40 * scale))
    folds = np.abs(np.sin(waves / (rng.uniform(25, 70) * scale + 4))) ** 3
    lost, kind = rng.uniform(0.1, 0.32), rng.random()
    texture: Plane | float = 1.0
    if kind < 0.85:
        texture = 1 - rng.uniform(0.2, 0.7) * (weave if kind < 0.5 else folds)
    gain = 1 - np.clip(strength * lost * texture, 0, 0.75) * cloth
    for _ in range(int(rng.integers(1, 5))):  # nearly opaque lines, or more transparent ones
        seam = np.zeros(shape, np.float32)
        ends = [(int(rng.uniform(left, right)), int(rng.uniform(high, bottom))) for _ in range(3)]
        width = int(rng.integers(1, 4))
        cv2.polylines(seam, [np.array(ends, np.int32)], False, 1.0, width, cv2.LINE_AA)
        if rng.random() < 0.6:
            gain = np.maximum(gain, seam * cloth * rng.uniform(0.9, 1))
        else:
            gain = gain * (1 - 0.15 * strength * seam * cloth)
    if rng.random() < 0.6:
        veil = strength * rng.uniform(0.02, 0.06)
        gain = gain * (1 - veil * np.clip(_noise(rng, shape, 60 * scale) + 0.3, 0, 1))
    return _frame(alpha * gain, rng, strength)


def limb(alpha: Plane, rng: Random, strength: float, scale: float) -> Plane:
    """See-through parts where the picture's frame cuts the subject."""
    shape, (y, x), size = alpha.shape, _places(alpha.shape), alpha.shape
    shift_x, shift_y = _shifts(rng, shape, 40 * scale, 8 * scale)
    gain = np.ones_like(alpha)
    edges = (alpha[-1], alpha[:, 0], alpha[:, -1], alpha[0])
    cut = [side for side, edge in enumerate(edges) if (edge > 0.9).sum() > 12 * scale]
    for _ in range(int(rng.integers(1, 3)) if cut else 0):
        side = cut[int(rng.integers(0, len(cut)))]
        middle = int(rng.choice(np.flatnonzero(edges[side] > 0.9)))
        half, deep = rng.uniform(25, 130) * scale, rng.uniform(15, 110) * scale
        along, away = ((x, size[0] - 1 - y), (y, x), (y, size[1] - 1 - x), (x, y))[side]
        beyond = np.maximum(np.abs(along + shift_x - middle) - half, away + shift_y - deep)
        part = np.clip(0.5 - beyond / (rng.uniform(1.2, 16) * scale + 1), 0, 1)
        lost = min(0.7, strength * rng.uniform(0.08, 0.36))
        even = rng.random() < 0.5
        fall = 1 if even else np.clip(1 - away / deep, 0, 1) * 0.6 + 0.4
        gain *= 1 - part * lost * fall * (1 + 0.12 * _noise(rng, shape, 20 * scale + 2))
    gain -= _veil(rng, shape, 0.03 * strength, 70 * scale)
    return _frame(_specks(alpha * gain, alpha, rng, strength, 5), rng, strength, 0.7)


def haze(alpha: Plane, rng: Random, strength: float, scale: float) -> Plane:
    """Haze that grows towards one side, and blots."""
    shape, (y, x) = alpha.shape, _places(alpha.shape)
    angle = rng.uniform(0, 2 * np.pi)
    ramp = (y / shape[0] - 0.5) * np.sin(angle) + (x / shape[1] - 0.5) * np.cos(angle)
    level = strength * rng.uniform(0.01, 0.06) * np.clip(0.5 + ramp, 0, 1)
    level = level * (1 + 0.3 * _noise(rng, shape, 60 * scale))
    for _ in range(int(rng.integers(1, 6))):
        middle_y, middle_x = rng.random(2) * shape
        reach_y, reach_x = rng.uniform(12, 80, 2) * scale
        away = ((y - middle_y) / reach_y) ** 2 + ((x - middle_x) / reach_x) ** 2
        blot = np.exp(-(away ** rng.choice([1, 2])))
        blot = strength * rng.uniform(0.02, 0.14) * blot
        level = np.maximum(level, blot * (1 + 0.3 * _noise(rng, shape, 15 * scale + 2)))
    result = _over(alpha, np.clip(level, 0, 0.4), rng)
    result -= alpha * _veil(rng, shape, 0.04 * strength, 80 * scale, 0.3)
    return _frame(result, rng, strength)


def patches(alpha: Plane, rng: Random, strength: float, scale: float) -> Plane:
    """Ragged see-through patches, most of them where hair meets the body."""
    shape, (y, x) = alpha.shape, _places(alpha.shape)
    soft = ((alpha > 0.03) & (alpha < 0.97)).astype(np.float32)
    hair = cv2.blur(soft, (int(24 * scale) | 1,) * 2) > 0.12
    inner, _ = depths(alpha)
    beside = cv2.dilate(hair.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    near = np.flatnonzero(beside.ravel() & (alpha.ravel() > 0.9))
    anywhere = np.flatnonzero(inner.ravel() > 2)
    gain = np.ones_like(alpha)
    for _ in range(int(rng.integers(3, 10))):
        places = near if near.size and rng.random() < 0.7 else anywhere
        if not places.size:
            break
        middle_y, middle_x = divmod(int(rng.choice(places)), shape[1])
        radius = rng.uniform(6, 38) * scale
        reach = radius * (1 + 0.7 * _noise(rng, shape, radius * 0.8 + 2))
        beyond = np.hypot((y - middle_y) * rng.uniform(0.6, 1.6), x - middle_x) - reach
        part = np.clip(0.5 - beyond / (rng.uniform(2, 14) * scale + 1), 0, 1)
        lost = min(0.7, strength * rng.uniform(0.07, 0.36))
        gain *= 1 - part * lost * (1 + 0.2 * _noise(rng, shape, 10 * scale + 2))
    gain -= _veil(rng, shape, 0.03 * strength, 70 * scale)
    damaged = _specks(alpha * np.clip(gain, 0.2, 1), alpha, rng, strength, 8)
    return _frame(damaged, rng, strength, 0.4)


def halo(alpha: Plane, rng: Random, strength: float, scale: float) -> Plane:
    """A halo of uneven strength, which fades evenly, in a bell, or at its end."""
    _, outer = depths(alpha)
    reach = rng.uniform(10, 40) * 2 * scale
    fall = (
        np.clip(1 - outer / reach, 0, 1),
        np.exp(-((outer / reach * 1.5) ** 2)),
        np.clip((reach - outer) / (0.3 * reach), 0, 1),
    )[rng.integers(0, 3)]
    uneven = 0.7 + 0.6 * _noise(rng, alpha.shape, rng.uniform(50, 160) * scale)
    level = strength * rng.uniform(0.02, 0.11) * fall * np.clip(uneven, 0, 1.3)
    result = _over(alpha, level, rng)
    result -= alpha * _veil(rng, alpha.shape, 0.03 * strength, 80 * scale)
    return _frame(result, rng, strength, 0.3)


def blocks(alpha: Plane, rng: Random, strength: float, scale: float) -> Plane:
    """Blocks of 8 x 8 pixels, each with its own level, with a grid, and faint ones outside."""
    (height, width), side = alpha.shape, 8
    count = -(-height // side), -(-width // side)
    size = count[1] * side, count[0] * side

    def blown_up(levels: Plane) -> Plane:
        large = cv2.resize(levels.astype(np.float32), size, interpolation=cv2.INTER_NEAREST)
        return np.asarray(large[:height, :width])

    where = np.clip(1.2 * _noise(rng, count, rng.uniform(6, 20)) + 0.4, 0, 1)
    lost = np.abs(rng.normal(0, 1, count)) * where * strength * rng.uniform(0.01, 0.05)
    lower = blown_up(-lost)
    softness = rng.uniform(0, 1.2)
    if softness > 0.4:
        lower = cv2.GaussianBlur(lower, (0, 0), softness)
    phase, (y, x) = rng.random(2) * side, _places(alpha.shape)
    waves = np.cos(2 * np.pi * (y + phase[0]) / side) + np.cos(2 * np.pi * (x + phase[1]) / side)
    grid = strength * rng.uniform(0, 0.02) * waves * 0.5
    grid = grid * cv2.resize(where.astype(np.float32), (width, height))
    result = alpha * (1 + np.minimum(lower - np.abs(grid), 0))
    faint = np.abs(rng.normal(0, 1, count)) * (rng.random(count) < 0.5)
    faint = blown_up(faint * strength * rng.uniform(0, 0.03))
    _, outer = depths(alpha)
    result = result + (1 - alpha) * faint * np.exp(-outer / (30 * scale))
    return _frame(np.clip(result, 0, 1), rng, strength)


def mixed(alpha: Plane, rng: Random, strength: float, scale: float) -> Plane:
    """Two or three of the others, a little weaker."""
    names = ["floors", "garment", "limb", "patches", "halo", "haze", "fade"]
    result, gain, seen = alpha, np.ones_like(alpha), np.maximum(alpha, 0.004)
    for name in rng.permutation(names)[: int(rng.integers(2, 4))]:
        one = DESIGNS[str(name)](alpha, rng, strength * rng.uniform(0.5, 0.9), scale)
        gain = np.where(alpha > 0.004, gain * np.minimum(1, one / seen), gain)
        result = np.maximum(result, one)
    return result * np.clip(gain, 0.2, 1)


DESIGNS: dict[str, Design] = {
    "floors": floors,
    "fade": fade,
    "garment": garment,
    "limb": limb,
    "haze": haze,
    "patches": patches,
    "halo": halo,
    "blocks": blocks,
    "mixed": mixed,
}


def damage(kind: str, alpha: NDArray[np.uint8], seed: int, strength: float) -> NDArray[np.uint8]:
    """Alpha (H, W) uint8, damaged by one of :data:`DESIGNS`."""
    return apply(DESIGNS[kind], alpha, [seed, 4711, *kind.encode()], strength)


def _noise(rng: Random, shape: tuple[int, ...], cell: float) -> Plane:
    """Smooth noise about 0, mostly between -1 and 1: white noise, filtered."""
    (height, width), step = shape, max(1, int(cell / 4))
    white = rng.normal(0, 1, (height // step + 2, width // step + 2)).astype(np.float32)
    few = np.asarray(cv2.GaussianBlur(white, (0, 0), max(0.6, cell / step / 2.5)), np.float32)
    even = np.asarray(few / (few.std() + np.float32(1e-6)))
    large = cv2.resize(even, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.clip(large, -2.5, 2.5) / 2)


def _veil(
    rng: Random, shape: tuple[int, ...], most: float, cell: float, offset: float = 0.0
) -> Plane:
    """What a veil of any strength up to the most takes away."""
    return rng.uniform(0, most) * np.clip(_noise(rng, shape, cell) + offset, 0, 1)


def _over(alpha: Plane, level: Plane, rng: Random) -> Plane:
    """Haze or halo behind the subject: added, or the higher of both."""
    return alpha + (1 - alpha) * level if rng.random() < 0.5 else np.maximum(alpha, level)


def _shifts(rng: Random, shape: tuple[int, ...], cell: float, far: float) -> tuple[Plane, Plane]:
    """Two planes of shifts, which make straight lines wavy."""
    return far * _noise(rng, shape, cell), far * _noise(rng, shape, cell)


def _places(shape: tuple[int, ...]) -> Plane:
    """Rows and columns, (2, H, W) float32."""
    return np.asarray(np.mgrid[: shape[0], : shape[1]].astype(np.float32))


def _box(alpha: Plane) -> tuple[int, int, int, int]:
    """Top, bottom, left and right of the subject."""
    rows, columns = np.nonzero(alpha > 0.5)
    return rows.min(), rows.max() + 1, columns.min(), columns.max() + 1


def _specks(result: Plane, alpha: Plane, rng: Random, strength: float, most: int) -> Plane:
    """Pin holes, in place."""
    inner, _ = depths(alpha)
    places = np.flatnonzero(inner.ravel() > 4)
    for _ in range(int(rng.integers(0, most)) if places.size else 0):
        y, x = divmod(int(rng.choice(places)), alpha.shape[1])
        width, height = rng.integers(1, 4, 2)
        result[y : y + height, x : x + width] *= 1 - min(0.9, strength * rng.uniform(0.1, 0.6))
    return result


def _frame(result: Plane, rng: Random, strength: float, often: float = 0.5) -> Plane:
    """At times the frame's last line darkened, in place."""
    if rng.random() < often:
        width = result.shape[1]
        run = np.clip(1.5 * _noise(rng, (2, width), width / 5)[0] + 0.7, 0, 1)
        result[-1] *= 1 - strength * rng.uniform(0.02, 0.15) * run
        result[-2] *= 1 - strength * rng.uniform(0.0, 0.03) * run
    return result
