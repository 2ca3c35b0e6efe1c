"""The head as a relief in cylindrical coordinates, turned and seen from the front.

The surface is a radius for every angle about the vertical axis and every height, like a
laser scan of a head. Turning it moves points along their rows only, so that what is seen
at a column is found by inverting one monotone function a row; where the nose hides the
cheek, the running maximum of the turned columns jumps over what is hidden.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from builder.generation.procedural.canvas import polygon, smoothstep
from builder.generation.procedural.light import Light
from builder.generation.procedural.traits import Traits
from builder.generation.procedural.view import View

TOP, BOTTOM = -0.5, 0.53
_ROWS, _ANGLES, _COLUMNS = 280, 281, 321
_REACH = 0.64  # half of the table's width, head units

# Half-width, front depth and back depth of the head at heights, head units.
_Y = np.array(
    [
        -0.50,
        -0.49,
        -0.46,
        -0.41,
        -0.33,
        -0.2,
        -0.08,
        0.03,
        0.12,
        0.21,
        0.30,
        0.37,
        0.43,
        0.475,
        0.505,
        0.522,
        0.53,
    ]
)
_W = np.array(
    [
        0.0,
        0.085,
        0.175,
        0.252,
        0.312,
        0.353,
        0.362,
        0.358,
        0.348,
        0.330,
        0.300,
        0.262,
        0.214,
        0.166,
        0.118,
        0.070,
        0.0,
    ]
)
_F = np.array(
    [
        0.0,
        0.11,
        0.20,
        0.275,
        0.335,
        0.380,
        0.390,
        0.385,
        0.383,
        0.382,
        0.380,
        0.375,
        0.368,
        0.350,
        0.315,
        0.27,
        0.2,
    ]
)
_B = np.array(
    [
        0.0,
        0.12,
        0.24,
        0.33,
        0.41,
        0.46,
        0.46,
        0.44,
        0.40,
        0.35,
        0.29,
        0.24,
        0.2,
        0.18,
        0.16,
        0.13,
        0.1,
    ]
)


@dataclass(frozen=True, slots=True)
class Mouth:
    """Where the mouth is and what it does, head units."""

    y: float
    half: float
    smile: float
    gap: float
    upper: float
    lower: float


def mouth_of(person: Traits) -> Mouth:
    """The mouth for the expression."""
    smile, gap, wide = {
        "neutral": (0.05, 0.0, 1.0),
        "gentle smile": (0.55, 0.0, 1.10),
        "laughing": (0.9, 0.055, 1.22),
        "serious": (-0.15, 0.0, 0.97),
        "surprised": (0.0, 0.075, 0.82),
        "pensive": (-0.05, 0.0, 0.94),
    }[person["expression"]]
    return Mouth(
        0.326 + 0.012 * (person.nose_length - 1.0) - 0.3 * gap * 0.2,
        0.105 * person.mouth_width * wide,
        smile,
        gap,
        0.032 * person.lip_full * (0.85 if gap or smile > 0.4 else 1.0),
        0.038 * person.lip_full * (0.9 if gap else 1.0),
    )


def outline(person: Traits, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Half-width, front depth and back depth of the head at heights ``y``."""
    fine = np.linspace(_Y[0], _Y[-1], 207)
    widths = _W.copy()
    lower = np.clip((_Y - 0.1) / 0.3, 0.0, 1.0)
    widths *= 1.0 + lower * (person.jaw - 1.0) * np.where(_Y > 0.48, 1.6, 1.0)
    widths *= person.face_width * 0.935
    kernel = np.array([1, 4, 6, 4, 1]) / 16.0

    def curve(values: np.ndarray) -> np.ndarray:
        sampled = np.interp(fine, _Y, values)
        padded = np.concatenate([-sampled[2:0:-1] * 0.3, sampled, -sampled[-2:-4:-1] * 0.3])
        smooth = np.convolve(padded, kernel, "valid")
        # Round ends: near the crown and the chin the square root must not be smoothed away.
        keep = np.clip(np.minimum(np.arange(207), np.arange(206, -1, -1)) / 8.0, 0, 1)
        return np.interp(y, fine, np.maximum(smooth * keep + sampled * (1 - keep), 0.0))

    return curve(widths), curve(_F), curve(_B)


def base_point(person: Traits, angle: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Points (..., 3) of the head without features at angles (0 front) and heights."""
    width, front, back = outline(person, y)
    c, s = np.cos(angle), np.sin(angle)
    depth = np.where(c > 0, front * np.abs(c) ** 0.86, -back * np.abs(c))
    return np.stack([width * s, y, depth], -1)


def _bump(
    x: np.ndarray, y: np.ndarray, at: tuple[float, float], size: tuple[float, float]
) -> np.ndarray:
    value: np.ndarray = np.exp(-(((x - at[0]) / size[0]) ** 2) - ((y - at[1]) / size[1]) ** 2)
    return value


def relief(person: Traits, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """How far the features stand out of the base, towards the front, head units."""
    a = np.abs(x)
    gap = 0.152 * person.eye_gap
    man = person.masculine
    d = 0.016 * (0.5 + man) * _bump(a, y, (0.10, -0.095), (0.09, 0.035))
    d -= 0.042 * _bump(a, y, (gap - 0.005, -0.015), (0.075, 0.052))
    d -= 0.018 * _bump(a, y, (0.06, -0.02), (0.03, 0.05))
    d += 0.022 * _bump(a, y, (gap + 0.002, 0.002), (0.055, 0.034))  # the eyeball
    d += 0.018 * _bump(a, y, (0.235, 0.095), (0.09, 0.065))  # cheekbone
    d -= 0.014 * (0.4 + 0.5 * man) * _bump(a, y, (0.235, 0.25), (0.06, 0.09))
    d -= 0.012 * _bump(a, y, (0.33, -0.15), (0.07, 0.09))
    # Nose: a ridge that grows towards the tip, wings beside it, a short underside.
    base = 0.205 * (0.6 + 0.4 * person.nose_length)
    t = np.clip((y + 0.07) / (base + 0.055), 0.0, 1.0)
    edge = base + 0.008 * np.exp(-((x / 0.030) ** 2)) - 0.008 * smoothstep(0.035, 0.075, a)
    under = smoothstep(edge + 0.050, edge - 0.016, y)
    ridge_width = (0.040 + 0.018 * t**2) * (0.6 + 0.4 * person.nose_width)
    d += (
        (0.010 + 0.072 * t**1.25)
        * np.exp(-((x / ridge_width) ** 2))
        * under
        * smoothstep(-0.16, -0.04, y)
    )
    d += 0.034 * _bump(x, y, (0.0, base - 0.004), (0.036 * person.nose_width, 0.034))
    d += 0.036 * _bump(a, y, (0.043 * person.nose_width, base + 0.004), (0.022, 0.024))
    d += 0.020 * t * np.exp(-((x / 0.075) ** 2)) * under
    mouth = mouth_of(person)
    d += 0.022 * _bump(x, y, (0.0, mouth.y), (0.12, 0.075))  # the teeth behind the lips
    line = mouth.y - mouth.smile * 0.32 * x**2 / 0.11
    across = np.clip(1.0 - (a / (mouth.half * 1.03)) ** 2, 0.0, 1.0)
    half_gap = mouth.gap * 0.5 * across
    d += (
        0.020
        * across
        * np.exp(-(((y - (line - half_gap - mouth.upper * 0.55)) / (mouth.upper * 0.75)) ** 2))
    )
    d += (
        0.024
        * across
        * np.exp(-(((y - (line + half_gap + mouth.lower * 0.5)) / (mouth.lower * 0.7)) ** 2))
    )
    d -= (
        0.012
        * np.exp(-(((y - line) / (0.008 + half_gap)) ** 2))
        * smoothstep(1.15, 0.9, a / mouth.half)
    )
    d -= 0.010 * _bump(x, y, (0.0, mouth.y + 0.075 + mouth.gap * 0.6), (0.075, 0.018))
    d += 0.020 * person.chin * _bump(x, y, (0.0, 0.445), (0.07 + 0.02 * man, 0.042))
    # The fold from the nose to the corner of the mouth, deeper with a smile and with age.
    fold_x = 0.07 + (y - base) * 0.62 + 0.03 * mouth.smile
    fold = 0.004 + 0.008 * max(mouth.smile, 0.0) + 0.006 * np.clip((person.years - 30) / 40, 0, 1)
    span = smoothstep(base - 0.02, base + 0.03, y) * smoothstep(mouth.y + 0.05, mouth.y - 0.02, y)
    d -= fold * span * np.exp(-(((a - fold_x) / 0.017) ** 2))
    d += fold * 1.3 * span * np.exp(-(((a - fold_x - 0.045) / 0.035) ** 2))
    return d


@dataclass(frozen=True, slots=True)
class Surface:
    """The turned head as seen, per pixel of a box of the picture.

    Attributes:
        box: The slices of the picture.
        u: Head x before the turn, where the face is painted (0 the middle of the face).
        v: Head y.
        depth: z towards the camera, head units.
        normal: (h, w, 3) unit normals in the picture's frame.
        lit: (h, w) share of the key light that the relief lets through.
        alpha: (h, w) exact coverage of the head without ears and neck.
        angle: Angle about the head of what is seen, radians, 0 the front.
    """

    box: tuple[slice, slice]
    u: np.ndarray
    v: np.ndarray
    depth: np.ndarray
    normal: np.ndarray
    lit: np.ndarray
    alpha: np.ndarray
    angle: np.ndarray


def surface(person: Traits, view: View, light: Light) -> Surface:
    """Turn the head and find what each pixel sees of it."""
    rows = np.linspace(TOP, BOTTOM, _ROWS)
    angles = np.radians(np.linspace(-150, 150, _ANGLES))
    angle, y = np.meshgrid(angles, rows)
    points = base_point(person, angle, y)
    front = smoothstep(0.0, 0.35, np.cos(angle))
    points[..., 2] += relief(person, points[..., 0], y) * front
    turned = view.turn(points)
    across = np.gradient(turned, axis=1)
    down = np.gradient(turned, axis=0)
    normal = np.cross(across, down)
    normal /= np.maximum(np.sqrt((normal**2).sum(-1, keepdims=True)), 1e-9)

    columns = np.linspace(-_REACH, _REACH, _COLUMNS)
    index = np.arange(_ANGLES, dtype=np.float64)
    found = np.empty((_ROWS, _COLUMNS), np.float32)
    left, right = np.empty(_ROWS), np.empty(_ROWS)
    for r in range(_ROWS):
        x = turned[r, :, 0]
        low, high = int(np.argmin(x)), int(np.argmax(x))
        left[r], right[r] = x[low], x[high]
        if high - low < 2:
            found[r] = (low + high) / 2
            continue
        # Seen from the turned side, the nearer part wins: a running maximum (or minimum).
        part = x[low : high + 1]
        if view.yaw >= 0:
            part = np.maximum.accumulate(part)
        else:
            part = np.minimum.accumulate(part[::-1])[::-1]
        part = part + np.arange(part.size) * 1e-9
        found[r] = np.interp(columns, part, index[low : high + 1])
    row_index = np.repeat(np.arange(_ROWS, dtype=np.float32)[:, None], _COLUMNS, 1)
    seen = np.dstack([points[..., 0], turned[..., 2], normal]).astype(np.float32)
    table = np.dstack(
        [
            cv2.remap(seen[..., :2].copy(), found, row_index, cv2.INTER_LINEAR),
            cv2.remap(seen[..., 2:].copy(), found, row_index, cv2.INTER_LINEAR),
        ]
    )
    shadow = _shadow(table[..., 1], light)

    rim = np.concatenate([np.stack([left, rows], 1), np.stack([right, rows], 1)[::-1]])
    edge = view.head(rim)
    x0, y0 = np.floor(edge.min(0)).astype(int) - 2
    x1, y1 = np.ceil(edge.max(0)).astype(int) + 2
    h, w = view.shape
    box = (slice(max(y0, 0), min(max(y1, 1), h)), slice(max(x0, 0), min(max(x1, 1), w)))
    hx, hy = view.head_grid(box)
    map_x = (hx + _REACH) / (2 * _REACH) * (_COLUMNS - 1)
    map_y = np.clip((hy - TOP) / (BOTTOM - TOP) * (_ROWS - 1), 0, _ROWS - 1)
    table = np.dstack([table, shadow, np.radians(found * (300.0 / (_ANGLES - 1)) - 150.0)])
    table = table.astype(np.float32)
    first = cv2.remap(
        table[..., :3].copy(), map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    second = cv2.remap(
        table[..., 3:].copy(), map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    n = np.dstack([first[..., 2], second[..., :2]])
    c, s = np.cos(view.roll), np.sin(view.roll)
    nx, ny = n[..., 0] * c - n[..., 1] * s, n[..., 0] * s + n[..., 1] * c
    nz = np.maximum(n[..., 2], 0.02)
    n = np.stack([nx, ny, nz], -1) / np.sqrt(nx * nx + ny * ny + nz * nz)[..., None]
    return Surface(
        box,
        first[..., 0],
        hy,
        first[..., 1],
        n.astype(np.float32),
        second[..., 2],
        polygon(view.shape, [edge])[box],
        second[..., 3],
    )


def _shadow(depth: np.ndarray, light: Light) -> np.ndarray:
    """March over the relief towards the key light; 1 lit .. 0 in shadow."""
    step = 2 * _REACH / (_COLUMNS - 1)
    rows_per_column = step / ((BOTTOM - TOP) / (_ROWS - 1))
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
