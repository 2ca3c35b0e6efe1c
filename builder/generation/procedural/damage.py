"""Damage an exact matte the way Layer Diffusion's decoder does.

In published Layer Diffusion outputs the alpha along the edges is fine, and far from them it
is wrong: inside there are veils just below 1 over cloth and skin, now and then a panel at 0.4
to 0.9, and pin holes; outside there are a faint halo about the subject, haze, and detached
blobs. The colour under low alpha is pulled towards the smooth colour that pads it.

Strengths and frequencies were set so that shares of wrong pixels match those outputs; the
measured shares stand in ``tests/builder/generation/procedural/test_damage.py``. Shapes were
chosen by eye. Distances are in pixels of a picture whose longer side is 1024.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from builder.generation.procedural.arrays import FloatArray
from builder.generation.procedural.canvas import (
    blur,
    extend,
    fractal,
    noise,
    polygon,
    smoothstep,
    stream,
)

_HOLES, _BLOBS = 48, 24  # at most


def damage(
    foreground: NDArray[np.uint8],
    alpha: NDArray[np.uint8],
    seed: int,
    strength: float = 1.0,
    *,
    haze: bool = False,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Damage a matte.

    Args:
        foreground: (H, W, 3) uint8, straight sRGB.
        alpha: (H, W) uint8, exact coverage.
        seed: The same seed gives the same damage.
        strength: 0 leaves every byte as it is, 1 damages like Layer Diffusion on SDXL, 2
            twice as much.
        haze: Also add the failure in which the whole background has an alpha of 0.1 to 0.4.

    Returns:
        New (foreground, alpha), same shapes and dtypes.

    Raises:
        ValueError: A negative strength.
    """
    if strength < 0.0:
        raise ValueError(f"strength {strength}: must not be negative")
    if strength == 0.0:
        return foreground.copy(), alpha.copy()
    h, w = alpha.shape
    unit = max(h, w) / 1024.0
    exact = alpha.astype(np.float32) / 255.0
    opaque = (alpha > 250).astype(np.uint8)
    # The body goes on beyond the picture: its frame is no edge.
    padded = cv2.copyMakeBorder(opaque, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    inner = cv2.distanceTransform(padded, cv2.DIST_L2, 5)[1:-1, 1:-1] / unit
    outer = cv2.distanceTransform((alpha < 5).astype(np.uint8), cv2.DIST_L2, 5) / unit
    loss = _loss(stream(seed, "damage:inside"), inner, unit, strength, exact)
    gain = _gain(stream(seed, "damage:outside"), outer, unit, strength, haze)
    edge = (
        noise(stream(seed, "damage:edge"), (h, w), 1.5 * max(unit, 0.7))
        * 0.006
        * min(strength, 3.0)
    )
    band = (exact > 0.02) & (exact < 0.98)
    damaged = np.clip(exact * (1.0 - loss) + (1.0 - exact) * gain + edge * band, 0.0, 1.0)
    out = np.rint(damaged * 255.0).astype(np.uint8)
    return _colour(foreground, exact, damaged, strength, unit), out


def _loss(
    rng: np.random.Generator, inner: FloatArray, unit: float, strength: float, exact: FloatArray
) -> FloatArray:
    """Share of the alpha that is lost inside, 0..1."""
    loss = np.clip(_veil(rng, inner, unit) * strength, 0.0, 0.9)
    loss = _with_panel(loss, rng, inner, unit, strength, exact)
    _punch_holes(loss, rng, inner, unit, strength)
    return np.clip(loss, 0.0, 0.9)


def _veil(rng: np.random.Generator, inner: FloatArray, unit: float) -> FloatArray:
    """Large patches just below full alpha, and small deeper cores."""
    shape = inner.shape
    # A smooth field that passes its threshold in large patches.
    field = fractal(rng, shape, 190 * unit, 3)
    cover = float(np.clip(rng.normal(0.0, 0.36), -0.45, 0.55))
    patch = smoothstep(1.15 - cover, 2.2 - cover, field)
    grain = 0.75 + 0.25 * np.clip(fractal(rng, shape, 16 * unit, 2), -2, 2)
    deepest = float(rng.uniform(0.006, 0.026))
    near = 1.0 if rng.random() < 0.35 else 0.0  # some veils run into the border band
    inside = np.maximum(smoothstep(8.0, 40.0, inner), near * smoothstep(1.0, 6.0, inner))
    veil = patch * np.clip(grain, 0.1, 1.6) * deepest * inside
    core = smoothstep(2.3 - cover * 0.4, 3.6 - cover * 0.4, fractal(rng, shape, 90 * unit, 3))
    veil += core * rng.uniform(0.02, 0.09) * inside
    return veil


def _with_panel(
    loss: FloatArray,
    rng: np.random.Generator,
    inner: FloatArray,
    unit: float,
    strength: float,
    exact: FloatArray,
) -> FloatArray:
    """Sometimes a panel deep inside, and sometimes the frame cuts it.

    Every number is drawn whether or not it is used, so that more strength only adds damage.
    """
    happens, edge_cut, depth = rng.random(), rng.random(), rng.uniform(0.1, 0.6)
    size, tilt, place = rng.uniform(14, 52, 2) * unit, rng.uniform(0, np.pi), rng.random()
    corners = int(rng.integers(4, 9))
    radius = rng.uniform(0.75, 1.1, 8)[:corners, None]
    deep = np.argwhere(inner > 40)
    if happens >= 0.16 * strength or not len(deep):
        return loss
    y, x = deep[int(place * len(deep))]
    if edge_cut < 0.25 and exact[-1, x] > 0.5:
        y = exact.shape[0] - 1
    angle = (np.arange(corners) + 0.5) * (2 * np.pi / corners)
    ring = np.stack([np.cos(angle), np.sin(angle)], 1) * radius * size * 1.3
    c, s = np.cos(tilt), np.sin(tilt)
    ring = np.stack([ring[:, 0] * c - ring[:, 1] * s, ring[:, 0] * s + ring[:, 1] * c], 1)
    panel = blur(polygon(inner.shape, [ring + np.array((x, y))]), 2.5 * unit)
    return np.maximum(loss, panel * min(depth * strength, 0.9) * smoothstep(10.0, 20.0, inner))


def _punch_holes(
    loss: FloatArray, rng: np.random.Generator, inner: FloatArray, unit: float, strength: float
) -> None:
    """Pin holes of a few pixels, in place."""
    h, w = loss.shape
    spots = np.argwhere(inner > 12)
    chance, where, radii, depths = (rng.random(_HOLES) for _ in range(4))
    if not len(spots):
        return
    yy, xx = np.mgrid[-5:6, -5:6].astype(np.float32)
    for k in np.flatnonzero(chance < 5.0 * strength / _HOLES):
        y, x = spots[int(where[k] * len(spots))]
        sigma = (0.6 + 1.6 * radii[k]) * max(unit, 0.5)
        hole = min((0.05 + 0.55 * depths[k]) * strength, 0.9) * np.exp(
            -(yy**2 + xx**2) / (2 * sigma**2)
        )
        y0, y1, x0, x1 = max(y - 5, 0), min(y + 6, h), max(x - 5, 0), min(x + 6, w)
        part = hole[y0 - y + 5 : y1 - y + 5, x0 - x + 5 : x1 - x + 5]
        loss[y0:y1, x0:x1] = np.maximum(loss[y0:y1, x0:x1], part)


def _gain(
    rng: np.random.Generator, outer: FloatArray, unit: float, strength: float, haze: bool
) -> FloatArray:
    """Alpha that appears outside, 0..1."""
    gain = _halo(rng, outer, unit) * strength
    gain = _with_blobs(gain, rng, outer, unit, strength)
    if haze:
        fog = 0.25 + 0.08 * fractal(rng, outer.shape, 300 * unit, 2)
        gain = np.maximum(gain, np.clip(fog, 0.1, 0.4))
    return np.clip(gain, 0.0, 0.98)


def _halo(rng: np.random.Generator, outer: FloatArray, unit: float) -> FloatArray:
    """A ragged halo about the subject, now and then a cloud and a band along one side."""
    h, w = outer.shape
    reach = float(rng.uniform(1.4, 4.2))
    ragged = np.clip(0.5 + 0.6 * fractal(rng, outer.shape, 60 * unit, 3), 0.0, 2.0)
    halo = rng.uniform(0.012, 0.05) * np.exp(-outer / reach) * ragged * (outer > 0)
    if rng.random() < 0.3:
        cloud = smoothstep(2.0, 3.6, fractal(rng, outer.shape, 220 * unit, 3))
        halo += cloud * rng.uniform(0.004, 0.02)
    if rng.random() < 0.25:
        side = int(rng.integers(4))
        distance = [
            np.arange(w)[None],
            np.arange(w)[::-1][None],
            np.arange(h)[:, None],
            np.arange(h)[::-1][:, None],
        ][side]
        halo += np.exp(-distance / (14.0 * unit)) * rng.uniform(0.006, 0.03) * np.clip(ragged, 0, 1)
    return halo


def _with_blobs(
    gain: FloatArray, rng: np.random.Generator, outer: FloatArray, unit: float, strength: float
) -> FloatArray:
    """Detached blobs of any alpha in the background."""
    far = np.argwhere(outer > 14)
    chance, where, level = (rng.random(_BLOBS) for _ in range(3))
    radii = rng.uniform(1.0, 7.0, _BLOBS) * rng.uniform(0.5, 1.2, _BLOBS) * unit
    lobes = (1 + 0.3 * rng.standard_normal((_BLOBS, 12))).clip(0.3, 2.0)
    flat = rng.uniform(0.5, 1.6, _BLOBS)
    angle = np.linspace(0, 2 * np.pi, 13)[:-1]
    if not len(far):
        return gain
    for k in np.flatnonzero(chance < 2.5 * strength / _BLOBS):
        y, x = far[int(where[k] * len(far))]
        r = radii[k] * lobes[k]
        ring = np.stack([x + np.cos(angle) * r * flat[k], y + np.sin(angle) * r], 1)
        blob = blur(polygon(outer.shape, [ring]), 0.8 * unit)
        gain = np.maximum(gain, blob * (0.05 + 0.95 * level[k]))
    return gain


def _colour(
    foreground: NDArray[np.uint8],
    exact: FloatArray,
    damaged: FloatArray,
    strength: float,
    unit: float,
) -> NDArray[np.uint8]:
    """Pull the colour under low alpha towards the smooth colour that pads it."""
    straight = foreground.astype(np.float32) / 255.0
    pad = extend(straight * exact[..., None], exact)
    pad = blur(pad, 14 * unit)
    light = 0.72 + 0.28 * pad
    pull = np.clip((1.0 - damaged) ** 1.5 * 0.55 * min(strength, 1.8), 0.0, 1.0)
    target = pad * 0.5 + light * 0.5
    return np.rint(np.clip(straight + (target - straight) * pull[..., None], 0, 1) * 255).astype(
        np.uint8
    )
