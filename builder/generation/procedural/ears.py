"""Ears: a relief in coordinates of its own, set at the side of the head."""

from __future__ import annotations

import numpy as np

from builder.generation.procedural.arrays import FloatArray
from builder.generation.procedural.canvas import (
    Canvas,
    blur,
    full_frame,
    normals,
    polygon,
    smoothstep,
    spline,
    srgb,
)
from builder.generation.procedural.light import Light, shade
from builder.generation.procedural.relief import base_point
from builder.generation.procedural.traits import Traits
from builder.generation.procedural.view import View

_OUTLINE = np.array(
    [(0.05, -0.34), (0.25, -0.47), (0.52, -0.47), (0.70, -0.32), (0.70, -0.08), (0.58, 0.14),
     (0.42, 0.34), (0.26, 0.48), (0.08, 0.44), (0.0, 0.30), (-0.12, 0.1), (-0.12, -0.15)]
)  # fmt: skip
_SIZE = 0.215
"""Height of an ear, head units."""

_HEIGHT = 0.085
"""Height of an ear's middle on the head, head units."""

HIDDEN = -0.30
"""An ear that faces away by more than this is behind the head; see :func:`placement`."""

_ATTACHED = 0.12
"""An ear that faces us by this or more is drawn over the head and blends into the cheek."""


def placement(person: Traits, view: View, side: float) -> tuple[FloatArray, float, float]:
    """Where an ear is: turned position (3,), half-width factor, and how far it faces us, -1..1."""
    root = base_point(person, np.array(side * 1.50), np.array(_HEIGHT))
    turned = view.turn(root)
    # Seen from the front an ear is foreshortened; turned towards us it opens up.
    open_ = float(np.clip(0.40 + 0.72 * side * -np.sin(view.yaw), 0.12, 0.95))
    return turned, open_, float(-side * np.sin(view.yaw))


def lobe(person: Traits, view: View, side: float) -> FloatArray:
    """Where an earring hangs: (3,) in the turned, untilted frame, head units."""
    turned, open_, _ = placement(person, view, side)
    return turned + np.array([side * 0.20 * _SIZE * open_ * 1.3, 0.40 * _SIZE, 0.0])


def ear(canvas: Canvas, person: Traits, view: View, light: Light, side: float) -> None:
    """Draw the ear of the picture's left (-1) or right (1) side."""
    turned, open_, facing = placement(person, view, side)
    if facing < HIDDEN:
        return
    width = _SIZE * open_ * 1.25
    curve = spline(_OUTLINE, True, 8) * (width * side, _SIZE) + turned[:2]
    pixels = view.head(curve)
    mask = polygon(view.shape, [pixels])
    if mask.max() <= 0:
        return
    box = _box(pixels, view.shape)
    if box is None:
        return
    x, y = view.head_grid(box)
    e = (x - turned[0]) / width * side
    f = (y - turned[1]) / _SIZE
    lit = _shaded(person, view, light, e, f, mask[box], side, open_)
    near_head = smoothstep(0.18, -0.05, e)
    lit = lit * (1.0 - 0.35 * near_head * (facing < _ATTACHED))[..., None]
    full = full_frame(srgb(lit), box, view.shape)
    if facing >= _ATTACHED:
        canvas.shadow(
            blur(mask, 0.02 * view.scale) * (1 - mask) * 0.35 * np.minimum(canvas.alpha, 1)
        )
        # The front of the ear grows out of the cheek: it has no edge there.
        fade = np.ones(view.shape, np.float32)
        fade[box] = smoothstep(-0.13, 0.06, e)
        mask = mask * fade
    canvas.over(full, mask)


def _box(pixels: FloatArray, shape: tuple[int, int]) -> tuple[slice, slice] | None:
    """The slices of the picture around an outline (N, 2), or None where it is outside."""
    x0, y0 = np.floor(pixels.min(0)).astype(int) - 2
    x1, y1 = np.ceil(pixels.max(0)).astype(int) + 3
    h, w = shape
    box = (slice(max(y0, 0), max(min(y1, h), 1)), slice(max(x0, 0), max(min(x1, w), 1)))
    if box[0].start >= box[0].stop or box[1].start >= box[1].stop:
        return None
    return box


def _shaded(
    person: Traits,
    view: View,
    light: Light,
    e: FloatArray,
    f: FloatArray,
    mask: FloatArray,
    side: float,
    open_: float,
) -> FloatArray:
    """Linear light (h, w, 3) of an ear in its own coordinates ``e`` (outwards), ``f`` (down).

    The relief has a helix near the outline, a bowl with the antihelix in it, and the tragus
    in front; sizes were chosen by eye.
    """
    soft = blur(mask, 0.03 * view.scale)
    helix = smoothstep(0.35, 0.62, soft) * smoothstep(0.98, 0.72, soft)
    bowl = np.exp(-(((e - 0.20) / 0.20) ** 2) - ((f - 0.06) / 0.22) ** 2)
    ring = np.exp(-(((np.hypot(e - 0.14, f + 0.02) - 0.33) / 0.075) ** 2))
    antihelix = ring * smoothstep(0.36, 0.1, f)
    tragus = np.exp(-(((e - 0.0) / 0.09) ** 2) - ((f - 0.08) / 0.10) ** 2)
    relief = 0.016 * helix - 0.022 * bowl + 0.014 * antihelix + 0.012 * tragus
    height = relief * view.scale + soft * 0.03 * view.scale
    open_share = np.clip(1.0 - 0.62 * bowl - 0.25 * (1 - helix) * (1 - antihelix) * 0.6, 0.2, 1.0)
    skin = person.skin * np.array([1.02, 0.86, 0.82], np.float32)
    albedo = np.broadcast_to(skin, (*e.shape, 3)) * (1.0 - 0.25 * bowl)[..., None]
    normal = normals(height.astype(np.float32))
    normal[..., 0] += side * 0.45 * (1 - open_)
    normal /= np.sqrt((normal * normal).sum(-1, keepdims=True))
    return shade(
        light,
        normal,
        albedo.astype(np.float32),
        translucent=0.6,
        occlusion=open_share,
        lit=open_share,
        gloss=0.04,
    )
