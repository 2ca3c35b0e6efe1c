"""Neck, arms and clothes: cut from the body's outline, inflated, folded, shaded.

Shapes are in head units and were chosen by eye.
"""

from __future__ import annotations

import numpy as np

from builder.generation.procedural import collars
from builder.generation.procedural.anatomy import Limb, cut, limb_field, outline_mask
from builder.generation.procedural.arrays import FloatArray
from builder.generation.procedural.canvas import (
    Canvas,
    blur,
    bounds,
    inflate,
    linear,
    polygon,
    spline,
)
from builder.generation.procedural.fabric import Tailor
from builder.generation.procedural.view import View

_HEM = {
    "t-shirt": 3.02,
    "collared shirt": 3.10,
    "sweater": 3.0,
    "turtleneck": 3.0,
    "hoodie": 3.05,
    "blazer": 3.4,
    "leather jacket": 2.85,
    "tank top": 2.98,
}
"""Height of the hem, head units; a dress has none."""


class Dresser(Tailor):
    """Draws the body of one person onto a canvas, part by part."""

    def torso_height(self, mask: FloatArray) -> FloatArray:
        """Rounded height (pixels) of the trunk under ``mask``, with the chest's form."""
        h = inflate(mask, 0.42 * self.unit)
        box = bounds(mask)
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

    def form(self, trunk: FloatArray, limbs: FloatArray, dome: FloatArray) -> FloatArray:
        """Height (pixels) of trunk and arms: joined at the shoulder, apart below it.

        Args:
            trunk: (H, W) coverage of the trunk.
            limbs: (H, W) coverage of the arms.
            dome: (H, W) rounded height of the arms, head units.
        """
        box = bounds(np.maximum(trunk, limbs))
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
        box = bounds(mask)
        if box is None:
            return
        x, y = self.view.body_grid(box)
        a = np.abs(x)
        half = self.body.neck_half
        fade = np.clip((1.0 - y) / 0.4, 0, 1)
        cylinder = (
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
        h[box] += ((cylinder * 0.7 + (bone - hollow + cord + adam) * near) * self.unit).astype(
            np.float32
        )
        self.skin(canvas, mask, h)

    def sleeves(self) -> tuple[FloatArray, FloatArray]:
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
        jacket = name in ("blazer", "leather jacket")
        body = outline_mask(self.view, self._grown(self.garment.thick))
        sleeves, dome = self.sleeves()
        depth, wide = self.garment.neckline
        half = self.body.neck_half
        height = self.form(body, sleeves, dome)
        body = self._hemmed(body, name)
        if jacket:
            self._lay_shirt(canvas, body, height, name)
            opening = self._vee(
                0.30 if name == "leather jacket" else 0.24, 2.1 if name == "blazer" else 3.3
            )
        else:
            opening = self._neckline(depth, half * wide, vee=name == "collared shirt")
        if name in ("dress", "tank top"):
            garment = body * self._straps(half, name)
        else:
            garment = np.maximum(body * (1.0 - opening), sleeves)
        self.drop(canvas, garment)
        self.cloth(canvas, garment, height)
        self.clip = np.maximum(body, sleeves)
        self._lay_collar(canvas, name)

    def _hemmed(self, body: FloatArray, name: str) -> FloatArray:
        """The trunk's coverage (H, W), cut off at the garment's hem."""
        if name not in _HEM:
            return body
        x, y = self.view.body_grid((slice(0, body.shape[0]), slice(0, body.shape[1])))
        hem = _HEM[name] + 0.02 * np.cos(2.2 * x)
        return body * np.clip((hem - y) * self.unit + 0.5, 0, 1)

    def _lay_shirt(self, canvas: Canvas, body: FloatArray, height: FloatArray, name: str) -> None:
        """The shirt under a jacket."""
        half = self.body.neck_half
        if name == "leather jacket":
            opening = self._neckline(0.17, half * 1.3, vee=False)
        else:
            opening = self._neckline(0.20, half, vee=True)
        shirt = body * (1.0 - opening)
        self.drop(canvas, shirt)
        self.cloth(canvas, shirt, height, colour=self.under, fold=0.5, texture="weave")
        if name == "blazer":
            collars.wings(self, canvas, self.under)

    def _lay_collar(self, canvas: Canvas, name: str) -> None:
        """Collar and trimmings of the garment."""
        depth, wide = self.garment.neckline
        half = self.body.neck_half * wide
        if name in ("t-shirt", "sweater"):
            width = 0.035 if name == "t-shirt" else 0.055
            collars.rib(self, canvas, self._edge(half), depth, half, width)
        elif name == "turtleneck":
            collars.tube(self, canvas)
        elif name == "collared shirt":
            collars.placket(self, canvas)
            collars.wings(self, canvas, self.colour)
        elif name == "hoodie":
            collars.hood(self, canvas)
        elif name in ("blazer", "leather jacket"):
            collars.lapels(self, canvas, leather=name == "leather jacket")

    def trousers(self, canvas: Canvas) -> None:
        """What shows below the hem of a top."""
        if self.person["clothing"] == "dress":
            return
        mask = outline_mask(self.view, self._grown(0.012))
        rows = slice(0, self.view.shape[0])
        x, y = self.view.body_grid((rows, slice(0, self.view.shape[1])))
        legs = mask * np.clip((y - 2.7) * self.unit + 0.5, 0, 1)
        if legs.max() <= 0:
            return
        tones = ((46, 56, 84), (40, 40, 44), (96, 84, 70), (70, 90, 126))
        tone = linear(np.array(tones[int(self.rng.integers(4))]) / 255.0)
        height = inflate(mask, 0.4 * self.unit)
        gap = np.array([(0.0, 3.5), (0.035, 3.75), (0.075, 4.6), (0.11, 7.0)])
        gap = np.concatenate([gap, gap[::-1] * (-1, 1)])
        between = outline_mask(self.view, gap)
        crotch = np.exp(-((x / 0.16) ** 2)) * np.clip((y - 3.3) / 0.5, 0, 1)
        height -= (crotch * 0.2 * self.unit).astype(np.float32)
        legs = legs * (1.0 - between)
        self.cloth(canvas, legs, height, colour=tone, texture="weave", fold=0.8)

    def hand_on_hip(self, canvas: Canvas, index: int) -> None:
        """The hand of an arm, drawn over the clothes if it rests on the hip."""
        arm = self.body.arms[index]
        wrist, elbow = arm.limb.path[-1], arm.limb.path[4]
        if abs(wrist[0] - elbow[0]) < 0.3:
            return  # this arm hangs
        cover, dome = limb_field(self.view, arm.hand)
        canvas.shadow(blur(cover, 0.03 * self.unit) * (1 - cover) * canvas.alpha * 0.4)
        self.skin(canvas, cover, dome * self.unit * 0.9)

    # -- cuts -----------------------------------------------------------------------

    def _grown(self, by: float) -> FloatArray:
        """The torso's outline (N, 2), moved outwards by so many head units."""
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

    def _neckline(self, depth: float, half: float, vee: bool) -> FloatArray:
        """Coverage (H, W) of the opening at the neck, and of everything above it."""
        t = np.linspace(-1, 1, 33)
        drop = (1 - np.abs(t)) ** 0.9 if vee else np.sqrt(1 - t**2)
        edge = self._edge(half)
        low = np.stack([t * half, edge + (0.655 + depth - edge) * drop], 1)
        top = np.array([(half * 1.04, 0.30), (-half * 1.04, 0.30)])
        return np.maximum(
            polygon(self.view.shape, [self.view.body(np.concatenate([low, top]))]),
            self._above(edge),
        )

    def _above(self, y: float) -> FloatArray:
        """Coverage of everything above a height, or above the root of the neck, (H, 1)."""
        y = max(y, 0.60)
        rows = np.arange(self.view.shape[0], dtype=np.float32) + 0.5
        limit = self.view.body(np.array([0.0, y]))[1]
        return np.clip(limit - rows + 0.5, 0, 1)[:, None].astype(np.float32)

    def _vee(self, half: float, bottom: float) -> FloatArray:
        """Coverage (H, W) of a jacket's opening; below 3 head units it stays open."""
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
        return np.maximum(
            polygon(self.view.shape, [self.view.body(points)]), self._above(self._edge(half))
        )

    def _straps(self, half: float, name: str) -> FloatArray:
        """Coverage (H, W) of a top with straps."""
        strap = 0.10 if name == "tank top" else 0.055
        place = half * 1.75
        top = 1.02 if name == "tank top" else 1.12
        # The armhole runs into the side of the chest without a corner.
        right_side = self.body.torso[self.body.torso[:, 0] > 0]
        chest = right_side[np.argsort(np.abs(right_side[:, 1] - 1.5), kind="stable")[0], 0]
        side = [
            (place - strap, 0.60),
            (place + strap, 0.60),
            (place + strap * 1.2, 0.95),
            (chest - 0.12, 1.20),
            (chest - 0.05, 1.38),
            (chest - 0.015, 1.50),
            (chest + 0.02, 1.66),
            (chest + 0.3, 2.0),
            (1.6, 2.6),
            (1.6, 6.6),
        ]
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


def _half_plane(view: View, limb: Limb, stop: float) -> FloatArray:
    """1 before and 0 beyond the cross-section at a share of the limb's length, antialiased."""
    path = cut(limb, 0.0, stop).path
    end, before = path[-1], path[-2]
    direction = (end - before) / max(float(np.hypot(*(end - before))), 1e-6)
    x, y = view.body_grid((slice(0, view.shape[0]), slice(0, view.shape[1])))
    away = (x - end[0]) * direction[0] + (y - end[1]) * direction[1]
    near = np.hypot(x - end[0], y - end[1]) < 0.45
    plane = np.clip(0.5 - away * view.scale, 0.0, 1.0)
    return np.where(near, plane, 1.0).astype(np.float32)
