"""Levels: what opaque and clear are in the raw matte, and the alpha between them."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from refinement.planes.grid import (
    Interpolated,
    Plane,
    as_mask8,
    cell_means,
    cell_share,
    dilate,
    spread,
    square_kernel,
    to_8_bit,
)
from refinement.planes.labels import regions_meeting
from refinement.planes.masks import Mask
from refinement.planes.runs import Places
from refinement.regions.division import Regions
from refinement.thresholds.band import (
    CAUTION,
    FRAME_BODY,
    FRAME_DARKENED,
    FRAME_LEVEL,
    FRAME_RUN,
    GAIN_AT_LEAST,
)


def repair_frame(alpha: Plane) -> bool:
    """Raise, in place, the outermost line of pixels where the decoder has darkened it.

    Layer Diffusion's decoder lowers alpha by a few percent on the outermost pixel line,
    whatever it shows, along the whole side or along parts of it. Each run of pixels is decided
    by itself: it is repaired where the picture behind the line is body and level, and where the
    line alone is lower. Hair that leaves the picture makes short runs, which stay.

    Args:
        alpha: (H, W) float32, 0..1.

    Returns:
        Whether anything was raised.
    """
    raised = False
    if min(alpha.shape) < 8:
        return raised
    for side in range(4):
        view = np.rot90(alpha, side)
        line, inner, behind = view[0], view[1], view[2]
        body = (inner >= FRAME_BODY) & (np.abs(behind - inner) <= FRAME_LEVEL)
        dark = body & (line < FRAME_DARKENED * inner)
        if not dark.any():
            continue
        # A run goes on across a few pixels of body that were not darkened.
        gap, least = (np.ones((n, 1), np.uint8) for n in (2 * FRAME_RUN - 1, FRAME_RUN))
        closed = cv2.morphologyEx(as_mask8(dark)[:, None], cv2.MORPH_CLOSE, gap)
        runs = np.asarray(closed, np.uint8) & as_mask8(body)[:, None]
        dark &= np.asarray(cv2.morphologyEx(runs, cv2.MORPH_OPEN, least), np.uint8)[:, 0] > 0
        if dark.any():
            line[dark] = inner[dark]
            raised = True
    return raised


def opaque_level(alpha: Plane, regions: Regions) -> Plane:
    """The level of opaque near the border, as a smooth coarse field.

    Args:
        alpha: (H, W) float32, raw.
        regions: What is definite.

    Returns:
        On the coarse grid, float32, 0..1: the mean of alpha over the nearest definite foreground
        (dents left out), and more where it varies.
    """
    step = regions.step
    gain, known = _level(alpha, regions.inside & Mask(alpha >= GAIN_AT_LEAST), step)
    gain = spread(gain, known) if known.any() else np.ones_like(gain)
    if gain.min() < 1:
        gain = np.maximum(np.clip(gain, GAIN_AT_LEAST, 1.0), peaks(alpha, step))
    return gain


def peaks(alpha: Plane, step: int) -> Plane:
    """The highest alpha about each coarse cell. The level of opaque cannot be below it.

    A veil leaves at most its own level of alpha. So no veil lies where alpha comes near 1,
    whatever lies farther inside.

    Args:
        alpha: (H, W) float32, raw.
        step: Side of a cell in pixels.

    Returns:
        (ceil(H / step), ceil(W / step)) float32, 0..1: the maximum over 3 x 3 cells.
    """
    height, width = alpha.shape
    highest = dilate(to_8_bit(alpha), square_kernel(1.5 * step))
    rows, columns = (-(-n // step) for n in (height, width))
    # The middle of a cell falls between two pixels: both count, for symmetry under flips.
    y = (np.arange(rows) + 0.5) * (height / rows) - 0.5
    x = (np.arange(columns) + 0.5) * (width / columns) - 0.5
    (above, below), (left, right) = (
        (np.floor(middle).astype(int), np.ceil(middle).astype(int)) for middle in (y, x)
    )
    across = np.maximum(highest[above], highest[below])
    result = np.maximum(across[:, left], across[:, right])
    return result.astype(np.float32) / np.float32(255)


def _level(alpha: Plane, mask: Mask, step: int) -> tuple[Plane, Plane]:
    """Of each cell: mean alpha over the mask plus some deviations, and the mask's share."""
    share, pixels = cell_share(mask, step), mask.pixels()

    def planes(rows: slice) -> list[Plane]:
        masked = np.asarray(cv2.copyTo(alpha[rows], pixels[rows]), np.float32)
        return [masked, masked * masked]

    window = (3, 3)
    total = np.maximum(cv2.blur(share, window), 1e-6)
    mean, mean_square = (
        np.asarray(cv2.blur(plane, window) / total, np.float32)
        for plane in cell_means(planes, alpha.shape, step)
    )
    deviation = np.sqrt(np.maximum(mean_square - mean * mean, 0))
    return np.asarray(mean + CAUTION * deviation, np.float32), share


def divide_by_opaque(
    values: NDArray[np.float32], band: Places, alpha: Plane, regions: Regions
) -> None:
    """Divide the alpha of the band, in place, by the level of opaque beside it.

    Args:
        values: (n,) float32, alpha in the band.
        band: (n,), where the band lies.
        alpha: (H, W) float32, 0..1, with the same values in the band and raw ones beside it.
        regions: What is definite.
    """
    gain_grid = opaque_level(alpha, regions)
    veiled = gain_grid < 1 - 0.5 / 255
    if veiled.any():
        gain = Interpolated(np.where(veiled, gain_grid, np.float32(1)), alpha.shape).at(band)
        values /= gain
        np.minimum(values, 1, out=values)


def drop_crumbs(alpha: Plane, band: Places, regions: Regions) -> None:
    """Clear, in place, faint pixels that are connected with nothing that belongs.

    Args:
        alpha: (H, W) float32, refined.
        band: (n,), where the band lies.
        regions: What belongs, and how long its faint tails may be.
    """
    visible = regions.inside | Mask.of_places(band[alpha.ravel()[band] > 0], alpha.shape)
    loose = visible - regions.belongs
    if not loose:
        return
    attached = regions_meeting(loose, (visible & regions.belongs).dilate(1))
    beyond = attached - regions.belongs.dilate(min(16, regions.tail))
    if beyond:  # seldom, and a wider dilation takes longer
        beyond -= regions.belongs.dilate(regions.tail)
    crumbs = (loose - attached) | beyond
    alpha.ravel()[crumbs.places()] = 0
