"""Skin and features painted on the head: eyes, brows' shade, nose, mouth, age."""

from __future__ import annotations

import cv2
import numpy as np

from builder.generation.procedural.canvas import blur, fractal, mix, noise, smoothstep, stream
from builder.generation.procedural.eyes import EYE_Y, Paint, paint_eyes
from builder.generation.procedural.head import Surface
from builder.generation.procedural.light import Light, shade
from builder.generation.procedural.relief import Mouth, mouth_of
from builder.generation.procedural.traits import Traits


def paint_face(person: Traits, seen: Surface, light: Light, pixel: float) -> np.ndarray:
    """The shaded head, straight linear RGB over its box.

    Args:
        person: Whose face.
        seen: The turned surface.
        light: The light.
        pixel: One pixel in head units.
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

    n = seen.normal.copy()
    scale = 1.0 / (8.0 * pixel)
    n[..., 0] -= cv2.Sobel(paint.bump, cv2.CV_32F, 1, 0, ksize=3, scale=scale)
    n[..., 1] -= cv2.Sobel(paint.bump, cv2.CV_32F, 0, 1, ksize=3, scale=scale)
    n /= np.sqrt((n * n).sum(-1, keepdims=True))
    sheen = 0.10 + 0.05 * (1.0 - float(person.skin.mean()))
    out = shade(
        light,
        n,
        paint.albedo,
        translucent=0.42,
        occlusion=paint.open,
        lit=seen.lit * (0.35 + 0.65 * paint.open),
    )
    half = light.key + np.array([0.0, 0.0, 1.0], np.float32)
    half = half / np.sqrt((half**2).sum())
    aligned = np.maximum((n * half).sum(-1), 0.0)
    spot = (sheen * aligned**14 + 0.5 * sheen * aligned**45) * paint.gloss * seen.lit
    out += spot[..., None] * light.key_colour
    for colour, weight in eyes:
        out = out + (colour - out) * weight[..., None]
    return out


def _skin(
    person: Traits,
    paint: Paint,
    u: np.ndarray,
    v: np.ndarray,
    rng: np.random.Generator,
    pixel: float,
) -> None:
    a = np.abs(u)
    red = 0.9 * np.exp(-(((a - 0.2) / 0.09) ** 2) - ((v - 0.12) / 0.075) ** 2)
    red += 0.9 * np.exp(-((u / 0.06) ** 2) - ((v - 0.19) / 0.06) ** 2)
    red += 0.4 * np.exp(-((u / 0.09) ** 2) - ((v - 0.45) / 0.05) ** 2)
    red *= 0.75 + 0.35 * person.makeup
    mottled = fractal(rng, u.shape, 0.09 / pixel, 4) * 0.35
    tone = np.array([0.02, -0.075, -0.07], np.float32)
    paint.albedo *= 1.0 + (red + 0.35 * mottled)[..., None] * tone * 1.7
    paint.albedo *= 1.0 + 0.035 * mottled[..., None]
    # Darker, bluer around the eyes; lighter forehead.
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
    if person["facial_hair"] != "none" or person.masculine == 1.0:
        shadow = beard_area(u, v, "full beard") * (
            0.16 if person["facial_hair"] == "none" else 0.34
        )
        if person["facial_hair"] in ("mustache", "goatee"):
            shadow *= 0.6
        shadow *= 1.0 if person.years < 60 else 0.5
        paint.albedo = mix(paint.albedo, paint.albedo.mean((0, 1)) * 0.42, shadow)
    if person.years > 55:
        spots = noise(rng, u.shape, 0.03 / pixel)
        paint.albedo = mix(paint.albedo, person.skin * 0.6, smoothstep(1.3, 2.2, spots) * 0.35)


def beard_area(u: np.ndarray, v: np.ndarray, kind: str) -> np.ndarray:
    """Where a beard of this kind grows, 0..1, in head coordinates."""
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


def _nose(person: Traits, paint: Paint, u: np.ndarray, v: np.ndarray) -> None:
    base = 0.205 * (0.6 + 0.4 * person.nose_length)
    a = np.abs(u)
    x = 0.030 * person.nose_width
    hole = np.exp(
        -((((a - x) * 0.9 + (v - base - 0.016) * 0.45) / 0.0155) ** 2)
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


def _mouth(
    person: Traits,
    mouth: Mouth,
    paint: Paint,
    u: np.ndarray,
    v: np.ndarray,
    rng: np.random.Generator,
    pixel: float,
) -> None:
    a = np.abs(u)
    t = np.clip(a / mouth.half, 0.0, 1.4)
    line = mouth.y - mouth.smile * 0.32 * u**2 / 0.11
    across = np.clip(1.0 - t**2, 0.0, 1.0)
    half_gap = 0.5 * mouth.gap * across**0.8
    bow = 0.006 * np.exp(-(((a - 0.024) / 0.016) ** 2)) - 0.004 * np.exp(-((u / 0.011) ** 2))
    top = line - half_gap * 0.8 - (mouth.upper + bow) * across**0.75
    bottom = line + half_gap * 1.3 + mouth.lower * across**0.62
    soft = max(pixel * 0.9, 0.003)
    lips = (
        smoothstep(-soft, soft, v - top)
        * smoothstep(-soft, soft, bottom - v)
        * smoothstep(1.02, 0.96, t)
    )
    grain = noise(rng, u.shape, (max(1.0, 0.004 / pixel), max(1.5, 0.02 / pixel)))
    colour = person.lips * (1.0 + 0.05 * grain[..., None])
    colour = colour * np.where(v < line, 0.82, 1.0)[..., None]
    blend = blur(lips, 0.0035 / pixel)
    paint.albedo = paint.albedo + (colour - paint.albedo) * (blend * 0.9)[..., None]
    paint.bump += lips * grain * 0.0005
    paint.gloss *= 1.0 + lips * (1.2 + 2.0 * person.makeup) * (v > line)
    seam = np.exp(-(((v - line) / max(0.0042, pixel * 0.6)) ** 2)) * smoothstep(1.08, 0.93, t)
    if mouth.gap == 0.0:
        paint.albedo = mix(paint.albedo, person.skin * np.array([0.22, 0.09, 0.08]), seam * 0.85)
    corner = np.exp(-(((a - mouth.half) / 0.012) ** 2) - ((v - line) / 0.010) ** 2)
    paint.open *= 1.0 - 0.5 * corner
    paint.albedo *= 1.0 - 0.35 * corner[..., None]
    under = np.exp(-((u / (mouth.half * 0.7)) ** 2) - ((v - bottom - 0.018) / 0.013) ** 2)
    paint.open *= 1.0 - 0.35 * under
    paint.open *= 1.0 - 0.2 * np.exp(-((u / 0.014) ** 2) - ((v - 0.265) / 0.02) ** 2)
    if mouth.gap > 0.0:
        upper_edge, lower_edge = line - half_gap * 0.8, line + half_gap * 1.3
        inner = (
            smoothstep(-soft, soft, v - upper_edge)
            * smoothstep(-soft, soft, lower_edge - v)
            * (t < 1.0)
        )
        paint.albedo = mix(paint.albedo, [0.035, 0.010, 0.010], inner)
        paint.gloss *= 1.0 - inner
        teeth_depth = mouth.gap * (0.62 if person["expression"] == "laughing" else 0.3)
        teeth = inner * smoothstep(soft, -soft, v - (upper_edge + teeth_depth * across**0.5))
        gaps = (
            1.0
            - 0.28 * np.exp(-(((np.mod(a + 0.0, 0.026) - 0.013) / 0.013) ** 2) * -1.0 - 1.0) * 0.0
        )
        cell = np.abs(np.mod(u / 0.025, 1.0) - 0.5)
        gaps = 1.0 - 0.4 * smoothstep(0.44, 0.5, cell)
        white = np.array([0.72, 0.68, 0.60], np.float32) * (gaps * (1.0 - 0.55 * t**2))[..., None]
        paint.albedo = paint.albedo + (white - paint.albedo) * (teeth * 0.95)[..., None]
        tongue = (
            inner
            * np.exp(-((u / 0.05) ** 2) - ((v - lower_edge + 0.004) / 0.018) ** 2)
            * (1 - teeth)
        )
        paint.albedo = mix(paint.albedo, [0.30, 0.08, 0.07], tongue * 0.8)


def _wrinkles(person: Traits, mouth: Mouth, paint: Paint, u: np.ndarray, v: np.ndarray) -> None:
    depth = float(np.clip((person.years - 32.0) / 38.0, 0.0, 1.1))
    raised = 0.8 if person["expression"] == "surprised" else 0.0
    rng = stream(person.seed, "wrinkles")
    a = np.abs(u)
    dent = np.zeros_like(u)
    for k in range(4):
        y = -0.19 - 0.037 * k + 0.006 * rng.standard_normal()
        curve = y + 0.10 * a**2 + 0.005 * np.sin(u * 30 + rng.uniform(0, 6.28))
        dent += (
            np.exp(-(((v - curve) / 0.0045) ** 2))
            * smoothstep(0.23, 0.08, a)
            * (depth * 0.8 + raised)
        )
    smile = max(mouth.smile, 0.0)
    for k in range(3):
        angle = -0.35 + 0.33 * k
        away = a - 0.228 * person.eye_gap
        line = EYE_Y + 0.008 + away * np.tan(angle)
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
    if person["expression"] in ("serious", "pensive"):
        dent += np.exp(-(((a - 0.022) / 0.005) ** 2) - ((v + 0.115) / 0.035) ** 2) * 0.7
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
    paint.bump -= dent * 0.0028
    paint.albedo *= 1.0 - np.clip(dent, 0, 1.3)[..., None] * np.array(
        [0.10, 0.15, 0.15], np.float32
    )
    paint.open *= 1.0 - 0.15 * np.clip(dent, 0, 1)
