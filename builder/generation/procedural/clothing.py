"""Neck, arms and clothes: cut from the body's outline, inflated, folded, shaded."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from builder.generation.procedural.anatomy import Body, Limb, cut, limb_field, outline_mask
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

PALETTE = (
    (236, 233, 226), (38, 40, 46), (52, 70, 104), (122, 38, 44), (92, 108, 82), (196, 168, 128),
    (96, 120, 148), (168, 96, 72), (72, 60, 88), (206, 150, 60), (60, 100, 98), (196, 128, 140),
    (120, 120, 124), (226, 208, 180), (44, 62, 54), (140, 92, 58),
)  # fmt: skip


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


class Dresser:
    """Draws the body of one person onto a canvas, part by part."""

    def __init__(self, person: Traits, view: View, light: Light, body: Body) -> None:
        self.person, self.view, self.light, self.body = person, view, light, body
        self.garment = GARMENTS[person["clothing"]]
        rng = stream(person.seed, "clothes")
        pick = PALETTE[int(rng.integers(len(PALETTE)))]
        if person["clothing"] == "leather jacket":
            pick = ((34, 32, 33), (34, 32, 33), (74, 46, 32))[int(rng.integers(3))]
        elif person["clothing"] == "blazer":
            pick = ((44, 52, 72), (40, 40, 44), (92, 92, 96), (104, 84, 66), (62, 40, 48))[
                int(rng.integers(5))
            ]
        elif person["clothing"] == "collared shirt":
            pick = (
                (236, 238, 240),
                (170, 196, 222),
                (60, 78, 110),
                (228, 206, 206),
                (126, 60, 56),
            )[int(rng.integers(5))]
        self.colour = linear(np.array(pick) / 255.0) * (1.0 + 0.1 * rng.uniform(-1, 1, 3)).astype(
            np.float32
        )
        under = ((238, 238, 236), (40, 42, 46), (150, 152, 156), (196, 208, 224))[
            int(rng.integers(4))
        ]
        self.under = linear(np.array(under) / 255.0)
        self.rng = stream(person.seed, "folds")
        self._clip = np.ones(view.shape, np.float32)
        self.unit = view.scale

    # -- surfaces -------------------------------------------------------------------

    def skin(self, canvas: Canvas, mask: np.ndarray, height: np.ndarray) -> None:
        """Lay skin with this coverage and height (pixels)."""
        box = _box(mask)
        if box is None:
            return
        h = height[box]
        mottle = fractal(self.rng, h.shape, self.unit * 0.12, 3)
        pores = noise(self.rng, h.shape, max(1.0, self.unit * 0.008))
        albedo = self.person.skin * (1.0 + 0.03 * mottle + 0.015 * pores)[..., None]
        albedo = albedo * (1.0 + mottle[..., None] * np.array([0.01, -0.02, -0.02], np.float32))
        lit = shade(self.light, normals(h), albedo, translucent=0.4, gloss=0.03, roughness=0.5)
        canvas.over(_pad(srgb(lit), box, canvas.shape), mask)

    def cloth(
        self,
        canvas: Canvas,
        mask: np.ndarray,
        height: np.ndarray,
        colour: np.ndarray | None = None,
        garment: Garment | None = None,
        fold: float | None = None,
        texture: str | None = None,
        flow: float = 0.0,
    ) -> None:
        """Lay cloth with this coverage and height (pixels)."""
        box = _box(mask)
        if box is None:
            return
        g = garment or self.garment
        kind = texture or g.texture
        h = height[box].copy()
        strength = (g.fold if fold is None else fold) * self.unit
        h += self._folds(h.shape, box, flow) * strength * 0.030
        albedo = np.broadcast_to(self.colour if colour is None else colour, (*h.shape, 3)).astype(
            np.float32
        )
        bump, tint = self._texture(kind, h.shape, box)
        h += bump
        n = normals(h)
        crease = np.clip(blur(h, self.unit * 0.03) - h, 0, None) / (0.02 * self.unit)
        lit = shade(
            self.light,
            n,
            albedo * (1.0 + tint)[..., None],
            gloss=g.gloss if colour is None else 0.0,
            roughness=0.28 if kind == "leather" else 0.5,
            occlusion=1.0 - 0.45 * np.clip(crease, 0, 1),
            lit=1.0 - 0.25 * np.clip(crease, 0, 1),
        )
        canvas.over(_pad(srgb(lit), box, canvas.shape), mask)

    def _folds(self, shape: tuple[int, int], box: tuple[slice, slice], flow: float) -> np.ndarray:
        """Soft ridges: noise stretched along a direction, sharpened at the crests."""
        rng, unit = self.rng, self.unit
        warp_x = noise(rng, shape, unit * 0.5) * unit * 0.16
        warp_y = noise(rng, shape, unit * 0.5) * unit * 0.16
        total = np.zeros(shape, np.float32)
        yy, xx = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32)
        for angle, cell, weight in (
            (0.9 + flow, 0.22, 0.6),
            (-0.9 - flow, 0.22, 0.6),
            (0.15, 0.45, 1.0),
        ):
            big = noise(
                rng, (shape[0] // 2 + 8, shape[1] // 2 + 8), (unit * cell * 0.35, unit * cell * 1.5)
            )
            c, s = np.cos(angle), np.sin(angle)
            cx, cy = shape[1] / 4, shape[0] / 4
            mx = (xx / 2 - cx) * c - (yy / 2 - cy) * s + cx + warp_x / 2
            my = (xx / 2 - cx) * s + (yy / 2 - cy) * c + cy + warp_y / 2
            moved = cv2.remap(
                big,
                mx.astype(np.float32),
                my.astype(np.float32),
                cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_REFLECT,
            )
            total += weight * (1.0 - np.sqrt(moved * moved + 0.12))
        patch = np.clip(noise(rng, shape, unit * 0.7) * 0.6 + 0.6, 0.1, 1.4)
        return blur(total * patch, max(0.6, unit * 0.008))

    def _texture(
        self, kind: str, shape: tuple[int, int], box: tuple[slice, slice]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Height in pixels and relative tint of the fabric."""
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

    # -- parts ----------------------------------------------------------------------

    def torso_height(self, mask: np.ndarray) -> np.ndarray:
        """Rounded height (pixels) of the trunk under ``mask``, with the chest's form."""
        h = inflate(mask, 0.42 * self.unit)
        box = _box(mask)
        if box is None:
            return h
        x, y = self.view.body_grid(box)
        woman = 1.0 - self.person.masculine
        a = np.abs(x)
        chest = (0.02 + 0.075 * woman) * np.exp(
            -(((a - 0.27) / 0.20) ** 2) - ((y - 1.50) / 0.20) ** 2
        )
        chest = chest + 0.03 * (1 - woman) * np.exp(
            -(((a - 0.26) / 0.24) ** 2) - ((y - 1.35) / 0.22) ** 2
        )
        h[box] += (chest * self.unit).astype(np.float32)
        return h

    def form(self, trunk: np.ndarray, limbs: np.ndarray, dome: np.ndarray) -> np.ndarray:
        """Height (pixels) of trunk and arms as one: joined at the shoulder, apart below it.

        Args:
            trunk: (H, W) coverage of the trunk.
            limbs: (H, W) coverage of the arms.
            dome: (H, W) rounded height of the arms, head units.
        """
        box = _box(np.maximum(trunk, limbs))
        if box is None:
            return np.zeros_like(trunk)
        x, y = self.view.body_grid(box)
        joint = np.hypot(np.abs(x) - 0.78 * self.body.shoulder, y - 1.09)
        apart = np.clip((joint - 0.12) / 0.42, 0, 1) ** 1.3
        whole = inflate(np.maximum(trunk, limbs), 0.40 * self.unit)
        parts = np.maximum(self.torso_height(trunk), dome * self.unit)
        whole[box] += (parts - whole)[box] * apart
        return blur(whole, 0.012 * self.unit)

    def skin_body(self, canvas: Canvas) -> None:
        """Neck, collarbones, shoulders, arms and hands."""
        neck = outline_mask(self.view, self.body.neck)
        limbs, dome = limb_field(self.view, [arm.limb for arm in self.body.arms])
        hands, palm = limb_field(self.view, [part for arm in self.body.arms for part in arm.hand])
        h = self.form(neck, limbs, dome)
        h = np.maximum(h, palm * self.unit)
        mask = np.maximum.reduce([neck, limbs, hands])
        box = _box(mask)
        if box is None:
            return
        x, y = self.view.body_grid(box)
        a = np.abs(x)
        half = self.body.neck_half
        fade = np.clip((1.0 - y) / 0.4, 0, 1)
        post = (
            half
            * np.cos(np.clip(x / (half * 1.25), -1, 1) * (np.pi / 2)).clip(0) ** 1.5
            * fade
            * fade
            * (3 - 2 * fade)
        )
        bone = (
            0.012
            * np.exp(-(((y - 0.80 + 0.10 * np.clip(a, 0, 0.6)) / 0.028) ** 2))
            * np.clip((a - 0.05) / 0.1, 0, 1)
        )
        bone = bone * np.clip((0.75 - a) / 0.2, 0, 1)
        hollow = 0.02 * np.exp(-((x / 0.05) ** 2) - ((y - 0.80) / 0.05) ** 2)
        slant = half * (1.02 - 1.15 * np.clip((y - 0.45) / 0.36, 0, 1))
        cord = 0.010 * np.exp(-(((a - slant) / 0.03) ** 2)) * np.clip((0.82 - y) / 0.1, 0, 1)
        adam = (
            0.016 * self.person.masculine * np.exp(-((x / 0.035) ** 2) - ((y - 0.66) / 0.04) ** 2)
        )
        near = (y < 1.1) & (a < 0.8)
        h[box] += ((post * 0.7 + (bone - hollow + cord + adam) * near) * self.unit).astype(
            np.float32
        )
        self.skin(canvas, mask, h)

    def sleeves(self) -> tuple[np.ndarray, np.ndarray]:
        """Coverage and rounded height (head units) of both sleeves."""
        g = self.garment
        cover = np.zeros(self.view.shape, np.float32)
        dome = np.zeros(self.view.shape, np.float32)
        if g.sleeve <= 0.0:
            return cover, dome
        loose = g.thick + (0.030 if g.sleeve < 0.5 else 0.010)
        for arm in self.body.arms:
            part = cut(arm.limb, 0.0, g.sleeve)
            mask, height = limb_field(self.view, [part], grow=loose)
            mask = mask * _half_plane(self.view, arm.limb, g.sleeve)
            cover = np.maximum(cover, mask)
            dome = np.maximum(dome, height)
        return cover, dome

    def trunk(self, canvas: Canvas) -> None:
        """The garment over trunk and arms, with collars and details."""
        name = self.person["clothing"]
        inner = name in ("blazer", "leather jacket")
        body = outline_mask(self.view, self._grown(self.garment.thick))
        sleeves, dome = self.sleeves()
        depth, wide = self.garment.neckline
        half = self.body.neck_half
        opening = self._neckline(depth, half * wide, vee=name in ("collared shirt", "blazer"))
        height = self.form(body, sleeves, dome)
        mask = body
        if inner:
            under_open = (
                self._neckline(0.17, half * 1.3, vee=False)
                if name == "leather jacket"
                else self._neckline(0.20, half, vee=True)
            )
            shirt = mask * (1.0 - under_open)
            self._drop(canvas, shirt)
            self.cloth(canvas, shirt, height, colour=self.under, fold=0.5, texture="weave")
            if name == "blazer":
                self._shirt_collar(canvas, self.under)
            opening = self._vee(
                0.30 if name == "leather jacket" else 0.24, 2.1 if name == "blazer" else 3.3
            )
        if name in ("dress", "tank top"):
            garment = body * self._straps(half, name)
        else:
            garment = np.maximum(body * (1.0 - opening), sleeves * (1.0 - opening))
        self._drop(canvas, garment)
        self.cloth(canvas, garment, height)
        self._clip = np.maximum(body, sleeves)
        if name in ("t-shirt", "sweater"):
            self._rib(canvas, depth, half * wide, 0.035 if name == "t-shirt" else 0.055)
        elif name == "turtleneck":
            self._tube(canvas)
        elif name == "collared shirt":
            self._placket(canvas)
            self._shirt_collar(canvas, self.colour)
        elif name == "hoodie":
            self._hood(canvas)
        elif inner:
            self._lapels(canvas, name == "leather jacket")

    def trousers(self, canvas: Canvas) -> None:
        """What shows below the hem of a top."""
        if self.person["clothing"] == "dress":
            return
        hem = 2.95
        outline = self._grown(0.03)
        mask = outline_mask(self.view, outline)
        x, y = self.view.body_grid((slice(0, self.view.shape[0]), slice(0, self.view.shape[1])))
        below = np.clip((y - hem - 0.03 * np.cos(2 * x)) * self.unit + 0.5, 0, 1) * np.ones_like(x)
        legs = mask * below
        if legs.max() <= 0:
            return
        tone = linear(
            np.array(
                [(46, 56, 84), (40, 40, 44), (96, 84, 70), (70, 90, 126)][int(self.rng.integers(4))]
            )
            / 255.0
        )
        height = inflate(mask, 0.4 * self.unit)
        seam = np.exp(-((x / 0.05) ** 2)) * np.clip((y - 3.5) / 0.1, 0, 1)
        height -= (seam * 0.25 * self.unit).astype(np.float32)
        canvas.shadow(np.clip(blur(1 - below, 0.05 * self.unit), 0, 1) * legs * 0.0)
        self.cloth(canvas, legs, height, colour=tone, texture="weave", fold=0.8)
        edge = np.clip(blur(1.0 - below, 0.05 * self.unit) * legs * 1.3, 0, 1)
        canvas.shadow(edge * 0.6)

    # -- cuts -----------------------------------------------------------------------

    def _grown(self, by: float) -> np.ndarray:
        outline = self.body.torso.copy()
        tangent = np.gradient(outline, axis=0)
        normal = np.stack([tangent[:, 1], -tangent[:, 0]], 1)
        normal /= np.maximum(np.hypot(normal[:, :1], normal[:, 1:]), 1e-6)
        outward = np.sign(((outline - outline.mean(0)) * normal).sum(1, keepdims=True))
        return outline + normal * np.where(outward == 0, 1, outward) * by

    def _edge(self, half: float) -> float:
        """Height of the garment's upper edge on the shoulder at x = ``half``."""
        neck, sh = self.body.neck_half, self.body.shoulder
        y = np.interp(half, [neck, neck * 1.12, neck * 1.52, 0.5 * sh], [0.56, 0.635, 0.71, 0.785])
        return float(y) - 0.9 * self.garment.thick

    def _neckline(self, depth: float, half: float, vee: bool) -> np.ndarray:
        t = np.linspace(-1, 1, 33)
        drop = (1 - np.abs(t)) ** 0.9 if vee else np.sqrt(1 - t**2)
        edge = self._edge(half)
        low = np.stack([t * half, edge + (0.655 + depth - edge) * drop], 1)
        top = np.array([(half * 1.04, 0.30), (-half * 1.04, 0.30)])
        return np.maximum(
            polygon(self.view.shape, [self.view.body(np.concatenate([low, top]))]),
            self._above(edge),
        )

    def _above(self, y: float) -> np.ndarray:
        """Coverage of everything above a height, (H, 1)."""
        rows = np.arange(self.view.shape[0], dtype=np.float32) + 0.5
        limit = self.view.body(np.array([0.0, y]))[1]
        return np.clip(limit - rows + 0.5, 0, 1)[:, None].astype(np.float32)

    def _vee(self, half: float, bottom: float) -> np.ndarray:
        points = np.array(
            [
                (half, 0.5),
                (half, 0.70),
                (half * 0.8, 1.1),
                (0.02, bottom),
                (-0.02, bottom),
                (-half * 0.8, 1.1),
                (-half, 0.70),
                (-half, 0.5),
            ]
        )
        if bottom > 3:
            points = np.array(
                [
                    (half, 0.5),
                    (half, 0.75),
                    (half * 0.72, 1.4),
                    (half * 0.62, 3.2),
                    (-half * 0.62, 3.2),
                    (-half * 0.72, 1.4),
                    (-half, 0.75),
                    (-half, 0.5),
                ]
            )
        return polygon(self.view.shape, [self.view.body(points)])

    def _straps(self, half: float, name: str) -> np.ndarray:
        strap = 0.10 if name == "tank top" else 0.055
        place = half * 1.75
        top = 1.02 if name == "tank top" else 1.12
        sh = self.body.shoulder
        side = [
            (place - strap, 0.60), (place + strap, 0.60), (place + strap * 1.2, 0.95),
            (0.60 * sh, 1.20), (0.66 * sh, 1.40), (0.74 * sh, 1.56), (0.9, 1.72), (1.6, 2.2), (1.6, 6.6),
        ]  # fmt: skip
        low = [
            (place - strap, 0.60),
            (place - strap * 1.15, 0.86),
            (place * 0.55, top),
            (0.0, top + 0.04),
        ]
        right = np.array(side)
        inner = spline(np.array(low), closed=False, steps=6)
        outline = np.concatenate([inner[::-1], right, right[::-1] * (-1, 1), inner * (-1, 1)])
        return polygon(self.view.shape, [self.view.body(outline)])

    # -- details --------------------------------------------------------------------

    def _drop(
        self, canvas: Canvas, mask: np.ndarray, size: float = 0.03, strength: float = 0.5
    ) -> None:
        near = np.clip(blur(mask, size * self.unit) * 1.6, 0, 1) * (1 - mask)
        canvas.shadow(near * strength * np.minimum(canvas.alpha * 2, 1))

    def _band(
        self,
        canvas: Canvas,
        path: np.ndarray,
        radius: float,
        colour: np.ndarray | None = None,
        texture: str | None = None,
        inside: bool = False,
    ) -> None:
        """A narrow raised band of cloth along ``path`` (head units)."""
        pixels = self.view.body(path)
        mask = stroke(self.view.shape, pixels, radius * self.unit)
        if inside:
            mask = mask * self._clip
        self._drop(canvas, mask, 0.015, 0.35)
        self.cloth(
            canvas,
            mask,
            inflate(mask, radius * self.unit),
            colour=colour,
            fold=0.0,
            texture=texture,
        )

    def _rib(self, canvas: Canvas, depth: float, half: float, width: float) -> None:
        t = np.linspace(-1, 1, 41)
        edge = self._edge(half)
        drop = (0.655 + depth - edge) * np.sqrt(np.maximum(1 - t**2, 0))
        path = np.stack([t * half, edge + drop], 1)
        self._band(canvas, path, width / 2, inside=True)

    def _tube(self, canvas: Canvas) -> None:
        half = self.body.neck_half * 1.13
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
        mask = outline_mask(self.view, points)
        x, y = self.view.body_grid((slice(0, self.view.shape[0]), slice(0, self.view.shape[1])))
        height = np.sqrt(np.clip((half * 1.15) ** 2 - x**2, 0, None)) * np.ones_like(y)
        roll = 0.02 * np.cos((y - 0.16 * np.cos(x * 4)) * 2 * np.pi / 0.13)
        self._drop(canvas, mask)
        self.cloth(canvas, mask, ((height + roll) * self.unit).astype(np.float32), fold=0.5)

    def _placket(self, canvas: Canvas) -> None:
        path = np.array([(0.0, 0.80), (0.0, 1.6), (0.0, 3.0)])
        self._band(canvas, path, 0.05)
        for k in range(7):
            centre = self.view.body(np.array([0.0, 0.98 + 0.33 * k]))
            angle = np.linspace(0, 2 * np.pi, 17)[:-1]
            ring = centre + np.stack([np.cos(angle), np.sin(angle)], 1) * 0.021 * self.unit
            button = polygon(self.view.shape, [ring])
            self._drop(canvas, button, 0.01, 0.4)
            canvas.over(
                srgb(
                    linear([0.86, 0.84, 0.80]) * (0.4 + 0.5 * float(self.light.key_colour.mean()))
                ),
                button,
            )

    def _shirt_collar(self, canvas: Canvas, colour: np.ndarray) -> None:
        half = self.body.neck_half
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
            mask = outline_mask(self.view, wing)
            self._drop(canvas, mask, 0.03, 0.55)
            self.cloth(
                canvas,
                mask,
                inflate(mask, 0.05 * self.unit),
                colour=colour,
                fold=0.25,
                texture="weave",
            )

    def _hood(self, canvas: Canvas) -> None:
        half = self.body.neck_half
        for side in (-1.0, 1.0):
            lip = spline(
                np.array(
                    [
                        (half * 1.0, 0.50),
                        (half * 1.45, 0.52),
                        (half * 1.9, 0.66),
                        (half * 1.5, 0.82),
                        (0.05, 0.97),
                        (0.0, 0.88),
                        (half * 0.7, 0.80),
                        (half * 1.02, 0.66),
                    ]
                )
                * (side, 1),
                True,
                8,
            )
            mask = outline_mask(self.view, lip)
            self._drop(canvas, mask, 0.035, 0.55)
            self.cloth(canvas, mask, inflate(mask, 0.09 * self.unit), fold=0.6)
        for side in (-1.0, 1.0):
            cord = spline(
                np.array(
                    [
                        (0.085 * side, 0.92),
                        (0.10 * side, 1.1),
                        (0.09 * side, 1.35),
                        (0.11 * side, 1.52),
                    ]
                ),
                False,
                8,
            )
            self._band(canvas, cord, 0.013, colour=linear([0.85, 0.84, 0.80]), texture="jersey")
        if self.view.shape[0] > self.view.body(np.array([0.0, 2.3]))[1]:
            pocket = np.array(
                [
                    (-0.30, 2.25),
                    (0.30, 2.25),
                    (0.46, 2.62),
                    (0.42, 2.85),
                    (-0.42, 2.85),
                    (-0.46, 2.62),
                ]
            )
            mask = outline_mask(self.view, pocket)
            self._drop(canvas, mask, 0.02, 0.5)
            self.cloth(canvas, mask, self.torso_height(mask) * 0.4, fold=0.6)

    def _lapels(self, canvas: Canvas, leather: bool) -> None:
        half = 0.30 if leather else 0.24
        for side in (-1.0, 1.0):
            if leather:
                flap = np.array(
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
            else:
                flap = np.array(
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
            mask = outline_mask(self.view, flap * (side, 1))
            self._drop(canvas, mask, 0.03, 0.6)
            self.cloth(canvas, mask, inflate(mask, 0.06 * self.unit), fold=0.25)
        if leather:
            for side in (-1.0, 1.0):
                zipper = np.array([(half * 0.70, 1.45), (half * 0.62, 2.2), (half * 0.62, 3.1)]) * (
                    side,
                    1,
                )
                self._band(canvas, zipper, 0.012, colour=linear([0.7, 0.7, 0.7]), texture="silk")
        else:
            angle = np.linspace(0, 2 * np.pi, 17)[:-1]
            for y in (2.15, 2.6):
                ring = self.view.body(
                    np.array([0.06, y]) + np.stack([np.cos(angle), np.sin(angle)], 1) * 0.03
                )
                canvas.over(srgb(self.colour * 0.5), polygon(self.view.shape, [ring]))


def _box(mask: np.ndarray) -> tuple[slice, slice] | None:
    return bounds(mask)


def _pad(colour: np.ndarray, box: tuple[slice, slice], shape: tuple[int, int]) -> np.ndarray:
    full = np.zeros((*shape, 3), np.float32)
    full[box] = colour
    return full


def _half_plane(view: View, limb: Limb, stop: float) -> np.ndarray:
    """1 before, 0 beyond the cross-section at a share of the limb's length (antialiased)."""
    end = cut(limb, 0.0, stop).path
    at, before = end[-1], end[-2]
    direction = (at - before) / max(float(np.hypot(*(at - before))), 1e-6)
    x, y = view.body_grid((slice(0, view.shape[0]), slice(0, view.shape[1])))
    away = (x - at[0]) * direction[0] + (y - at[1]) * direction[1]
    near = np.hypot(x - at[0], y - at[1]) < 0.45
    plane = np.clip(0.5 - away * view.scale, 0.0, 1.0)
    return np.where(near, plane, 1.0).astype(np.float32)
