"""Strands in space to shaded layers behind and before the head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from builder.generation.procedural.arrays import BoolArray, FloatArray
from builder.generation.procedural.canvas import dot, srgb
from builder.generation.procedural.hair import growth
from builder.generation.procedural.hair.wig import Wig
from builder.generation.procedural.light import Light
from builder.generation.procedural.strands import Strands, rasterise
from builder.generation.procedural.traits import Traits
from builder.generation.procedural.view import View

_SPLIT = -0.07
"""Hair further back than this depth (head units) is drawn before the body; chosen by eye."""


@dataclass(slots=True)
class HairLayers:
    """Premultiplied sRGB and alpha of the hair behind and before head and body."""

    back: tuple[FloatArray, FloatArray]
    front: tuple[FloatArray, FloatArray]


def strand_width(view: View) -> float:
    """Full width of a strand of scalp hair, pixels; it grows slower than the picture.

    Chosen by eye at 512 pixels head and shoulders, 215 pixels a head unit.
    """
    return float(np.clip(0.62 * (view.scale / 215.0) ** 0.6, 0.30, 1.25))


def ramp(colour: FloatArray, light: Light) -> FloatArray:
    """(256, 3) sRGB of hair at tones 0..1; 0.45 is the hair's own colour in even light."""
    t = np.linspace(0, 1, 256, dtype=np.float32)[:, None]
    warm = light.key_colour / float(light.key_colour.mean())
    body = colour * (t / 0.45) ** 1.25 * (0.5 + 0.5 * warm)
    gloss = np.maximum(t - 0.50, 0.0) ** 1.6 * (0.28 + 0.72 * np.sqrt(colour)) * warm * 1.25
    return srgb(body + gloss + colour * 0.02)


def project(view: View, path: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Turned points (N, K, 3) and their pixels (N, K, 2) of head-frame points."""
    turned = view.turn(path.astype(np.float32))
    return turned, view.head(turned[..., :2]).astype(np.float32)


def tones(
    turned: FloatArray, light: Light, shade: FloatArray, inner: FloatArray, shine: float
) -> FloatArray:
    """Brightness (N, K) of strands: form, sheen along the strand, depth in the hair.

    The sheen follows Kajiya and Kay, "Rendering fur with three dimensional textures"
    (SIGGRAPH 1989): it depends on the angle between the strand and the half vector.
    """
    turned = turned.astype(np.float32)
    tangent = growth.normalise(np.gradient(turned, axis=1))
    low = np.clip((turned[..., 1] - 0.02) / 0.25, 0, 1)[..., None]
    skull_normal = growth.outward(turned)
    upright = growth.normalise(
        turned * np.array([1.0, 0.0, 1.0], np.float32) + np.array([0, 0, 0.08], np.float32)
    )
    normal = growth.normalise(skull_normal * (1 - low) + upright * low)
    facing = dot(normal, light.key)
    along = dot(tangent, light.key)
    diffuse = np.sqrt(np.clip(1.0 - along**2, 0, 1)) * np.clip(facing * 0.75 + 0.42, 0.0, 1.2)
    half = growth.normalise(light.key + np.array([0.0, 0.0, 1.0]))
    along_half = dot(tangent, half)
    n = len(turned)
    wobble = ((np.arange(n) * 0.61803) % 1.0 - 0.5)[:, None]
    sine = np.clip(1.0 - (along_half + 0.14 * wobble + 0.10) ** 2, 0, 1)
    towards_key = np.clip(facing + 0.25, 0, 1)
    sheen = (0.44 * sine**18 + 0.16 * sine**5) * towards_key
    level = float(light.key_colour.mean())
    behind = np.clip(dot(normal, light.rim), 0, 1) * float(light.rim_colour.mean())
    grazing = np.clip(1.0 - normal[..., 2], 0, 1) ** 2
    t = np.linspace(0, 1, turned.shape[1])[None]
    buried = 1.0 - (0.66 * inner)[:, None] * (1.0 - 0.35 * t)
    body = (0.15 + 0.07 * float(light.ambient.mean() / 0.2) + 0.30 * level * diffuse) * buried
    body = body * shade.reshape(len(shade), -1) * (0.80 + 0.20 * np.minimum(t / 0.15, 1.0))
    return (body + shine * level * sheen * buried**2 + 0.30 * behind * grazing).astype(np.float32)


def render(
    person: Traits,
    view: View,
    light: Light,
    wigs: Sequence[Wig],
    covered: BoolArray,
    surface: FloatArray,
) -> HairLayers:
    """Draw the hair of the head.

    Args:
        person: Whose hair.
        view: The framing.
        light: The light.
        wigs: The strands.
        covered: (H, W), where head and body are opaque, some pixels from their edge; hair
            behind is not drawn there.
        surface: (H, W) depth of the head's surface, head units, -inf outside; hair under
            it is not drawn.
    """
    shine = {"straight": 1.0, "wavy": 0.85, "curly": 0.7, "coily": 0.45}[person["hair_texture"]]
    h, w = view.shape
    behind: list[Strands] = []
    before: list[Strands] = []
    for wig in wigs:
        turned, pixels = project(view, wig.path)
        depth = turned[..., 2]
        tone = tones(turned, light, wig.shade, wig.inner, shine)
        # Hair behind the neck lies in its shadow.
        below_ears = np.clip((turned[..., 1] - 0.15) / 0.3, 0, 1)
        hidden = below_ears * np.clip((-0.02 - depth) / 0.1, 0, 1)
        tone = tone * (1.0 - 0.38 * hidden * (~wig.front[:, None]))
        nearness = depth + 0.10 * (1.0 - wig.inner[:, None])
        nearness = nearness + 0.03 * (wig.shade.reshape(len(depth), -1) - 1.0)
        column = np.clip(pixels[..., 0], 0, w - 1).astype(np.int32)
        row = np.clip(pixels[..., 1], 0, h - 1).astype(np.int32)
        under = covered[row, column]
        sunk = depth < surface[row, column] - 0.03
        front = (depth > _SPLIT) | wig.front[:, None]
        front = front[:, :-1] & front[:, 1:]
        width = (wig.width * strand_width(view)).astype(np.float32)
        nearness = nearness.astype(np.float32)
        for into, drawn in (
            (behind, ~front & ~(under[:, :-1] & under[:, 1:])),
            (before, front & ~(sunk[:, :-1] & sunk[:, 1:])),
        ):
            into.append(Strands(pixels, width, tone, nearness, drawn))
    colours = _greyed(person, ramp(person.hair, light))
    return HairLayers(
        rasterise(behind, view.shape, colours, layers=8),
        rasterise(before, view.shape, colours, layers=14),
    )


def _greyed(person: Traits, colours: FloatArray) -> FloatArray:
    """Mix grey into a ramp (256, 3) from the age of 46 on, at most 0.4 (chosen by eye)."""
    if person.years > 46 and person["hair_color"] not in ("white", "gray", "platinum"):
        grey = srgb(np.linspace(0.05, 0.8, 256)[:, None] * np.ones(3))
        colours = colours + (grey - colours) * min(0.4, 0.014 * (person.years - 46))
    return colours.astype(np.float32)
