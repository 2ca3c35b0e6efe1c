"""Hair that is tied: ponytail, bun, braid.

Counts, places and shares were chosen by eye.
"""

from __future__ import annotations

import numpy as np

from builder.generation.procedural.arrays import FloatArray
from builder.generation.procedural.canvas import spline
from builder.generation.procedural.hair import growth
from builder.generation.procedural.hair.wig import Wig, press, taper, wig_from_strands, wisps
from builder.generation.procedural.traits import Traits


def gathered_wigs(
    person: Traits, rng: np.random.Generator, detail: float, rim: float | None
) -> list[Wig]:
    """Hair combed over the skull to a tie, and what hangs or winds from there.

    For the arguments see :func:`wig_of`. A bun is left out under headwear.
    """
    style = person["hair_style"]
    side = 1.0 if rng.random() < 0.5 else -1.0
    tie = {
        "ponytail": np.array([0.05 * side, -0.36, -0.40]),
        "bun": np.array([0.02 * side, -0.52, -0.16]),
        "braid": np.array([0.10 * side, 0.24, -0.34]),
    }[style]
    wigs = [_combed_to(tie, person, rng, detail, rim)]
    if style == "ponytail":
        wigs.append(_tail(person, rng, detail, tie, side))
    elif style == "bun":
        if rim is None:
            wigs.append(_bun(person, rng, detail, tie))
    else:
        wigs.append(_braid(person, rng, detail, tie, side))
    wigs.append(wisps(person, rng, int(150 * detail), 0.4))
    return wigs


def _combed_to(
    tie: FloatArray, person: Traits, rng: np.random.Generator, detail: float, rim: float | None
) -> Wig:
    """The hair between the hairline and the tie."""
    n = int(4600 * detail)
    roots = growth.scalp(person, rng, n)
    depth = rng.random(n)
    path = _over_skull(roots, depth, tie, rng, braided=person["hair_style"] == "braid")
    path, member = growth.clump(path, rng, n // 25, 0.35, 0.010)
    path += (
        rng.standard_normal((n, 1, 3)) * 0.022 * np.linspace(0, 1, 30)[None, :, None] ** 2
    ).astype(np.float32)
    shade = (1.0 + 0.12 * rng.standard_normal(int(member.max()) + 1))[member] * (
        1.0 + 0.1 * rng.standard_normal(n)
    )
    return Wig(
        press(path, rim).astype(np.float32),
        taper(rng, n, 30, 0.8),
        shade,
        1.0 - depth,
        np.zeros(n, bool),
    )


def _over_skull(
    roots: FloatArray,
    depth: FloatArray,
    tie: FloatArray,
    rng: np.random.Generator,
    braided: bool,
) -> FloatArray:
    """Paths (N, 30, 3) float32 over the skull from the roots (N, 3) to the tie (3,)."""
    points = 20
    t = np.linspace(0, 1, points)[None, :, None]
    start = (roots - growth.CENTRE) / growth.RADII
    stop = (tie - growth.CENTRE) / growth.RADII
    ease = t**0.9
    if braided:
        # Parted in the middle and led back over the ears to the nape.
        over = np.where(roots[:, :1] >= 0, 1.0, -1.0) * (1.05, 0.0, 0.0) + (0.0, -0.35, -0.35)
        curve = start[:, None] * (1 - t) ** 2 + 2 * t * (1 - t) * over[:, None] + stop * t**2
        direction = growth.normalise(curve + 1e-4)
    else:
        direction = growth.normalise(start[:, None] * (1 - ease) + stop * ease + 1e-4)
    height = 1.0 + (0.02 + 0.085 * depth)[:, None, None] * np.sin(
        np.pi * np.clip(t * 0.9 + 0.08, 0, 1)
    )
    path = growth.CENTRE + direction * growth.RADII * height
    path[:, 0] = roots
    waver = np.cumsum(rng.standard_normal((len(roots), points, 3)), 1) * 0.0011
    return growth.refine((path + waver * np.sin(np.pi * t)).astype(np.float32), 30)


def _course(knots: list[FloatArray], points: int) -> FloatArray:
    """A smooth curve (points, 3) through the knots."""
    curve = spline(np.array(knots), closed=False, steps=12)
    position = np.linspace(0, len(curve) - 1, points)
    i = np.minimum(position.astype(int), len(curve) - 2)
    return curve[i] + (curve[i + 1] - curve[i]) * (position - i)[:, None]


def _reach(person: Traits) -> float:
    """How far the tied hair hangs down, head units."""
    return {"chin-length": 0.45, "shoulder-length": 0.75, "long": 1.2}[person["hair_length"]]


def _tail(
    person: Traits, rng: np.random.Generator, detail: float, tie: FloatArray, side: float
) -> Wig:
    """A tail that falls from the tie over one side."""
    coily = person["hair_texture"] == "coily"
    n, k = int((1700 if coily else 2500) * detail), 26
    reach = _reach(person)
    course = _course(
        [
            tie,
            tie + np.array((0.10 * side, -0.07, -0.10)),
            tie + np.array((0.30 * side, 0.08, -0.16)),
            tie + np.array((0.43 * side, 0.42 * reach + 0.1, -0.14)),
            tie + np.array((0.47 * side, 0.95 * reach + 0.1, -0.06)),
            tie + np.array(((0.40 + 0.1 * rng.random()) * side, 1.4 * reach + 0.1, 0.0)),
        ],
        k,
    )
    t = np.linspace(0, 1, k)
    spread = 0.028 + 0.085 * np.sin(np.pi * np.clip(t * 0.82 + 0.02, 0, 1)) ** 0.8
    offset = rng.standard_normal((n, 1, 3)) * 0.75
    stop = 1.0 - 0.28 * rng.random((n, 1)) ** 2
    position = np.clip(t[None] * stop * (k - 1), 0, k - 1.001)
    i = position.astype(int)
    f = (position - i)[..., None]
    centre = course[i] * (1 - f) + course[np.minimum(i + 1, k - 1)] * f
    path = centre + offset * np.interp(position, np.arange(k), spread)[..., None]
    length = np.full(n, 1.6 * reach + 0.4)
    depth = np.clip(np.sqrt((offset[:, 0] ** 2).sum(-1)) / 1.6, 0, 1)
    wig = wig_from_strands(
        person, rng, path.astype(np.float32), length, depth, None, clumps=n // 30
    )
    wig.width *= 1.1
    return wig


def _bun(person: Traits, rng: np.random.Generator, detail: float, tie: FloatArray) -> Wig:
    """A ball of hair wound around nine axes."""
    n, k = int(2600 * detail), 40
    size = {"chin-length": 0.12, "shoulder-length": 0.155, "long": 0.19}[person["hair_length"]]
    centre = tie + np.array((0.0, -0.62 * size, -0.04))
    coils = 9
    axes = growth.normalise(rng.standard_normal((coils, 3)) * (0.55, 0.35, 0.5) + (0.0, 0.75, 0.25))
    which = rng.integers(0, coils, n)
    axis = axes[which]
    e1 = growth.normalise(np.cross(axis, np.array([0.3, 0.1, 1.0])))
    e2 = np.cross(axis, e1)
    start = rng.uniform(0, 2 * np.pi, n)[:, None]
    sweep = rng.uniform(1.6, 4.0, n)[:, None]
    t = np.linspace(0, 1, k)[None]
    angle = start + sweep * t
    offset = (rng.uniform(-0.75, 0.75, coils)[which] + 0.13 * rng.standard_normal(n))[:, None]
    offset = np.clip(offset, -0.93, 0.93)
    ring = np.sqrt(1 - offset**2)
    depth = rng.random(n)
    r = size * (0.80 + 0.22 * depth)[:, None] * (1 + 0.03 * np.sin(angle * 3 + which[:, None]))
    around = (
        e1[:, None] * (np.cos(angle) * ring)[..., None]
        + e2[:, None] * (np.sin(angle) * ring)[..., None]
    )
    path = centre + r[..., None] * (around + axis[:, None] * offset[..., None]) * (1.08, 0.9, 0.9)
    stray = rng.random(n) < 0.03
    path[stray] += (t[..., None] ** 2) * rng.standard_normal((int(stray.sum()), 1, 3)) * 0.05
    tone = (1.0 + 0.16 * rng.standard_normal(coils))[which] * (1.0 + 0.13 * rng.standard_normal(n))
    edge = 1.0 - 0.5 * np.abs(offset[:, 0] * 2 % 0.5)
    return Wig(
        path.astype(np.float32),
        taper(rng, n, k, 0.6),
        tone * edge,
        1.0 - depth,
        np.ones(n, bool),
    )


def _braid_course(tie: FloatArray, side: float, reach: float, points: int) -> FloatArray:
    """The axis of a braid: from the nape over the shoulder and down the chest."""
    return _course(
        [
            tie,
            np.array([0.27 * side, 0.48, -0.10]),
            np.array([0.36 * side, 0.74, 0.16]),
            np.array([0.37 * side, 0.95, 0.30]),
            np.array([0.34 * side, 0.95 + 0.5 * reach, 0.34]),
            np.array([0.33 * side, 0.95 + 0.95 * reach, 0.34]),
        ],
        points,
    )


def _braid(
    person: Traits, rng: np.random.Generator, detail: float, tie: FloatArray, side: float
) -> Wig:
    """Three bundles woven around each other, with a tassel below the tie at the end."""
    n, k = int(3000 * detail), 110
    reach = _reach(person)
    course = _braid_course(tie, side, reach, k)
    t = np.linspace(0, 1, k)
    bundle = rng.integers(0, 3, n)
    turns = 5.0 + 6.5 * reach
    phase = t[None] * turns * 2 * np.pi + bundle[:, None] * 2 * np.pi / 3
    size = 0.062 * (1.0 - 0.35 * t) * np.clip((1.0 - t) / 0.02 + 0.5, 0, 1)
    weave_x, weave_z = np.sin(phase) * size * 0.95, np.sin(2 * phase) * size * 0.6
    offset = rng.standard_normal((n, 3)) * 0.33
    depth = np.clip(np.sqrt((offset**2).sum(-1)), 0, 1)
    tassel = np.clip((t - 0.90) / 0.10, 0, 1)
    tight = 1.0 - 0.45 * np.exp(-(((t - 0.90) / 0.012) ** 2))
    path = course[None] + (offset[:, None] * (size * tight * (1.0 + 0.7 * tassel))[None, :, None])
    keep = (1 - tassel)[None] * np.clip(t / 0.06, 0, 1)[None]
    path[..., 0] += weave_x * keep
    path[..., 2] += weave_z * keep + 0.05
    stray = rng.random(n) < 0.05
    path[stray] += (
        rng.standard_normal((int(stray.sum()), 1, 3))
        * 0.03
        * np.sin(np.pi * t * 6)[None, :, None] ** 2
    )
    tone = 1.0 + 0.14 * rng.standard_normal(n)
    # Where a bundle dives under another, and along its borders, it is dark.
    height = np.sin(2 * phase) * 0.5 + 0.5
    rounding = 1.0 - 0.45 * np.clip(np.abs(offset[:, 1:2]) / 0.6, 0, 1)
    shade = tone[:, None] * (0.45 + 0.75 * np.where(keep > 0.5, height, 0.8)) * rounding
    near = np.linspace(0, 1, k) > 0.06
    path[..., 2] += near * 0.10 * (height - 0.5) * keep
    return Wig(
        path.astype(np.float32),
        taper(rng, n, k, 0.5, 0.9),
        shade,
        (1 - depth) * 0.4,
        np.zeros(n, bool),
    )
