"""Light and its answer from matte, translucent and shiny surfaces."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

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

    key: np.ndarray
    key_colour: np.ndarray
    hardness: float
    ambient: np.ndarray
    sky: np.ndarray
    rim: np.ndarray
    rim_colour: np.ndarray


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
    normal: np.ndarray,
    albedo: np.ndarray,
    *,
    gloss: float = 0.0,
    roughness: float = 0.4,
    translucent: float = 0.0,
    occlusion: np.ndarray | None = None,
    lit: np.ndarray | None = None,
) -> np.ndarray:
    """Linear light from a surface.

    Args:
        light: The lights.
        normal: (H, W, 3) unit normals.
        albedo: (H, W, 3) or (3,), linear.
        gloss: Strength of the highlight, 0..1.
        roughness: 0.1 sharp .. 1 broad.
        translucent: How far light bleeds past the terminator, reddened (skin 0.4).
        occlusion: (H, W) share of the surroundings that is open, 0..1.
        lit: (H, W) share of the key light that arrives, 0..1.

    Returns:
        (H, W, 3) float32.
    """
    facing = normal[..., 0] * light.key[0] + normal[..., 1] * light.key[1]
    facing = facing + normal[..., 2] * light.key[2]
    wrap = 0.42 * (1.0 - light.hardness) + 0.06
    direct = np.maximum(facing + wrap, 0.0) / (1.0 + wrap)
    if lit is not None:
        direct = direct * lit
    energy = direct[..., None] * light.key_colour
    if translucent:
        # Red travels furthest under skin: it reaches past where the others stop.
        bleed = np.maximum(facing + wrap + 0.35, 0.0) / (1.35 + wrap)
        if lit is not None:
            bleed = bleed * (0.35 + 0.65 * lit)
        energy = energy + (bleed - direct).clip(0.0)[..., None] * light.key_colour * (
            np.array([0.75, 0.2, 0.1], np.float32) * translucent
        )
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
        half = light.key + np.array([0.0, 0.0, 1.0], np.float32)
        half = half / np.sqrt((half**2).sum())
        aligned = normal[..., 0] * half[0] + normal[..., 1] * half[1] + normal[..., 2] * half[2]
        power = 2.0 / max(roughness, 0.05) ** 2
        spot = gloss * np.maximum(aligned, 0.0) ** power
        if lit is not None:
            spot = spot * lit
        out = out + spot[..., None] * light.key_colour
    return out.astype(np.float32)
