"""Strands as curves in space: roots on the scalp, growth, clumps, curls.

Everything here is in the head's frame before its turn: x right, y down, z to the camera,
head units. Arrays are (N, K, 3): N strands of K points from root to tip.
"""

from __future__ import annotations

import numpy as np

from builder.generation.procedural.arrays import BoolArray, FloatArray, IndexArray
from builder.generation.procedural.canvas import dot
from builder.generation.procedural.relief import base_point, outline
from builder.generation.procedural.traits import Traits

CENTRE = np.array([0.0, -0.09, -0.02])
RADII = np.array([0.340, 0.415, 0.425])
"""The skull as an ellipsoid: hair collides with it and grows away from it. Fitted by eye to
the relief of :mod:`relief`."""

_FACE_Y = np.array([-0.345, -0.325, -0.28, -0.18, 0.0, 0.2, 0.45, 0.62, 0.95, 1.3])
_FACE_X = np.array([0.0, 0.10, 0.205, 0.255, 0.29, 0.285, 0.24, 0.20, 0.17, 0.0])
"""Half-width of the face that hair leaves clear, by height; chosen by eye."""

_LINE_ANGLE = np.array([0.0, 22.0, 42.0, 56.0, 68.0, 78.0, 88.0, 96.0, 108.0, 130.0, 180.0])
_LINE_Y = np.array([-0.335, -0.325, -0.29, -0.215, -0.10, 0.02, 0.06, -0.05, 0.04, 0.24, 0.30])
"""Height of the hairline by the angle about the head in degrees (0 front); chosen by eye."""


def outward(points: FloatArray) -> FloatArray:
    """Unit directions away from the skull."""
    return normalise((points - CENTRE.astype(points.dtype)) / (RADII**2).astype(points.dtype))


def normalise(v: FloatArray) -> FloatArray:
    """Unit vectors along the last axis."""
    length = np.sqrt(dot(v, v))
    unit: FloatArray = v / np.maximum(length, 1e-9)[..., None]
    return unit


def hairline(person: Traits, angle: FloatArray) -> FloatArray:
    """Lowest y at which scalp hair grows, by the angle about the head (radians, 0 front)."""
    degrees = np.degrees(np.abs(angle))
    y = np.interp(degrees, _LINE_ANGLE, _LINE_Y)
    recede = person.masculine * float(np.clip((person.years - 30.0) / 45.0, 0.0, 0.8))
    temple = np.exp(-(((degrees - 38.0) / 17.0) ** 2))
    return y - recede * (0.10 * temple + 0.03 * (degrees < 60.0))


def scalp(person: Traits, rng: np.random.Generator, count: int) -> FloatArray:
    """Roots (count, 3), about evenly spread over the hairy part of the head."""
    found: list[FloatArray] = []
    total = 0
    while total < count:
        d = normalise(rng.standard_normal((count * 2, 3)))
        y = CENTRE[1] + RADII[1] * d[:, 1] * 0.985
        angle = np.arctan2(d[:, 0], d[:, 2])
        keep = y < hairline(person, angle) + 0.012 * rng.standard_normal(len(y))
        points = base_point(person, angle[keep], y[keep])
        found.append(points)
        total += len(points)
    return np.concatenate(found)[:count]


def parting(person: Traits, rng: np.random.Generator, line: float, count: int) -> FloatArray:
    """Further roots (count, 3) along the line where the hair is parted, x = ``line``."""
    over = rng.uniform(-0.35, 1.0, count)  # from the back of the crown to the hairline
    y = np.where(over >= 0, -0.493 + 0.155 * np.abs(over) ** 1.6, -0.493 + 0.25 * over**2)
    x = line + 0.028 * rng.standard_normal(count)
    width = np.maximum(outline(person, y)[0], 1e-3)
    angle = np.arcsin(np.clip(x / width, -0.98, 0.98))
    return base_point(person, np.where(over >= 0, angle, np.pi - angle), y)


def grow(
    roots: FloatArray,
    direction: FloatArray,
    length: FloatArray,
    rng: np.random.Generator,
    *,
    gravity: FloatArray,
    margin: FloatArray,
    steps: int = 26,
    part_face: bool = True,
    wander: float = 0.05,
    pull: FloatArray | None = None,
    ceiling: float | None = None,
) -> FloatArray:
    """Grow strands step by step under gravity, along the skull and past the neck.

    Args:
        roots: (N, 3).
        direction: (N, 3) unit, at the root.
        length: (N,) head units.
        rng: The stream.
        gravity: (3,) pull for every head unit of length.
        margin: (N,) distance to the skull that the strand keeps once it lies on it.
        steps: Number of points.
        part_face: Push aside strands that would hang before the face.
        wander: Strength of the random walk of the direction.
        pull: (N, 3) further constant pull, if any.
        ceiling: How far above the skull (share of its radius) hair of the upper head may
            stand beyond its margin, or None.

    Returns:
        (N, steps, 3).
    """
    n = len(roots)
    path = np.empty((n, steps, 3), np.float32)
    position, heading = roots.copy(), direction.copy()
    path[:, 0] = position
    step = (length / (steps - 1))[:, None]
    # Neighbours wander together, so that hair falls in locks rather than as fuzz.
    walk = np.zeros((n, 3))
    centres = roots[rng.permutation(n)[: min(n, 110)]]
    lock = np.argmin(sum((roots[:, None, i] - centres[None, :, i]) ** 2 for i in range(3)), 1)
    for k in range(1, steps):
        shared = rng.standard_normal((len(centres), 3))[lock]
        walk = 0.8 * walk + wander * (shared + 0.25 * rng.standard_normal((n, 3)))
        turn = gravity + walk
        if pull is not None:
            turn = turn + pull * max(0.0, 1.0 - 2.2 * k / steps)
        heading = normalise(heading + turn * np.minimum(step * 9.0, 0.6))
        if part_face:
            heading = _part_face(position, heading)
        position = position + heading * step
        height = _leave_skull(position, heading, margin[:, None] * min(1.0, 0.25 + 4.0 * k / steps))
        if ceiling is not None:
            _lower(position, height, 1.0 + ceiling + margin * 2.0)
        _leave_neck(position)
        path[:, k] = position
    return relax(path)


def _part_face(position: FloatArray, heading: FloatArray) -> FloatArray:
    """Push positions (N, 3), in place, and headings aside where they are before the face."""
    clear = np.interp(position[:, 1], _FACE_Y, _FACE_X)
    before = (position[:, 2] > 0.03) & (np.abs(position[:, 0]) < clear)
    aside = np.where(position[:, 0] >= 0, 1.0, -1.0)
    heading[before, 0] += 0.6 * aside[before]
    heading[before, 2] -= 0.45
    heading = normalise(heading)
    gap = (clear - np.abs(position[:, 0]))[before]
    position[before, 0] += aside[before] * np.minimum(gap, 0.06) * 0.7
    position[before, 2] -= np.minimum(gap, 0.06) * 0.5
    return heading


def _leave_skull(position: FloatArray, heading: FloatArray, margin: FloatArray) -> FloatArray:
    """Move positions and headings out of the skull, in place.

    Args:
        position: (N, 3).
        heading: (N, 3).
        margin: (N, 1) distance that is kept, head units.

    Returns:
        (N,) distance from the skull's centre before the move, in radii with margin.
    """
    offset = (position - CENTRE) / (RADII + margin)
    height = np.sqrt((offset * offset).sum(1))
    hit = height < 1.0
    if hit.any():
        out = outward(position[hit])
        position[hit] = CENTRE + (position[hit] - CENTRE) / np.maximum(height[hit], 1e-3)[:, None]
        into = (heading[hit] * out).sum(1, keepdims=True)
        heading[hit] = normalise(heading[hit] - np.minimum(into, 0.0) * out + 1e-6)
    return height


def _lower(position: FloatArray, height: FloatArray, limit: FloatArray) -> None:
    """Draw hair of the upper head that stands above its limit (N,) half-way back, in place."""
    high = (position[:, 1] < 0.0) & (height > limit)
    if high.any():
        ease = 1.0 + 0.5 * (limit[high] / height[high] - 1.0)
        position[high] = CENTRE + (position[high] - CENTRE) * ease[:, None]


def _leave_neck(position: FloatArray) -> None:
    """Move positions (N, 3) out of the neck, a post of radius 0.235, in place."""
    low = (position[:, 1] > 0.36) & (position[:, 1] < 0.75)
    radial = np.hypot(position[:, 0], position[:, 2] + 0.06)
    close = low & (radial < 0.235)
    if close.any():
        factor = 0.235 / np.maximum(radial[close], 1e-3)
        position[close, 0] *= factor
        position[close, 2] = (position[close, 2] + 0.06) * factor - 0.06


def relax(path: FloatArray, times: int = 2) -> FloatArray:
    """Smooth strands (N, K, 3) along their length; roots and tips stay."""
    for _ in range(times):
        inner = 0.25 * path[:, :-2] + 0.5 * path[:, 1:-1] + 0.25 * path[:, 2:]
        path = np.concatenate([path[:, :1], inner, path[:, -1:]], 1)
    return path


def clear_face(
    path: FloatArray, which: BoolArray, rng: np.random.Generator, room: float = 0.0
) -> FloatArray:
    """Push the strands that ``which`` (N,) marks aside where they would cross the face."""
    border = np.interp(path[..., 1], _FACE_Y, _FACE_X).astype(np.float32)
    border = (border + np.float32(room)) * rng.uniform(0.86, 1.06, (len(path), 1)).astype(
        np.float32
    )
    border *= path[..., 1] > _FACE_Y[0]
    x = path[..., 0]
    # A strand stays on the side on which most of its front part lies.
    ahead = path[..., 2] > 0.0
    side = np.where((x * ahead).sum(1, keepdims=True) >= 0, 1.0, -1.0).astype(np.float32)
    inside = which[:, None] & (path[..., 2] > 0.0) & (x * side < border)
    out = path.copy()
    aside = side * (border + (x * side - border) * 0.06)
    # Roots stay where they are.
    late = np.minimum(np.linspace(0, 7, path.shape[1], dtype=np.float32), 1.0)
    out[..., 0] = np.where(inside, x + (aside - x) * late, x)
    return out


def refine(path: FloatArray, points: int) -> FloatArray:
    """Resample (N, K, 3) to ``points`` a strand with a cubic through the given ones."""
    k = path.shape[1]
    position = np.linspace(0.0, k - 1.0, points)
    i = np.minimum(position.astype(int), k - 2)
    t = (position - i).astype(np.float32)[None, :, None]
    a, b = path[:, np.maximum(i - 1, 0)], path[:, i]
    c, d = path[:, i + 1], path[:, np.minimum(i + 2, k - 1)]
    smooth: FloatArray = b + 0.5 * t * (
        c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a))
    )
    return smooth


def clump(
    path: FloatArray,
    rng: np.random.Generator,
    count: int,
    strength: float,
    spread: float,
    start: float = 0.1,
) -> tuple[FloatArray, IndexArray]:
    """Gather strands into clumps, each around a strand that leads it.

    Args:
        path: (N, K, 3).
        rng: The stream.
        count: Number of clumps.
        strength: How far the tips gather, 0..1.
        spread: Radius of a clump at its tip, head units.
        start: Share of the length at which gathering begins.

    Returns:
        The new path and each strand's clump (N,).
    """
    n, k, _ = path.shape
    leaders = rng.permutation(n)[: min(count, n)]
    roots, leader_roots = path[:, 0], path[leaders, 0]
    member = np.empty(n, np.intp)
    for first in range(0, n, 2048):  # in parts, which bounds the memory of the distances
        part = roots[first : first + 2048]
        distance = sum((part[:, None, i] - leader_roots[None, :, i]) ** 2 for i in range(3))
        member[first : first + 2048] = np.argmin(distance, 1)
    t = np.clip((np.linspace(0, 1, k, dtype=np.float32) - start) / (1 - start), 0, 1)
    gather = (strength * t * (2 - t))[None, :, None]
    offset = (rng.standard_normal((n, 1, 3)) * spread).astype(np.float32)
    target = path[leaders][member] + offset * (0.4 + 0.6 * t[None, :, None])
    return path + (target - path) * gather * rng.uniform(0.55, 1.0, (n, 1, 1)).astype(
        np.float32
    ), member


def curl(
    path: FloatArray,
    rng: np.random.Generator,
    member: IndexArray,
    length: FloatArray,
    radius: float,
    wavelength: float,
    *,
    flat: float = 0.0,
    jitter: float = 0.5,
    rise: float = 0.15,
) -> FloatArray:
    """Wind strands around their own course.

    Args:
        path: (N, K, 3).
        rng: The stream.
        member: (N,) clump of each strand; a clump curls in step.
        length: (N,) head units.
        radius: Radius of the curl, head units.
        wavelength: Length of one turn, head units.
        flat: 0 a helix, 1 a wave in one plane.
        jitter: Phase scatter within a clump, radians.
        rise: Share of the length over which the curl opens.

    Returns:
        (N, K, 3).
    """
    n, k, _ = path.shape
    clumps = int(member.max()) + 1
    phase = rng.uniform(0, 2 * np.pi, clumps)[member] + jitter * rng.standard_normal(n)
    rate = (1.0 + 0.18 * rng.standard_normal(clumps))[member]
    size = (1.0 + 0.3 * rng.standard_normal(clumps)).clip(0.35, 1.8)[member] * rng.uniform(
        0.75, 1.2, n
    )
    t = np.linspace(0, 1, k, dtype=np.float32)
    turns = t[None, :] * (length * rate / wavelength)[:, None] * 2 * np.pi + phase[:, None]
    turns = turns.astype(np.float32)
    tangent = normalise(np.gradient(path, axis=1).astype(np.float32))
    helper = np.zeros((n, 1, 3), np.float32)
    helper[:, 0, 2] = 1.0
    tilt = (0.4 * rng.standard_normal((n, 1, 3))).astype(np.float32)
    e1 = normalise(np.cross(tangent, helper + tilt))
    e2 = np.cross(tangent, e1)
    opening = np.minimum(t / max(rise, 1e-3), 1.0)[None, :] * (radius * size)[:, None]
    opening = opening.astype(np.float32)
    return (
        path
        + e1 * (np.cos(turns) * opening)[..., None]
        + e2 * (np.sin(turns) * opening * (1.0 - flat))[..., None]
    )
