"""Glasses: frames before the eyes, bridge, temples to the ears, lenses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from builder.generation.procedural.arrays import FloatArray
from builder.generation.procedural.canvas import (
    Canvas,
    blur,
    linear,
    polygon,
    ribbon,
    smoothstep,
    srgb,
    stream,
)
from builder.generation.procedural.eyes import EYE_Y
from builder.generation.procedural.light import Light
from builder.generation.procedural.solids import lay_solid
from builder.generation.procedural.traits import Traits
from builder.generation.procedural.view import View

_FRAMES = ((22, 20, 20), (70, 44, 28), (150, 120, 70), (120, 120, 126), (110, 28, 34), (34, 48, 84))
_TINTS = ((20, 20, 24), (44, 28, 18), (24, 34, 30))
_HEIGHT = EYE_Y + 0.018


@dataclass(frozen=True, slots=True)
class _Model:
    """A kind of glasses; head units, chosen by eye.

    Attributes:
        thickness: Of the frame.
        half_width: Of a lens.
        half_height: Of a lens.
        power: Exponent of the superellipse of a lens: 2 is an ellipse, more is squarer.
    """

    thickness: float
    half_width: float
    half_height: float
    power: float


_MODELS = {
    "round glasses": _Model(0.0085, 0.108, 0.104, 2.0),
    "rectangular glasses": _Model(0.012, 0.118, 0.078, 4.0),
    "sunglasses": _Model(0.013, 0.125, 0.100, 2.8),
}


def glasses(canvas: Canvas, person: Traits, view: View, light: Light) -> None:
    """Draw the glasses that the attributes ask for."""
    kind = person["glasses"]
    if kind == "none":
        return
    rng = stream(person.seed, "glasses")
    colour = linear(np.array(_FRAMES[int(rng.integers(len(_FRAMES)))]) / 255.0)
    model = _MODELS[kind]
    unit = view.scale
    thickness = max(model.thickness * unit, 0.9)
    lenses = _lenses(model, person, view)
    frame = [_rim(lens, thickness, view) for lens in lenses]
    frame.append(_bridge(model, person, view, thickness))
    frame += _temples(model, person, view, thickness)
    mask = np.clip(np.maximum.reduce(frame), 0, 1)
    fallen = blur(np.roll(mask, max(1, int(0.02 * unit)), 0), 0.012 * unit)
    canvas.shadow(fallen * canvas.alpha * 0.45 * (1 - mask))
    glass = np.maximum(*(polygon(view.shape, [lens]) for lens in lenses))
    if kind == "sunglasses":
        _lay_tint(canvas, view, light, glass, _TINTS[int(rng.integers(3))])
    else:
        canvas.over(np.ones(3, np.float32), glass * 0.03 * (canvas.alpha > 0.999))
    for lens in lenses:
        _lay_glare(canvas, view, lens, 0.16 if kind == "sunglasses" else 0.07)
    lay_solid(canvas, light, mask, thickness * 0.6, colour, 0.5)


def _place(view: View, points: FloatArray, depth: FloatArray | float) -> FloatArray:
    """Pixels (N, 2) of points (N, 2) of the head at a depth, head units."""
    z = np.broadcast_to(np.asarray(depth, np.float64), len(points))
    turned = view.turn(np.column_stack([points, z]))
    return view.head(turned[:, :2])


def _eye_distance(person: Traits) -> float:
    """Distance of a lens's middle from the middle of the face, head units."""
    return 0.158 * person.eye_gap


def _lenses(model: _Model, person: Traits, view: View) -> list[FloatArray]:
    """Outlines (64, 2) of both lenses, pixels."""
    angle = np.linspace(0, 2 * np.pi, 65)[:-1]
    c, s = np.cos(angle), np.sin(angle)
    shape = np.stack(
        [
            np.sign(c) * np.abs(c) ** (2 / model.power) * model.half_width,
            np.sign(s) * np.abs(s) ** (2 / model.power) * model.half_height,
        ],
        1,
    )
    lenses = []
    for side in (-1.0, 1.0):
        outline = shape * (side, 1.0) + (side * _eye_distance(person), _HEIGHT)
        # The frame curves back towards the temples.
        depth = 0.455 - 0.45 * np.maximum(np.abs(outline[:, 0]) - 0.05, 0) ** 1.6
        lenses.append(_place(view, outline, depth))
    return lenses


def _rim(lens: FloatArray, thickness: float, view: View) -> FloatArray:
    """Coverage (H, W) of the ring around a lens."""
    middle = lens.mean(0)
    span = np.maximum(np.abs(lens - middle).max(0), 1.0)
    return polygon(view.shape, [middle + (lens - middle) * (1 + thickness / span), lens])


def _bridge(model: _Model, person: Traits, view: View, thickness: float) -> FloatArray:
    """Coverage (H, W) of the bow over the nose."""
    t = np.linspace(-1, 1, 15)
    x = t * (_eye_distance(person) - model.half_width + 0.008)
    path = np.stack([x, _HEIGHT - 0.03 - 0.018 * (1 - t**2)], 1)
    return polygon(view.shape, [ribbon(_place(view, path, 0.462), thickness * 0.62)])


def _temples(model: _Model, person: Traits, view: View, thickness: float) -> list[FloatArray]:
    """Coverages (H, W) of the temples that are seen; the face hides the far one."""
    edge_x = _eye_distance(person) + model.half_width
    reach = np.linspace(0, 1, 12)
    x = edge_x + (0.365 * person.face_width - edge_x + 0.012) * np.minimum(reach * 3, 1.0)
    depth = 0.455 - 0.45 * (edge_x - 0.05) ** 1.6 - reach * 0.36
    temples = []
    for side in (-1.0, 1.0):
        if side * np.sin(view.yaw) > 0.1:
            continue
        path = np.stack([side * x, np.full(12, _HEIGHT - 0.035) + 0.01 * reach], 1)
        pixels = _place(view, path, depth)
        temples.append(polygon(view.shape, [ribbon(pixels, thickness * 0.55)]))
    return temples


def _lay_tint(
    canvas: Canvas, view: View, light: Light, glass: FloatArray, tint: tuple[int, int, int]
) -> None:
    """Lay dark glass that brightens downwards."""
    rows = (np.arange(view.shape[0], dtype=np.float32) - view.y) / view.scale
    fade = smoothstep(-0.12, 0.16, rows)[:, None, None]
    colour = np.broadcast_to(
        linear(np.array(tint) / 255.0) * (0.8 + 1.5 * fade) + light.key_colour * 0.02,
        (*view.shape, 3),
    )
    canvas.over(srgb(colour.astype(np.float32)), glass * 0.97)


def _lay_glare(canvas: Canvas, view: View, lens: FloatArray, strength: float) -> None:
    """Lay one slanting reflection, only where something opaque is behind the glass."""
    centre, span = lens.mean(0), np.ptp(lens, axis=0)
    bar = centre + np.array([(-0.30, -0.6), (-0.08, -0.6), (-0.36, 0.6), (-0.58, 0.6)]) * span * 0.6
    glare = blur(polygon(view.shape, [bar]), 0.006 * view.scale) * polygon(view.shape, [lens])
    canvas.over(np.ones(3, np.float32), glare * strength * (canvas.alpha > 0.999))
