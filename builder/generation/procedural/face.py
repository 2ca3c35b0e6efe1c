"""Skin and features painted on the head: eyes, nose, mouth, wrinkles.

Places, colours and strengths were chosen by eye. Coordinates ``u`` (right) and ``v`` (down)
are those of :class:`Surface`, in head units.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from builder.generation.procedural.arrays import FloatArray
from builder.generation.procedural.canvas import blur, fractal, mix, noise, smoothstep, stream
from builder.generation.procedural.eyes import EYE_Y, Paint, paint_eyes
from builder.generation.procedural.head import Surface
from builder.generation.procedural.light import Light, shade
from builder.generation.procedural.relief import Mouth, mouth_of
from builder.generation.procedural.traits import Traits


def paint_face(person: Traits, seen: Surface, light: Light, pixel: float) -> FloatArray:
    """Paint and shade the head.

    Args:
        person: Whose face.
        seen: The turned surface.
        light: The light.
        pixel: One pixel in head units.

    Returns:
        (h, w, 3) straight linear RGB over the box of ``seen``.
    """
    u, v = seen.u, seen.v
    rng = stream(person.seed, "face")
    paint = Paint(
        np.broadcast_to(person.skin, (*u.shape, 3)).astype(np.float32),
        np.zeros_like(u),
        np.ones_like(u),
        np.ones_like(u),
    )
    _skin(person, paint, u, v, rng, pixel)
    mouth = mouth_of(person)
    _nose(person, paint, u, v)
    _mouth(person, mouth, paint, u, v, rng, pixel)
    _wrinkles(person, mouth, paint, u, v)
    eyes = paint_eyes(person, paint, seen, pixel, light)

    normal = seen.normal.copy()
    scale = 1.0 / (8.0 * pixel)
    normal[..., 0] -= cv2.Sobel(paint.bump, cv2.CV_32F, 1, 0, ksize=3, scale=scale)
    normal[..., 1] -= cv2.Sobel(paint.bump, cv2.CV_32F, 0, 1, ksize=3, scale=scale)
    normal /= np.sqrt((normal * normal).sum(-1, keepdims=True))
    sheen = 0.10 + 0.05 * (1.0 - float(person.skin.mean()))
    out = shade(
        light,
        normal,
        paint.albedo,
        translucent=0.42,
        occlusion=paint.open,
        lit=seen.lit * (0.35 + 0.65 * paint.open),
    )
    half = light.key + np.array([0.0, 0.0, 1.0], np.float32)
    half = half / np.sqrt((half**2).sum())
    aligned = np.maximum((normal * half).sum(-1), 0.0)
    spot = (sheen * aligned**14 + 0.5 * sheen * aligned**45) * paint.gloss * seen.lit
    out += spot[..., None] * light.key_colour
    for colour, weight in eyes:
        out = out + (colour - out) * weight[..., None]
    return out


def _skin(
    person: Traits,
    paint: Paint,
    u: FloatArray,
    v: FloatArray,
    rng: np.random.Generator,
    pixel: float,
) -> None:
    """Redness, mottling, pores, freckles, a beard's shadow, spots of age."""
    a = np.abs(u)
    red = 0.9 * np.exp(-(((a - 0.2) / 0.09) ** 2) - ((v - 0.12) / 0.075) ** 2)
    red += 0.9 * np.exp(-((u / 0.06) ** 2) - ((v - 0.19) / 0.06) ** 2)
    red += 0.4 * np.exp(-((u / 0.09) ** 2) - ((v - 0.45) / 0.05) ** 2)
    red *= 0.75 + 0.35 * person.makeup
    mottled = fractal(rng, u.shape, 0.09 / pixel, 4) * 0.35
    tone = np.array([0.02, -0.075, -0.07], np.float32)
    paint.albedo *= 1.0 + (red + 0.35 * mottled)[..., None] * tone * 1.7
    paint.albedo *= 1.0 + 0.035 * mottled[..., None]
    # The skin around the eyes is darker and bluer.
    socket = np.exp(-(((a - 0.14) / 0.085) ** 2) - ((v - 0.035) / 0.04) ** 2)
    paint.albedo *= 1.0 - socket[..., None] * np.array([0.10, 0.12, 0.08], np.float32)
    pores = noise(rng, u.shape, max(1.0, 0.004 / pixel)) + 0.5 * noise(
        rng, u.shape, max(1.0, 0.009 / pixel)
    )
    paint.bump += pores * 0.00014 * (1.0 + 0.6 * person.masculine)
    paint.albedo *= 1.0 + 0.018 * pores[..., None]
    if person.freckles > 0.0:
        spots = noise(rng, u.shape, max(1.5, 0.011 / pixel))
        where = np.exp(-((a / 0.24) ** 2) - ((v - 0.1) / 0.1) ** 2)
        amount = smoothstep(1.0, 1.7, spots) * where * min(1.0, person.freckles)
        paint.albedo = mix(paint.albedo, person.skin * np.array([0.62, 0.45, 0.34]), amount * 0.75)
    _beard_shadow(person, paint, u, v)
    if person.years > 55:
        spots = noise(rng, u.shape, 0.03 / pixel)
        paint.albedo = mix(paint.albedo, person.skin * 0.6, smoothstep(1.3, 2.2, spots) * 0.35)


def _beard_shadow(person: Traits, paint: Paint, u: FloatArray, v: FloatArray) -> None:
    """Darken the skin where a beard grows, also where it is shaved."""
    kind = person["facial_hair"]
    if kind == "none" and person.masculine != 1.0:
        return
    shadow = beard_area(u, v, "full beard") * (0.16 if kind == "none" else 0.34)
    if kind in ("mustache", "goatee"):
        shadow *= 0.6
    shadow *= 1.0 if person.years < 60 else 0.5
    paint.albedo = mix(paint.albedo, paint.albedo.mean((0, 1)) * 0.42, shadow)


def beard_area(u: FloatArray, v: FloatArray, kind: str) -> FloatArray:
    """Where a beard of this kind grows, 0..1, at painted coordinates ``u``, ``v``."""
    a = np.abs(u)
    lips = smoothstep(1.0, 1.25, np.hypot(u / 0.100, (v - 0.333) / 0.044))
    moustache = (
        smoothstep(0.135, 0.10, a)
        * smoothstep(0.235, 0.25, v + 0.12 * a)
        * smoothstep(0.345, 0.32, v - 0.3 * a)
    )
    chin = smoothstep(0.105, 0.075, a) * smoothstep(0.35, 0.375, v)
    around = (
        smoothstep(0.13, 0.11, a) * smoothstep(0.09, 0.105, a + 0.0 * v) * smoothstep(0.27, 0.3, v)
    )
    if kind == "mustache":
        return moustache * lips
    if kind == "goatee":
        return np.maximum(np.maximum(moustache, chin), around) * lips
    cheek = smoothstep(0.0, 0.035, v - (0.30 - 1.05 * np.maximum(a - 0.13, 0.0)))
    cheek = cheek * smoothstep(0.05, 0.09, a)
    side = smoothstep(0.235, 0.275, a) * smoothstep(0.02, 0.08, v)
    full = np.maximum.reduce([moustache, chin, around, cheek, side])
    return full * lips * smoothstep(0.0, 0.08, v)


def _nose(person: Traits, paint: Paint, u: FloatArray, v: FloatArray) -> None:
    """Nostrils, the crease beside the wings, and the gloss on tip and forehead."""
    base = 0.205 * (0.6 + 0.4 * person.nose_length)
    a = np.abs(u)
    nostril = 0.030 * person.nose_width
    hole = np.exp(
        -((((a - nostril) * 0.9 + (v - base - 0.016) * 0.45) / 0.0155) ** 2)
        - ((v - base - 0.0175) / 0.0075) ** 2
    )
    paint.albedo = mix(
        paint.albedo, person.skin * np.array([0.20, 0.09, 0.07]), np.clip(hole * 1.25, 0, 0.92)
    )
    paint.open *= 1.0 - 0.42 * np.exp(-((a / 0.055) ** 2) - ((v - base - 0.028) / 0.018) ** 2)
    wing = 0.064 * person.nose_width
    crease = np.exp(-(((a - wing) / 0.007) ** 2) - ((v - base + 0.004) / 0.026) ** 2)
    paint.open *= 1.0 - 0.3 * crease
    paint.albedo *= 1.0 - crease[..., None] * np.array([0.08, 0.15, 0.15], np.float32)
    paint.gloss *= 1.0 + 1.6 * np.exp(-((u / 0.03) ** 2) - ((v - base + 0.02) / 0.05) ** 2)
    paint.gloss *= 1.0 + 0.5 * np.exp(-((u / 0.12) ** 2) - ((v + 0.26) / 0.09) ** 2)


@dataclass(frozen=True, slots=True)
class _Lips:
    """The mouth at every point of the face.

    Attributes:
        a: Distance from the middle of the face.
        t: The same in half-widths of the mouth, at most 1.4.
        line: Height of the line between the lips.
        across: 1 in the middle .. 0 at the corners.
        half_gap: Half of the opening.
        bottom: Height of the lower lip's lower edge.
        weight: 1 on the lips, 0 outside.
        soft: Width over which edges blend.
    """

    a: FloatArray
    t: FloatArray
    line: FloatArray
    across: FloatArray
    half_gap: FloatArray
    bottom: FloatArray
    weight: FloatArray
    soft: float


def _lips_of(mouth: Mouth, u: FloatArray, v: FloatArray, pixel: float) -> _Lips:
    a = np.abs(u)
    t = np.clip(a / mouth.half, 0.0, 1.4)
    line = mouth.y - mouth.smile * 0.32 * u**2 / 0.11
    across = np.clip(1.0 - t**2, 0.0, 1.0)
    half_gap = 0.5 * mouth.gap * across**0.8
    bow = 0.006 * np.exp(-(((a - 0.024) / 0.016) ** 2)) - 0.004 * np.exp(-((u / 0.011) ** 2))
    top = line - half_gap * 0.8 - (mouth.upper + bow) * across**0.75
    bottom = line + half_gap * 1.3 + mouth.lower * across**0.62
    soft = max(pixel * 0.9, 0.003)
    weight = (
        smoothstep(-soft, soft, v - top)
        * smoothstep(-soft, soft, bottom - v)
        * smoothstep(1.02, 0.96, t)
    )
    return _Lips(a, t, line, across, half_gap, bottom, weight, soft)


def _mouth(
    person: Traits,
    mouth: Mouth,
    paint: Paint,
    u: FloatArray,
    v: FloatArray,
    rng: np.random.Generator,
    pixel: float,
) -> None:
    """The lips, the shade around them, and the open mouth."""
    lips = _lips_of(mouth, u, v, pixel)
    line = lips.line
    grain = noise(rng, u.shape, (max(1.0, 0.004 / pixel), max(1.5, 0.02 / pixel)))
    colour = person.lips * (1.0 + 0.05 * grain[..., None])
    colour = colour * np.where(v < line, 0.82, 1.0)[..., None]
    blend = blur(lips.weight, 0.0035 / pixel)
    paint.albedo = paint.albedo + (colour - paint.albedo) * (blend * 0.9)[..., None]
    paint.bump += lips.weight * grain * 0.0005
    paint.gloss *= 1.0 + lips.weight * (1.2 + 2.0 * person.makeup) * (v > line)
    if mouth.gap == 0.0:
        seam = np.exp(-(((v - line) / max(0.0042, pixel * 0.6)) ** 2))
        seam = seam * smoothstep(1.08, 0.93, lips.t)
        paint.albedo = mix(paint.albedo, person.skin * np.array([0.22, 0.09, 0.08]), seam * 0.85)
    corner = np.exp(-(((lips.a - mouth.half) / 0.012) ** 2) - ((v - line) / 0.010) ** 2)
    paint.open *= 1.0 - 0.5 * corner
    paint.albedo *= 1.0 - 0.35 * corner[..., None]
    under = np.exp(-((u / (mouth.half * 0.7)) ** 2) - ((v - lips.bottom - 0.018) / 0.013) ** 2)
    paint.open *= 1.0 - 0.35 * under
    paint.open *= 1.0 - 0.2 * np.exp(-((u / 0.014) ** 2) - ((v - 0.265) / 0.02) ** 2)
    if mouth.gap > 0.0:
        _open_mouth(paint, mouth, lips, u, v, laughing=person["expression"] == "laughing")


def _open_mouth(
    paint: Paint, mouth: Mouth, lips: _Lips, u: FloatArray, v: FloatArray, laughing: bool
) -> None:
    """The dark inside, the upper teeth and the tongue."""
    soft = lips.soft
    upper_edge, lower_edge = lips.line - lips.half_gap * 0.8, lips.line + lips.half_gap * 1.3
    inner = (
        smoothstep(-soft, soft, v - upper_edge)
        * smoothstep(-soft, soft, lower_edge - v)
        * (lips.t < 1.0)
    )
    paint.albedo = mix(paint.albedo, [0.035, 0.010, 0.010], inner)
    paint.gloss *= 1.0 - inner
    teeth_depth = mouth.gap * (0.62 if laughing else 0.3)
    teeth = inner * smoothstep(soft, -soft, v - (upper_edge + teeth_depth * lips.across**0.5))
    tooth = np.abs(np.mod(u / 0.025, 1.0) - 0.5)
    between = 1.0 - 0.4 * smoothstep(0.44, 0.5, tooth)
    white = np.array([0.72, 0.68, 0.60], np.float32)
    white = white * (between * (1.0 - 0.55 * lips.t**2))[..., None]
    paint.albedo = paint.albedo + (white - paint.albedo) * (teeth * 0.95)[..., None]
    tongue = np.exp(-((u / 0.05) ** 2) - ((v - lower_edge + 0.004) / 0.018) ** 2)
    paint.albedo = mix(paint.albedo, [0.30, 0.08, 0.07], inner * tongue * (1 - teeth) * 0.8)


def _wrinkles(person: Traits, mouth: Mouth, paint: Paint, u: FloatArray, v: FloatArray) -> None:
    """Wrinkles of age and of the expression, as dents in the skin."""
    # From 32 years on, full at 70.
    depth = float(np.clip((person.years - 32.0) / 38.0, 0.0, 1.1))
    raised = 0.8 if person["expression"] == "surprised" else 0.0
    smile = max(mouth.smile, 0.0)
    a = np.abs(u)
    dent = np.zeros_like(u)
    _dent_forehead(dent, u, v, depth * 0.8 + raised, stream(person.seed, "wrinkles"))
    _dent_eyes(dent, person, a, v, depth, smile)
    if person["expression"] in ("serious", "pensive"):
        dent += np.exp(-(((a - 0.022) / 0.005) ** 2) - ((v + 0.115) / 0.035) ** 2) * 0.7
    _dent_mouth(dent, mouth, a, v, depth, smile)
    paint.bump -= dent * 0.0028
    paint.albedo *= 1.0 - np.clip(dent, 0, 1.3)[..., None] * np.array(
        [0.10, 0.15, 0.15], np.float32
    )
    paint.open *= 1.0 - 0.15 * np.clip(dent, 0, 1)


def _dent_forehead(
    dent: FloatArray, u: FloatArray, v: FloatArray, strength: float, rng: np.random.Generator
) -> None:
    """Four lines across the forehead."""
    a = np.abs(u)
    for k in range(4):
        y = -0.19 - 0.037 * k + 0.006 * rng.standard_normal()
        curve = y + 0.10 * a**2 + 0.005 * np.sin(u * 30 + rng.uniform(0, 6.28))
        dent += np.exp(-(((v - curve) / 0.0045) ** 2)) * smoothstep(0.23, 0.08, a) * strength


def _dent_eyes(
    dent: FloatArray, person: Traits, a: FloatArray, v: FloatArray, depth: float, smile: float
) -> None:
    """Three crow's feet beside each eye and two lines below it."""
    away = a - 0.228 * person.eye_gap
    for k in range(3):
        line = EYE_Y + 0.008 + away * np.tan(-0.35 + 0.33 * k)
        dent += (
            np.exp(-(((v - line) / 0.0035) ** 2))
            * smoothstep(0.0, 0.015, away)
            * smoothstep(0.075, 0.03, away)
        ) * (depth + 0.35 * smile)
    for k in range(2):
        curve = EYE_Y + 0.045 + 0.018 * k - 1.6 * (a - 0.15) ** 2
        dent += (
            np.exp(-(((v - curve) / 0.005) ** 2))
            * smoothstep(0.085, 0.05, np.abs(a - 0.155))
            * (0.06 + 0.7 * depth + 0.18 * smile)
        )


def _dent_mouth(
    dent: FloatArray, mouth: Mouth, a: FloatArray, v: FloatArray, depth: float, smile: float
) -> None:
    """The folds from the nose to the mouth, and from the mouth to the chin."""
    base = 0.205
    fold_x = 0.07 + (v - base) * 0.62 + 0.03 * mouth.smile
    span = smoothstep(base - 0.02, base + 0.03, v) * smoothstep(mouth.y + 0.07, mouth.y, v)
    dent += np.exp(-(((a - fold_x) / 0.006) ** 2)) * span * (0.8 * depth + 0.5 * smile + 0.08)
    marionette = 0.115 + (v - mouth.y) * 0.18
    dent += (
        np.exp(-(((a - marionette) / 0.006) ** 2))
        * smoothstep(0.34, 0.37, v)
        * smoothstep(0.44, 0.40, v)
        * depth
        * 0.8
    )
