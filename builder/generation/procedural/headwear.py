"""Beanie, cap, hat, scarf and headband, shaped about the skull and turned with it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from builder.generation.procedural.canvas import (
    Canvas,
    blur,
    bounds,
    fractal,
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
    canvas: Canvas
    person: Traits
    view: View
    light: Light

    def place(self, points: np.ndarray, depth: np.ndarray | float = 0.0) -> np.ndarray:
        z = np.broadcast_to(np.asarray(depth, np.float64), len(points))
        return self.view.head(self.view.turn(np.column_stack([points, z]))[:, :2])

    def lay(
        self,
        mask: np.ndarray,
        colour: np.ndarray,
        depth: float,
        *,
        texture: str = "jersey",
        gloss: float = 0.0,
        bend: np.ndarray | None = None,
        fold: float = 0.0,
    ) -> None:
        """Lay a solid of ``depth`` head units with fabric on it."""
        box = bounds(mask)
        if box is None:
            return
        unit = self.view.scale
        rng = stream(self.person.seed, f"headwear:{texture}")
        height = inflate(mask, depth * unit)[box]
        shape = height.shape
        tint = noise(rng, shape, 1.2) * 0.02
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
        if fold:
            height = height + fractal(rng, shape, unit * 0.14, 3) * unit * 0.012 * fold
        n = normals(height.astype(np.float32))
        if bend is not None:
            n = n + bend
            n /= np.sqrt((n * n).sum(-1, keepdims=True))
        albedo = (colour * (1.0 + tint)[..., None]).astype(np.float32)
        near = blur(mask, 0.03 * unit) * (1 - mask) * np.minimum(self.canvas.alpha * 1.0, 1.0)
        self.canvas.shadow(np.roll(near, int(0.012 * unit), 0) * 0.75)
        full = np.zeros((*mask.shape, 3), np.float32)
        full[box] = srgb(shade(self.light, n, albedo, gloss=gloss, roughness=0.4))
        self.canvas.over(full, mask)


def _dome(
    width: float, top: float, rim: float, dip: float, slouch: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Closed outline of a cap about the skull and the curve of its front rim."""
    t = np.linspace(np.pi, 2 * np.pi, 41)
    arch = np.stack([np.cos(t) * width + slouch * np.sin(t) ** 2, rim + np.sin(t) * (rim - top)], 1)
    u = np.linspace(1, -1, 31)
    edge = np.stack([u * width, rim + dip * (1 - u**2)], 1)
    return np.concatenate([arch, edge]), edge


def behind(canvas: Canvas, person: Traits, view: View, light: Light) -> None:
    """What of the headwear lies behind the head: the far brim, the scarf's tails."""
    maker = _Maker(canvas, person, view, light)
    rng = stream(person.seed, "headwear")
    kind = person["headwear"]
    if kind == "wide-brimmed hat":
        colour = linear(np.array(_STRAW[int(rng.integers(len(_STRAW)))]) / 255.0)
        t = np.linspace(0, 2 * np.pi, 65)[:-1]
        brim = np.stack([np.cos(t) * 0.72, -0.27 + np.sin(t) * 0.15], 1)
        maker.lay(polygon(view.shape, [maker.place(brim)]), colour * 0.4, 0.08, texture="straw")
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
        maker.lay(polygon(view.shape, [maker.place(outline, -0.1)]), colour * 0.75, 0.2, fold=1.0)


def front(canvas: Canvas, person: Traits, view: View, light: Light) -> None:
    """What lies before the head."""
    kind = person["headwear"]
    if kind == "none":
        return
    maker = _Maker(canvas, person, view, light)
    rng = stream(person.seed, "headwear")
    pick = _STRAW if kind == "wide-brimmed hat" else _COLOURS
    colour = linear(np.array(pick[int(rng.integers(len(pick)))]) / 255.0)
    unit = view.scale
    lean = 0.05 * np.sin(view.yaw)
    if kind == "beanie":
        shape, edge = _dome(0.402, -0.60, -0.17, -0.03, slouch=rng.uniform(-0.03, 0.03))
        maker.lay(polygon(view.shape, [maker.place(shape)]), colour, 0.3, texture="knit", fold=0.6)
        band = np.concatenate(
            [edge + np.array((0.0, -0.155)), (edge * (1.02, 1.0) + (0.0, 0.015))[::-1]]
        )
        # The turned-up band follows the forehead's curve.
        maker.lay(polygon(view.shape, [maker.place(band)]), colour * 0.95, 0.055, texture="knit")
        if rng.random() < 0.4:
            t = np.linspace(0, 2 * np.pi, 73)[:-1]
            r = 0.105 * (1 + 0.05 * rng.standard_normal(72))
            ball = np.stack([np.cos(t) * r, -0.655 + np.sin(t) * r], 1)
            maker.lay(polygon(view.shape, [maker.place(ball)]), colour * 1.2, 0.1, fold=2.5)
    elif kind == "baseball cap":
        shape, edge = _dome(0.392, -0.565, -0.20, -0.05)
        maker.lay(polygon(view.shape, [maker.place(shape)]), colour, 0.34, fold=0.15)
        for x in (-0.16, 0.16):
            seam = np.stack([np.linspace(0.0, x * 1.3, 9) + lean, np.linspace(-0.56, -0.245, 9)], 1)
            seam[:, 0] = np.sin(np.linspace(0, 1.45, 9)) * x * 1.3
            canvas.shadow(stroke(view.shape, maker.place(seam, 0.25), 0.004 * unit) * 0.5)
        u = np.linspace(-1, 1, 33)
        back = np.stack([u * 0.30, -0.225 - 0.055 * (1 - u**2)], 1)
        lip = np.stack([u * 0.325, -0.195 + 0.075 * (1 - u**2) ** 0.7 - 0.0 * u], 1)
        outline = np.concatenate([maker.place(back, 0.30), maker.place(lip, 0.62)[::-1]])
        mask = polygon(view.shape, [outline])
        canvas.shadow(
            blur(np.roll(mask, int(0.10 * unit), 0), 0.04 * unit) * canvas.alpha * 0.55 * (1 - mask)
        )
        bend = np.zeros(3, np.float32) + np.array([0.0, -0.55, 0.0], np.float32)
        maker.lay(mask, colour * 0.92, 0.05, bend=bend)
    elif kind == "wide-brimmed hat":
        shape, edge = _dome(0.385, -0.70, -0.26, 0.02)
        shape[:, 1] += 0.07 * np.exp(-((shape[:, 0] / 0.13) ** 2)) * (shape[:, 1] < -0.5)
        maker.lay(
            polygon(view.shape, [maker.place(shape)]), colour, 0.26, texture="straw", fold=0.2
        )
        band = np.concatenate([edge + np.array((0.0, -0.10)), edge[::-1] + np.array((0.0, 0.015))])
        maker.lay(polygon(view.shape, [maker.place(band)]), linear([0.12, 0.09, 0.08]), 0.03)
        u = np.linspace(-1, 1, 41)
        upper = np.stack([u * 0.72, -0.275 + 0.055 * (1 - u**2) - 0.03 * u**2], 1)
        lower = np.stack(
            [u * 0.72, -0.265 + 0.155 * np.sqrt(np.maximum(1 - u**2, 0)) - 0.03 * u**2], 1
        )
        mask = polygon(view.shape, [maker.place(np.concatenate([upper, lower[::-1]]))])
        canvas.shadow(
            blur(np.roll(mask, int(0.12 * unit), 0), 0.06 * unit) * canvas.alpha * 0.6 * (1 - mask)
        )
        bend = np.array([0.0, -0.5, 0.0], np.float32)
        maker.lay(mask, colour * 0.95, 0.04, texture="straw", bend=bend)
    elif kind == "headscarf":
        right = [
            (0.0, -0.565), (0.22, -0.52), (0.35, -0.36), (0.385, -0.10), (0.39, 0.2), (0.37, 0.42),
            (0.40, 0.58), (0.52, 0.72), (0.56, 0.86), (0.40, 1.02), (0.18, 1.12),
        ]  # fmt: skip
        outer = np.array([*right, (0.0, 1.15), *[(-x, y) for x, y in right[:0:-1]]])
        face = [
            (0.0, -0.355), (0.20, -0.31), (0.285, -0.16), (0.292, 0.06), (0.265, 0.26),
            (0.18, 0.43),
        ]  # fmt: skip
        inner = np.array([*face, (0.0, 0.515), *[(-x, y) for x, y in face[:0:-1]]])
        rims = [maker.place(spline(outer, True, 8)), maker.place(spline(inner, True, 8), 0.22)]
        mask = polygon(view.shape, rims)
        maker.lay(mask, colour, 0.13, fold=0.9)
        for k in range(3):
            y = 0.52 + 0.13 * k
            u = np.linspace(-1, 1, 25)
            wide = 0.30 + 0.07 * k
            pleat = np.stack([u * wide, y + 0.14 * (1 - u**2) + rng.uniform(-0.02, 0.02) * u], 1)
            crease = blur(stroke(view.shape, maker.place(pleat), 0.010 * unit), 0.008 * unit)
            canvas.shadow(crease * mask * 0.65)
    elif kind == "headband":
        t = np.linspace(-1.5, 1.5, 41)
        height = rng.uniform(0.055, 0.10)
        top = np.stack([np.sin(t) * 0.362, -0.06 - 0.425 * np.cos(t) ** 0.9], 1)
        low = top * (0.965, 1.0) + np.stack([0 * t, height * np.cos(t) ** 0.5], 1)
        depth = 0.02 + 0.22 * np.cos(t)
        outline = np.concatenate([maker.place(top, depth), maker.place(low, depth + 0.05)[::-1]])
        maker.lay(polygon(view.shape, [outline]), colour, 0.04, fold=0.3)
