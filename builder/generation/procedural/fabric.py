"""Cloth and skin as surfaces: folds, weave and knit, laid with coverage and height.

Colours and strengths were chosen by eye.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from builder.generation.procedural.anatomy import Body
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
    srgb,
    stream,
    stroke,
)
from builder.generation.procedural.light import Light, shade
from builder.generation.procedural.traits import Traits
from builder.generation.procedural.view import View

_PALETTE = (
    (236, 233, 226), (38, 40, 46), (52, 70, 104), (122, 38, 44), (92, 108, 82), (196, 168, 128),
    (96, 120, 148), (168, 96, 72), (72, 60, 88), (206, 150, 60), (60, 100, 98), (196, 128, 140),
    (120, 120, 124), (226, 208, 180), (44, 62, 54), (140, 92, 58),
)  # fmt: skip
"""sRGB of clothes; garments with colours of their own are in :data:`_PALETTES`."""

_PALETTES = {
    "leather jacket": ((34, 32, 33), (34, 32, 33), (74, 46, 32)),
    "blazer": ((44, 52, 72), (40, 40, 44), (92, 92, 96), (104, 84, 66), (62, 40, 48)),
    "collared shirt": (
        (236, 238, 240), (170, 196, 222), (60, 78, 110), (228, 206, 206), (126, 60, 56),
    ),
}  # fmt: skip
_SHIRTS = ((238, 238, 236), (40, 42, 46), (150, 152, 156), (196, 208, 224))
"""sRGB of what is worn under a jacket."""


@dataclass(frozen=True, slots=True)
class Garment:
    """How a garment is cut and what it is made of.

    Attributes:
        neckline: Depth and half-width of the opening at the neck, head units below 0.60.
        sleeve: Share of the arm that is covered, 0..1.
        fold: Strength of folds.
        gloss: Strength of the highlight.
        texture: ``jersey``, ``knit``, ``weave``, ``leather`` or ``silk``.
        thick: How far the cloth stands off the skin, head units.
    """

    neckline: tuple[float, float]
    sleeve: float
    fold: float
    gloss: float
    texture: str
    thick: float


GARMENTS: dict[str, Garment] = {
    "t-shirt": Garment((0.17, 1.35), 0.34, 1.0, 0.0, "jersey", 0.022),
    "collared shirt": Garment((0.22, 1.00), 0.93, 1.0, 0.01, "weave", 0.028),
    "sweater": Garment((0.13, 1.28), 0.95, 0.7, 0.0, "knit", 0.045),
    "turtleneck": Garment((0.02, 1.05), 0.95, 0.8, 0.0, "knit", 0.032),
    "hoodie": Garment((0.17, 1.22), 0.95, 1.0, 0.0, "jersey", 0.060),
    "blazer": Garment((0.22, 1.00), 0.92, 0.55, 0.015, "weave", 0.050),
    "leather jacket": Garment((0.17, 1.3), 0.93, 1.1, 0.22, "leather", 0.050),
    "dress": Garment((0.42, 2.3), 0.0, 0.9, 0.05, "silk", 0.015),
    "tank top": Garment((0.36, 1.95), 0.0, 0.9, 0.0, "jersey", 0.015),
}


class Tailor:
    """Lays skin and cloth of one person onto a canvas.

    Attributes:
        person: Whose body and clothes.
        view: The framing.
        light: The light.
        body: The outlines.
        garment: What is worn.
        colour: The garment's colour, linear.
        under: The colour of what is worn under a jacket, linear.
        unit: Pixels per head unit.
        clip: (H, W) coverage within which trimmings stay.
    """

    def __init__(self, person: Traits, view: View, light: Light, body: Body) -> None:
        self.person, self.view, self.light, self.body = person, view, light, body
        self.garment = GARMENTS[person["clothing"]]
        rng = stream(person.seed, "clothes")
        pick = _PALETTE[int(rng.integers(len(_PALETTE)))]
        own = _PALETTES.get(person["clothing"])
        if own is not None:
            pick = own[int(rng.integers(len(own)))]
        self.colour = linear(np.array(pick) / 255.0) * (1.0 + 0.1 * rng.uniform(-1, 1, 3)).astype(
            np.float32
        )
        self.under = linear(np.array(_SHIRTS[int(rng.integers(4))]) / 255.0)
        self.rng = stream(person.seed, "folds")
        self.clip = np.ones(view.shape, np.float32)
        self.unit = view.scale

    def skin(self, canvas: Canvas, mask: FloatArray, height: FloatArray) -> None:
        """Lay skin with this coverage and height (pixels)."""
        box = bounds(mask)
        if box is None:
            return
        h = height[box]
        mottle = fractal(self.rng, h.shape, self.unit * 0.12, 3)
        pores = noise(self.rng, h.shape, max(1.0, self.unit * 0.008))
        albedo = self.person.skin * (1.0 + 0.03 * mottle + 0.015 * pores)[..., None]
        albedo = albedo * (1.0 + mottle[..., None] * np.array([0.01, -0.02, -0.02], np.float32))
        lit = shade(self.light, normals(h), albedo, translucent=0.4, gloss=0.03, roughness=0.5)
        canvas.over(full_frame(srgb(lit), box, canvas.shape), mask)

    def cloth(
        self,
        canvas: Canvas,
        mask: FloatArray,
        height: FloatArray,
        colour: FloatArray | None = None,
        fold: float | None = None,
        texture: str | None = None,
    ) -> None:
        """Lay cloth.

        Args:
            canvas: Where it is laid.
            mask: (H, W) coverage, 0..1.
            height: (H, W) pixels.
            colour: (3,) linear; the garment's where None. Another colour has no highlight.
            fold: Strength of folds; the garment's where None.
            texture: See :class:`Garment`; the garment's where None.
        """
        box = bounds(mask)
        if box is None:
            return
        g = self.garment
        kind = texture or g.texture
        h = height[box].copy()
        strength = (g.fold if fold is None else fold) * self.unit
        h += self._folds(h.shape) * strength * 0.030
        albedo = np.broadcast_to(self.colour if colour is None else colour, (*h.shape, 3)).astype(
            np.float32
        )
        bump, tint = self._texture(kind, h.shape, box)
        h += bump
        crease = np.clip(blur(h, self.unit * 0.03) - h, 0, None) / (0.02 * self.unit)
        lit = shade(
            self.light,
            normals(h),
            albedo * (1.0 + tint)[..., None],
            gloss=g.gloss if colour is None else 0.0,
            roughness=0.28 if kind == "leather" else 0.5,
            occlusion=1.0 - 0.45 * np.clip(crease, 0, 1),
            lit=1.0 - 0.25 * np.clip(crease, 0, 1),
        )
        canvas.over(full_frame(srgb(lit), box, canvas.shape), mask)

    def _folds(self, shape: tuple[int, int]) -> FloatArray:
        """Height (H, W) of folds: noise stretched along three directions, sharp at the crests."""
        rng, unit = self.rng, self.unit
        warp_x = noise(rng, shape, unit * 0.5) * unit * 0.16
        warp_y = noise(rng, shape, unit * 0.5) * unit * 0.16
        total = np.zeros(shape, np.float32)
        yy, xx = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32)
        for angle, cell, weight in (
            (0.9, 0.22, 0.6),
            (-0.9, 0.22, 0.6),
            (0.15, 0.45, 1.0),
        ):
            # At half size: ridges are smooth.
            half_shape = (shape[0] // 2 + 8, shape[1] // 2 + 8)
            field = noise(rng, half_shape, (unit * cell * 0.35, unit * cell * 1.5))
            c, s = np.cos(angle), np.sin(angle)
            cx, cy = shape[1] / 4, shape[0] / 4
            map_x = (xx / 2 - cx) * c - (yy / 2 - cy) * s + cx + warp_x / 2
            map_y = (xx / 2 - cx) * s + (yy / 2 - cy) * c + cy + warp_y / 2
            moved = cv2.remap(
                field,
                map_x.astype(np.float32),
                map_y.astype(np.float32),
                cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_REFLECT,
            )
            total += weight * (1.0 - np.sqrt(moved * moved + 0.12))
        patch = np.clip(noise(rng, shape, unit * 0.7) * 0.6 + 0.6, 0.1, 1.4)
        return blur(total * patch, max(0.6, unit * 0.008))

    def _texture(
        self, kind: str, shape: tuple[int, int], box: tuple[slice, slice]
    ) -> tuple[FloatArray, FloatArray]:
        """Height in pixels and relative tint, (H, W) each, of the fabric."""
        rng, unit = self.rng, self.unit
        zero = np.zeros(shape, np.float32)
        yy = np.arange(box[0].start, box[0].stop, dtype=np.float32)[:, None]
        xx = np.arange(box[1].start, box[1].stop, dtype=np.float32)[None, :]
        if kind == "knit":
            period = max(4.0, unit * 0.024)
            phase_x = 2 * np.pi * xx / period
            vee = (
                2
                * np.pi
                * (yy + np.abs(np.mod(xx / period, 1.0) - 0.5) * period * 1.1)
                / (period * 0.8)
            )
            bump = (np.cos(phase_x) * 0.35 + np.sin(vee) * 0.30) * period * 0.11
            fuzz = noise(rng, shape, 1.5) * 0.03
            return bump.astype(np.float32), (0.10 * np.sin(vee) * 0.6 + fuzz).astype(np.float32)
        if kind == "weave":
            grain = noise(rng, shape, (1.0, 3.0)) + noise(rng, shape, (3.0, 1.0))
            return zero, grain * 0.022
        if kind == "leather":
            pebbles = noise(rng, shape, max(2.0, unit * 0.014))
            return pebbles * 0.07, pebbles * 0.03
        if kind == "silk":
            return zero, noise(rng, shape, (2.0, 6.0)) * 0.012
        return zero, noise(rng, shape, 1.0) * 0.022 + noise(rng, shape, 2.5) * 0.02

    def drop(
        self, canvas: Canvas, mask: FloatArray, size: float = 0.03, strength: float = 0.5
    ) -> None:
        """Darken what lies around ``mask``, within ``size`` head units."""
        near = np.clip(blur(mask, size * self.unit) * 1.6, 0, 1) * (1 - mask)
        canvas.shadow(near * strength * np.minimum(canvas.alpha * 2, 1))

    def band(
        self,
        canvas: Canvas,
        path: FloatArray,
        radius: float,
        colour: FloatArray | None = None,
        texture: str | None = None,
        inside: bool = False,
    ) -> None:
        """A narrow raised band of cloth along ``path`` (head units)."""
        pixels = self.view.body(path)
        mask = stroke(self.view.shape, pixels, radius * self.unit)
        if inside:
            mask = mask * self.clip
        self.drop(canvas, mask, 0.015, 0.35)
        self.cloth(
            canvas,
            mask,
            inflate(mask, radius * self.unit),
            colour=colour,
            fold=0.0,
            texture=texture,
        )
