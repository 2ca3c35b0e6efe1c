"""Light, and what matte, translucent and shiny surfaces send back of it.

Colours and strengths were chosen by eye.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from builder.generation.procedural.arrays import FloatArray
from builder.generation.procedural.canvas import stream
from builder.generation.procedural.traits import Traits


@dataclass(frozen=True, slots=True)
class Light:
    """A key light, a fill from above, and a rim from behind.

    Directions point from the subject to the light: x right, y down, z to the camera.

    Attributes:
        key: Unit direction of the key light.
        key_colour: Linear RGB.
        hardness: 0 (large soft source) .. 1 (sun).
        ambient: Linear RGB from everywhere.
        sky: Linear RGB added from above.
        rim: Unit direction of the rim light.
        rim_colour: Linear RGB.
    """

    key: FloatArray
    key_colour: FloatArray
    hardness: float
    ambient: FloatArray
    sky: FloatArray
    rim: FloatArray
    rim_colour: FloatArray


_SETUPS: dict[str, tuple[tuple[float, ...], ...]] = {
    # key direction, key colour, (hardness,), ambient, sky, rim colour
    "soft daylight": ((-0.35, -0.65, 0.75), (0.72, 0.74, 0.78), (0.15,), (0.34, 0.35, 0.37),
                      (0.16, 0.18, 0.21), (0.10, 0.11, 0.12)),
    "studio softbox": ((-0.62, -0.45, 0.68), (1.02, 1.00, 0.97), (0.35,), (0.20, 0.20, 0.21),
                       (0.05, 0.05, 0.05), (0.30, 0.30, 0.32)),
    "rim light": ((-0.45, -0.5, 0.72), (0.55, 0.56, 0.62), (0.4,), (0.17, 0.17, 0.20),
                  (0.04, 0.04, 0.05), (1.5, 1.42, 1.30)),
    "golden hour": ((-0.78, -0.28, 0.55), (1.08, 0.76, 0.47), (0.5,), (0.26, 0.25, 0.27),
                    (0.06, 0.08, 0.12), (0.75, 0.50, 0.26)),
    "window light": ((-0.88, -0.22, 0.45), (1.10, 1.08, 1.06), (0.3,), (0.14, 0.14, 0.16),
                     (0.04, 0.04, 0.05), (0.06, 0.06, 0.07)),
    "hard sunlight": ((-0.45, -0.78, 0.5), (1.12, 1.05, 0.93), (1.0,), (0.20, 0.22, 0.26),
                      (0.08, 0.11, 0.15), (0.25, 0.23, 0.20)),
}  # fmt: skip


def light_of(person: Traits) -> Light:
    """The light that the attributes ask for, turned and varied by the seed."""
    rng = stream(person.seed, "light")
    key, key_colour, hardness, ambient, sky, rim = _SETUPS[person["light"]]
    side = -1.0 if rng.random() < 0.5 else 1.0
    direction = np.array(key) * (side, 1.0, 1.0) + rng.uniform(-0.1, 0.1, 3)
    direction /= np.sqrt((direction**2).sum())
    back = np.array([-side * 0.8, -0.45, -0.4])
    strength = 1.0 + 0.08 * rng.uniform(-1, 1)
    return Light(
        direction.astype(np.float32),
        (np.array(key_colour) * strength).astype(np.float32),
        hardness[0],
        np.array(ambient, np.float32),
        np.array(sky, np.float32),
        (back / np.sqrt((back**2).sum())).astype(np.float32),
        np.array(rim, np.float32),
    )


def shade(
    light: Light,
    normal: FloatArray,
    albedo: FloatArray,
    *,
    gloss: float = 0.0,
    roughness: float = 0.4,
    translucent: float = 0.0,
    occlusion: FloatArray | None = None,
    lit: FloatArray | None = None,
) -> FloatArray:
    """Shade a surface.

    Args:
        light: The lights.
        normal: (H, W, 3) unit normals.
        albedo: (H, W, 3) or (3,), linear.
        gloss: Strength of the highlight, 0..1.
        roughness: 0.1 sharp .. 1 broad.
        translucent: Strength of the reddened light past the terminator; 0.4 for skin.
        occlusion: (H, W) share of the surroundings that is not occluded, 0..1.
        lit: (H, W) share of the key light that arrives, 0..1.

    Returns:
        (H, W, 3) float32, linear light.
    """
    facing = normal[..., 0] * light.key[0] + normal[..., 1] * light.key[1]
    facing = facing + normal[..., 2] * light.key[2]
    # A soft source reaches around the form.
    wrap = 0.42 * (1.0 - light.hardness) + 0.06
    direct = np.maximum(facing + wrap, 0.0) / (1.0 + wrap)
    if lit is not None:
        direct = direct * lit
    energy = direct[..., None] * light.key_colour
    if translucent:
        energy = energy + _bled(light, facing + wrap, wrap, direct, lit, translucent)
    up = np.clip(0.5 - 0.5 * normal[..., 1], 0.0, 1.0)
    around = light.ambient + up[..., None] * light.sky
    if occlusion is not None:
        around = around * occlusion[..., None]
    out = albedo * (energy + around)
    edge = 1.0 - np.clip(normal[..., 2], 0.0, 1.0)
    behind = normal[..., 0] * light.rim[0] + normal[..., 1] * light.rim[1]
    rim = np.maximum(behind + normal[..., 2] * light.rim[2] + 0.15, 0.0) * edge**2
    out = out + (rim[..., None] * light.rim_colour) * (albedo * 0.75 + 0.12)
    if gloss:
        out = out + _highlight(light, normal, gloss, roughness, lit)[..., None] * light.key_colour
    return out.astype(np.float32)


def _bled(
    light: Light,
    wrapped: FloatArray,
    wrap: float,
    direct: FloatArray,
    lit: FloatArray | None,
    translucent: float,
) -> FloatArray:
    """Light (H, W, 3) under the skin past the terminator: red travels furthest."""
    bleed = np.maximum(wrapped + 0.35, 0.0) / (1.35 + wrap)
    if lit is not None:
        bleed = bleed * (0.35 + 0.65 * lit)
    return (
        (bleed - direct).clip(0.0)[..., None]
        * light.key_colour
        * (np.array([0.75, 0.2, 0.1], np.float32) * translucent)
    )


def _highlight(
    light: Light, normal: FloatArray, gloss: float, roughness: float, lit: FloatArray | None
) -> FloatArray:
    """Strength (H, W) of Blinn's highlight of the key light."""
    half = light.key + np.array([0.0, 0.0, 1.0], np.float32)
    half = half / np.sqrt((half**2).sum())
    aligned = normal[..., 0] * half[0] + normal[..., 1] * half[1] + normal[..., 2] * half[2]
    spot = gloss * np.maximum(aligned, 0.0) ** (2.0 / max(roughness, 0.05) ** 2)
    return spot if lit is None else spot * lit
