"""Collars and trimmings of clothes; shapes in head units, chosen by eye."""

from __future__ import annotations

import numpy as np

from builder.generation.procedural.anatomy import outline_mask
from builder.generation.procedural.arrays import FloatArray
from builder.generation.procedural.canvas import Canvas, inflate, linear, polygon, spline, srgb
from builder.generation.procedural.fabric import Tailor


def rib(
    tailor: Tailor, canvas: Canvas, edge: float, depth: float, half: float, width: float
) -> None:
    """The ribbed band around a round neckline."""
    t = np.linspace(-1, 1, 41)
    drop = (0.655 + depth - edge) * np.sqrt(np.maximum(1 - t**2, 0))
    path = np.stack([t * half, edge + drop], 1)
    tailor.band(canvas, path, width / 2, inside=True)


def tube(tailor: Tailor, canvas: Canvas) -> None:
    """The folded tube of a turtleneck."""
    half = tailor.body.neck_half * 1.13
    points = spline(
        np.array(
            [
                (-half * 0.97, 0.50),
                (0, 0.60),
                (half * 0.97, 0.50),
                (half * 1.06, 0.66),
                (half * 1.25, 0.74),
                (0, 0.86),
                (-half * 1.25, 0.74),
                (-half * 1.06, 0.66),
            ]
        ),
        True,
        8,
    )
    mask = outline_mask(tailor.view, points)
    x, y = tailor.view.body_grid((slice(0, tailor.view.shape[0]), slice(0, tailor.view.shape[1])))
    height = np.sqrt(np.clip((half * 1.15) ** 2 - x**2, 0, None)) * np.ones_like(y)
    roll = 0.02 * np.cos((y - 0.16 * np.cos(x * 4)) * 2 * np.pi / 0.13)
    tailor.drop(canvas, mask)
    tailor.cloth(canvas, mask, ((height + roll) * tailor.unit).astype(np.float32), fold=0.5)


def placket(tailor: Tailor, canvas: Canvas) -> None:
    """The strip with buttons down the front of a shirt."""
    path = np.array([(0.0, 0.80), (0.0, 1.6), (0.0, 3.0)])
    tailor.band(canvas, path, 0.05)
    for k in range(7):
        centre = tailor.view.body(np.array([0.0, 0.98 + 0.33 * k]))
        angle = np.linspace(0, 2 * np.pi, 17)[:-1]
        ring = centre + np.stack([np.cos(angle), np.sin(angle)], 1) * 0.021 * tailor.unit
        button = polygon(tailor.view.shape, [ring])
        tailor.drop(canvas, button, 0.01, 0.4)
        canvas.over(
            srgb(linear([0.86, 0.84, 0.80]) * (0.4 + 0.5 * float(tailor.light.key_colour.mean()))),
            button,
        )


def wings(tailor: Tailor, canvas: Canvas, colour: FloatArray) -> None:
    """The two wings of a shirt's collar."""
    half = tailor.body.neck_half
    for side in (-1.0, 1.0):
        wing = np.array(
            [
                (half * 0.86, 0.52),
                (half * 1.12, 0.555),
                (half * 1.35, 0.66),
                (half * 1.28, 0.86),
                (0.10, 0.99),
                (0.015, 0.83),
                (half * 0.55, 0.74),
            ]
        ) * (side, 1)
        mask = outline_mask(tailor.view, wing)
        tailor.drop(canvas, mask, 0.03, 0.55)
        tailor.cloth(
            canvas,
            mask,
            inflate(mask, 0.05 * tailor.unit),
            colour=colour,
            fold=0.25,
            texture="weave",
        )


def hood(tailor: Tailor, canvas: Canvas) -> None:
    """A hood about the neck, its cords, and the pocket in front."""
    half = tailor.body.neck_half
    right = [
        (half * 1.0, 0.50),
        (half * 1.45, 0.52),
        (half * 1.9, 0.66),
        (half * 1.5, 0.82),
        (0.05, 0.97),
        (0.0, 0.88),
        (half * 0.7, 0.80),
        (half * 1.02, 0.66),
    ]
    for side in (-1.0, 1.0):
        mask = outline_mask(tailor.view, spline(np.array(right) * (side, 1), True, 8))
        tailor.drop(canvas, mask, 0.035, 0.55)
        tailor.cloth(canvas, mask, inflate(mask, 0.09 * tailor.unit), fold=0.6)
    for side in (-1.0, 1.0):
        cord = [(0.085 * side, 0.92), (0.10 * side, 1.1), (0.09 * side, 1.35), (0.11 * side, 1.52)]
        path = spline(np.array(cord), False, 8)
        tailor.band(canvas, path, 0.013, colour=linear([0.85, 0.84, 0.80]), texture="jersey")
    if tailor.view.shape[0] > tailor.view.body(np.array([0.0, 2.3]))[1]:
        _pocket(tailor, canvas)


def _pocket(tailor: Tailor, canvas: Canvas) -> None:
    """The pocket of a hoodie."""
    outline = np.array(
        [
            (-0.30, 2.25),
            (0.30, 2.25),
            (0.46, 2.62),
            (0.42, 2.85),
            (-0.42, 2.85),
            (-0.46, 2.62),
        ]
    )
    mask = outline_mask(tailor.view, outline)
    tailor.drop(canvas, mask, 0.02, 0.5)
    tailor.cloth(canvas, mask, inflate(mask, 0.42 * tailor.unit) * 0.4, fold=0.6)


def lapels(tailor: Tailor, canvas: Canvas, leather: bool) -> None:
    """The lapels of a jacket, with a zip (leather) or buttons."""
    half = 0.30 if leather else 0.24
    flap = _leather_flap(half) if leather else _blazer_flap(half)
    for side in (-1.0, 1.0):
        mask = outline_mask(tailor.view, flap * (side, 1))
        tailor.drop(canvas, mask, 0.03, 0.6)
        tailor.cloth(canvas, mask, inflate(mask, 0.06 * tailor.unit), fold=0.25)
    if leather:
        for side in (-1.0, 1.0):
            zipper = np.array([(half * 0.70, 1.45), (half * 0.62, 2.2), (half * 0.62, 2.83)]) * (
                side,
                1,
            )
            tailor.band(canvas, zipper, 0.012, colour=linear([0.7, 0.7, 0.7]), texture="silk")
    else:
        angle = np.linspace(0, 2 * np.pi, 17)[:-1]
        for y in (2.15, 2.6):
            ring = tailor.view.body(
                np.array([0.06, y]) + np.stack([np.cos(angle), np.sin(angle)], 1) * 0.03
            )
            canvas.over(srgb(tailor.colour * 0.5), polygon(tailor.view.shape, [ring]))


def _leather_flap(half: float) -> FloatArray:
    """Outline (7, 2) of the right lapel of a leather jacket that opens by ``half``."""
    return np.array(
        [
            (half * 0.82, 0.62),
            (half * 1.5, 0.72),
            (half * 1.75, 0.98),
            (half * 1.45, 1.05),
            (half * 1.55, 1.28),
            (half * 0.70, 1.5),
            (half * 0.9, 1.0),
        ]
    )


def _blazer_flap(half: float) -> FloatArray:
    """Outline (7, 2) of the right lapel of a blazer that opens by ``half``."""
    return np.array(
        [
            (half * 0.92, 0.60),
            (half * 1.45, 0.70),
            (half * 1.85, 0.98),
            (half * 1.5, 1.02),
            (half * 1.72, 1.16),
            (0.04, 2.08),
            (half * 0.78, 1.12),
        ]
    )
