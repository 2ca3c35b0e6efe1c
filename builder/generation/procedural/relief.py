"""The relief of the head: a radius for every angle and height, with the features on it.

All shapes are in head units (chin to crown is 1) and were chosen by eye.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from builder.generation.procedural.arrays import FloatArray
from builder.generation.procedural.canvas import smoothstep
from builder.generation.procedural.traits import Traits

_HEIGHTS = np.array(
    [-0.50, -0.49, -0.46, -0.41, -0.33, -0.2, -0.08, 0.03, 0.12,
     0.21, 0.30, 0.37, 0.43, 0.475, 0.505, 0.522, 0.53]
)  # fmt: skip
_HALF_WIDTHS = np.array(
    [0.0, 0.085, 0.175, 0.252, 0.312, 0.353, 0.362, 0.358, 0.348,
     0.330, 0.300, 0.262, 0.214, 0.166, 0.118, 0.070, 0.0]
)  # fmt: skip
_FRONT_DEPTHS = np.array(
    [0.0, 0.11, 0.20, 0.275, 0.335, 0.380, 0.390, 0.385, 0.383,
     0.382, 0.380, 0.375, 0.368, 0.350, 0.315, 0.27, 0.2]
)  # fmt: skip
_BACK_DEPTHS = np.array(
    [0.0, 0.12, 0.24, 0.33, 0.41, 0.46, 0.46, 0.44, 0.40,
     0.35, 0.29, 0.24, 0.2, 0.18, 0.16, 0.13, 0.1]
)  # fmt: skip
"""Half-width, front depth and back depth of the head at :data:`_HEIGHTS`."""

_SAMPLES = 207  # heights at which the outline is smoothed


@dataclass(frozen=True, slots=True)
class Mouth:
    """Where the mouth is and what it does, head units.

    Attributes:
        y: Height of the line between the lips.
        half: Half-width.
        smile: How far the corners rise, -1..1.
        gap: How far the lips are apart.
        upper: Height of the upper lip.
        lower: Height of the lower lip.
    """

    y: float
    half: float
    smile: float
    gap: float
    upper: float
    lower: float


def mouth_of(person: Traits) -> Mouth:
    """The mouth for the expression."""
    smile, gap, wide = {
        "neutral": (0.05, 0.0, 1.0),
        "gentle smile": (0.55, 0.0, 1.10),
        "laughing": (0.9, 0.055, 1.22),
        "serious": (-0.15, 0.0, 0.97),
        "surprised": (0.0, 0.075, 0.82),
        "pensive": (-0.05, 0.0, 0.94),
    }[person["expression"]]
    return Mouth(
        0.326 + 0.012 * (person.nose_length - 1.0) - 0.3 * gap * 0.2,
        0.105 * person.mouth_width * wide,
        smile,
        gap,
        0.032 * person.lip_full * (0.85 if gap or smile > 0.4 else 1.0),
        0.038 * person.lip_full * (0.9 if gap else 1.0),
    )


def outline(person: Traits, y: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Half-width, front depth and back depth of the head at heights ``y``, each like ``y``."""
    widths = _HALF_WIDTHS.copy()
    lower = np.clip((_HEIGHTS - 0.1) / 0.3, 0.0, 1.0)
    widths *= 1.0 + lower * (person.jaw - 1.0) * np.where(_HEIGHTS > 0.48, 1.6, 1.0)
    widths *= person.face_width * 0.935
    return _smoothed(widths, y), _smoothed(_FRONT_DEPTHS, y), _smoothed(_BACK_DEPTHS, y)


def _smoothed(values: FloatArray, y: FloatArray) -> FloatArray:
    """Values given at :data:`_HEIGHTS`, smoothed, at heights ``y``."""
    heights = np.linspace(_HEIGHTS[0], _HEIGHTS[-1], _SAMPLES)
    sampled = np.interp(heights, _HEIGHTS, values)
    padded = np.concatenate([-sampled[2:0:-1] * 0.3, sampled, -sampled[-2:-4:-1] * 0.3])
    smooth = np.convolve(padded, np.array([1, 4, 6, 4, 1]) / 16.0, "valid")
    # Crown and chin are round: the steep outline there must not be smoothed away.
    index = np.arange(_SAMPLES)
    keep = np.clip(np.minimum(index, index[::-1]) / 8.0, 0, 1)
    return np.interp(y, heights, np.maximum(smooth * keep + sampled * (1 - keep), 0.0))


def base_point(person: Traits, angle: FloatArray, y: FloatArray) -> FloatArray:
    """Points (..., 3) of the head without features at angles (radians, 0 front) and heights."""
    width, front, back = outline(person, y)
    c, s = np.cos(angle), np.sin(angle)
    depth = np.where(c > 0, front * np.abs(c) ** 0.86, -back * np.abs(c))
    return np.stack([width * s, y, depth], -1)


def _bump(
    x: FloatArray, y: FloatArray, centre: tuple[float, float], size: tuple[float, float]
) -> FloatArray:
    """A Gaussian bump of height 1."""
    value: FloatArray = np.exp(
        -(((x - centre[0]) / size[0]) ** 2) - ((y - centre[1]) / size[1]) ** 2
    )
    return value


def relief(person: Traits, x: FloatArray, y: FloatArray) -> FloatArray:
    """How far the features stand out of the base, towards the front, head units."""
    height = _bones(person, np.abs(x), y)
    base = 0.205 * (0.6 + 0.4 * person.nose_length)
    _add_nose(height, person, base, x, y)
    mouth = mouth_of(person)
    _add_mouth(height, person, mouth, x, y)
    _add_smile_fold(height, person, mouth, base, np.abs(x), y)
    return height


def _bones(person: Traits, a: FloatArray, y: FloatArray) -> FloatArray:
    """Brow, eye sockets with eyeballs, cheekbones and temples; ``a`` is x without its sign."""
    gap = 0.152 * person.eye_gap
    man = person.masculine
    height = 0.016 * (0.5 + man) * _bump(a, y, (0.10, -0.095), (0.09, 0.035))
    height -= 0.042 * _bump(a, y, (gap - 0.005, -0.015), (0.075, 0.052))
    height -= 0.018 * _bump(a, y, (0.06, -0.02), (0.03, 0.05))
    height += 0.022 * _bump(a, y, (gap + 0.002, 0.002), (0.055, 0.034))  # the eyeball
    height += 0.018 * _bump(a, y, (0.235, 0.095), (0.09, 0.065))  # cheekbone
    height -= 0.014 * (0.4 + 0.5 * man) * _bump(a, y, (0.235, 0.25), (0.06, 0.09))
    height -= 0.012 * _bump(a, y, (0.33, -0.15), (0.07, 0.09))
    return height


def _add_nose(
    height: FloatArray, person: Traits, base: float, x: FloatArray, y: FloatArray
) -> None:
    """A ridge that grows towards the tip, wings beside it, a short underside; in place."""
    a = np.abs(x)
    t = np.clip((y + 0.07) / (base + 0.055), 0.0, 1.0)
    edge = base + 0.008 * np.exp(-((x / 0.030) ** 2)) - 0.008 * smoothstep(0.035, 0.075, a)
    under = smoothstep(edge + 0.050, edge - 0.016, y)
    ridge_width = (0.040 + 0.018 * t**2) * (0.6 + 0.4 * person.nose_width)
    ridge = (0.010 + 0.072 * t**1.25) * np.exp(-((x / ridge_width) ** 2))
    height += ridge * under * smoothstep(-0.16, -0.04, y)
    height += 0.034 * _bump(x, y, (0.0, base - 0.004), (0.036 * person.nose_width, 0.034))
    height += 0.036 * _bump(a, y, (0.043 * person.nose_width, base + 0.004), (0.022, 0.024))
    height += 0.020 * t * np.exp(-((x / 0.075) ** 2)) * under


def _add_mouth(
    height: FloatArray, person: Traits, mouth: Mouth, x: FloatArray, y: FloatArray
) -> None:
    """The teeth behind the lips, both lips, the groove between them, and the chin; in place."""
    height += 0.022 * _bump(x, y, (0.0, mouth.y), (0.12, 0.075))
    line = mouth.y - mouth.smile * 0.32 * x**2 / 0.11
    a = np.abs(x)
    across = np.clip(1.0 - (a / (mouth.half * 1.03)) ** 2, 0.0, 1.0)
    half_gap = mouth.gap * 0.5 * across
    upper = (y - (line - half_gap - mouth.upper * 0.55)) / (mouth.upper * 0.75)
    height += 0.020 * across * np.exp(-(upper**2))
    lower = (y - (line + half_gap + mouth.lower * 0.5)) / (mouth.lower * 0.7)
    height += 0.024 * across * np.exp(-(lower**2))
    groove = np.exp(-(((y - line) / (0.008 + half_gap)) ** 2))
    height -= 0.012 * groove * smoothstep(1.15, 0.9, a / mouth.half)
    height -= 0.010 * _bump(x, y, (0.0, mouth.y + 0.075 + mouth.gap * 0.6), (0.075, 0.018))
    chin_size = (0.07 + 0.02 * person.masculine, 0.042)
    height += 0.020 * person.chin * _bump(x, y, (0.0, 0.445), chin_size)


def _add_smile_fold(
    height: FloatArray,
    person: Traits,
    mouth: Mouth,
    base: float,
    a: FloatArray,
    y: FloatArray,
) -> None:
    """The fold from the nose to the corner of the mouth, deeper with a smile and with age."""
    fold_x = 0.07 + (y - base) * 0.62 + 0.03 * mouth.smile
    fold = 0.004 + 0.008 * max(mouth.smile, 0.0) + 0.006 * np.clip((person.years - 30) / 40, 0, 1)
    span = smoothstep(base - 0.02, base + 0.03, y) * smoothstep(mouth.y + 0.05, mouth.y - 0.02, y)
    height -= fold * span * np.exp(-(((a - fold_x) / 0.017) ** 2))
    height += fold * 1.3 * span * np.exp(-(((a - fold_x - 0.045) / 0.035) ** 2))
