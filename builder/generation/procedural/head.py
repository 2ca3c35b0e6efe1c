"""The head turned and seen from the front.

The surface is a radius for every angle about the vertical axis and every height, like a
laser scan of a head. A turn moves points along their rows only, so the point seen at a
column follows from inverting one monotone function for each row. Where the nose hides the
cheek, the running maximum of the turned columns skips what is hidden.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from builder.generation.procedural.arrays import FloatArray
from builder.generation.procedural.canvas import polygon, smoothstep
from builder.generation.procedural.light import Light
from builder.generation.procedural.relief import base_point, relief
from builder.generation.procedural.traits import Traits
from builder.generation.procedural.view import View

_TOP, _BOTTOM = -0.5, 0.53
"""Heights of crown and chin, head units."""

_ROWS, _ANGLES, _COLUMNS = 280, 281, 321
"""Size of the tables: a little finer than the pixels at 512 pixels, head and shoulders."""

_REACH = 0.64
"""Half of the table's width, head units."""

_WIDEST = 150.0
"""The relief is scanned from -150 to 150 degrees; no pose shows more of the head."""


@dataclass(frozen=True, slots=True)
class Surface:
    """The turned head as seen, per pixel of a box of the picture.

    Attributes:
        box: The slices of the picture that it covers.
        u: (h, w) head x before the turn, where the face is painted; 0 is its middle.
        v: (h, w) head y.
        depth: (h, w) z towards the camera, head units.
        normal: (h, w, 3) unit normals in the picture's frame.
        lit: (h, w) share of the key light that the relief lets through, 0..1.
        alpha: (h, w) exact coverage of the head without ears and neck, 0..1.
        angle: (h, w) angle about the head of the point seen, radians, 0 is the front.
    """

    box: tuple[slice, slice]
    u: FloatArray
    v: FloatArray
    depth: FloatArray
    normal: FloatArray
    lit: FloatArray
    alpha: FloatArray
    angle: FloatArray


def surface(person: Traits, view: View, light: Light) -> Surface:
    """Turn the head and find what each pixel sees of it."""
    points, turned, normal = _scan(person, view)
    found, left, right = _visible(turned[..., 0], turns_right=view.yaw >= 0)
    table = _sampled([points[..., 0], turned[..., 2], normal], found)
    shadow = _shadow(table[..., 1], light)
    angle = np.radians(found * (2 * _WIDEST / (_ANGLES - 1)) - _WIDEST)
    table = np.dstack([table, shadow, angle]).astype(np.float32)

    rows = np.linspace(_TOP, _BOTTOM, _ROWS)
    edge = view.head(np.concatenate([np.stack([left, rows], 1), np.stack([right, rows], 1)[::-1]]))
    box = _box(edge, view.shape)
    x, y = view.head_grid(box)
    seen = _at_pixels(table, x, y)
    return Surface(
        box,
        u=seen[..., 0],
        v=y,
        depth=seen[..., 1],
        normal=_tilted(seen[..., 2:5], view.roll),
        lit=seen[..., 5],
        alpha=polygon(view.shape, [edge])[box],
        angle=seen[..., 6],
    )


def _scan(person: Traits, view: View) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Points of the head, the same turned, and their turned unit normals.

    Each is (rows, angles, 3), from the crown down and from the head's left to its right.
    """
    rows = np.linspace(_TOP, _BOTTOM, _ROWS)
    angle, y = np.meshgrid(np.radians(np.linspace(-_WIDEST, _WIDEST, _ANGLES)), rows)
    points = base_point(person, angle, y)
    front = smoothstep(0.0, 0.35, np.cos(angle))
    points[..., 2] += relief(person, points[..., 0], y) * front
    turned = view.turn(points)
    across = np.gradient(turned, axis=1)
    down = np.gradient(turned, axis=0)
    normal = np.cross(across, down)
    normal /= np.maximum(np.sqrt((normal**2).sum(-1, keepdims=True)), 1e-9)
    return points, turned, normal


def _visible(x: FloatArray, turns_right: bool) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Which point is seen at every column of the table.

    Args:
        x: (rows, angles) turned x of the points.
        turns_right: Whether the head turns to the picture's right, or not at all.

    Returns:
        (rows, columns) fractional index of the angle, float32, and the least and greatest x
        of each row, (rows,).
    """
    columns = np.linspace(-_REACH, _REACH, _COLUMNS)
    index = np.arange(_ANGLES, dtype=np.float64)
    found = np.empty((_ROWS, _COLUMNS), np.float32)
    left, right = np.empty(_ROWS), np.empty(_ROWS)
    for r, row in enumerate(x):
        low, high = int(np.argmin(row)), int(np.argmax(row))
        left[r], right[r] = row[low], row[high]
        if high - low < 2:
            found[r] = (low + high) / 2
            continue
        # The part that is nearer on the turned side hides the other: a running maximum.
        part = row[low : high + 1]
        if turns_right:
            part = np.maximum.accumulate(part)
        else:
            part = np.minimum.accumulate(part[::-1])[::-1]
        part = part + np.arange(part.size) * 1e-9  # strictly rising, for the inversion
        found[r] = np.interp(columns, part, index[low : high + 1])
    return found, left, right


def _sampled(values: list[FloatArray], found: FloatArray) -> FloatArray:
    """Values by angle, stacked to (rows, angles, 5), at what is found (rows, columns)."""
    row_index = np.repeat(np.arange(_ROWS, dtype=np.float32)[:, None], _COLUMNS, 1)
    stacked = np.dstack(values).astype(np.float32)
    return np.dstack(
        [
            cv2.remap(part.copy(), found, row_index, cv2.INTER_LINEAR)
            for part in (stacked[..., :2], stacked[..., 2:])  # cv2 takes at most four channels
        ]
    )


def _box(edge: FloatArray, shape: tuple[int, int]) -> tuple[slice, slice]:
    """The slices of the picture around an outline (N, 2) in pixels."""
    x0, y0 = np.floor(edge.min(0)).astype(int) - 2
    x1, y1 = np.ceil(edge.max(0)).astype(int) + 2
    h, w = shape
    return slice(max(y0, 0), min(max(y1, 1), h)), slice(max(x0, 0), min(max(x1, 1), w))


def _at_pixels(table: FloatArray, x: FloatArray, y: FloatArray) -> FloatArray:
    """The table (rows, columns, 7) at head coordinates (h, w) of pixels: (h, w, 7)."""
    map_x = (x + _REACH) / (2 * _REACH) * (_COLUMNS - 1)
    map_y = np.clip((y - _TOP) / (_BOTTOM - _TOP) * (_ROWS - 1), 0, _ROWS - 1)
    parts = [
        cv2.remap(part.copy(), map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        for part in (table[..., :3], table[..., 3:])  # cv2 takes at most four channels
    ]
    return np.dstack(parts)


def _tilted(normal: FloatArray, roll: float) -> FloatArray:
    """Unit normals (h, w, 3) of the tilted head, turned to the camera, float32."""
    c, s = np.cos(roll), np.sin(roll)
    x = normal[..., 0] * c - normal[..., 1] * s
    y = normal[..., 0] * s + normal[..., 1] * c
    z = np.maximum(normal[..., 2], 0.02)
    unit = np.stack([x, y, z], -1) / np.sqrt(x * x + y * y + z * z)[..., None]
    return unit.astype(np.float32)


def _shadow(depth: FloatArray, light: Light) -> FloatArray:
    """March over the relief (rows, columns) towards the key light: 1 lit .. 0 in shadow."""
    step = 2 * _REACH / (_COLUMNS - 1)
    rows_per_column = step / ((_BOTTOM - _TOP) / (_ROWS - 1))
    slope = light.key[2] / max(float(np.hypot(light.key[0], light.key[1])), 0.05)
    dx, dy = light.key[0], light.key[1]
    length = max(float(np.hypot(dx, dy)), 0.05)
    dx, dy = dx / length, dy / length
    blocked = np.full(depth.shape, -1.0, np.float32)
    for k in range(2, 42, 2):
        matrix = np.array([[1, 0, -k * dx], [0, 1, -k * dy * rows_per_column]])
        moved = cv2.warpAffine(
            depth, matrix, (depth.shape[1], depth.shape[0]), borderMode=cv2.BORDER_REPLICATE
        )
        blocked = np.maximum(blocked, (moved - depth - k * step * slope) / (k * step))
    soft = 0.55 - 0.45 * light.hardness
    lit = 1.0 - smoothstep(0.02, 0.02 + soft, blocked)
    soft_lit = cv2.GaussianBlur(lit.astype(np.float32), (0, 0), 1.0 + 4.0 * (1 - light.hardness))
    strength = 0.55 + 0.45 * light.hardness
    return (1.0 - strength * (1.0 - soft_lit)).astype(np.float32)
