"""A wig: strands with widths and shades. Every style makes its wigs with these steps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from builder.generation.procedural.arrays import BoolArray, FloatArray
from builder.generation.procedural.hair import growth
from builder.generation.procedural.traits import Traits


@dataclass(frozen=True, slots=True)
class _Texture:
    """How hair of one texture clumps and curls. All values chosen by eye.

    Attributes:
        radius: Radius of the curl, head units.
        wavelength: Length of one turn, head units.
        flat: 0 for a helix, 1 for a wave in one plane.
        gather: How far the tips of a clump draw together, 0..1.
        spread: Radius of a clump at its tip, head units.
        jitter: Phase scatter within a clump, radians.
        strands_a_clump: How many strands share a clump.
    """

    radius: float
    wavelength: float
    flat: float
    gather: float
    spread: float
    jitter: float
    strands_a_clump: int


_TEXTURES = {
    "straight": _Texture(0.004, 0.55, 0.6, 0.45, 0.012, 1.0, 22),
    "wavy": _Texture(0.026, 0.36, 0.75, 0.74, 0.013, 0.35, 26),
    "curly": _Texture(0.040, 0.20, 0.10, 0.93, 0.0105, 0.22, 30),
    "coily": _Texture(0.020, 0.080, 0.0, 0.55, 0.018, 0.7, 12),
}


@dataclass(slots=True)
class Wig:
    """Strands in the head's frame.

    Attributes:
        path: (N, K, 3) float32 points, head units.
        width: (N, K) relative widths, 1 is full width.
        shade: (N,) or (N, K) brightness, about 1.
        inner: (N,) 0 at the outside of the hair .. 1 next to the skin.
        front: (N,) strands that are drawn over the body whatever their depth.
    """

    path: FloatArray
    width: FloatArray
    shade: FloatArray
    inner: FloatArray
    front: BoolArray


def taper(
    rng: np.random.Generator, strands: int, points: int, tip: float = 0.25, start: float = 0.65
) -> FloatArray:
    """Relative widths (strands, points): full up to ``start``, thinning to ``tip`` at the end."""
    t = np.linspace(0, 1, points)
    profile = 1.0 - (1.0 - tip) * np.clip((t - start) / (1.0 - start), 0, 1)
    return (profile[None] * rng.uniform(0.5, 1.12, (strands, 1))).astype(np.float32)


def points_for(length: float, wavelength: float, radius: float) -> int:
    """How many points a strand needs for its curls to look round.

    Twelve points a turn, at least 30 and at most 170 a strand (chosen by eye).
    """
    if radius < 0.008:
        return 30
    return int(np.clip(length / wavelength * 12.0, 30, 170))


def press(path: FloatArray, rim: float | None, slack: float = 0.012) -> FloatArray:
    """Flatten onto the skull whatever lies above the rim of headwear.

    Args:
        path: (N, K, 3) points.
        rim: Height of the headwear's rim, head units; None leaves the hair as it is.
        slack: How far above the skull flattened hair lies, head units.
    """
    if rim is None:
        return path
    offset = (path - growth.CENTRE) / (growth.RADII + slack)
    distance = np.sqrt((offset * offset).sum(-1, keepdims=True))
    # Flat under the headwear, then swelling out below it.
    below = np.maximum(path[..., 1:2] - rim, 0.0)
    scale = np.minimum(1.0, (1.0 + 2.2 * below + 14.0 * below**2) / np.maximum(distance, 1e-3))
    return growth.CENTRE + (path - growth.CENTRE) * scale


def wisps(person: Traits, rng: np.random.Generator, count: int, longest: float) -> Wig:
    """Short, fine loose hairs along the hairline and over the crown."""
    roots = growth.scalp(person, rng, count * 3)
    line = growth.hairline(person, np.arctan2(roots[:, 0], roots[:, 2]))
    near = np.minimum(line - roots[:, 1], 0.25 + (roots[:, 1] + 0.5))
    roots = roots[np.argsort(near, kind="stable")[:count]]
    length = longest * rng.uniform(0.15, 1.0, count)
    direction = growth.outward(roots) * 0.9 + rng.standard_normal((count, 3)) * 0.5
    path = growth.grow(
        roots,
        growth.normalise(direction),
        length,
        rng,
        gravity=np.array([0.0, 0.4, 0.0]),
        margin=np.full(count, 0.02),
        steps=14,
        wander=0.16,
    )
    points = 24
    width = taper(rng, count, points, 0.2, 0.3) * 0.5
    shade, inner = np.ones(count), np.zeros(count)
    return Wig(growth.refine(path, points), width, shade, inner, np.zeros(count, bool))


def wig_from_strands(
    person: Traits,
    rng: np.random.Generator,
    path: FloatArray,
    length: FloatArray,
    depth: FloatArray,
    rim: float | None,
    clumps: int | None = None,
    off_face: BoolArray | None = None,
) -> Wig:
    """Clump and curl grown strands, let some fly away, and taper them.

    Args:
        person: Whose hair; its texture decides clumps and curls.
        rng: The stream.
        path: (N, K, 3) strands.
        length: (N,) head units.
        depth: (N,) 0 next to the skin .. 1 at the outside.
        rim: See :func:`press`.
        clumps: Number of clumps; by the texture where None.
        off_face: (N,) strands that are pushed off the face; none where None.
    """
    texture = _TEXTURES[person["hair_texture"]]
    radius, wavelength = texture.radius, texture.wavelength
    gather, spread = texture.gather, texture.spread
    if person["hair_style"] == "messy":
        gather, spread = min(gather + 0.12, 0.9), spread * 0.8
    points = points_for(float(np.quantile(length, 0.9)), wavelength, radius)
    count = clumps or int(len(path) / texture.strands_a_clump)
    path, member = growth.clump(path, rng, max(count, 4), gather, spread)
    if off_face is not None:
        path = growth.relax(growth.clear_face(path, off_face, rng, room=1.3 * radius))
    path = growth.refine(path, points)
    if person["hair_length"] == "short":
        wavelength, radius = wavelength * 0.8, radius * 0.8
    path = growth.curl(
        path, rng, member, length, radius, wavelength, flat=texture.flat, jitter=texture.jitter
    )
    width = taper(rng, len(path), path.shape[1])
    path = press(_fly_away(path, width, length, rng), rim)
    shade_of_clump = 1.0 + 0.17 * rng.standard_normal(int(member.max()) + 1)
    shade = shade_of_clump[member] * (1.0 + 0.15 * rng.standard_normal(len(path)))
    return Wig(path.astype(np.float32), width, shade, 1.0 - depth, np.zeros(len(path), bool))


def _fly_away(
    path: FloatArray, width: FloatArray, length: FloatArray, rng: np.random.Generator
) -> FloatArray:
    """Bend some strands away from their clump in long arcs; thins their ``width`` in place."""
    n = len(path)
    t = np.linspace(0, 1, path.shape[1], dtype=np.float32)
    stray = rng.random(n) < 0.06
    drift = rng.standard_normal((n, 3)).astype(np.float32) * 0.08
    drift[:, 0] = np.abs(drift[:, 0]) * np.sign(path[:, -1, 0])
    drift[:, 1] -= 0.02
    bend = (
        (t[None, :, None] ** 1.6)
        * drift[:, None]
        * np.minimum(length, 1.0)[:, None, None].astype(np.float32)
    )
    width[stray] *= rng.uniform(0.3, 0.6, (int(stray.sum()), 1)).astype(np.float32)
    return path + np.where(stray[:, None, None], bend, bend * 0.06)
