"""The body's outline and limbs: neck, shoulders, torso, arms that leave gaps, hands.

Proportions are in head units and were chosen by eye.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from builder.generation.procedural.arrays import FloatArray
from builder.generation.procedural.canvas import polygon, spline, stream
from builder.generation.procedural.traits import Traits
from builder.generation.procedural.view import View


@dataclass(frozen=True, slots=True)
class Limb:
    """A chain of tapered capsules in head units.

    Attributes:
        path: (N, 2) joints along the limb.
        radius: (N,) half-widths.
    """

    path: FloatArray
    radius: FloatArray


@dataclass(slots=True)
class Arm:
    """One arm with its hand; sleeves are cut from the same limb as the skin."""

    limb: Limb
    hand: list[Limb]


@dataclass(slots=True)
class Body:
    """Outlines in head units and the arms.

    Attributes:
        torso: (N, 2) closed outline from shoulders to beyond the knees.
        neck: (N, 2) closed outline of neck and trapezius.
        neck_half: Half-width of the neck.
        shoulder: Half-width of the shoulders.
        arms: Left one of the picture first.
    """

    torso: FloatArray
    neck: FloatArray
    neck_half: float
    shoulder: float
    arms: list[Arm] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Build:
    """Half-widths of one body, head units, and the thickness of its limbs as a factor."""

    neck: float
    shoulder: float
    chest: float
    waist: float
    hip: float
    thick: float


def _build_of(person: Traits) -> _Build:
    man = person.masculine
    fat = 1.0 + 0.06 * person.build
    return _Build(
        neck=(0.178 + 0.04 * man) * (1.0 + 0.03 * person.build),
        shoulder=person.shoulder,
        chest=(0.60 + 0.10 * man) * (0.6 + 0.4 * fat),
        waist=(0.50 + 0.13 * man) * fat,
        hip=(0.67 - 0.02 * man) * fat,
        thick=(0.85 + 0.17 * man) * (1.0 + 0.05 * person.build),
    )


def body_of(person: Traits) -> Body:
    """The body of this person in the pose that the attributes ask for."""
    build = _build_of(person)
    rng = stream(person.seed, "body")
    slope = 0.03 * rng.uniform(-1, 1)
    torso = _mirrored(_torso_side(build, slope))
    upper = _mirrored(_neck_side(build, slope))
    body = Body(torso, upper, build.neck, build.shoulder)
    pose = person["arms"]
    both = pose == "hands on hips" or (pose == "behind the head" and rng.random() < 0.5)
    chosen = 1.0 if rng.random() < 0.5 else -1.0
    for side in (-1.0, 1.0):
        body.arms.append(_arm(pose if both or side == chosen else "at the sides", side, build, rng))
    return body


def _mirrored(right: list[tuple[float, float]]) -> FloatArray:
    """A closed, smooth outline from the points of its right side."""
    side = np.array(right)
    return spline(np.concatenate([side, side[::-1] * (-1, 1)]), closed=True, steps=8)


def _torso_side(build: _Build, slope: float) -> list[tuple[float, float]]:
    neck, shoulder, chest, waist, hip = (
        build.neck,
        build.shoulder,
        build.chest,
        build.waist,
        build.hip,
    )
    return [
        (neck * 0.92, 0.44),
        (neck * 1.00, 0.56),
        (neck * 1.12, 0.635),
        (neck * 1.52, 0.71),
        (0.50 * shoulder, 0.785 + slope),
        (0.74 * shoulder, 0.865 + slope),
        (0.90 * shoulder, 0.975 + slope),
        (0.955 * shoulder, 1.12),
        (0.90 * shoulder, 1.28),
        (chest * 1.05, 1.48),
        (chest * 0.98, 1.75),
        (waist * 1.04, 2.1),
        (waist * 1.02, 2.35),
        (hip * 0.97, 2.8),
        (hip * 1.02, 3.15),
        (hip * 0.98, 3.6),
        (hip * 0.92, 4.4),
        (hip * 0.86, 6.4),
    ]


def _neck_side(build: _Build, slope: float) -> list[tuple[float, float]]:
    neck, shoulder = build.neck, build.shoulder
    return [
        (neck * 0.98, 0.2),
        (neck * 0.98, 0.42),
        (neck * 1.00, 0.56),
        (neck * 1.12, 0.635),
        (neck * 1.52, 0.71),
        (0.50 * shoulder, 0.785 + slope),
        (0.74 * shoulder, 0.865 + slope),
        (0.90 * shoulder, 0.975 + slope),
        (0.95 * shoulder, 1.12),
        (0.8 * shoulder, 1.5),
        (0.5 * shoulder, 1.9),
    ]


def _arm(pose: str, side: float, build: _Build, rng: np.random.Generator) -> Arm:
    """The arm of the picture's left (-1) or right (1) side in a pose."""
    elbow, wrist, fingertips = _joints(pose, build, rng.uniform(-0.05, 0.05, 6))
    raised = pose in ("arm raised", "behind the head")
    shoulder = np.array([0.795 * build.shoulder, 1.09])
    upper = np.linspace(shoulder, elbow, 5)
    fore = np.linspace(elbow, wrist, 6)[1:]
    path = np.concatenate([upper, fore])
    radius = (
        np.array([0.168, 0.165, 0.156, 0.146, 0.128, 0.135, 0.130, 0.115, 0.098, 0.086])
        * build.thick
    )
    if raised:
        path[0] = (0.72 * build.shoulder, 1.10)
        radius[0] = 0.19 * build.thick
    spread, fist = pose == "arm raised", pose == "at the sides"
    hand = _hand(wrist, fingertips, build.thick, spread=spread, fist=fist)
    mirror = np.array([side, 1.0])
    return Arm(
        Limb(path * mirror, radius), [Limb(part.path * mirror, part.radius) for part in hand]
    )


def _joints(
    pose: str, build: _Build, jitter: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Elbow, wrist and fingertips (2,) of an arm on the right side; places chosen by eye."""
    shoulder, hip = build.shoulder, build.hip
    if pose in ("hand on hip", "hands on hips"):
        elbow = np.array([1.42 * shoulder + 0.1 + jitter[0], 2.02 + jitter[1]])
        wrist = np.array([hip * 0.98 + 0.10, 2.66])
        return elbow, wrist, np.array([hip * 0.62, 2.80])
    if pose == "arm raised":
        elbow = np.array([1.35 * shoulder + 0.1 + jitter[0], 0.55 + jitter[1]])
        wrist = np.array([1.20 * shoulder + 0.16 + jitter[2], -0.36 + jitter[3]])
        return elbow, wrist, wrist + np.array([-0.04 + jitter[4], -0.36])
    if pose == "behind the head":
        elbow = np.array([1.34 * shoulder + 0.12 + jitter[0], -0.02 + jitter[1]])
        return elbow, np.array([0.42, -0.16 + jitter[3]]), np.array([0.1, -0.18])
    elbow = np.array([1.0 * shoulder + 0.06 + jitter[0] * 0.5, 2.18])
    wrist = np.array([0.98 * shoulder + 0.03 + jitter[2], 3.2])
    return elbow, wrist, wrist + np.array([-0.07, 0.4])


def _hand(wrist: FloatArray, tip: FloatArray, thick: float, spread: bool, fist: bool) -> list[Limb]:
    """Palm, four fingers and thumb of a hand that points from the wrist to ``tip``."""
    along = tip - wrist
    length = float(np.hypot(*along))
    along = along / max(length, 1e-6)
    across = np.array([-along[1], along[0]])
    scale = 0.42
    palm_end = wrist + along * scale * 0.48
    parts = [
        Limb(
            np.stack([wrist, wrist + along * scale * 0.2, palm_end]),
            np.array([0.082, 0.105, 0.112]) * thick,
        )
    ]
    for k in range(4):
        offset = (k - 1.5) / 1.5
        root = palm_end + across * offset * 0.078 * thick - along * 0.02 * abs(offset)
        fan = (0.30 if spread else 0.08) * offset
        direction = along * np.cos(fan) + across * np.sin(fan)
        reach = scale * (0.50, 0.58, 0.55, 0.43)[k]
        bend = across * (0.0 if spread else -0.05)
        if fist:
            reach *= 0.8
        knuckles = np.stack(
            [root, root + direction * reach * 0.5 + bend * 0.3, root + direction * reach + bend]
        )
        parts.append(Limb(knuckles, np.array([0.037, 0.034, 0.026]) * thick))
    fan = 0.75 if spread else 0.4
    direction = along * np.cos(fan) - across * np.sin(fan)
    root = wrist + along * 0.10 - across * 0.07 * thick
    parts.append(
        Limb(
            np.stack([root, root + direction * 0.13, root + direction * 0.25]),
            np.array([0.05, 0.042, 0.03]) * thick,
        )
    )
    return parts


def limb_field(
    view: View, limbs: Sequence[Limb], grow: float = 0.0
) -> tuple[FloatArray, FloatArray]:
    """Coverage and rounded height of limbs, by their signed distance.

    Args:
        view: The framing.
        limbs: What to draw.
        grow: Added to every radius, head units (cloth over skin).

    Returns:
        (H, W) coverage 0..1 and (H, W) height in head units (0 outside).
    """
    h, w = view.shape
    coverage, height = np.zeros((h, w), np.float32), np.zeros((h, w), np.float32)
    for limb in limbs:
        pixels = view.body(limb.path)
        reach = (float(limb.radius.max()) + grow) * view.scale + 2
        x0, y0 = np.floor(pixels.min(0) - reach).astype(int)
        x1, y1 = np.ceil(pixels.max(0) + reach).astype(int)
        x0, y0, x1, y1 = max(x0, 0), max(y0, 0), min(x1, w), min(y1, h)
        if x0 >= x1 or y0 >= y1:
            continue
        box = (slice(y0, y1), slice(x0, x1))
        x, y = view.body_grid(box)
        inside = np.full((y1 - y0, x1 - x0), -1e3, np.float32)  # distance to the edge
        dome = np.zeros_like(inside)
        radii = (limb.radius + grow).astype(np.float32)
        for i in range(len(limb.path) - 1):
            a, b = limb.path[i].astype(np.float32), limb.path[i + 1].astype(np.float32)
            d = b - a
            t = ((x - a[0]) * d[0] + (y - a[1]) * d[1]) / max(float(d @ d), 1e-9)
            t = np.clip(t, 0.0, 1.0)
            r = radii[i] + (radii[i + 1] - radii[i]) * t
            distance = np.hypot(x - a[0] - d[0] * t, y - a[1] - d[1] * t)
            inside = np.maximum(inside, r - distance)
            dome = np.maximum(dome, np.sqrt(np.maximum(r * r - distance * distance, 0.0)))
        cover = np.clip(inside * np.float32(view.scale) + 0.5, 0.0, 1.0)
        coverage[box] = np.maximum(coverage[box], cover)
        height[box] = np.maximum(height[box], dome)
    return coverage, height


def outline_mask(view: View, outline: FloatArray) -> FloatArray:
    """Coverage (H, W) of a closed body outline (N, 2) in head units."""
    return polygon(view.shape, [view.body(outline)])


def cut(limb: Limb, start: float, stop: float) -> Limb:
    """The part of a limb between two shares of its length (0..1)."""
    steps = np.hypot(*np.diff(limb.path, axis=0).T)
    along = np.concatenate([[0.0], np.cumsum(steps)]) / steps.sum()
    inner = along[(along > start) & (along < stop)]
    shares = np.concatenate([[start], inner, [stop]])
    path = np.stack([np.interp(shares, along, limb.path[:, i]) for i in (0, 1)], 1)
    return Limb(path, np.interp(shares, along, limb.radius))
