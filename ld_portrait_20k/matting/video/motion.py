"""Dense optical flow between neighbouring frames, and averaging along it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from ld_portrait_20k.matting.video.frames import Pixels

FLOW_SIDE: Final = 640
"""Flow is computed on frames whose longer side is at most this: motion is smooth, and 1080p
would take nine times as long."""

Places = tuple[NDArray[np.int64], ...]
"""Rows and columns of pixels, as :func:`numpy.nonzero` gives them."""

PHOTOMETRIC_SIGMA: Final = 12.0
"""Colour difference, of 255, at which a neighbour's weight is 1/e; a first choice, not
tuned."""


@dataclass(frozen=True, slots=True)
class Motion:
    """Where the pixels of a frame lie in a neighbouring one, and how far that is believed.

    Attributes:
        flow: (h, w, 2) float32, right and down, in shares of the frame's width and height.
        weight: (h, w) float32, 0..1: near 1 where the neighbour shows the same colour there.
    """

    flow: NDArray[np.float32]
    weight: NDArray[np.float32]

    def warp(self, plane: Pixels) -> Pixels:
        """A plane (H, W) uint8 of the neighbouring frame, moved to where this frame has it."""
        height, width = plane.shape
        flow = cv2.resize(self.flow, (width, height), interpolation=cv2.INTER_LINEAR)
        moved = cv2.remap(
            plane,
            flow[..., 0] * np.float32(width) + np.arange(width, dtype=np.float32),
            flow[..., 1] * np.float32(height) + np.arange(height, dtype=np.float32)[:, None],
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        return np.asarray(moved, np.uint8)

    def weights(self, height: int, width: int) -> NDArray[np.float32]:
        """The weight of each pixel of a frame of this size: (H, W) float32."""
        return np.asarray(cv2.resize(self.weight, (width, height)), np.float32)

    def sample(self, plane: Pixels, places: Places) -> tuple[NDArray[np.float32], ...]:
        """What :meth:`warp` and :meth:`weights` give at some pixels alone.

        Args:
            plane: (H, W) uint8 of the neighbouring frame.
            places: Rows and columns of N pixels of this frame.

        Returns:
            The moved plane's values, 0..255, and the weights: (N,) float32 each.
        """
        height, width = plane.shape
        down, right = (axis.astype(np.float32) for axis in places)
        small = reduced_places(places, plane.shape, self.weight.shape)
        flow = sampled(self.flow, *small)
        moved = sampled(
            plane,
            flow[:, 1] * np.float32(height) + down,
            flow[:, 0] * np.float32(width) + right,
        )
        return moved.astype(np.float32), sampled(self.weight, *small)


_ROW: Final = 4096  # OpenCV reads at pictures of places, no side of which exceeds 32,767


def reduced_places(
    places: Places, shape: tuple[int, ...], smaller: tuple[int, ...]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Rows and columns of pixels of one shape, in a reduction of it, as resizing has them."""
    down, right = (
        (axis.astype(np.float32) + np.float32(0.5)) * np.float32(small / large) - np.float32(0.5)
        for axis, small, large in zip(places, smaller, shape, strict=False)
    )
    return down, right


def sampled(
    picture: NDArray[Any], rows: NDArray[np.float32], columns: NDArray[np.float32]
) -> NDArray[Any]:
    """Values of a picture between its pixels: (N,), or (N, C) of one with C channels."""
    count = len(columns)
    shape = (-(-count // _ROW), _ROW)
    x, y = (np.resize(axis, shape) for axis in (columns, rows))
    found = np.asarray(cv2.remap(picture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))
    return found.reshape(shape[0] * _ROW, *picture.shape[2:])[:count]


class Flow:
    """DIS optical flow (Kroeger et al., "Fast Optical Flow using Dense Inverse Search", 2016)."""

    def __init__(self) -> None:
        self._method: cv2.DISOpticalFlow = cv2.DISOpticalFlow.create(
            cv2.DISOPTICAL_FLOW_PRESET_MEDIUM
        )

    def between(self, frame: Pixels, other: Pixels) -> Motion:
        """The motion from a frame to a neighbouring one, both (H, W, 3) uint8."""
        small, small_other = (shrunk(picture, FLOW_SIDE) for picture in (frame, other))
        grey, grey_other = (
            np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY))
            for picture in (small, small_other)
        )
        height, width = grey.shape
        if min(height, width) < _LEAST:
            pixels = np.zeros((height, width, 2), np.float32)
        else:
            start = np.zeros((height, width, 2), np.float32)
            pixels = np.asarray(self._method.calc(grey, grey_other, start), np.float32)
        moved = cv2.remap(
            small_other,
            pixels[..., 0] + np.arange(width, dtype=np.float32),
            pixels[..., 1] + np.arange(height, dtype=np.float32)[:, None],
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        # Noise of single pixels says nothing about the motion.
        difference = cv2.blur(cv2.absdiff(small, moved), (3, 3)).max(axis=2).astype(np.float32)
        weight = np.exp(-np.square(difference * np.float32(1 / PHOTOMETRIC_SIGMA)))
        share = (pixels / np.array([width, height], np.float32)).astype(np.float32)
        return Motion(share, weight.astype(np.float32))


_LEAST: Final = 16  # DIS needs patches of 8 at two scales


def shrunk(picture: Pixels, side: int) -> Pixels:
    """A picture or plane, reduced to a longer side of ``side`` pixels if it is larger."""
    scale = side / max(picture.shape[:2])
    if scale >= 1:
        return picture
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


@dataclass(frozen=True, slots=True)
class Moved:
    """A neighbouring frame's mask or matte, moved to where this frame has it.

    Attributes:
        plane: (H, W) uint8.
        weight: (H, W) float32, 0..1.
    """

    plane: Pixels
    weight: NDArray[np.float32]

    @classmethod
    def along(cls, motion: Motion, plane: Pixels) -> Moved:
        """Move a neighbour's plane (H, W) uint8 along the motion to that neighbour."""
        return cls(motion.warp(plane), motion.weights(*plane.shape))


def averaged(plane: Pixels, neighbours: Sequence[Moved]) -> Pixels:
    """A plane (H, W) uint8 averaged with its neighbours by photometric weight."""
    total = plane.astype(np.float32)
    weights = np.ones_like(total)
    for other in neighbours:
        total += other.weight * other.plane
        weights += other.weight
    return np.rint(total / weights).astype(np.uint8)


def disagreement(plane: Pixels, neighbours: Sequence[Moved]) -> Pixels:
    """How much a plane differs from its neighbours where the motion is believed.

    Returns:
        (H, W) uint8, the largest weighted difference.
    """
    found = np.zeros(plane.shape, np.float32)
    for other in neighbours:
        difference = cv2.absdiff(plane, other.plane).astype(np.float32)
        np.maximum(found, other.weight * difference, out=found)
    return np.rint(found).astype(np.uint8)
