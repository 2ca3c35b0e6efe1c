"""Eyes: the lids' shape, which lashes share, and the painted eyeballs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from builder.generation.procedural.canvas import blur, dot, mix, smoothstep
from builder.generation.procedural.head import Surface
from builder.generation.procedural.light import Light
from builder.generation.procedural.traits import Traits

EYE_Y = -0.008
"""Height of the eyes, head units."""


@dataclass(slots=True)
class Paint:
    """The face while it is painted, over the box of a :class:`Surface`.

    Attributes:
        albedo: (h, w, 3) linear.
        bump: (h, w) fine height, head units.
        open: (h, w) share of surroundings seen (occlusion), 0..1.
        gloss: (h, w) highlight strength factor.
    """

    albedo: np.ndarray
    bump: np.ndarray
    open: np.ndarray
    gloss: np.ndarray


@dataclass(frozen=True, slots=True)
class Lids:
    """The opening of the eyes, in half-widths of an eye.

    Attributes:
        half: Half the width of an eye, head units.
        wide: How far the lids are open, 1 at rest.
        drop: How far the upper lid is lowered, 0..1.
        tilt: Rise towards the outer corner.
    """

    half: float
    wide: float
    drop: float
    tilt: float

    def upper(self, e: np.ndarray) -> np.ndarray:
        """Height of the upper lid at ``e``, -1 the inner corner .. 1 the outer."""
        arc = np.clip(1.0 - e**2, 0.0, 1.0)
        return -0.40 * (self.wide - self.drop) * arc**0.62 * np.clip(1.0 - 0.22 * e, 0.6, 1.4)

    def lower(self, e: np.ndarray) -> np.ndarray:
        """Height of the lower lid."""
        arc = np.clip(1.0 - e**2, 0.0, 1.0)
        return 0.27 * min(self.wide, 1.08) * arc**0.75 * (1.0 + 0.18 * e)


def lids_of(person: Traits) -> Lids:
    """The lids for expression and gaze."""
    wide = {
        "surprised": 1.3,
        "laughing": 0.62,
        "gentle smile": 0.88,
        "serious": 0.92,
        "pensive": 0.85,
    }.get(person["expression"], 1.0)
    drop = {"down": 0.34, "up": -0.06}.get(person["gaze"], 0.0)
    return Lids(0.074 * person.eye_size, wide, drop, person.eye_tilt * 2.0)


def paint_eyes(
    person: Traits, paint: Paint, seen: Surface, pixel: float, light: Light
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Lids into ``paint``; the eyeballs come back as (linear colour, weight) to lay on top."""
    u, v = seen.u, seen.v
    lids = lids_of(person)
    half = lids.half
    gaze_x, gaze_y = {
        "at the camera": (-0.25 * person.yaw / 0.42, 0.0),
        "to the left": (-0.42, 0.0),
        "to the right": (0.42, 0.0),
        "down": (0.0, 0.26),
        "up": (0.0, -0.22),
    }[person["gaze"]]
    facing = np.clip(dot(seen.normal, light.key) * 0.7 + 0.3, 0.0, 1.0) * seen.lit
    energy = light.ambient + light.sky * 0.5 + facing[..., None] * light.key_colour
    layers: list[tuple[np.ndarray, np.ndarray]] = []
    soft = max(pixel * 0.8, 0.0018) / half
    for side in (-1.0, 1.0):
        cx = side * 0.152 * person.eye_gap
        e = (u - cx) / half * side
        f = (v - EYE_Y) / half + e * lids.tilt
        near = (np.abs(e) < 2.6) & (np.abs(f) < 2.4)
        if not near.any():
            continue
        upper, lower = lids.upper(e), lids.lower(e)
        opening = (
            smoothstep(-soft, soft, f - upper)
            * smoothstep(-soft, soft, lower - f)
            * (np.abs(e) < 1.0)
        )
        # The lids: fold above, thickness, and the shade between brow and lid.
        fold = upper - 0.17 - 0.06 * np.clip(1.0 - e**2, 0.0, 1.0)
        crease = np.exp(-(((f - fold) / 0.055) ** 2)) * smoothstep(1.25, 0.8, np.abs(e))
        paint.albedo *= 1.0 - crease[..., None] * np.array([0.34, 0.42, 0.42], np.float32)
        paint.bump -= 0.0022 * crease
        lid = (
            smoothstep(fold, fold + 0.1, f)
            * smoothstep(upper + 0.02, upper - 0.06, f)
            * (np.abs(e) < 1.15)
        )
        paint.bump += 0.0016 * lid
        if person.makeup > 0.35:
            shade_tint = person.skin * np.array([0.42, 0.30, 0.30])
            paint.albedo = mix(
                paint.albedo,
                shade_tint,
                np.clip(blur(lid, half * 0.12 / pixel), 0, 1) * person.makeup * 0.6,
            )
        lash = np.exp(
            -(((f - upper + 0.02) / max(0.055 - 0.012 * person.masculine, soft)) ** 2)
        ) * smoothstep(1.12, 0.92, np.abs(e))
        line_strength = 0.72 + 0.26 * person.makeup - 0.18 * person.masculine
        dark = person.brow * 0.3
        paint.albedo = mix(
            paint.albedo, np.minimum(dark, 0.03), np.clip(lash * line_strength * 1.15, 0, 0.96)
        )
        rim = np.exp(-(((f - lower - 0.03) / 0.05) ** 2)) * smoothstep(1.05, 0.85, np.abs(e))
        paint.albedo *= 1.0 - rim[..., None] * np.array([0.14, 0.30, 0.28], np.float32)
        # The ball: white with a blush in the corners, iris, pupil, catchlight.
        ball = np.sqrt(np.clip(1.0 - (e * 0.62) ** 2 - (f * 0.62) ** 2, 0.02, 1.0))
        white = np.array([0.62, 0.58, 0.555], np.float32) * (0.55 + 0.45 * ball)[..., None]
        white = mix(white, [0.50, 0.26, 0.23], smoothstep(0.72, 1.0, np.abs(e)) * 0.6)
        gx, gy = gaze_x * side, gaze_y
        radius = 0.405
        d = np.hypot(e - gx, f - gy + 0.03)
        angle = np.arctan2(f - gy, e - gx)
        fibres = 0.75 + 0.25 * np.sin(angle * 23 + 2.0 * np.sin(angle * 7 + person.seed % 7))
        iris = person.iris * (1.45 * fibres + 0.5)[..., None]
        iris = iris * (1.0 - 0.72 * smoothstep(0.72, 1.0, d / radius))[..., None]
        # Light that falls in from above brightens the lower half of the iris.
        iris = iris * (1.0 + 0.55 * np.clip((f - gy) / radius, 0, 1))[..., None]
        inside = smoothstep(radius + soft, radius - soft, d)
        ball_colour = white + (iris - white) * inside[..., None]
        pupil = smoothstep(0.17 + soft, 0.17 - soft, d)
        ball_colour = mix(ball_colour, [0.004, 0.004, 0.004], pupil)
        lid_shadow = 1.0 - 0.62 * np.exp(-(np.maximum(f - upper, 0.0) / 0.13))
        ball_colour = ball_colour * lid_shadow[..., None]
        ball_colour = ball_colour * energy
        lx, ly = light.key[0] * side * 0.22, light.key[1] * 0.26
        glint = smoothstep(0.10 + soft, 0.10 - soft, np.hypot(e - gx - lx, (f - gy - ly) * 0.9))
        glint += 0.25 * smoothstep(0.14, 0.05, np.hypot(e - gx + lx, f - gy + ly * 0.8))
        ball_colour = mix(ball_colour, light.key_colour * 0.95, np.clip(glint, 0, 1) * 0.9)
        layers.append((ball_colour.astype(np.float32), (opening * near).astype(np.float32)))
        # The tear duct.
        paint.open *= 1.0 - 0.3 * np.exp(-(((e + 1.02) / 0.14) ** 2) - (f / 0.14) ** 2)
    return layers
