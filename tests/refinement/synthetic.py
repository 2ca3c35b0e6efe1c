"""Portraits with exact mattes and three unrelated models of what generators do to them.

Deliberately independent of ``builder.generation.procedural``: what holds on one source of
truth and damage only is fitted, not right.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

OVER = 4  # supersampling
HAIR = ("none", "straight", "wavy", "curly", "flyaway", "motion")


@dataclass(frozen=True)
class Subject:
    """``rgb`` (H, W, 3) uint8 straight sRGB, ``alpha`` (H, W) float32 exact to 1/255."""

    rgb: NDArray[np.uint8]
    alpha: NDArray[Any]

    def rgba(self, alpha: NDArray[Any] | None = None) -> NDArray[Any]:
        matte = self.alpha if alpha is None else alpha
        return np.dstack([self.rgb, np.rint(255 * matte).astype(np.uint8)])


def field(rng: np.random.Generator, shape: tuple[int, int], cell: float) -> NDArray[Any]:
    """Smooth noise 0..1 with features of about ``cell`` pixels."""
    size = (max(3, int(shape[1] / cell) + 2), max(3, int(shape[0] / cell) + 2))
    coarse = rng.random(size[::-1]).astype(np.float32)
    fine = cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_CUBIC)
    return np.clip(fine, 0, 1)


def _strand(
    rng: np.random.Generator, start: NDArray[np.float64], angle: float, length: float, kind: str
) -> NDArray[np.float64]:
    steps = 40
    t = np.linspace(0, 1, steps)
    if kind == "curly":
        radius = length * rng.uniform(0.06, 0.16)
        phase = rng.uniform(0, 6.3) + rng.uniform(1.5, 3.0) * 6.28 * t
        along = t * length * 0.7
        x = along * np.cos(angle) + radius * np.cos(phase) * np.minimum(1, 4 * t)
        y = along * np.sin(angle) + radius * np.sin(phase) * np.minimum(1, 4 * t)
    else:
        bend = rng.normal(0, 0.5 if kind == "straight" else 1.0)
        turn = angle + bend * t + (0.8 * np.sin(9 * t + rng.uniform(0, 6)) if kind == "wavy" else 0)
        x = np.cumsum(np.cos(turn)) * length / steps
        y = np.cumsum(np.sin(turn)) * length / steps
    return np.stack([start[0] + x, start[1] + y], -1)


def subject(
    seed: int,
    size: tuple[int, int] = (384, 384),
    *,
    hair: str = "straight",
    arm_gap: bool = False,
    hoop: bool = False,
    cut: str = "bottom",
) -> Subject:
    """Draw one portrait.

    Args:
        seed: Everything random follows from it.
        size: (height, width).
        hair: One of :data:`HAIR`.
        arm_gap: An arm on the hip encloses background.
        hoop: An earring encloses background.
        cut: ``bottom``, ``none`` (touches no side), ``sides`` (bottom, left and right).
    """
    rng = np.random.default_rng([seed, 77])
    height, width = size
    unit = min(height, width) * OVER
    tall, wide = height * OVER, width * OVER
    cover = np.zeros((tall, wide), np.uint8)
    middle = np.array([wide * (0.5 + rng.uniform(-0.04, 0.04)), tall * 0.36])

    def ellipse(
        x: float,
        y: float,
        rx: float,
        ry: float,
        value: int = 255,
        canvas: NDArray[np.uint8] = cover,
    ) -> None:
        centre = (int(16 * (middle[0] + x * unit)), int(16 * (middle[1] + y * unit)))
        axes = (int(16 * rx * unit), int(16 * ry * unit))
        cv2.ellipse(canvas, centre, axes, 0, 0, 360, value, -1, cv2.LINE_8, 4)

    head = 0.15 * rng.uniform(0.9, 1.1)
    ellipse(0, 0, head * 0.8, head)
    ellipse(0, head, head * 0.45, head * 0.9)
    low = (tall - middle[1]) / unit
    reach = 1.0 if cut == "sides" else 0.30
    if cut == "none":
        ellipse(0, 0.32, 0.26, 0.16)
    else:
        ellipse(0, 0.20 + low, reach, low)
    if arm_gap:
        shoulder = middle + unit * np.array([0.2, 0.3])
        elbow = middle + unit * np.array([0.40, 0.42])
        hand = middle + unit * np.array([0.18, 0.6])
        points = np.rint(np.array([shoulder, elbow, hand])).astype(np.int32)
        cv2.polylines(cover, [points], False, 255, int(0.055 * unit))
    if hoop:
        centre = np.rint(middle + head * unit * np.array([0.9, 0.75])).astype(int)
        cv2.circle(cover, centre.tolist(), int(0.035 * unit), 255, max(3, int(0.006 * unit)))
    if hair != "none":
        ellipse(0, -head * 0.25, head * 0.95, head * 0.95)
        many = 260 if hair == "curly" else 420
        for _ in range(many):
            angle = rng.uniform(-np.pi * 1.08, np.pi * 0.08)
            root = middle + unit * head * 0.93 * np.array(
                [0.95 * np.cos(angle), 0.95 * np.sin(angle) - 0.25]
            )
            length = unit * head * rng.uniform(0.15, 0.7)
            kind = hair if hair in ("curly", "wavy") else "straight"
            line = _strand(rng, root, angle + rng.normal(0, 0.5), length, kind)
            thick = int(rng.integers(1, OVER + 2))
            cv2.polylines(cover, [np.rint(line * 16).astype(np.int32)], False, 255, thick, shift=4)
    alpha: NDArray[np.float32] = cv2.resize(
        cover, (width, height), interpolation=cv2.INTER_AREA
    ).astype(np.float32)
    alpha /= 255
    if hair == "flyaway":
        alpha = _fade_some(alpha, rng)
    if hair == "motion":
        blurred = cv2.blur(alpha, (max(3, width // 24), 1))
        ramp = np.clip((np.arange(height)[:, None] / height - 0.35) * 6, 0, 1)
        alpha = (blurred * (1 - ramp) + alpha * ramp).astype(np.float32)
    else:
        alpha = cv2.GaussianBlur(alpha, (0, 0), rng.uniform(0.3, 0.8)).astype(np.float32)
    alpha = np.rint(np.clip(alpha, 0, 1) * 255).astype(np.float32) / np.float32(255)
    tone = np.array([rng.uniform(40, 220), rng.uniform(40, 200), rng.uniform(40, 180)])
    shade = 0.55 + 0.45 * field(rng, size, 40) + 0.1 * (field(rng, size, 3) - 0.5)
    rgb = np.clip(tone * shade[..., None], 0, 255).astype(np.uint8)
    return Subject(rgb, alpha.astype(np.float32))


def _fade_some(alpha: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
    """Strands that fade out and come back: thin parts are dimmed along rings."""
    solid = cv2.morphologyEx(
        (alpha > 0.5).astype(np.uint8), cv2.MORPH_OPEN, np.ones((7, 7), np.uint8)
    )
    away = cv2.distanceTransform(1 - solid, cv2.DIST_L2, 5)
    dim = np.exp(-(((away - rng.uniform(10, 16)) / 1.8) ** 2))
    return (alpha * (1 - 0.97 * dim)).astype(np.float32)


def damage_multiplied(
    alpha: NDArray[Any], seed: int, strength: float = 1.0, parts: str = "vphbn"
) -> NDArray[Any]:
    """Damage that scales what is there: veil, panels, halo, blobs, holes (letters of ``parts``)."""
    rng = np.random.default_rng([seed, 5])
    height, width = alpha.shape
    scale = np.sqrt(alpha.size) / 1024
    result = alpha.astype(np.float32).copy()
    solid = (alpha >= 0.999).astype(np.uint8)
    depth = cv2.distanceTransform(cv2.copyMakeBorder(solid, 8, 8, 8, 8, cv2.BORDER_REPLICATE), 2, 5)
    depth = depth[8:-8, 8:-8]
    if "v" in parts:
        veil = np.clip((field(rng, alpha.shape, 90 * scale) - 0.45) * 3, 0, 1)
        veil *= 0.3 + 0.7 * field(rng, alpha.shape, 5 * scale)
        result *= 1 - strength * rng.uniform(0.03, 0.10) * veil
    if "p" in parts:
        for _ in range(int(rng.integers(1, 4))):
            where = np.flatnonzero(depth.ravel() > 45 * scale)
            if where.size == 0:
                break
            y, x = divmod(int(rng.choice(where)), width)
            if rng.random() < 0.3:  # one at the frame
                framed = where[where >= (height - 6) * width]
                y, x = divmod(int(rng.choice(framed)), width) if framed.size else (y, x)
            panel = np.zeros(alpha.shape, np.float32)
            axes = (int(rng.uniform(14, 60) * scale) + 2, int(rng.uniform(10, 40) * scale) + 2)
            cv2.ellipse(panel, (x, y), axes, rng.uniform(0, 180), 0, 360, 1.0, -1)
            panel = cv2.GaussianBlur(panel, (0, 0), 0.5 + 3 * scale) * (depth > 20 * scale)
            result *= 1 - min(0.6, strength * rng.uniform(0.1, 0.6)) * panel
    if "n" in parts:
        inside = np.flatnonzero(depth.ravel() > 25 * scale)
        for _ in range(int(rng.integers(3, 15)) if inside.size else 0):
            y, x = divmod(int(rng.choice(inside)), width)
            hole = np.zeros(alpha.shape, np.float32)
            cv2.circle(hole, (x, y), int(rng.integers(0, 2)), 1.0, -1)
            result *= 1 - rng.uniform(0.2, 0.85) * cv2.GaussianBlur(hole, (0, 0), 0.6)
    if "h" in parts:
        away = cv2.distanceTransform((alpha < 0.5).astype(np.uint8), cv2.DIST_L2, 5)
        halo = np.exp(-away / (25 * scale)) * field(rng, alpha.shape, 60 * scale)
        halo = np.minimum(strength * rng.uniform(4, 15) / 255, halo * strength * 15 / 255)
        wide = np.clip((field(rng, alpha.shape, 150 * scale) - 0.6) * 3, 0, 1)
        haze = halo + wide * strength * rng.uniform(0, 10) / 255
        result = result + haze * (1 - result)
    if "b" in parts:
        result = _blobs(result, alpha, rng, scale, strength)
    return np.rint(np.clip(result, 0, 1) * 255).astype(np.float32) / 255


def _blobs(
    result: NDArray[np.float32],
    alpha: NDArray[np.float32],
    rng: np.random.Generator,
    scale: float,
    strength: float,
) -> NDArray[np.float32]:
    far = np.flatnonzero(
        cv2.distanceTransform((alpha < 0.02).astype(np.uint8), cv2.DIST_L2, 5).ravel() > 40 * scale
    )
    for _ in range(int(rng.integers(1, 8)) if far.size else 0):
        y, x = divmod(int(rng.choice(far)), alpha.shape[1])
        blob: NDArray[np.float32] = np.zeros(alpha.shape, np.float32)
        axes = (int(rng.uniform(2, 12) * scale) + 1, int(rng.uniform(2, 9) * scale) + 1)
        cv2.ellipse(blob, (x, y), axes, rng.uniform(0, 180), 0, 360, 1.0, -1)
        blob = cv2.GaussianBlur(blob, (0, 0), 0.7 + 1.5 * scale).astype(np.float32)
        result = np.maximum(result, min(1.0, strength * rng.uniform(0.1, 0.8)) * blob)
    return result


def damage_subtracted(alpha: NDArray[Any], seed: int, strength: float = 1.0) -> NDArray[Any]:
    """Damage of another make: worn surfaces, dents of any shape, a floor under everything.

    The veil is a noisy depth that is subtracted and fades towards the border; panels are
    random polygons that lower alpha to a level; the halo is a maximum, not a sum; specks
    are square; everything carries a little grain.
    """
    rng = np.random.default_rng([seed, 11])
    width = alpha.shape[1]
    scale = np.sqrt(alpha.size) / 1024
    result = alpha.astype(np.float32).copy()
    solid = cv2.copyMakeBorder((alpha >= 0.999).astype(np.uint8), 9, 9, 9, 9, cv2.BORDER_REPLICATE)
    depth = cv2.distanceTransform(solid, cv2.DIST_L2, 5)[9:-9, 9:-9]
    worn = (field(rng, alpha.shape, 45 * scale) > 0.5) * field(rng, alpha.shape, 14 * scale)
    result -= strength * rng.uniform(0.02, 0.08) * worn * np.clip(depth / (12 * scale), 0, 1)
    for _ in range(int(rng.integers(1, 5))):
        where = np.flatnonzero(depth.ravel() > 70 * scale)
        if where.size == 0:
            break
        y, x = divmod(int(rng.choice(where)), width)
        corners = np.array([x, y]) + rng.uniform(-45, 45, (int(rng.integers(3, 7)), 2)) * scale
        dent = np.zeros(alpha.shape, np.uint8)
        cv2.fillConvexPoly(dent, cv2.convexHull(np.rint(corners).astype(np.int32)), 255)
        soft = cv2.blur(dent, (3, 3)).astype(np.float32) / 255
        level = max(0.3, 1 - strength * rng.uniform(0.1, 0.6)) + 0.05 * field(rng, alpha.shape, 6)
        result = np.minimum(result, 1 - soft * (1 - np.minimum(level, 1)))
    inside = np.flatnonzero(depth.ravel() > 30 * scale)
    for _ in range(int(rng.integers(0, 20)) if inside.size else 0):
        y, x = divmod(int(rng.choice(inside)), width)
        side = int(rng.integers(1, 3))
        result[y : y + side, x : x + side] *= rng.uniform(0.1, 0.95)
    floor = strength * rng.uniform(1, 14) / 255 * field(rng, alpha.shape, 80 * scale)
    away = cv2.distanceTransform((alpha < 0.3).astype(np.uint8), cv2.DIST_L2, 5)
    if rng.random() < 0.6:
        floor = floor * np.clip(1.4 - away / (rng.uniform(20, 60) * scale), 0, 1)
    result = np.maximum(result, floor)
    result = _blobs(result, alpha, rng, scale, strength)
    grain = rng.normal(0, 0.5, alpha.shape) * (depth > 4) / 255
    return np.rint(np.clip(result + grain, 0, 1) * 255).astype(np.float32) / 255


def damage_seethrough(alpha: NDArray[Any], seed: int, strength: float = 1.0) -> NDArray[Any]:
    """Damage of a third make, which reaches the border: whole parts become see-through.

    Panels of any outline lie across the border and in hair, garments are veiled below a line,
    dents are round, the halo is wide and fades, and the frame's lowest line is darkened in parts.
    """
    rng = np.random.default_rng([seed, 23])
    height, width = alpha.shape
    scale = np.sqrt(alpha.size) / 1024
    result = alpha.astype(np.float32).copy()
    solid = cv2.copyMakeBorder((alpha >= 0.999).astype(np.uint8), 9, 9, 9, 9, cv2.BORDER_REPLICATE)
    depth = cv2.distanceTransform(solid, cv2.DIST_L2, 5)[9:-9, 9:-9].ravel()
    near = np.flatnonzero((depth > 6 * scale) & (depth < 50 * scale))
    for _ in range(int(rng.integers(1, 4)) if near.size else 0):
        y, x = divmod(int(rng.choice(near)), width)
        angle = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(5, 10))))
        reach = rng.uniform(20, 80, angle.size) * scale
        flat = rng.uniform(0.5, 1.2)
        outline = np.stack([x + reach * np.cos(angle), y + reach * flat * np.sin(angle)], 1)
        panel = np.zeros(alpha.shape, np.uint8)
        cv2.fillPoly(panel, [np.rint(outline).astype(np.int32)], 255)
        soft = cv2.GaussianBlur(panel / np.float32(255), (0, 0), rng.uniform(0.8, 4) * scale + 0.2)
        lost = min(0.6, strength * rng.uniform(0.06, 0.5))
        fine = 0.25 * (field(rng, alpha.shape, 12 * scale + 2) - 0.5)
        texture = 1 + fine + 0.3 * (field(rng, alpha.shape, 60 * scale + 3) - 0.5)
        result *= 1 - np.clip(lost * texture * soft, 0, 0.7)
    if rng.random() < 0.5:
        below = (np.arange(height)[:, None] - height * rng.uniform(0.45, 0.8)) / (30 * scale)
        worn = rng.uniform(0.01, 0.06) * (0.5 + field(rng, alpha.shape, 50 * scale + 3))
        result *= 1 - strength * np.clip(below, 0, 1) * worn
    inside = np.flatnonzero(depth > 10 * scale)
    rows, columns = np.mgrid[:height, :width]
    for _ in range(int(rng.integers(2, 12)) if inside.size else 0):
        y, x = divmod(int(rng.choice(inside)), width)
        part = np.s_[max(0, y - 12) : y + 13, max(0, x - 12) : x + 13]
        away = (rows[part] - y) ** 2 + (columns[part] - x) ** 2
        hole = np.exp(-away / (2 * (rng.uniform(0.5, 3.5) * max(scale, 0.4)) ** 2))
        result[part] *= 1 - min(0.95, strength * rng.uniform(0.2, 0.9)) * hole
    away = cv2.distanceTransform((alpha < 0.02).astype(np.uint8), cv2.DIST_L2, 5)
    level = strength * rng.uniform(0.01, 0.08) * np.exp(-((away / rng.uniform(5, 40)) ** 2))
    patches = np.clip(1.6 * field(rng, alpha.shape, 120 * scale + 3) - 0.3, 0, 1)
    result = np.maximum(result, level * patches)
    if rng.random() < 0.6:
        along = np.clip(1.5 * field(rng, (1, width), 40 * scale + 3) - 0.2, 0, 1)[0]
        result[-1] *= 1 - strength * rng.uniform(0.03, 0.2) * along
    result = _blobs(result, alpha, rng, float(scale), strength)
    return np.rint(np.clip(result, 0, 1) * 255).astype(np.float32) / 255
