"""Loose hair, short or long: combed, slicked back, tousled, parted or cut into bangs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from builder.generation.procedural.arrays import BoolArray, FloatArray
from builder.generation.procedural.hair import growth
from builder.generation.procedural.hair.wig import Wig, wig_from_strands, wisps
from builder.generation.procedural.traits import Traits

# Numbers of strands and all shares below were chosen by eye.
_STRANDS = {"short": 7200, "chin-length": 5600, "shoulder-length": 5000, "long": 4600}
_STRANDS_OF_TEXTURE = {"curly": 0.8, "coily": 0.7}
_END_HEIGHT = {"short": -0.05, "chin-length": 0.46, "shoulder-length": 0.86, "long": 1.65}
_VOLUME = {"straight": 0.0, "wavy": 0.015, "curly": 0.05, "coily": 0.08}


@dataclass(slots=True)
class _Strands:
    """N strands before they grow; each step of a style changes some of this.

    Attributes:
        style: The hair style's name.
        short: Whether the hair is short.
        parting: Where the hair is parted, head x.
        roots: (N, 3) head units.
        aside: (N,) which way from the parting a strand falls, -1..1 without values near 0.
        front: (N,) 0 behind the ears .. 1 at the forehead.
        top: (N,) 0 at the sides .. 1 on the crown.
        jumble: (N, 3) standard normal noise of the direction.
        volume: How far the hair stands off the skull, head units.
        gravity: (3,) pull for every head unit of length.
        length: (N,) head units.
        lift: (N,) share of the direction that points away from the skull.
        comb: (N, 3) direction along the skull.
        pull: (N, 3) further pull, or None.
        bangs: (N,) strands that hang over the forehead.
    """

    style: str
    short: bool
    parting: float
    roots: FloatArray
    aside: FloatArray
    front: FloatArray
    top: FloatArray
    jumble: FloatArray
    volume: float
    gravity: FloatArray
    length: FloatArray
    lift: FloatArray
    comb: FloatArray
    pull: FloatArray | None
    bangs: BoolArray


def loose_wigs(
    person: Traits, rng: np.random.Generator, detail: float, rim: float | None
) -> list[Wig]:
    """Hair that is not tied, and the wisps around it; see :func:`styles.wig_of`."""
    strands = _rooted(person, rng, detail)
    _set_length(strands, person, rng)
    _comb(strands)
    if strands.style == "slicked back":
        _slick_back(strands)
    if strands.style == "messy":
        _tousle(strands, rng)
    if strands.style == "with bangs":
        _cut_bangs(strands, rng)
    if person["hair_texture"] in ("curly", "coily"):
        _lift_curls(strands)
    path, depth = _grow(strands, person, rng)
    off_face = None
    if not strands.short and strands.style != "slicked back":
        # Two strands in a thousand may cross the face.
        off_face = (rng.random(len(path)) > 0.002) & ~strands.bangs
    wig = wig_from_strands(person, rng, path, strands.length, depth, rim, off_face=off_face)
    return [wig, wisps(person, rng, int(260 * detail), 0.22)]


def _rooted(person: Traits, rng: np.random.Generator, detail: float) -> _Strands:
    """Roots on the scalp, and what follows from where they lie."""
    style, texture = person["hair_style"], person["hair_texture"]
    short = person["hair_length"] == "short"
    n = int(_STRANDS[person["hair_length"]] * detail)
    n = int(n * _STRANDS_OF_TEXTURE.get(texture, 1.0))
    # Both are drawn for every style, so that a style does not move the numbers that follow.
    side_part = 0.13 if rng.random() < 0.5 else -0.13
    any_part = rng.choice([0.0, 0.04, -0.05, 0.09])
    parting = side_part if style == "side part" else any_part
    roots = growth.scalp(person, rng, n)
    if style in ("loose", "side part") and not short:
        roots = np.concatenate([roots, growth.parting(person, rng, parting, n // 5)])
        n = len(roots)
    x, y, z = roots.T
    aside = np.tanh((x - parting + 0.008 * rng.standard_normal(n)) / 0.02)
    aside = np.where(aside < 0, -1.0, 1.0) * np.maximum(np.abs(aside), 0.6)
    jumble = rng.standard_normal((n, 3))
    volume = 0.040 + 0.025 * rng.random()
    return _Strands(
        style=style,
        short=short,
        parting=parting,
        roots=roots,
        aside=aside,
        front=np.clip((z + 0.05) / 0.3, 0, 1),
        top=np.clip((-0.12 - y) / 0.25, 0, 1),
        jumble=jumble,
        volume=volume + _VOLUME[texture],
        gravity=np.array([0.0, 0.40, 0.0]) if short else np.array([0.0, 0.95, 0.0]),
        length=np.empty(n),
        lift=np.empty(n),
        comb=np.empty((n, 3)),
        pull=None,
        bangs=np.zeros(n, bool),
    )


def _set_length(strands: _Strands, person: Traits, rng: np.random.Generator) -> None:
    """Cut short hair by its place on the head, long hair to a height, a little layered."""
    x, y, _ = strands.roots.T
    n = len(x)
    if strands.short:
        base = 0.16 + 0.10 * rng.random() + (0.07 if person.masculine < 0.6 else 0.0)
        strands.length = base * (0.30 + 0.85 * strands.top) * rng.uniform(0.75, 1.2, n)
        strands.lift = 0.10 + 0.30 * strands.top
        return
    end = _END_HEIGHT[person["hair_length"]] + 0.05 * rng.standard_normal()
    length = (end - y) + 0.26 * (1 - np.abs(x) / 0.4) * np.clip(-y / 0.3, 0, 1)
    layered = rng.random() * 0.28
    length = np.maximum(length * (1.0 - layered * rng.random(n) ** 2), 0.15)
    length *= 1.0 + 0.035 * rng.standard_normal(n)
    strands.length = length
    strands.lift = np.full(n, 0.34)


def _comb(strands: _Strands) -> None:
    """Comb the hair from the parting to the sides and back."""
    x, y, z = strands.roots.T
    aside, front, top = strands.aside, strands.front, strands.top
    if strands.short:
        sweep = aside
        if strands.style != "side part":
            sweep = 0.8 * np.tanh((x + 2 * strands.parting) / 0.12)
        comb = np.stack(
            [
                sweep * (0.4 + 0.7 * top),
                1.05 - 1.35 * top,
                np.where(z > -0.1, 0.45 * top - 0.35 * (1 - top), -0.3),
            ],
            1,
        )
        comb += 0.22 * strands.jumble
    else:
        comb = np.stack([aside * (0.30 + 0.75 * front), 0.25 + 0.0 * y, -0.35 - 0.35 * front], 1)
        back = z < -0.12
        comb[back] = np.stack([0.8 * x, 0.6 + 0.0 * x, -0.5 + 0.0 * x], 1)[back]
    strands.comb = comb


def _slick_back(strands: _Strands) -> None:
    """Comb everything to the back of the head, close to the skull."""
    x = strands.roots[:, 0]
    rise = np.where(strands.front > 0.3, -0.35, 0.25)
    strands.comb = np.stack([0.35 * x / 0.36, rise, -1.2 - 0.0 * x], 1)
    strands.lift = strands.lift * 0.3
    if strands.short:
        strands.length = np.maximum(strands.length, 0.30)
    strands.gravity = strands.gravity * 0.55
    strands.pull = np.tile(np.array([0.0, 0.0, -0.8]), (len(x), 1))


def _tousle(strands: _Strands, rng: np.random.Generator) -> None:
    """Point 40 tufts each its own way."""
    n = len(strands.roots)
    direction = growth.normalise(rng.standard_normal((40, 3)))
    rng.integers(0, 40, n)  # unused: drawn to keep the order of the stream, and so the pictures
    centres = strands.roots[rng.permutation(n)[:40]]
    tuft = np.argmin(((strands.roots[:, None] - centres[None]) ** 2).sum(-1), 1)
    strands.comb = strands.comb * 0.45 + 0.9 * direction[tuft] + 0.45 * strands.jumble
    strands.lift = strands.lift + 0.35
    strands.length = strands.length * (1.15 if strands.short else 1.0) * rng.uniform(0.7, 1.15, n)
    strands.volume += 0.03


def _cut_bangs(strands: _Strands, rng: np.random.Generator) -> None:
    """Comb the hair over the forehead forwards and cut it above the eyes."""
    x, y, z = strands.roots.T
    bangs = (z > 0.04) & (y < -0.18) & (np.abs(x) < 0.27)
    strands.comb[bangs] = np.stack([0.35 * x, 0.25 + 0.0 * x, 1.0 + 0.0 * x], 1)[bangs]
    cut = -0.085 + 0.02 * rng.standard_normal(len(x)) + 0.06 * (np.abs(x) / 0.27) ** 2
    length = np.abs(cut - y) * 1.18 + 0.5 * np.maximum(0.30 - z, 0)
    strands.length[bangs] = length[bangs]
    strands.bangs = bangs


def _lift_curls(strands: _Strands) -> None:
    """Curls stand further off the skull and hang less."""
    strands.lift = strands.lift + 0.3
    strands.gravity = strands.gravity * (0.5 if strands.short else 0.75)
    strands.length = strands.length * (1.12 if strands.short else 0.95)


def _grow(
    strands: _Strands, person: Traits, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Grow the strands; their paths (N, K, 3) and depths in the hair (N,), 0..1."""
    lifted = growth.outward(strands.roots) * np.asarray(strands.lift)[..., None]
    direction = growth.normalise(lifted + strands.comb * 0.62 + 0.10 * strands.jumble)
    depth = rng.random(len(strands.roots))
    margin = 0.006 + strands.volume * depth
    if strands.short:
        margin *= 0.35 + 0.65 * strands.top
    held = not strands.short and strands.style != "messy"
    path = growth.grow(
        strands.roots,
        direction,
        strands.length,
        rng,
        gravity=strands.gravity,
        margin=margin,
        pull=strands.pull,
        ceiling=0.05 + 1.2 * strands.volume if held else None,
        part_face=not strands.short and strands.style != "slicked back",
        wander=0.05 if person["hair_texture"] == "straight" else 0.09,
        steps=26,
    )
    bangs = strands.bangs
    if bangs.any():
        path[bangs] = growth.grow(
            strands.roots[bangs],
            direction[bangs],
            strands.length[bangs],
            rng,
            gravity=np.array([0.0, 0.62, 0.0]),
            margin=margin[bangs] * 0.6,
            part_face=False,
            wander=0.04,
        )
    return path, depth
