"""Beanie, cap, hat, scarf and headband, shaped about the skull and turned with it.

Shapes are in head units and were chosen by eye.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from builder.generation.procedural.arrays import FloatArray
from builder.generation.procedural.canvas import (
    Canvas,
    blur,
    bounds,
    fractal,
    full_frame,
    inflate,
    linear,
    noise,
    normals,
    polygon,
    spline,
    srgb,
    stream,
    stroke,
)
from builder.generation.procedural.light import Light, shade
from builder.generation.procedural.traits import Traits
from builder.generation.procedural.view import View

_COLOURS = (
    (34, 38, 48),
    (150, 44, 44),
    (206, 160, 70),
    (64, 84, 62),
    (186, 182, 172),
    (58, 82, 120),
    (120, 82, 56),
    (96, 52, 84),
)
_STRAW = ((206, 176, 122), (120, 88, 60), (46, 42, 42), (196, 186, 166))


def rim_of(person: Traits) -> float | None:
    """Height above which headwear presses the hair onto the skull, or None without any."""
    return {
        "beanie": -0.20,
        "baseball cap": -0.21,
        "wide-brimmed hat": -0.20,
        "headscarf": -0.20,
    }.get(person["headwear"])


@dataclass(slots=True)
class _Maker:
    """Places headwear about one head and lays it onto the canvas."""

    canvas: Canvas
    person: Traits
    view: View
    light: Light

    def place(self, points: FloatArray, depth: FloatArray | float = 0.0) -> FloatArray:
        """Pixels (N, 2) of points (N, 2) of the head at a depth, head units."""
        z = np.broadcast_to(np.asarray(depth, np.float64), len(points))
        return self.view.head(self.view.turn(np.column_stack([points, z]))[:, :2])

    def cover(self, outline: FloatArray, depth: FloatArray | float = 0.0) -> FloatArray:
        """Coverage (H, W) of a closed outline (N, 2) of the head at a depth, head units."""
        return polygon(self.view.shape, [self.place(outline, depth)])

    def lay(
        self,
        mask: FloatArray,
        colour: FloatArray,
        depth: float,
        *,
        texture: str = "jersey",
        bend: FloatArray | None = None,
        fold: float = 0.0,
    ) -> None:
        """Lay a solid with fabric on it, and its shadow below.

        Args:
            mask: (H, W) coverage, 0..1.
            colour: (3,) linear.
            depth: Head units over which its edges are rounded.
            texture: ``jersey``, ``knit`` or ``straw``.
            bend: (3,) added to the normals, to turn a brim towards the light.
            fold: Strength of folds.
        """
        box = bounds(mask)
        if box is None:
            return
        unit = self.view.scale
        rng = stream(self.person.seed, f"headwear:{texture}")
        height = inflate(mask, depth * unit)[box]
        tint = noise(rng, height.shape, 1.2) * 0.02
        height, tint = self._weave(texture, height, tint, box)
        if fold:
            height = height + fractal(rng, height.shape, unit * 0.14, 3) * unit * 0.012 * fold
        normal = normals(height.astype(np.float32))
        if bend is not None:
            normal = normal + bend
            normal /= np.sqrt((normal * normal).sum(-1, keepdims=True))
        albedo = (colour * (1.0 + tint)[..., None]).astype(np.float32)
        near = blur(mask, 0.03 * unit) * (1 - mask) * np.minimum(self.canvas.alpha, 1.0)
        self.canvas.shadow(np.roll(near, int(0.012 * unit), 0) * 0.75)
        lit = srgb(shade(self.light, normal, albedo, roughness=0.4))
        self.canvas.over(full_frame(lit, box, mask.shape), mask)

    def _weave(
        self, texture: str, height: FloatArray, tint: FloatArray, box: tuple[slice, slice]
    ) -> tuple[FloatArray, FloatArray]:
        """Add a knitted or woven pattern to height (pixels) and relative tint."""
        unit = self.view.scale
        x, y = self.view.head_grid(box)
        if texture == "knit":
            period = max(4.0, 0.022 * unit) / unit
            waves = np.cos(2 * np.pi * np.arcsin(np.clip(x / 0.46, -1, 1)) * 0.46 / period)
            rows = np.abs(np.sin(np.pi * (y + 0.3 * period * waves) / period))
            height = height + ((0.55 * waves + 0.35 * rows) * period * unit * 0.16).astype(
                np.float32
            )
            tint = tint + 0.08 * waves
        elif texture == "straw":
            period = max(3.0, 0.012 * unit) / unit
            weave = np.sin(2 * np.pi * x / period) * np.sin(2 * np.pi * y / period)
            height = height + (weave * period * unit * 0.08).astype(np.float32)
            tint = tint + 0.07 * weave
        return height, tint

    def cast(self, mask: FloatArray, down: float, softness: float, strength: float) -> None:
        """Darken what lies below ``mask`` and outside it; distances in head units."""
        unit = self.view.scale
        fallen = blur(np.roll(mask, int(down * unit), 0), softness * unit)
        self.canvas.shadow(fallen * self.canvas.alpha * strength * (1 - mask))


def _dome(
    width: float, top: float, rim: float, dip: float, slouch: float = 0.0
) -> tuple[FloatArray, FloatArray]:
    """Closed outline (N, 2) of a cap about the skull and the curve (31, 2) of its front rim.

    Args:
        width: Half-width, head units.
        top: Height of its top, head units.
        rim: Height of its rim at the sides.
        dip: How far the rim hangs lower in front.
        slouch: How far the top hangs to the picture's right.
    """
    t = np.linspace(np.pi, 2 * np.pi, 41)
    arch = np.stack([np.cos(t) * width + slouch * np.sin(t) ** 2, rim + np.sin(t) * (rim - top)], 1)
    u = np.linspace(1, -1, 31)
    edge = np.stack([u * width, rim + dip * (1 - u**2)], 1)
    return np.concatenate([arch, edge]), edge


def behind(canvas: Canvas, person: Traits, view: View, light: Light) -> None:
    """Draw what lies behind the head: the far half of a brim, the back of a scarf."""
    maker = _Maker(canvas, person, view, light)
    rng = stream(person.seed, "headwear")
    kind = person["headwear"]
    if kind == "wide-brimmed hat":
        colour = linear(np.array(_STRAW[int(rng.integers(len(_STRAW)))]) / 255.0)
        t = np.linspace(0, 2 * np.pi, 65)[:-1]
        brim = np.stack([np.cos(t) * 0.72, -0.27 + np.sin(t) * 0.15], 1)
        maker.lay(maker.cover(brim), colour * 0.4, 0.08, texture="straw")
    elif kind == "headscarf":
        colour = linear(np.array(_COLOURS[int(rng.integers(len(_COLOURS)))]) / 255.0)
        outline = spline(
            np.array(
                [
                    (-0.37, -0.2),
                    (-0.385, 0.2),
                    (-0.40, 0.55),
                    (-0.30, 0.8),
                    (0.30, 0.8),
                    (0.40, 0.55),
                    (0.385, 0.2),
                    (0.37, -0.2),
                    (0.0, -0.4),
                ]
            ),
            True,
            8,
        )
        maker.lay(maker.cover(outline, -0.1), colour * 0.75, 0.2, fold=1.0)


def front(canvas: Canvas, person: Traits, view: View, light: Light) -> None:
    """Draw what lies before the head."""
    kind = person["headwear"]
    if kind == "none":
        return
    rng = stream(person.seed, "headwear")
    pick = _STRAW if kind == "wide-brimmed hat" else _COLOURS
    colour = linear(np.array(pick[int(rng.integers(len(pick)))]) / 255.0)
    draw = {
        "beanie": _beanie,
        "baseball cap": _cap,
        "wide-brimmed hat": _hat,
        "headscarf": _scarf,
        "headband": _headband,
    }[kind]
    draw(_Maker(canvas, person, view, light), colour, rng)


def _beanie(maker: _Maker, colour: FloatArray, rng: np.random.Generator) -> None:
    """A knitted cap with a turned-up band, some with a bobble."""
    shape, edge = _dome(0.402, -0.60, -0.17, -0.03, slouch=rng.uniform(-0.03, 0.03))
    maker.lay(maker.cover(shape), colour, 0.3, texture="knit", fold=0.6)
    # The band follows the forehead's curve.
    band = np.concatenate(
        [edge + np.array((0.0, -0.155)), (edge * (1.02, 1.0) + (0.0, 0.015))[::-1]]
    )
    maker.lay(maker.cover(band), colour * 0.95, 0.055, texture="knit")
    if rng.random() < 0.4:
        t = np.linspace(0, 2 * np.pi, 73)[:-1]
        radius = 0.105 * (1 + 0.05 * rng.standard_normal(72))
        bobble = np.stack([np.cos(t) * radius, -0.655 + np.sin(t) * radius], 1)
        maker.lay(maker.cover(bobble), colour * 1.2, 0.1, fold=2.5)


def _cap(maker: _Maker, colour: FloatArray, rng: np.random.Generator) -> None:
    """A baseball cap: dome, two seams, peak."""
    shape, _ = _dome(0.392, -0.565, -0.20, -0.05)
    maker.lay(maker.cover(shape), colour, 0.34, fold=0.15)
    for x in (-0.16, 0.16):
        seam = np.stack(
            [np.sin(np.linspace(0, 1.45, 9)) * x * 1.3, np.linspace(-0.56, -0.245, 9)], 1
        )
        line = stroke(maker.view.shape, maker.place(seam, 0.25), 0.004 * maker.view.scale)
        maker.canvas.shadow(line * 0.5)
    u = np.linspace(-1, 1, 33)
    back = np.stack([u * 0.30, -0.225 - 0.055 * (1 - u**2)], 1)
    lip = np.stack([u * 0.325, -0.195 + 0.075 * (1 - u**2) ** 0.7], 1)
    outline = np.concatenate([maker.place(back, 0.30), maker.place(lip, 0.62)[::-1]])
    peak = polygon(maker.view.shape, [outline])
    maker.cast(peak, 0.10, 0.04, 0.55)
    maker.lay(peak, colour * 0.92, 0.05, bend=np.array([0.0, -0.55, 0.0], np.float32))


def _hat(maker: _Maker, colour: FloatArray, rng: np.random.Generator) -> None:
    """A straw hat: crown with a dent, ribbon, brim."""
    shape, edge = _dome(0.385, -0.70, -0.26, 0.02)
    shape[:, 1] += 0.07 * np.exp(-((shape[:, 0] / 0.13) ** 2)) * (shape[:, 1] < -0.5)
    maker.lay(maker.cover(shape), colour, 0.26, texture="straw", fold=0.2)
    band = np.concatenate([edge + np.array((0.0, -0.10)), edge[::-1] + np.array((0.0, 0.015))])
    maker.lay(maker.cover(band), linear([0.12, 0.09, 0.08]), 0.03)
    u = np.linspace(-1, 1, 41)
    upper = np.stack([u * 0.72, -0.275 + 0.055 * (1 - u**2) - 0.03 * u**2], 1)
    lower = np.stack([u * 0.72, -0.265 + 0.155 * np.sqrt(np.maximum(1 - u**2, 0)) - 0.03 * u**2], 1)
    brim = maker.cover(np.concatenate([upper, lower[::-1]]))
    maker.cast(brim, 0.12, 0.06, 0.6)
    bend = np.array([0.0, -0.5, 0.0], np.float32)
    maker.lay(brim, colour * 0.95, 0.04, texture="straw", bend=bend)


def _scarf(maker: _Maker, colour: FloatArray, rng: np.random.Generator) -> None:
    """A headscarf that leaves the face open, with three pleats below the chin."""
    right = [
        (0.0, -0.565), (0.22, -0.52), (0.35, -0.36), (0.385, -0.10), (0.39, 0.2), (0.37, 0.42),
        (0.40, 0.58), (0.52, 0.72), (0.56, 0.86), (0.40, 1.02), (0.18, 1.12),
    ]  # fmt: skip
    outer = np.array([*right, (0.0, 1.15), *[(-x, y) for x, y in right[:0:-1]]])
    face = [
        (0.0, -0.355), (0.20, -0.31), (0.285, -0.16), (0.292, 0.06), (0.265, 0.26), (0.18, 0.43),
    ]  # fmt: skip
    inner = np.array([*face, (0.0, 0.515), *[(-x, y) for x, y in face[:0:-1]]])
    rims = [maker.place(spline(outer, True, 8)), maker.place(spline(inner, True, 8), 0.22)]
    shape, unit = maker.view.shape, maker.view.scale
    mask = polygon(shape, rims)
    maker.lay(mask, colour, 0.13, fold=0.9)
    u = np.linspace(-1, 1, 25)
    for k in range(3):
        y, half = 0.52 + 0.13 * k, 0.30 + 0.07 * k
        pleat = np.stack([u * half, y + 0.14 * (1 - u**2) + rng.uniform(-0.02, 0.02) * u], 1)
        crease = blur(stroke(shape, maker.place(pleat), 0.010 * unit), 0.008 * unit)
        maker.canvas.shadow(crease * mask * 0.65)


def _headband(maker: _Maker, colour: FloatArray, rng: np.random.Generator) -> None:
    """A band over the crown from ear to ear."""
    t = np.linspace(-1.5, 1.5, 41)
    height = rng.uniform(0.055, 0.10)
    top = np.stack([np.sin(t) * 0.362, -0.06 - 0.425 * np.cos(t) ** 0.9], 1)
    bottom = top * (0.965, 1.0) + np.stack([0 * t, height * np.cos(t) ** 0.5], 1)
    depth = 0.02 + 0.22 * np.cos(t)
    outline = np.concatenate([maker.place(top, depth), maker.place(bottom, depth + 0.05)[::-1]])
    maker.lay(polygon(maker.view.shape, [outline]), colour, 0.04, fold=0.3)
