"""Five designs of damage and three kinds of subject for ``bench_refinement_doubt``.

They share nothing with the four designs that the refinement is otherwise measured on. Two of them,
``border`` and ``codec``, are of a kind that generators do not do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tests.refinement.synthetic import field

Plane = NDArray[Any]
Design = Callable[[Plane, np.random.Generator, float, float], Plane]


def depths(alpha: Plane) -> tuple[Plane, Plane]:
    """Distance of opaque pixels from the rest, and of clear ones."""
    solid = cv2.copyMakeBorder((alpha >= 0.999).astype(np.uint8), 9, 9, 9, 9, cv2.BORDER_REPLICATE)
    inner = cv2.distanceTransform(solid, cv2.DIST_L2, 5)[9:-9, 9:-9]
    return inner, cv2.distanceTransform((alpha < 0.004).astype(np.uint8), cv2.DIST_L2, 5)


def _patch(rng: np.random.Generator, where: Plane, radius: float, softness: float) -> Plane:
    """A soft polygon of 0..1 about a random place of a mask; nothing if the mask is empty."""
    plane = np.zeros(where.shape, np.float32)
    places = np.flatnonzero(where)
    if not places.size:
        return plane
    y, x = divmod(int(rng.choice(places)), where.shape[1])
    count = int(rng.integers(5, 11))
    angles = np.sort(rng.uniform(0, 2 * np.pi, count))
    reach = rng.uniform(0.4, 1, count) * radius
    corners = np.stack([x + reach * np.cos(angles), y + reach * np.sin(angles)], 1)
    cv2.fillPoly(plane, [np.rint(corners).astype(np.int32)], 1.0)
    return cv2.GaussianBlur(plane, (0, 0), softness)


def drift(alpha: Plane, rng: np.random.Generator, strength: float, scale: float) -> Plane:
    """A slow gain over everything, smoke behind, correlated noise."""
    shape = alpha.shape
    gain = (
        field(rng, shape, rng.uniform(60, 240) * scale) * 0.6 + field(rng, shape, 25 * scale) * 0.4
    )
    result = alpha * (1 - strength * rng.uniform(0.01, 0.12) * np.clip(2 * gain - 0.8, 0, 1))
    smoke = np.clip(2 * field(rng, shape, rng.uniform(80, 300) * scale) - 1, 0, 1)
    level = strength * rng.choice([0.0, 0.02, 0.08, 0.2]) * rng.uniform(0.3, 1)
    result = result + (1 - result) * smoke * level
    noise = cv2.GaussianBlur(
        rng.normal(0, 1, shape).astype(np.float32), (0, 0), rng.uniform(0.5, 2)
    )
    where = ((alpha > 0) & (alpha < 1)) | (rng.random() < 0.3)
    return result + noise / noise.std() * strength * rng.uniform(0, 0.02) * where


def codec(alpha: Plane, rng: np.random.Generator, strength: float, scale: float) -> Plane:
    """JPEG or few levels, at times a lower resolution, over a veil."""
    result = alpha * (1 - strength * rng.uniform(0, 0.06) * field(rng, alpha.shape, 50 * scale))
    if rng.random() < 0.6:
        quality = int(np.clip(98 - strength * rng.uniform(4, 35), 5, 100))
        picture = np.rint(255 * result).astype(np.uint8)
        data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        result = np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), np.float32) / 255
    else:
        levels = max(3, round(48 / strength * rng.uniform(0.3, 1)))
        result = np.rint(result * levels) / levels
    if rng.random() < 0.4:
        height, width = alpha.shape
        share = 1 / (1 + strength * rng.uniform(0.1, 0.7))
        size = round(width * share), round(height * share)
        small = cv2.resize(result, size, interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC))
    return result


def cuts(alpha: Plane, rng: np.random.Generator, strength: float, scale: float) -> Plane:
    """Parts of limbs and hair missing, patches left behind, holes cut through, a faint veil."""
    inner, outer = depths(alpha)
    result = alpha.copy()

    def patch(where: Plane, radius: float) -> Plane:
        softness = rng.uniform(0.5, 3) * max(scale, 0.4)
        return _patch(rng, where, strength * radius * scale + 2, softness)

    for _ in range(int(rng.integers(0, 3))):
        lost = patch((alpha > 0.5) & (inner < 25 * scale), rng.uniform(6, 40))
        result *= 1 - lost * rng.uniform(0.3, 1)
    for _ in range(int(rng.integers(0, 4))):
        left = patch(outer > rng.choice([6, 40]) * scale, rng.uniform(4, 35))
        result = np.maximum(result, left * rng.uniform(0.3, 1))
    for _ in range(int(rng.integers(0, 6))):
        hole = patch(inner > rng.choice([3, 15, 40]) * scale, rng.uniform(2, 18))
        result *= 1 - hole * rng.uniform(0.5, 1)
    return result * (1 - strength * rng.uniform(0, 0.03) * field(rng, alpha.shape, 40 * scale))


def smoky(alpha: Plane, rng: np.random.Generator, strength: float, scale: float) -> Plane:
    """Smoke and halos of any width, see-through cloth with texture, a darkened frame."""
    inner, outer = depths(alpha)
    shape, result = alpha.shape, alpha.copy()
    for _ in range(int(rng.integers(1, 4))):
        softness = rng.uniform(1, 8) * max(scale, 0.4)
        cloth = _patch(rng, inner > 8 * scale, rng.uniform(20, 120) * scale + 3, softness)
        texture = field(rng, shape, rng.uniform(3, 30) * scale + 1.5)
        deep = strength * rng.uniform(0.05, 0.5) * (1 - rng.uniform(0, 0.8) * texture)
        result *= 1 - np.clip(cloth * deep, 0, 0.8)
    fall = np.exp(-((outer / (rng.uniform(3, 60) * scale + 0.5)) ** rng.choice([1, 2])))
    uneven = np.clip(field(rng, shape, rng.uniform(30, 200) * scale) * 1.8 - 0.4, 0, 1)
    result += (1 - result) * np.clip(strength * rng.uniform(0.02, 0.2) * fall * uneven, 0, 0.5)
    if rng.random() < 0.5:
        smoke = np.clip(field(rng, shape, rng.uniform(60, 200) * scale) * 2.2 - 1.2, 0, 1)
        result = np.maximum(result, smoke * strength * rng.uniform(0.05, 0.45))
    if rng.random() < 0.5:
        result[-1] *= 1 - min(0.6, strength * rng.uniform(0.02, 0.25))
    return result


def border(alpha: Plane, rng: np.random.Generator, strength: float, scale: float) -> Plane:
    """The border blurred, moved, thinned or hardened; a veil and holes inside."""
    kind = int(rng.integers(0, 4))
    if kind == 0:
        softness = strength * rng.uniform(0.3, 2) * max(scale, 0.4)
        result = np.asarray(cv2.GaussianBlur(alpha, (0, 0), softness))
    elif kind == 1:
        right, down = strength * rng.normal(0, 0.8, 2)
        shift = np.array([[1, 0, right], [0, 1, down]])
        size = alpha.shape[1], alpha.shape[0]
        moved = cv2.warpAffine(alpha, shift, size, borderMode=cv2.BORDER_REPLICATE)
        result = np.asarray(moved)
    elif kind == 2:
        result = np.power(alpha, 2.0 ** (strength * rng.normal(0, 0.6)))
    else:
        result = np.clip(0.5 + (alpha - 0.5) * 2.0 ** (strength * rng.uniform(0, 1)), 0, 1)
    inner, _ = depths(alpha)
    for _ in range(int(rng.integers(0, 9))):
        radius = rng.uniform(1, 6) * max(scale, 0.4) + 1
        hole = _patch(rng, inner > 4 * scale, radius, 0.7)
        result = result * (1 - hole * min(1.0, strength * rng.uniform(0.1, 0.8)))
    return result * (1 - strength * rng.uniform(0, 0.04) * field(rng, alpha.shape, 60 * scale))


DESIGNS: dict[str, Design] = {
    "drift": drift,
    "codec": codec,
    "cuts": cuts,
    "smoky": smoky,
    "border": border,
}


def damage(kind: str, alpha: NDArray[np.uint8], seed: int, strength: float) -> NDArray[np.uint8]:
    """Alpha (H, W) uint8, damaged by one of :data:`DESIGNS`."""
    return apply(DESIGNS[kind], alpha, [seed, 91, *kind.encode()], strength)


def apply(
    design: Design, alpha: NDArray[np.uint8], seed: list[int], strength: float
) -> NDArray[np.uint8]:
    """Alpha (H, W) uint8, damaged by a design with random numbers from a seed."""
    rng = np.random.default_rng(seed)
    scale = float(np.sqrt(alpha.size)) / 1024
    result = design(alpha.astype(np.float32) / 255, rng, strength, scale)
    return np.rint(255 * np.clip(result, 0, 1)).astype(np.uint8)


def others(side: int) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Nets, fur and plants, each twice: name and alpha."""
    for seed in range(2):
        for draw in (_net, _fur, _plant):
            canvas = np.zeros((4 * side, 4 * side), np.uint8)
            draw(canvas, np.random.default_rng(seed), side)
            alpha = cv2.resize(canvas, (side, side), interpolation=cv2.INTER_AREA)
            yield f"{draw.__name__[1:]}{seed}", np.asarray(alpha, np.uint8)


def _line(canvas: Plane, start: Plane, end: Plane, width: int) -> None:
    (x, y), (right, down) = np.rint(start).astype(int).tolist(), np.rint(end).astype(int).tolist()
    cv2.line(canvas, (x, y), (right, down), 255, width)


def _net(canvas: Plane, rng: np.random.Generator, side: int) -> None:
    gap, up = int(rng.integers(50, 110)), np.array([2 * side, 4 * side])
    for x in range(-4 * side, 8 * side, gap):
        for way in (1, -1):
            _line(
                canvas, np.array([x, 0]), np.array([x, 0]) + up * [way, 1], int(rng.integers(6, 14))
            )
    hoop = np.zeros_like(canvas)
    axes = (int(1.6 * side), int(1.3 * side))
    cv2.ellipse(hoop, (2 * side, 2 * side), axes, 0, 0, 360, 255, -1)
    canvas &= hoop
    cv2.circle(canvas, (2 * side, 2 * side), side // 2, 255, -1)


def _fur(canvas: Plane, rng: np.random.Generator, side: int) -> None:
    middle, axes = np.array([2, 2]) * side, np.array([0.9, 0.7]) * side
    cv2.ellipse(canvas, (2 * side, 2 * side), (int(axes[0]), int(axes[1])), 0, 0, 360, 255, -1)
    for _ in range(2600):
        angle = rng.uniform(0, 2 * np.pi)
        start = middle + axes * rng.uniform(0.6, 1) * [np.cos(angle), np.sin(angle)]
        angle += rng.normal(0, 0.4)
        end = start + side * rng.uniform(0.1, 0.5) * np.array([np.cos(angle), np.sin(angle)])
        _line(canvas, start, end, int(rng.integers(1, 6)))


def _plant(canvas: Plane, rng: np.random.Generator, side: int) -> None:
    for _ in range(60):
        angle, place = rng.uniform(-2.6, -0.5), np.array([2.0, 4.0]) * side
        length = side * rng.uniform(1, 3.6) / 12
        for joint in range(12):
            end = place + length * np.array([np.cos(angle), np.sin(angle)])
            _line(canvas, place, end, int(rng.integers(4, 12)))
            angle += rng.normal(0, 0.08)
            if joint > 3:
                axes = int(side * rng.uniform(0.04, 0.14)), int(side * rng.uniform(0.015, 0.05))
                turn = float(np.degrees(angle + rng.normal(0, 0.8)))
                at = int(end[0]), int(end[1])
                cv2.ellipse(canvas, at, axes, turn, 0, 360, 255, -1)
            place = end
