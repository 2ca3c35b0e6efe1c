"""Framing: where the head sits in the picture and how large it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from builder.generation.procedural.arrays import FloatArray
from builder.generation.procedural.canvas import stream
from builder.generation.procedural.traits import Traits

_FRAMINGS = {
    "close-up": (0.58, 1.28),
    "head and shoulders": (0.42, 1.62),
    "half body": (0.275, 2.5),
    "three-quarter length": (0.187, 2.9),
}
"""The head's share of the picture's height, and the least width in head units; by eye."""

_PIVOT = np.array([0.0, 0.46])
"""The point of the neck about which the head tilts, in head units; chosen by eye."""


@dataclass(frozen=True, slots=True)
class View:
    """The map from head units (origin between the eyes, x right, y down) to pixels.

    Attributes:
        shape: (H, W) of the picture.
        scale: Pixels per head unit (chin to crown is 1).
        x: Pixel column of the origin.
        y: Pixel row of the origin.
        yaw: Turn of the head, radians, positive to the picture's right.
        roll: Tilt of the head, radians, positive clockwise.
    """

    shape: tuple[int, int]
    scale: float
    x: float
    y: float
    yaw: float
    roll: float

    def body(self, points: FloatArray) -> FloatArray:
        """Pixels of body points (..., 2)."""
        return np.asarray(points, np.float64) * self.scale + (self.x, self.y)

    def head(self, points: FloatArray) -> FloatArray:
        """Pixels of points (..., 2) of the head that are turned and not yet tilted."""
        return self.body(self.tilt(np.asarray(points, np.float64)))

    def tilt(self, points: FloatArray) -> FloatArray:
        """Tilt points (..., 2) about the neck."""
        c, s = np.cos(self.roll), np.sin(self.roll)
        x, y = (points - _PIVOT)[..., 0], (points - _PIVOT)[..., 1]
        return np.stack([x * c - y * s, x * s + y * c], -1) + _PIVOT

    def turn(self, points: FloatArray) -> FloatArray:
        """Turn points (..., 3) of the head (x right, y down, z to the camera) by the yaw."""
        c, s = np.cos(self.yaw), np.sin(self.yaw)
        x, y, z = points[..., 0], points[..., 1], points[..., 2]
        return np.stack([x * c + z * s, y, z * c - x * s], -1)

    def head_grid(self, box: tuple[slice, slice]) -> tuple[FloatArray, FloatArray]:
        """Untilted head coordinates x, y, (h, w) each, of the pixels in ``box``, float32."""
        rows = (np.arange(box[0].start, box[0].stop) + 0.5 - self.y) / self.scale - _PIVOT[1]
        columns = (np.arange(box[1].start, box[1].stop) + 0.5 - self.x) / self.scale - _PIVOT[0]
        c, s = np.cos(self.roll), np.sin(self.roll)
        x = columns[None, :] * c + rows[:, None] * s + _PIVOT[0]
        y = -columns[None, :] * s + rows[:, None] * c + _PIVOT[1]
        return x.astype(np.float32), y.astype(np.float32)

    def body_grid(self, box: tuple[slice, slice]) -> tuple[FloatArray, FloatArray]:
        """Body coordinates x (1, w) and y (h, 1) of the pixels in ``box``, float32."""
        rows = (np.arange(box[0].start, box[0].stop) + 0.5 - self.y) / self.scale
        columns = (np.arange(box[1].start, box[1].stop) + 0.5 - self.x) / self.scale
        return columns[None, :].astype(np.float32), rows[:, None].astype(np.float32)

    @property
    def pixel(self) -> float:
        """One pixel in head units."""
        return 1.0 / self.scale


def frame(person: Traits, width: int, height: int) -> View:
    """Place the head for the framing that the attributes ask for."""
    rng = stream(person.seed, "view")
    share, least = _FRAMINGS[person["framing"]]
    if person["arms"] != "at the sides":
        least = max(least, 3.25)  # room for the elbows
    scale = min(share * height, width / least) * (1.0 + 0.05 * rng.uniform(-1, 1))
    above = 0.5 + 0.06
    if person["hair_style"] == "afro" or person["headwear"] != "none":
        above += 0.16
    if person["hair_style"] == "bun":
        above += 0.24
    elif person["hair_length"] not in ("bald", "buzz cut"):
        above += 0.16 if person["hair_texture"] in ("curly", "coily") else 0.09
        above += 0.06 if person["hair_style"] == "messy" else 0.0
    if person["arms"] in ("arm raised", "behind the head"):
        above = max(above, 0.62)
    margin = height * rng.uniform(0.03, 0.08)
    y = margin + above * scale
    x = width * (0.5 + 0.03 * rng.uniform(-1, 1))
    if person["arms"] == "arm raised" and person["framing"] not in ("close-up",):
        y = max(y, margin + 0.95 * scale)
    return View((height, width), float(scale), float(x), float(y), person.yaw, person.roll)
