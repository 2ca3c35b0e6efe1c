"""Draws a portrait with exact alpha from a seed and attributes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from builder.generation.procedural import headwear
from builder.generation.procedural.anatomy import Body, body_of, outline_mask
from builder.generation.procedural.arrays import FloatArray
from builder.generation.procedural.canvas import (
    Canvas,
    blur,
    extend,
    full_frame,
    shift,
    smoothstep,
    srgb,
)
from builder.generation.procedural.clothing import Dresser
from builder.generation.procedural.ears import ear
from builder.generation.procedural.face import paint_face
from builder.generation.procedural.glasses import glasses
from builder.generation.procedural.hair import growth
from builder.generation.procedural.hair.facial import facial_hair
from builder.generation.procedural.hair.render import HairLayers, render
from builder.generation.procedural.hair.styles import wig_of
from builder.generation.procedural.head import Surface, surface
from builder.generation.procedural.jewellery import earrings, necklace
from builder.generation.procedural.light import Light, light_of
from builder.generation.procedural.traits import Traits, traits
from builder.generation.procedural.view import View, frame


@dataclass(frozen=True, slots=True)
class Portrait:
    """A portrait and its exact matte.

    Attributes:
        foreground: (H, W, 3) uint8, straight sRGB, continued smoothly where alpha is 0.
        alpha: (H, W) uint8, coverage.
    """

    foreground: NDArray[np.uint8]
    alpha: NDArray[np.uint8]


def draw(seed: int, attributes: Mapping[str, str | None], width: int, height: int) -> Portrait:
    """Draw a portrait.

    The same arguments give the same bytes, in any process and with any number of threads.

    Args:
        seed: 0 .. 2**63 - 1.
        attributes: Values of :data:`builder.prompts.vocabulary.VOCABULARY`; the seed chooses
            those that are None or missing.
        width: Pixels, 64 .. 4096.
        height: Pixels, 64 .. 4096; the aspect lies between 1:2 and 2:1.

    Raises:
        ValueError: A value outside the vocabulary, or a size outside the limits.
    """
    if not (64 <= width <= 4096 and 64 <= height <= 4096):
        raise ValueError(f"size {width}x{height}: each side must be 64 to 4096 pixels")
    if not 0.5 <= width / height <= 2.0:
        raise ValueError(f"size {width}x{height}: the aspect must lie between 1:2 and 2:1")
    person = traits(seed, attributes)
    view = frame(person, width, height)
    canvas = _compose(person, view)
    alpha = np.rint(np.clip(canvas.alpha, 0, 1) * 255).astype(np.uint8)
    # Where alpha rounds to 0 the colour is the continued one, not the drawn one.
    kept = np.where(alpha > 0, canvas.alpha, 0.0).astype(np.float32)
    straight = extend(canvas.colour * (alpha > 0)[..., None], kept)
    return Portrait(np.rint(straight * 255).astype(np.uint8), alpha)


def _compose(person: Traits, view: View) -> Canvas:
    """Lay all parts over each other, from the back to the front."""
    light = light_of(person)
    body = body_of(person)
    canvas = Canvas(view.shape)
    seen = surface(person, view, light)
    head_mask = np.zeros(view.shape, np.float32)
    head_mask[seen.box] = seen.alpha
    hair = _hair(person, view, light, body, seen, head_mask)

    headwear.behind(canvas, person, view, light)
    if hair is not None:
        canvas.over_premultiplied(*hair.back)
    _lay_body(canvas, person, view, light, body, head_mask)
    _lay_head(canvas, person, view, light, seen, hair, head_mask)
    for layer in facial_hair(person, view, light):
        canvas.over_premultiplied(*layer)
    earrings(canvas, person, view, light)
    if hair is not None:
        _lay_front_hair(canvas, view, light, hair)
    headwear.front(canvas, person, view, light)
    glasses(canvas, person, view, light)
    return canvas


def _hair(
    person: Traits,
    view: View,
    light: Light,
    body: Body,
    seen: Surface,
    head_mask: FloatArray,
) -> HairLayers | None:
    """The hair of the head in layers, or None for a bald or covered head."""
    # More strands for larger pictures; the exponents were chosen by eye.
    larger = view.scale / 215.0
    detail = float(np.clip(larger ** (0.35 if larger > 1.0 else 0.6), 0.35, 1.5))
    wigs = wig_of(person, detail, headwear.rim_of(person))
    if not wigs:
        return None
    solid = np.maximum.reduce(
        [head_mask, outline_mask(view, body.torso), outline_mask(view, body.neck)]
    )
    covered = cv2.erode((solid > 0.99).astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    relief = np.full(view.shape, -np.inf, np.float32)
    relief[seen.box] = np.where(seen.alpha > 0.5, seen.depth, -np.inf)
    return render(person, view, light, wigs, covered, relief)


def _lay_body(
    canvas: Canvas, person: Traits, view: View, light: Light, body: Body, head_mask: FloatArray
) -> None:
    """Skin, necklace and clothes."""
    dresser = Dresser(person, view, light, body)
    dresser.skin_body(canvas)
    _neck_shadow(canvas, head_mask, view, light.key)
    necklace(canvas, person, view, light, body)
    dresser.trousers(canvas)
    dresser.trunk(canvas)
    if person["arms"] in ("hand on hip", "hands on hips"):
        for index in range(2):
            dresser.hand_on_hip(canvas, index)


def _lay_head(
    canvas: Canvas,
    person: Traits,
    view: View,
    light: Light,
    seen: Surface,
    hair: HairLayers | None,
    head_mask: FloatArray,
) -> None:
    """The painted head with its ears: the far one behind it, the near one over it."""
    far, near = (-1.0, 1.0) if view.yaw < 0 else (1.0, -1.0)
    ear(canvas, person, view, light, far)
    if abs(view.yaw) < 0.12:
        ear(canvas, person, view, light, near)
    colour = paint_face(person, seen, light, view.pixel)
    if hair is not None:
        colour = _scalp(person, colour, seen.angle, seen.v)
        dx, dy = -light.key[0] * 0.05 * view.scale, -light.key[1] * 0.05 * view.scale
        cast = blur(shift(hair.front[1], dx, dy), 0.02 * view.scale)
        colour = colour * (1.0 - 0.42 * cast[seen.box])[..., None]
    canvas.over(full_frame(srgb(colour), seen.box, view.shape), head_mask)
    if abs(view.yaw) >= 0.12:
        ear(canvas, person, view, light, near)


def _lay_front_hair(canvas: Canvas, view: View, light: Light, hair: HairLayers) -> None:
    """The hair before the head, and its shadow on neck and clothes."""
    dx, dy = -light.key[0] * 0.07 * view.scale, 0.06 * view.scale
    cast = blur(shift(hair.front[1], dx, dy), 0.035 * view.scale)
    below_chin = smoothstep(
        view.y + 0.45 * view.scale,
        view.y + 0.6 * view.scale,
        np.arange(view.shape[0], dtype=np.float32),
    )
    canvas.shadow(cast * (1 - hair.front[1]) * below_chin[:, None] * 0.5)
    canvas.over_premultiplied(*hair.front)


def _neck_shadow(canvas: Canvas, head: FloatArray, view: View, key: FloatArray) -> None:
    """The head darkens the neck under the jaw and away from the light."""
    cast = shift(head, -key[0] * 0.16 * view.scale, 0.13 * view.scale)
    cast = blur(cast, 0.035 * view.scale)
    close = blur(shift(head, 0.0, 0.03 * view.scale), 0.03 * view.scale)
    rows = (np.arange(view.shape[0], dtype=np.float32) - view.y) / view.scale
    fade = np.clip((1.05 - rows) / 0.4, 0, 1)[:, None]
    canvas.shadow(np.clip(cast * 0.62 + close * 0.35, 0, 0.85) * fade)


def _scalp(person: Traits, colour: FloatArray, angle: FloatArray, v: FloatArray) -> FloatArray:
    """Tint the skin under the hair with the hair's shaded colour, soft at the hairline."""
    edge = growth.hairline(person, angle)
    inside = smoothstep(-0.004, 0.05, edge - v)
    strength = {"buzz cut": 0.55}.get(person["hair_length"], 0.9)
    under = person.hair * 0.30 + person.skin * 0.05
    if person["hair_length"] == "buzz cut":
        under = person.hair * 0.5 + person.skin * 0.1
        light_level = colour.mean(-1, keepdims=True) / max(float(person.skin.mean()), 0.02)
        under = under * np.clip(light_level, 0.3, 1.6)
    t = (inside * strength)[..., None]
    return (colour + (under - colour) * t).astype(np.float32)
