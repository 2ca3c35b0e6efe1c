"""From the name of a hair style to strands in space.

Counts, lengths and shares were chosen by eye.
"""

from __future__ import annotations

import numpy as np

from builder.generation.procedural.arrays import FloatArray, IndexArray
from builder.generation.procedural.canvas import stream
from builder.generation.procedural.hair import growth
from builder.generation.procedural.hair.gathered import gathered_wigs
from builder.generation.procedural.hair.loose import loose_wigs
from builder.generation.procedural.hair.wig import Wig, press, taper
from builder.generation.procedural.traits import Traits


def wig_of(person: Traits, detail: float, rim: float | None = None) -> list[Wig]:
    """The hair of the head; an empty list where none shows.

    Args:
        person: Whose hair.
        detail: Factor of the number of strands: 1 at 512 pixels, head and shoulders.
        rim: Height of the rim of headwear that presses down the hair above it, head units;
            None without headwear.
    """
    length, style = person["hair_length"], person["hair_style"]
    if length == "bald" or person["headwear"] == "headscarf":
        return []  # a headscarf hides all of it
    rng = stream(person.seed, "hair")
    if length == "buzz cut":
        return [_buzz(person, rng, detail)]
    if style == "afro":
        return [_afro(person, rng, detail, rim)]
    if style == "dreadlocks":
        return [_dreadlocks(person, rng, detail, rim)]
    if style in ("ponytail", "bun", "braid") and length != "short":
        return gathered_wigs(person, rng, detail, rim)
    return loose_wigs(person, rng, detail, rim)


def _buzz(person: Traits, rng: np.random.Generator, detail: float) -> Wig:
    n = int(9000 * detail)
    roots = growth.scalp(person, rng, n)
    length = 0.022 * rng.uniform(0.7, 1.3, n)
    jumble = rng.standard_normal((n, 3))
    direction = growth.normalise(growth.outward(roots) + 0.35 * jumble + (0.0, 0.25, 0.1))
    t = np.linspace(0, 1, 4)[None, :, None]
    path = roots[:, None] + direction[:, None] * t * length[:, None, None]
    width = taper(rng, n, 4, 0.4)
    return Wig(
        path.astype(np.float32),
        width,
        1.0 + 0.15 * rng.standard_normal(n),
        np.full(n, 0.3),
        np.zeros(n, bool),
    )


def _afro(person: Traits, rng: np.random.Generator, detail: float, rim: float | None) -> Wig:
    n = int(10500 * detail)
    roots = growth.scalp(person, rng, n)
    reach = {"short": 0.15, "chin-length": 0.26, "shoulder-length": 0.34, "long": 0.42}[
        person["hair_length"]
    ]
    length = (
        reach
        * (0.55 + 0.5 * rng.random(n) ** 0.5)
        * (1.0 + 0.15 * np.clip(-roots[:, 1] / 0.4, 0, 1))
    )
    centre = growth.CENTRE + np.array((0.0, 0.04, -0.02))
    away = growth.normalise(roots - centre)
    side = np.clip((roots[:, 1] - 0.0) / 0.3, 0, 1)  # 0 above the eyes .. 1 at the nape
    away[:, 1] += 0.1 * side
    direction = growth.normalise(away + 0.16 * rng.standard_normal((n, 3)))
    t = np.linspace(0, 1, 14)[None, :, None]
    path = roots[:, None] + direction[:, None] * t * length[:, None, None]
    waver = np.cumsum(rng.standard_normal((n, 14, 3)), 1) * 0.006
    path = growth.refine((path + waver).astype(np.float32), int(np.clip(reach / 0.05 * 8, 26, 64)))
    path, member = growth.clump(path, rng, n // 9, 0.5, 0.012)
    path = growth.curl(path, rng, member, length, 0.015, 0.05, jitter=1.2, rise=0.1)
    path = press(path, rim)
    depth = length / length.max()
    shade = (1.0 + 0.16 * rng.standard_normal(int(member.max()) + 1))[member]
    return Wig(
        path.astype(np.float32),
        taper(rng, n, path.shape[1], 0.4) * 0.85,
        shade,
        1.0 - depth,
        np.zeros(n, bool),
    )


def _dreadlocks(person: Traits, rng: np.random.Generator, detail: float, rim: float | None) -> Wig:
    locks, strands_a_lock = 125, int(56 * detail)
    path, length = _lock_paths(person, rng, locks)
    owner = np.repeat(np.arange(locks), strands_a_lock)
    strands, off_axis = _twisted(path, length, owner, rng)
    n = len(strands)
    fuzz = rng.random(n) < 0.10
    strands[fuzz] += np.cumsum(rng.standard_normal((int(fuzz.sum()), 72, 3)), 1) * 0.0022
    strands = press(strands, rim, 0.03)
    shade = (1.0 + 0.1 * rng.standard_normal(locks))[owner] * (1.0 + 0.1 * rng.standard_normal(n))
    shade = shade * (0.45 + 0.65 * off_axis)
    return Wig(
        strands.astype(np.float32),
        taper(rng, n, 72, 0.5, 0.9) * 1.15,
        shade,
        0.4 * (1 - off_axis),
        np.zeros(n, bool),
    )


def _lock_paths(
    person: Traits, rng: np.random.Generator, locks: int
) -> tuple[FloatArray, FloatArray]:
    """The axes (locks, 72, 3) of dreadlocks and their lengths (locks,)."""
    roots = growth.scalp(person, rng, locks)
    x, y = roots[:, 0], roots[:, 1]
    end = {"short": 0.05, "chin-length": 0.46, "shoulder-length": 0.85, "long": 1.5}[
        person["hair_length"]
    ]
    length = np.maximum((end - y) * rng.uniform(0.88, 1.15, locks) + 0.2, 0.3)
    comb = np.stack([np.tanh(x / 0.06), 0.2 + 0 * x, -0.4 + 0 * x], 1)
    direction = growth.normalise(growth.outward(roots) * 0.5 + 0.7 * comb)
    margin = 0.02 + 0.06 * rng.random(locks)
    path = growth.grow(
        roots, direction, length, rng, gravity=np.array([0, 0.9, 0.0]), margin=margin, wander=0.07
    )
    return growth.refine(path, 72), length


def _twisted(
    path: FloatArray, length: FloatArray, owner: IndexArray, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Strands (N, 72, 3) twisted around the locks that own them, and their radius in it, 0..1."""
    locks, n = len(path), len(owner)
    t = np.linspace(0, 1, 72, dtype=np.float32)
    lumps = 1.0 + 0.16 * np.sin(
        t[None] * rng.uniform(25, 50, (locks, 1)) + rng.uniform(0, 6, (locks, 1))
    )
    thick = rng.uniform(0.019, 0.03, locks)[:, None] * lumps * np.clip((1.02 - t) / 0.06, 0.3, 1)
    phase, off_axis = rng.uniform(0, 2 * np.pi, n), np.sqrt(rng.random(n))
    twist = phase[:, None] + t[None] * (rng.uniform(18, 40, locks)[owner] * length[owner])[:, None]
    tangent = growth.normalise(np.gradient(path, axis=1))
    e1 = growth.normalise(np.cross(tangent, np.array([0.0, 0.0, 1.0]) + 1e-3))
    e2 = np.cross(tangent, e1)
    around = (thick[owner] * off_axis[:, None])[..., None]
    strands = path[owner] + around * (
        e1[owner] * np.cos(twist)[..., None] + e2[owner] * np.sin(twist)[..., None]
    )
    return strands, off_axis
