"""From a hair style's name to strands in space."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from builder.generation.procedural.canvas import stream
from builder.generation.procedural.hair import growth
from builder.generation.procedural.traits import Traits

_TEXTURE = {
    # radius, wavelength, flatness, clump strength, clump spread, phase jitter
    "straight": (0.004, 0.55, 0.6, 0.45, 0.012, 1.0),
    "wavy": (0.026, 0.36, 0.75, 0.74, 0.013, 0.35),
    "curly": (0.040, 0.20, 0.10, 0.93, 0.0105, 0.22),
    "coily": (0.020, 0.080, 0.0, 0.55, 0.018, 0.7),
}


@dataclass(slots=True)
class Wig:
    """Strands in the head's frame.

    Attributes:
        path: (N, K, 3) points.
        width: (N, K) relative widths, 1 the full one.
        shade: (N,) or (N, K) brightness about 1.
        inner: (N,) 0 at the outside of the hair .. 1 next to the skin.
        front: (N,) always drawn before the body, whatever its depth.
    """

    path: np.ndarray
    width: np.ndarray
    shade: np.ndarray
    inner: np.ndarray
    front: np.ndarray


def wig_of(person: Traits, detail: float, rim: float | None = None) -> list[Wig]:
    """The hair of the head; no wigs for a bald one.

    Args:
        person: Whose hair.
        detail: 1 at 512 pixels head and shoulders; more strands for larger pictures.
        rim: Height above which headwear presses the hair down, head units, or None.
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
        from builder.generation.procedural.hair.gathered import gathered

        return gathered(person, rng, detail, rim)
    return _loose(person, rng, detail, rim)


def taper(
    rng: np.random.Generator, n: int, k: int, tip: float = 0.25, start: float = 0.65
) -> np.ndarray:
    """Relative widths (n, k): full, thinning to ``tip`` at the end."""
    t = np.linspace(0, 1, k)
    profile = 1.0 - (1.0 - tip) * np.clip((t - start) / (1.0 - start), 0, 1)
    return (profile[None] * rng.uniform(0.5, 1.12, (n, 1))).astype(np.float32)


def points_for(length: float, wavelength: float, radius: float) -> int:
    """How many points a strand needs for its curls to look round."""
    if radius < 0.008:
        return 30
    return int(np.clip(length / wavelength * 12.0, 30, 170))


def wisps(person: Traits, rng: np.random.Generator, count: int, longest: float) -> Wig:
    """Short, fine loose hairs along the hairline and over the crown."""
    roots = growth.scalp(person, rng, count * 3)
    line = growth.hairline(person, np.arctan2(roots[:, 0], roots[:, 2]))
    near = np.minimum(line - roots[:, 1], 0.25 + (roots[:, 1] + 0.5))
    roots = roots[np.argsort(near, kind="stable")[:count]]
    length = longest * rng.uniform(0.15, 1.0, count)
    free = growth.outward(roots) * 0.9 + rng.standard_normal((count, 3)) * 0.5
    path = growth.grow(
        roots,
        growth.normalise(free),
        length,
        rng,
        gravity=np.array([0.0, 0.4, 0.0]),
        margin=np.full(count, 0.02),
        steps=14,
        wander=0.16,
    )
    k = 24
    width = taper(rng, count, k, 0.2, 0.3) * 0.5
    none = np.zeros(count)
    return Wig(growth.refine(path, k), width, np.ones(count), none, np.zeros(count, bool))


def _press(path: np.ndarray, rim: float | None, slack: float = 0.012) -> np.ndarray:
    """Flatten what lies above the rim of headwear onto the skull."""
    if rim is None:
        return path
    d = (path - growth.CENTRE) / (growth.RADII + slack)
    r = np.sqrt((d * d).sum(-1, keepdims=True))
    # Flat under the headwear, then swelling out below it.
    below = np.maximum(path[..., 1:2] - rim, 0.0)
    scale = np.minimum(1.0, (1.0 + 2.2 * below + 14.0 * below**2) / np.maximum(r, 1e-3))
    return growth.CENTRE + (path - growth.CENTRE) * scale


def _end_height(person: Traits) -> float:
    return {"short": -0.05, "chin-length": 0.46, "shoulder-length": 0.86, "long": 1.65}[
        person["hair_length"]
    ]


def _loose(person: Traits, rng: np.random.Generator, detail: float, rim: float | None) -> list[Wig]:
    length_name, style, texture = (
        person["hair_length"],
        person["hair_style"],
        person["hair_texture"],
    )
    short = length_name == "short"
    n = int(
        {"short": 7200, "chin-length": 5600, "shoulder-length": 5000, "long": 4600}[length_name]
        * detail
    )
    n = int(n * {"curly": 0.8, "coily": 0.7}.get(texture, 1.0))
    part = {"side part": 0.13 if rng.random() < 0.5 else -0.13}.get(
        style, rng.choice([0.0, 0.04, -0.05, 0.09])
    )
    roots = growth.scalp(person, rng, n)
    if style in ("loose", "side part") and not short:
        roots = np.concatenate([roots, growth.parting(person, rng, part, n // 5)])
        n = len(roots)
    x, y, z = roots.T
    out = growth.outward(roots)
    aside = np.tanh((x - part + 0.008 * rng.standard_normal(n)) / 0.02)
    aside = np.where(aside < 0, -1.0, 1.0) * np.maximum(np.abs(aside), 0.6)
    front = np.clip((z + 0.05) / 0.3, 0, 1)
    jumble = rng.standard_normal((n, 3))
    volume = 0.040 + 0.025 * rng.random()
    volume += {"straight": 0.0, "wavy": 0.015, "curly": 0.05, "coily": 0.08}[texture]
    top = np.clip((-0.12 - y) / 0.25, 0, 1)
    gravity = np.array([0.0, 0.95, 0.0])
    pull = None
    if short:
        base = 0.16 + 0.10 * rng.random() + (0.07 if person.masculine < 0.6 else 0.0)
        length = base * (0.30 + 0.85 * top) * rng.uniform(0.75, 1.2, n)
        gravity = np.array([0.0, 0.40, 0.0])
        lift = 0.10 + 0.30 * top
    else:
        end = _end_height(person) + 0.05 * rng.standard_normal()
        length = (end - y) + 0.26 * (1 - np.abs(x) / 0.4) * np.clip(-y / 0.3, 0, 1)
        layered = rng.random() * 0.28
        length = np.maximum(length * (1.0 - layered * rng.random(n) ** 2), 0.15)
        length *= 1.0 + 0.035 * rng.standard_normal(n)
        lift = np.full(n, 0.34)
    comb = np.stack([aside * (0.30 + 0.75 * front), 0.25 + 0.0 * y, -0.35 - 0.35 * front], 1)
    back = z < -0.12
    comb[back] = np.stack([0.8 * x, 0.6 + 0.0 * x, -0.5 + 0.0 * x], 1)[back]
    if short:
        sweep = aside if style == "side part" else 0.8 * np.tanh((x + 2 * part) / 0.12)
        comb[:, 0] = sweep * (0.4 + 0.7 * top)
        comb[:, 1] = 1.05 - 1.35 * top
        comb[:, 2] = np.where(z > -0.1, 0.45 * top - 0.35 * (1 - top), -0.3)
        comb += 0.22 * jumble
    if style == "slicked back":
        comb = np.stack([0.35 * x / 0.36, np.where(front > 0.3, -0.35, 0.25), -1.2 - 0.0 * x], 1)
        lift = lift * 0.3
        length = np.maximum(length, 0.30) if short else length
        gravity = gravity * 0.55
        pull = np.tile(np.array([0.0, 0.0, -0.8]), (n, 1))
    if style == "messy":
        tuft = growth.normalise(rng.standard_normal((40, 3)))
        which = rng.integers(0, 40, n)
        centres = roots[rng.permutation(n)[:40]]
        which = np.argmin(((roots[:, None] - centres[None]) ** 2).sum(-1), 1)
        comb = comb * 0.45 + 0.9 * tuft[which] + 0.45 * jumble
        lift = lift + 0.35
        length = length * (1.15 if short else 1.0) * rng.uniform(0.7, 1.15, n)
        volume += 0.03
    bangs = np.zeros(n, bool)
    if style == "with bangs":
        bangs = (z > 0.04) & (y < -0.18) & (np.abs(x) < 0.27)
        comb[bangs] = np.stack([0.35 * x, 0.25 + 0.0 * x, 1.0 + 0.0 * x], 1)[bangs]
        cut = -0.085 + 0.02 * rng.standard_normal(n) + 0.06 * (np.abs(x) / 0.27) ** 2
        length[bangs] = (np.abs(cut - y) * 1.18 + 0.5 * np.maximum(0.30 - z, 0))[bangs]
    if texture in ("curly", "coily"):
        lift = lift + 0.3
        gravity = gravity * (0.75 if not short else 0.5)
        length = length * (1.12 if short else 0.95)
    direction = growth.normalise(out * np.asarray(lift)[..., None] + comb * 0.62 + 0.10 * jumble)
    depth = rng.random(n)
    margin = 0.006 + volume * depth
    if short:
        margin *= 0.35 + 0.65 * top
    path = growth.grow(
        roots, direction, length, rng, gravity=gravity, margin=margin, pull=pull,
        ceiling=None if style == "messy" or short else 0.05 + 1.2 * volume,
        part_face=not short and style != "slicked back",
        wander=0.05 if texture == "straight" else 0.09, steps=26,
    )  # fmt: skip
    if bangs.any():
        free = growth.grow(
            roots[bangs], direction[bangs], length[bangs], rng,
            gravity=np.array([0.0, 0.62, 0.0]), margin=margin[bangs] * 0.6, part_face=False,
            wander=0.04,
        )  # fmt: skip
        path[bangs] = free
    clear = None if short or style == "slicked back" else (rng.random(n) > 0.002) & ~bangs
    wig = finish(person, rng, path, length, depth, rim, clear=clear)
    return [wig, wisps(person, rng, int(260 * detail), 0.22)]


def finish(
    person: Traits,
    rng: np.random.Generator,
    path: np.ndarray,
    length: np.ndarray,
    depth: np.ndarray,
    rim: float | None,
    clumps: int | None = None,
    clear: np.ndarray | None = None,
) -> Wig:
    """Clump, curl, fly away and taper grown strands."""
    radius, wavelength, flat, gather, spread, jitter = _TEXTURE[person["hair_texture"]]
    n = len(path)
    style = person["hair_style"]
    if style == "messy":
        gather, spread = min(gather + 0.12, 0.9), spread * 0.8
    k = points_for(float(np.quantile(length, 0.9)), wavelength, radius)
    count = clumps or int(
        {"straight": n / 22, "wavy": n / 26, "curly": n / 30, "coily": n / 12}[
            person["hair_texture"]
        ]
    )
    path, member = growth.clump(path, rng, max(count, 4), gather, spread)
    if clear is not None:
        path = growth.relax(growth.clear_face(path, clear, rng, room=1.3 * radius))
    path = growth.refine(path, k)
    if person["hair_length"] == "short":
        wavelength, radius = wavelength * 0.8, radius * 0.8
    path = growth.curl(path, rng, member, length, radius, wavelength, flat=flat, jitter=jitter)
    width = taper(rng, n, path.shape[1])
    t = np.linspace(0, 1, path.shape[1], dtype=np.float32)
    # Fly-aways leave their clump in long gentle arcs.
    stray = rng.random(n) < 0.06
    drift = rng.standard_normal((n, 3)).astype(np.float32) * 0.08
    drift[:, 0] = np.abs(drift[:, 0]) * np.sign(path[:, -1, 0])
    drift[:, 1] -= 0.02
    bend = (
        (t[None, :, None] ** 1.6)
        * drift[:, None]
        * np.minimum(length, 1.0)[:, None, None].astype(np.float32)
    )
    path = path + np.where(stray[:, None, None], bend, bend * 0.06)
    width[stray] *= rng.uniform(0.3, 0.6, (int(stray.sum()), 1)).astype(np.float32)
    path = _press(path, rim)
    tone_of_clump = 1.0 + 0.17 * rng.standard_normal(int(member.max()) + 1)
    shade = tone_of_clump[member] * (1.0 + 0.15 * rng.standard_normal(n))
    return Wig(path.astype(np.float32), width, shade, 1.0 - depth, np.zeros(n, bool))


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
    side = np.clip((roots[:, 1] - 0.0) / 0.3, 0, 1)
    away[:, 1] += 0.1 * side
    direction = growth.normalise(away + 0.16 * rng.standard_normal((n, 3)))
    t = np.linspace(0, 1, 14)[None, :, None]
    path = roots[:, None] + direction[:, None] * t * length[:, None, None]
    walk = np.cumsum(rng.standard_normal((n, 14, 3)), 1) * 0.006
    path = growth.refine((path + walk).astype(np.float32), int(np.clip(reach / 0.05 * 8, 26, 64)))
    path, member = growth.clump(path, rng, n // 9, 0.5, 0.012)
    path = growth.curl(path, rng, member, length, 0.015, 0.05, jitter=1.2, rise=0.1)
    path = _press(path, rim)
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
    locks, each = 125, int(56 * detail)
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
    path = growth.refine(path, 72)
    t = np.linspace(0, 1, 72, dtype=np.float32)
    lumps = 1.0 + 0.16 * np.sin(
        t[None] * rng.uniform(25, 50, (locks, 1)) + rng.uniform(0, 6, (locks, 1))
    )
    thick = rng.uniform(0.019, 0.03, locks)[:, None] * lumps * np.clip((1.02 - t) / 0.06, 0.3, 1)
    owner = np.repeat(np.arange(locks), each)
    n = locks * each
    phase, off = rng.uniform(0, 2 * np.pi, n), np.sqrt(rng.random(n))
    twist = phase[:, None] + t[None] * (rng.uniform(18, 40, locks)[owner] * length[owner])[:, None]
    tangent = growth.normalise(np.gradient(path, axis=1))
    e1 = growth.normalise(np.cross(tangent, np.array([0.0, 0.0, 1.0]) + 1e-3))
    e2 = np.cross(tangent, e1)
    around = (thick[owner] * off[:, None])[..., None]
    strands = path[owner] + around * (
        e1[owner] * np.cos(twist)[..., None] + e2[owner] * np.sin(twist)[..., None]
    )
    fuzz = rng.random(n) < 0.10
    strands[fuzz] += np.cumsum(rng.standard_normal((int(fuzz.sum()), 72, 3)), 1) * 0.0022
    strands = _press(strands, rim, 0.03)
    shade = (1.0 + 0.1 * rng.standard_normal(locks))[owner] * (1.0 + 0.1 * rng.standard_normal(n))
    shade = shade * (0.45 + 0.65 * off)
    return Wig(
        strands.astype(np.float32),
        taper(rng, n, 72, 0.5, 0.9) * 1.15,
        shade,
        0.4 * (1 - off),
        np.zeros(n, bool),
    )
