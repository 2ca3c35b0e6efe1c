"""What colours and motion say of each pixel: person or background.

Widths are in pixels at :data:`SIDE`; all constants were chosen on the dancer clip over four
backgrounds, by the error of the carried mask.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from ld_portrait_20k.matting.video.frames import Pixels

SIDE: Final = 640
"""Longer side in pixels at which masks are carried on."""

_BINS: Final = 32  # a channel; 16 take skin and sand for one
_FLOOR: Final = 1e-3  # share of a histogram spread over all bins, for colours never seen
_NOISE: Final = 7.0  # least deviation of a background pixel from itself, of 255
_OTHER: Final = 0.05  # share of background pixels that do not look as before: shadows, waves
_TAIL: Final = 6.0  # of 95 % of background pixels the squared difference is below this variance
_CAMERA: Final = 1.5  # log odds against a pixel that moves with the camera
_AGREES: Final = 0.5  # deviation in pixels of motion that agrees with the camera's
_APART: Final = 2.0  # pixels that person and camera must move apart for that to count
_GRID: Final = 12  # pixels between the points that tell the camera's motion

Plane = NDArray[np.float32]


def widened(mask: NDArray[np.bool_], pixels: int) -> NDArray[np.bool_]:
    """A mask grown by some pixels on each side, or shrunk where they are negative."""
    kernel = np.ones((2 * abs(pixels) + 1,) * 2, np.uint8)
    grow = cv2.dilate if pixels >= 0 else cv2.erode
    return np.asarray(grow(mask.view(np.uint8), kernel) > 0)


class ColourModel:
    """How often each colour occurs in a part of a frame: a smoothed histogram.

    Args:
        colour: (H, W, 3) uint8 sRGB.
        part: (H, W) which pixels count.
    """

    def __init__(self, colour: Pixels, part: NDArray[np.bool_]) -> None:
        counts = np.bincount(self._bin(colour[part]), minlength=_BINS**3).astype(np.float64)
        cube = counts.reshape((_BINS,) * 3)
        for axis in range(3):
            edge = np.pad(cube, [(1, 1) if one == axis else (0, 0) for one in range(3)], "edge")
            below, same, above = (
                np.take(edge, range(first, first + _BINS), axis) for first in range(3)
            )
            cube = (below + 2 * same + above) / 4
        cube = cube + max(1.0, cube.sum()) * _FLOOR / cube.size
        self._density = (cube / cube.sum() * (_BINS / 256) ** 3).ravel()

    def __call__(self, colour: Pixels) -> NDArray[np.float64]:
        """The density of each pixel's colour, (H, W), for values of 0..255."""
        return np.asarray(self._density[self._bin(colour)])

    @staticmethod
    def _bin(colour: Pixels) -> NDArray[np.int64]:
        index = (colour // (256 // _BINS)).astype(np.int64)
        return np.asarray((index[..., 0] * _BINS + index[..., 1]) * _BINS + index[..., 2])


def camera_motion(flow: Plane, background: NDArray[np.bool_]) -> NDArray[np.float64]:
    """How the background moves as a whole, by RANSAC over points of the flow.

    Args:
        flow: (H, W, 2) in pixels, from a frame to the one before.
        background: (H, W) where the motion is the camera's.

    Returns:
        (3, 3) homography from the frame to the one before; the identity where too few agree.
    """
    rows, columns = np.mgrid[_GRID // 2 : flow.shape[0] : _GRID, _GRID // 2 : flow.shape[1] : _GRID]
    rows, columns = (axis[background[rows, columns]] for axis in (rows, columns))
    if rows.size < 20:  # four suffice; fewer than these are no majority
        return np.eye(3)
    points = np.stack([columns, rows], axis=1).astype(np.float32)
    cv2.setRNGSeed(0)  # RANSAC draws at random
    found, _ = cv2.findHomography(points, points + flow[rows, columns], cv2.RANSAC, 1.0)
    return np.eye(3) if found is None else np.asarray(found, np.float64)


def moves_with_camera(
    flow: Plane, camera: NDArray[np.float64], person: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Log odds for the background (H, W) where a pixel moves as the camera and not as the person.

    Args:
        flow: (H, W, 2) in pixels, to the frame before.
        camera: Of :func:`camera_motion`.
        person: (H, W) about where the person is.
    """
    height, width = flow.shape[:2]
    places = np.dstack(np.meshgrid(np.arange(width), np.arange(height))).astype(np.float64)
    moved = cv2.perspectiveTransform(places.reshape(1, -1, 2), camera).reshape(height, width, 2)
    expected = moved - places
    own = np.median(flow[person], axis=0) if person.any() else np.zeros(2)
    apart = np.linalg.norm(expected - own, axis=2) > _APART
    gap = np.square(flow - expected).sum(axis=2)
    return np.asarray(_CAMERA * np.exp(-gap / (2 * _AGREES**2)) * apart)


class BackgroundPlate:
    """The background as far as it was seen since the plate was begun, where the camera looks now.

    Args:
        colour: (H, W, 3) uint8 sRGB.
        seen: (H, W) where that is background.
    """

    def __init__(self, colour: Pixels, seen: NDArray[np.bool_]) -> None:
        self._colour = colour.astype(np.float32)
        self._seen = seen.astype(np.float32)

    def follow(self, camera: NDArray[np.float64]) -> None:
        """Move it along with the camera."""
        size = self._seen.shape[::-1]
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        self._colour, self._seen = (
            np.asarray(cv2.warpPerspective(plane, camera, size, flags=flags), np.float32)
            for plane in (self._colour, self._seen)
        )

    def density(
        self, colour: Pixels, elsewhere: NDArray[np.float64], far: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        """The density of each pixel's colour, were it background: (H, W).

        Where the background was seen it is expected to look the same, as closely as it does
        far from the person; elsewhere its colours all over count.

        Args:
            colour: (H, W, 3) uint8 sRGB.
            elsewhere: (H, W), the density by a :class:`ColourModel` of the background.
            far: (H, W) where there is background for sure.
        """
        smooth, plate = (
            cv2.GaussianBlur(picture, (0, 0), 0.7)  # against errors of registration
            for picture in (colour.astype(np.float32), self._colour)
        )
        gap = np.square(smooth - plate).sum(axis=2)
        sure = far & (self._seen > 0.99)
        spread = float(np.percentile(gap[sure], 95)) / _TAIL if sure.any() else 0.0
        variance = max(_NOISE**2, spread)
        same = np.exp(-gap / (2 * variance)) / (2 * np.pi * variance) ** 1.5
        share = np.where(self._seen > 0.9, 1 - _OTHER, 0.0)
        return np.asarray(share * same + (1 - share) * elsewhere)

    def add(self, colour: Pixels, seen: NDArray[np.bool_]) -> None:
        """Take in what is background in the frame."""
        self._colour[seen] = colour[seen]
        self._seen = np.where(seen, np.float32(1), np.where(self._seen > 0.9, self._seen, 0))
