"""Brows, lashes and beards: short strands rooted in the face."""

from __future__ import annotations

import numpy as np

from builder.generation.procedural.arrays import FloatArray
from builder.generation.procedural.canvas import stream
from builder.generation.procedural.eyes import EYE_Y, lids_of
from builder.generation.procedural.face import beard_area
from builder.generation.procedural.hair import growth
from builder.generation.procedural.hair.render import project, ramp, strand_width, tones
from builder.generation.procedural.hair.wig import Wig, taper
from builder.generation.procedural.light import Light
from builder.generation.procedural.relief import outline, relief
from builder.generation.procedural.strands import Strands, rasterise
from builder.generation.procedural.traits import Traits
from builder.generation.procedural.view import View


def on_face(person: Traits, u: FloatArray, v: FloatArray) -> FloatArray:
    """Points (N, 3) of the face's surface at painted coordinates ``u``, ``v`` (N,)."""
    width, front, _ = outline(person, v)
    s = np.clip(u / np.maximum(width, 1e-3), -0.995, 0.995)
    depth = front * np.sqrt(1 - s * s) ** 0.86
    return np.stack([s * width, v, depth + relief(person, u, v)], -1)


def facial_hair(person: Traits, view: View, light: Light) -> list[tuple[FloatArray, FloatArray]]:
    """Layers (premultiplied sRGB, alpha) of brows, lashes and beard, in drawing order."""
    layers = []
    width = max(0.30, min(0.75, strand_width(view) * 0.72))
    for wig, colour, scale in (
        (_lashes(person, stream(person.seed, "lashes")), person.brow * 0.15, 0.75),
        (_brows(person, stream(person.seed, "brows")), person.brow, 1.0),
        (_beard(person, stream(person.seed, "beard"), view), person.hair * 0.72, 1.1),
    ):
        if wig is None:
            continue
        turned, pixels = project(view, wig.path)
        tone = tones(turned, light, wig.shade, wig.inner, 0.3)
        visible = turned[:, :1, 2] > -0.02
        strands = Strands(
            pixels,
            (wig.width * width * scale).astype(np.float32),
            tone,
            turned[..., 2],
            np.broadcast_to(visible, (len(visible), pixels.shape[1] - 1)).copy(),
        )
        layers.append(rasterise([strands], view.shape, ramp(colour, light), layers=6))
    return layers


def _brows(person: Traits, rng: np.random.Generator) -> Wig:
    """Both brows; ``t`` runs from their inner to their outer end."""
    n = 900
    side = np.where(rng.random(n) < 0.5, -1.0, 1.0)
    t = rng.random(n)
    lift = {"surprised": 0.040, "laughing": 0.012, "serious": -0.016, "pensive": 0.004}.get(
        person["expression"], 0.0
    )
    knit = {"serious": -0.018, "pensive": 0.012}.get(person["expression"], 0.0)
    x = (0.055 + 0.185 * t) * person.eye_gap
    arch = -0.100 * person.brow_height - 0.030 * np.sin(np.pi * np.clip(t * 0.78 + 0.04, 0, 1)) * (
        1.1 - 0.6 * person.masculine
    )
    arch += 0.022 * np.clip(t - 0.7, 0, 1) / 0.3 - lift + (1 - t) ** 2 * (0.012 - knit)
    half = 0.0185 * person.brow_thick * np.clip(t / 0.08 + 0.45, 0, 1) * (1.0 - 0.75 * t**2)
    across = rng.uniform(-1, 1, n)
    y = arch + across * half
    root = on_face(person, x * side, y)
    heading: FloatArray = np.stack(
        [side * (0.35 + 0.75 * t), -0.85 + 1.05 * t + 0.5 * across * -0.6, 0.1 + 0 * t], 1
    )
    heading = growth.normalise(heading + 0.15 * rng.standard_normal((n, 3)))
    length = 0.034 * (0.7 + 0.5 * rng.random(n)) * (1.0 - 0.3 * t)
    s = np.linspace(0, 1, 6)[None, :, None]
    path = root[:, None] + heading[:, None] * s * length[:, None, None]
    path[..., 1] += (s[..., 0] ** 2) * 0.006
    path[..., 2] += 0.008
    return Wig(
        path.astype(np.float32),
        taper(rng, n, 6, 0.25, 0.3) * 1.15,
        np.full(n, 0.95),
        np.full(n, 0.3),
        np.ones(n, bool),
    )


def _lashes(person: Traits, rng: np.random.Generator) -> Wig:
    """The upper lashes; ``e`` runs from the inner to the outer corner of an eye, -1..1."""
    n = 150
    side = np.where(np.arange(n) % 2 == 0, -1.0, 1.0)
    e = rng.uniform(-0.92, 1.02, n)
    lids = lids_of(person)
    half, drop = lids.half, lids.drop
    height = lids.upper(e) - e * lids.tilt
    root = on_face(person, side * (0.152 * person.eye_gap + e * half), EYE_Y + height * half)
    length = (0.011 + 0.011 * person.makeup - 0.004 * person.masculine) * rng.uniform(0.7, 1.1, n)
    heading = np.stack(
        [side * (0.75 * e + 0.12), np.full(n, -0.35 + 0.5 * (drop > 0.2)), np.full(n, 0.55)], 1
    )
    s = np.linspace(0, 1, 5)[None, :, None]
    path = root[:, None] + growth.normalise(heading)[:, None] * s * length[:, None, None]
    path[..., 1] -= (s[..., 0] ** 2) * 0.55 * length[:, None]
    path[..., 2] += 0.006
    return Wig(
        path.astype(np.float32),
        taper(rng, n, 5, 0.15, 0.2),
        np.ones(n),
        np.zeros(n),
        np.ones(n, bool),
    )


_BEARD_STRANDS = {
    "stubble": 5200,
    "mustache": 1900,
    "goatee": 2400,
    "short beard": 6000,
    "full beard": 7000,
}
"""Number of strands at 512 pixels, head and shoulders; chosen by eye."""

_BEARD_CURL = {"straight": 0.003, "wavy": 0.006, "curly": 0.009, "coily": 0.008}
"""Radius of a beard's curls by the texture of the hair, head units; chosen by eye."""


def _beard(person: Traits, rng: np.random.Generator, view: View) -> Wig | None:
    kind = person["facial_hair"]
    if kind == "none":
        return None
    u, v = _beard_roots(person, kind, rng, view)
    n = len(u)
    root = on_face(person, u, v)
    over_lip = np.exp(-((u / 0.12) ** 2) - ((v - 0.275) / 0.035) ** 2)
    heading = _beard_heading(kind, u, v, over_lip, rng)
    length = _beard_length(kind, u, v, over_lip, rng)
    points = 5 if kind == "stubble" else 16
    t = np.linspace(0, 1, points)[None, :, None]
    path: FloatArray = root[:, None] + heading[:, None] * t * length[:, None, None]
    droop = (t[..., 0] ** 2) * length[:, None]
    path[..., 1] += 0.35 * droop
    path[..., 2] -= 0.25 * droop
    path = path.astype(np.float32)
    if kind != "stubble":
        path, member = growth.clump(path, rng, n // 14, 0.4, 0.008)
        radius = _BEARD_CURL[person["hair_texture"]]
        path = growth.curl(path, rng, member, length, radius, 0.075, jitter=0.8)
    thinner = 0.8 if kind == "stubble" else 1.0
    depth = rng.random(n)
    return Wig(
        path.astype(np.float32),
        taper(rng, n, points, 0.25) * thinner,
        1.0 + 0.16 * rng.standard_normal(n),
        (1 - depth) * 0.7,
        np.ones(n, bool),
    )


def _beard_roots(
    person: Traits, kind: str, rng: np.random.Generator, view: View
) -> tuple[FloatArray, FloatArray]:
    """Painted coordinates (N,), (N,) of the roots."""
    detail = float(np.clip((view.scale / 215.0) ** 0.8, 0.3, 2.2))
    wanted = int(_BEARD_STRANDS[kind] * detail)
    area = "full beard" if kind in ("stubble", "short beard") else kind
    tries = wanted * 5
    u, v = rng.uniform(-0.34, 0.34, tries), rng.uniform(0.0, 0.50, tries)
    keep = rng.random(tries) < beard_area(u, v, area)
    keep &= np.abs(u) < 0.985 * outline(person, v)[0]
    return u[keep][:wanted], v[keep][:wanted]


def _beard_heading(
    kind: str, u: FloatArray, v: FloatArray, over_lip: FloatArray, rng: np.random.Generator
) -> FloatArray:
    """Unit directions (N, 3): down and forwards, to the sides over the lip."""
    n = len(u)
    outwards = (0.45 - 0.75 * _lowness(v)) * u / 0.3
    parted = over_lip * np.sign(u) * (1.5 if kind == "mustache" else 0.55)
    heading = np.stack([outwards + parted, np.full(n, 0.85), np.full(n, 0.42)], 1)
    return growth.normalise(heading + 0.18 * rng.standard_normal((n, 3)))


def _beard_length(
    kind: str, u: FloatArray, v: FloatArray, over_lip: FloatArray, rng: np.random.Generator
) -> FloatArray:
    """Lengths (N,), head units: longest under the chin, short at the cheeks."""
    low = _lowness(v)
    longest = 0.13 + 0.1 * float(rng.random())  # drawn for every kind, used by a full beard
    length = {
        "stubble": 0.010 + 0 * v,
        "mustache": 0.040 + 0 * v,
        "goatee": 0.045 + 0.075 * low,
        "short beard": 0.030 + 0.035 * low,
        "full beard": 0.055 + longest * low,
    }[kind] * rng.uniform(0.65, 1.2, len(u))
    if kind in ("full beard", "short beard", "goatee"):
        length = length * (1.0 - 0.35 * over_lip) * (0.35 + 0.65 * np.exp(-((u / 0.16) ** 2)))
    return length


def _lowness(v: FloatArray) -> FloatArray:
    """0 at the mouth .. 1 at the chin."""
    return np.clip((v - 0.30) / 0.15, 0, 1)
