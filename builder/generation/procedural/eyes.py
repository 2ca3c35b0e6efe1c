"""Eyes: the shape of the lids, which the lashes share, and the painted eyeballs.

Shapes and colours were chosen by eye.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from builder.generation.procedural.arrays import FloatArray
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
        open: (h, w) share of the surroundings that is not occluded, 0..1.
        gloss: (h, w) factor of the highlight's strength.
    """

    albedo: FloatArray
    bump: FloatArray
    open: FloatArray
    gloss: FloatArray


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

    def upper(self, e: FloatArray) -> FloatArray:
        """Height of the upper lid at ``e``, -1 the inner corner .. 1 the outer."""
        arc = np.clip(1.0 - e**2, 0.0, 1.0)
        return -0.40 * (self.wide - self.drop) * arc**0.62 * np.clip(1.0 - 0.22 * e, 0.6, 1.4)

    def lower(self, e: FloatArray) -> FloatArray:
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


_GAZES = {
    "to the left": (-0.42, 0.0),
    "to the right": (0.42, 0.0),
    "down": (0.0, 0.26),
    "up": (0.0, -0.22),
}
"""Offset of the iris in half-widths of an eye, in the picture: right, down. Chosen by eye."""

_IRIS_RADIUS, _PUPIL_RADIUS = 0.405, 0.17  # half-widths of an eye


@dataclass(frozen=True, slots=True)
class _Eye:
    """One eye in its own coordinates, half-widths of an eye.

    Attributes:
        side: -1 for the picture's left eye, 1 for its right one.
        e: (h, w) across: -1 the inner corner .. 1 the outer.
        f: (h, w) down from the line through the corners.
        upper: (h, w) height of the upper lid.
        lower: (h, w) height of the lower lid.
        soft: Width over which edges blend.
        half: Half-width of an eye, head units.
    """

    side: float
    e: FloatArray
    f: FloatArray
    upper: FloatArray
    lower: FloatArray
    soft: float
    half: float


def paint_eyes(
    person: Traits, paint: Paint, seen: Surface, pixel: float, light: Light
) -> list[tuple[FloatArray, FloatArray]]:
    """Paint the lids into ``paint``; return the eyeballs.

    Args:
        person: Whose eyes.
        paint: The face; changed in place.
        seen: The turned head.
        pixel: One pixel in head units.
        light: The light.

    Returns:
        For each eye that is seen, linear colour (h, w, 3) and weight (h, w) to lay on top.
    """
    lids = lids_of(person)
    facing = np.clip(dot(seen.normal, light.key) * 0.7 + 0.3, 0.0, 1.0) * seen.lit
    energy = light.ambient + light.sky * 0.5 + facing[..., None] * light.key_colour
    soft = max(pixel * 0.8, 0.0018) / lids.half
    eyeballs: list[tuple[FloatArray, FloatArray]] = []
    for side in (-1.0, 1.0):
        middle = side * 0.152 * person.eye_gap
        e = (seen.u - middle) / lids.half * side
        f = (seen.v - EYE_Y) / lids.half + e * lids.tilt
        near = (np.abs(e) < 2.6) & (np.abs(f) < 2.4)
        if not near.any():
            continue
        eye = _Eye(side, e, f, lids.upper(e), lids.lower(e), soft, lids.half)
        _paint_lid(person, paint, eye, pixel)
        _paint_lash_lines(person, paint, eye)
        colour = _eyeball(person, eye, light, energy)
        eyeballs.append((colour.astype(np.float32), (_opening(eye) * near).astype(np.float32)))
        # The tear duct.
        paint.open *= 1.0 - 0.3 * np.exp(-(((e + 1.02) / 0.14) ** 2) - (f / 0.14) ** 2)
    return eyeballs


def _opening(eye: _Eye) -> FloatArray:
    """Weight (h, w) of the eyeball between the lids."""
    return (
        smoothstep(-eye.soft, eye.soft, eye.f - eye.upper)
        * smoothstep(-eye.soft, eye.soft, eye.lower - eye.f)
        * (np.abs(eye.e) < 1.0)
    )


def _paint_lid(person: Traits, paint: Paint, eye: _Eye, pixel: float) -> None:
    """The fold above the upper lid, the lid's thickness, and make-up on it."""
    e, f, upper = eye.e, eye.f, eye.upper
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
        eyeshadow = person.skin * np.array([0.42, 0.30, 0.30])
        cover = np.clip(blur(lid, eye.half * 0.12 / pixel), 0, 1)
        paint.albedo = mix(paint.albedo, eyeshadow, cover * person.makeup * 0.6)


def _paint_lash_lines(person: Traits, paint: Paint, eye: _Eye) -> None:
    """The dark line of the upper lashes and the reddish rim of the lower lid."""
    e, f = eye.e, eye.f
    width = max(0.055 - 0.012 * person.masculine, eye.soft)
    lash = np.exp(-(((f - eye.upper + 0.02) / width) ** 2)) * smoothstep(1.12, 0.92, np.abs(e))
    strength = 0.72 + 0.26 * person.makeup - 0.18 * person.masculine
    dark = np.minimum(person.brow * 0.3, 0.03)
    paint.albedo = mix(paint.albedo, dark, np.clip(lash * strength * 1.15, 0, 0.96))
    rim = np.exp(-(((f - eye.lower - 0.03) / 0.05) ** 2)) * smoothstep(1.05, 0.85, np.abs(e))
    paint.albedo *= 1.0 - rim[..., None] * np.array([0.14, 0.30, 0.28], np.float32)


def _eyeball(person: Traits, eye: _Eye, light: Light, energy: FloatArray) -> FloatArray:
    """Linear colour (h, w, 3) of white, iris, pupil and catchlight, shaded by the lid."""
    e, f = eye.e, eye.f
    straight_on = (-0.25 * person.yaw / 0.42, 0.0)
    gaze_x, gaze_y = _GAZES.get(person["gaze"], straight_on)
    gaze_x = gaze_x * eye.side
    form = np.sqrt(np.clip(1.0 - (e * 0.62) ** 2 - (f * 0.62) ** 2, 0.02, 1.0))
    white = np.array([0.62, 0.58, 0.555], np.float32) * (0.55 + 0.45 * form)[..., None]
    # The corners are reddish.
    white = mix(white, [0.50, 0.26, 0.23], smoothstep(0.72, 1.0, np.abs(e)) * 0.6)
    radius = np.hypot(e - gaze_x, f - gaze_y + 0.03)
    iris = _iris(person, e - gaze_x, f - gaze_y, radius)
    soft = eye.soft
    inside = smoothstep(_IRIS_RADIUS + soft, _IRIS_RADIUS - soft, radius)
    colour: FloatArray = white + (iris - white) * inside[..., None]
    pupil = smoothstep(_PUPIL_RADIUS + soft, _PUPIL_RADIUS - soft, radius)
    colour = mix(colour, [0.004, 0.004, 0.004], pupil)
    lid_shadow = 1.0 - 0.62 * np.exp(-(np.maximum(f - eye.upper, 0.0) / 0.13))
    colour = colour * lid_shadow[..., None]
    colour = colour * energy
    dx, dy = light.key[0] * eye.side * 0.22, light.key[1] * 0.26
    distance = np.hypot(e - gaze_x - dx, (f - gaze_y - dy) * 0.9)
    glint = smoothstep(0.10 + soft, 0.10 - soft, distance)
    opposite = np.hypot(e - gaze_x + dx, f - gaze_y + dy * 0.8)
    glint += 0.25 * smoothstep(0.14, 0.05, opposite)
    return mix(colour, light.key_colour * 0.95, np.clip(glint, 0, 1) * 0.9)


def _iris(person: Traits, x: FloatArray, y: FloatArray, radius: FloatArray) -> FloatArray:
    """Linear colour (h, w, 3) of the iris about its middle: fibres, dark rim, bright below."""
    angle = np.arctan2(y, x)
    fibres = 0.75 + 0.25 * np.sin(angle * 23 + 2.0 * np.sin(angle * 7 + person.seed % 7))
    iris = person.iris * (1.45 * fibres + 0.5)[..., None]
    iris = iris * (1.0 - 0.72 * smoothstep(0.72, 1.0, radius / _IRIS_RADIUS))[..., None]
    # Light that falls in from above brightens the lower half.
    return iris * (1.0 + 0.55 * np.clip(y / _IRIS_RADIUS, 0, 1))[..., None]
