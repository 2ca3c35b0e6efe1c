"""Earrings and necklaces."""

from __future__ import annotations

import numpy as np

from builder.generation.procedural.anatomy import Body
from builder.generation.procedural.arrays import FloatArray
from builder.generation.procedural.canvas import (
    Canvas,
    blur,
    linear,
    polygon,
    ribbon,
    spline,
    stream,
)
from builder.generation.procedural.ears import HIDDEN, lobe, placement
from builder.generation.procedural.light import Light
from builder.generation.procedural.solids import lay_solid
from builder.generation.procedural.traits import Traits
from builder.generation.procedural.view import View

_METALS = ((212, 175, 96), (200, 200, 205), (206, 150, 120))
_GEMS = ((60, 120, 190), (190, 40, 60), (40, 140, 90), (235, 235, 240))


def _metal(person: Traits) -> FloatArray:
    rng = stream(person.seed, "jewellery")
    return linear(np.array(_METALS[int(rng.integers(len(_METALS)))]) / 255.0)


def _circle(points: int) -> FloatArray:
    """Unit circle (points, 2)."""
    angle = np.linspace(0, 2 * np.pi, points + 1)[:-1]
    return np.stack([np.cos(angle), np.sin(angle)], 1)


def earrings(canvas: Canvas, person: Traits, view: View, light: Light) -> None:
    """Studs, hoops (their inside stays open) or drops at both visible lobes."""
    kind = person["jewellery"]
    if kind not in ("stud earrings", "hoop earrings", "drop earrings"):
        return
    if person["headwear"] == "headscarf":
        return  # it covers the ears
    rng = stream(person.seed, "earrings")
    hoop = rng.uniform(0.085, 0.14)
    metal = _metal(person)
    gem = linear(np.array(_GEMS[int(rng.integers(4))]) / 255)
    unit = view.scale
    for side in (-1.0, 1.0):
        _, open_, facing = placement(person, view, side)
        if facing < HIDDEN:
            continue
        hook = view.body(view.tilt(lobe(person, view, side)[:2]))
        if kind == "stud earrings":
            mask = polygon(view.shape, [hook + _circle(48) * 0.022 * unit])
            lay_solid(canvas, light, mask, 0.022 * unit, metal, 0.9)
        elif kind == "hoop earrings":
            _lay_hoop(canvas, view, light, hook, hoop, side, open_, metal)
        else:
            _lay_drop(canvas, view, light, hook, metal, gem)


def _lay_hoop(
    canvas: Canvas,
    view: View,
    light: Light,
    hook: FloatArray,
    radius: float,
    side: float,
    open_: float,
    metal: FloatArray,
) -> None:
    """A hoop of this radius (head units) that hangs from ``hook`` (2,), pixels."""
    unit = view.scale
    flat = 0.55 + 0.45 * open_
    # Hoops hang outwards a little, clear of neck and jaw.
    centre = hook + np.array([side * 0.35 * radius, radius * 0.98]) * unit
    width = max(0.0085 * unit, 0.8)
    outer = centre + _circle(48) * (radius * flat * unit, radius * unit)
    inner = centre + _circle(48) * (radius * flat * unit - width, radius * unit - width)
    lay_solid(canvas, light, polygon(view.shape, [outer, inner]), width * 0.6, metal, 0.9)


def _lay_drop(
    canvas: Canvas,
    view: View,
    light: Light,
    hook: FloatArray,
    metal: FloatArray,
    gem: FloatArray,
) -> None:
    """A drop on a thin wire that hangs from ``hook`` (2,), pixels."""
    unit = view.scale
    wire = np.array([hook, hook + np.array((0.0, 0.10 * unit))])
    mask = polygon(view.shape, [ribbon(wire, max(0.004 * unit, 0.5))])
    lay_solid(canvas, light, mask, 1.0, metal, 0.8)
    angle = np.linspace(0, 2 * np.pi, 49)[:-1]
    drop = np.stack(
        [np.sin(angle) * (0.55 + 0.45 * np.cos(angle)) * -0.032, -np.cos(angle) * 0.055], 1
    )
    mask = polygon(view.shape, [hook + (0.0, 0.145 * unit) + drop * unit])
    lay_solid(canvas, light, mask, 0.03 * unit, gem, 1.2)


def necklace(canvas: Canvas, person: Traits, view: View, light: Light, body: Body) -> None:
    """A chain on the skin with a pendant, or a row of pearls."""
    if person["jewellery"] != "necklace":
        return
    rng = stream(person.seed, "necklace")
    metal = _metal(person)
    unit = view.scale
    lowest = rng.uniform(0.88, 1.0)
    path = view.body(_necklace_path(body.neck_half, lowest))
    pearls = rng.random() < 0.45
    size = 0.024 if pearls else 0.008
    mask = _beads(view, path, size * unit, apart=size * unit * (2.05 if pearls else 2.6))
    fallen = blur(np.roll(mask, max(1, int(0.012 * unit)), 0), 0.012 * unit)
    canvas.shadow(fallen * canvas.alpha * 0.6)
    colour = linear([0.92, 0.88, 0.84]) if pearls else metal
    lay_solid(canvas, light, mask, size * unit, colour, 0.8)
    if not pearls:
        middle = view.body(np.array([0.0, lowest + 0.045]))
        pendant = middle + _circle(24) * (0.032 * unit, 0.040 * unit)
        lay_solid(canvas, light, polygon(view.shape, [pendant]), 0.03 * unit, metal, 0.9)


def _necklace_path(half: float, lowest: float) -> FloatArray:
    """The line (N, 2) on which a necklace lies, for the half-width of the neck; head units."""
    return spline(
        np.array(
            [
                (-half * 0.94, 0.56),
                (-half * 0.92, 0.68),
                (-half * 0.55, lowest - 0.07),
                (0.0, lowest),
                (half * 0.55, lowest - 0.07),
                (half * 0.92, 0.68),
                (half * 0.94, 0.56),
            ]
        ),
        False,
        24,
    )


def _beads(view: View, path: FloatArray, radius: float, apart: float) -> FloatArray:
    """Coverage (H, W) of beads along a path (N, 2); radius and distance in pixels."""
    steps = np.hypot(*np.diff(path, axis=0).T)
    along = np.concatenate([[0.0], np.cumsum(steps)])
    beads = np.arange(0.0, along[-1], apart)
    centres = np.stack([np.interp(beads, along, path[:, i]) for i in (0, 1)], 1)
    mask = np.zeros(view.shape, np.float32)
    # Every other bead: beads that overlap would cut each other out (even-odd rule).
    for group in (centres[::2], centres[1::2]):
        outlines = [centre + _circle(24) * max(radius, 0.6) for centre in group]
        mask = np.maximum(mask, polygon(view.shape, outlines))
    return mask
