"""The prior: the portrait's border is one connected unknown region between body and background."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from refinement.options import Options
from refinement.trimap import disk

CLEAR: Final = 15
"""At or below this (of 255) a pixel may be background: the halo of Layer Diffusion."""
SOLID: Final = 230
"""At or above this a pixel may be body: veils stay above."""
PIECE: Final = 0.01
"""A separate opaque region smaller than this share of the largest is a piece, not a body."""


@dataclass(slots=True)
class Regions:
    """The picture, told apart.

    Attributes:
        inside: (H, W) bool, definite foreground: alpha becomes 1.
        outside: (H, W) bool, definite background: alpha becomes 0.
        pieces_removed: Visible detached pieces in ``outside``.
        openings_kept: Enclosed background regions.
        bodies: Significant opaque bodies.
        translucent: Share of the visible area that is neither opaque nor near a border.
        doubtful: Share of the picture that was decided against the evidence.
    """

    inside: np.ndarray
    outside: np.ndarray
    pieces_removed: int = 0
    openings_kept: int = 0
    bodies: int = 0
    translucent: float = 0.0
    doubtful: float = 0.0


def regions(quantised: np.ndarray, scale: float, options: Options) -> Regions:
    """Tell definite foreground, definite background and the border band apart.

    Args:
        quantised: (H, W) uint8, raw alpha.
        scale: Size of the picture relative to 1024 x 1024.
        options: See :class:`Options`.
    """
    width = options.band_width * scale
    background, openings = _background(quantised, scale)
    depth = cv2.distanceTransform(1 - background, cv2.DIST_L2, 5)
    unsolid = (quantised < SOLID).view(np.uint8)
    border = _touching(unsolid, background)
    far = (depth > width) & (border > 0)
    haze = far & (quantised < 115)
    border[depth > width] = 0
    border[background > 0] = 0
    # The shoulder between 0.9 and 1 is as wide as the border is thick there.
    grown = _grow(border, depth, scale)
    inside = (grown == 0) & (quantised > CLEAR) & ~haze
    inside[background > 0] = False
    seen = ((quantised > CLEAR) & ~haze).astype(np.uint8)
    kept, removed, bodies = _pieces(seen, quantised, scale, options)
    inside &= kept > 0
    tails = cv2.dilate(kept, disk(max(1, round(4 * scale))))
    outside = ((kept == 0) & ~inside) & ((tails == 0) | (quantised == 0))
    outside |= (seen > 0) & (kept == 0)
    visible = max(1, int(np.count_nonzero(seen)))
    deep = inside & (quantised < 128)
    return Regions(
        inside=inside,
        outside=outside,
        pieces_removed=removed,
        openings_kept=openings,
        bodies=bodies,
        translucent=1 - np.count_nonzero(kept & (quantised >= 217)) / visible,
        doubtful=float(np.count_nonzero(deep)) / quantised.size,
    )


def _background(quantised: np.ndarray, scale: float) -> tuple[np.ndarray, int]:
    low = (quantised <= CLEAR).view(np.uint8)
    _count, labels, stats, _ = cv2.connectedComponentsWithStats(low, connectivity=4)
    keep = stats[:, cv2.CC_STAT_AREA] >= max(3, round(9 * scale * scale))
    keep[0] = False
    height, width = low.shape
    framed = (
        (stats[:, cv2.CC_STAT_LEFT] == 0)
        | (stats[:, cv2.CC_STAT_TOP] == 0)
        | (stats[:, cv2.CC_STAT_LEFT] + stats[:, cv2.CC_STAT_WIDTH] == width)
        | (stats[:, cv2.CC_STAT_TOP] + stats[:, cv2.CC_STAT_HEIGHT] == height)
    )
    return keep.astype(np.uint8)[labels], int(np.count_nonzero(keep & ~framed))


def _touching(unsolid: np.ndarray, background: np.ndarray) -> np.ndarray:
    _, labels = cv2.connectedComponents(unsolid, connectivity=8)
    hit = np.zeros(int(labels.max()) + 1, np.uint8)
    hit[labels[background > 0]] = 1
    hit[0] = 0
    return hit[labels]


def _grow(border: np.ndarray, depth: np.ndarray, scale: float) -> np.ndarray:
    step = max(1, round(8 * scale))
    height, width = border.shape
    size = ((width + step - 1) // step, (height + step - 1) // step)
    share = cv2.resize(border.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    thick = cv2.resize(depth * border, size, interpolation=cv2.INTER_AREA)
    thick = cv2.dilate(2.0 * thick / np.maximum(share, 1e-6), np.ones((3, 3), np.uint8))
    reach = cv2.resize(thick, (width, height), interpolation=cv2.INTER_LINEAR)
    away = cv2.distanceTransform(1 - border, cv2.DIST_L2, 5)
    return (away <= 2 * scale + 1 + 0.5 * reach).astype(np.uint8)


def _pieces(
    seen: np.ndarray, quantised: np.ndarray, scale: float, options: Options
) -> tuple[np.ndarray, int, int]:
    count, labels, stats, _ = cv2.connectedComponentsWithStats(seen, connectivity=8)
    if count == 1:
        return seen, 0, 0
    opaque = np.bincount(labels[quantised >= SOLID], minlength=count)
    opaque[0] = 0
    largest = int(opaque.max())
    keep = opaque >= max(1.0, PIECE * largest)
    if options.several_bodies == "largest":
        keep = opaque == largest
    bodies = int(np.count_nonzero(opaque >= max(64 * scale * scale, 0.04 * largest)))
    keep[0] = False
    if largest == 0:
        keep[1:] = True
    body = keep.astype(np.uint8)[labels]
    if options.keep_flyaways and not keep[1:].all():
        near = cv2.dilate(body, disk(max(1, round(10 * scale))))
        touched = np.bincount(labels[near > 0], minlength=count) > 0
        area = stats[:, cv2.CC_STAT_AREA].astype(float)
        long = np.hypot(stats[:, cv2.CC_STAT_WIDTH], stats[:, cv2.CC_STAT_HEIGHT])
        thin = area / np.maximum(long, 1) <= np.maximum(4 * scale, long / 4)
        keep |= touched & thin & (long >= 6 * scale)
        keep[0] = False
        body = keep.astype(np.uint8)[labels]
    removed = int(np.count_nonzero(~keep[1:]))
    return body, removed, bodies
