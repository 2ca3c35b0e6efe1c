"""The picture told apart: definite foreground, definite background and the border band.

Where the absolute regions (far inside, far outside) are right already, nothing speaks for
damage, and what is odd near the border is fine structure: they are the control by which the
decisions near the border are made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from refinement import connectivity
from refinement.connectivity import CLEAR, SOLID
from refinement.grid import about, coarse, everywhere, mask, only, share, square
from refinement.options import Options
from refinement.rings import Rings, measure

HAZE_AT_MOST: Final = 115
"""An unknown plateau far from everything may be haze below this."""
VISIBLE: Final = 25
"""Above this and below :data:`SOLID`, what is filled or lies beyond the band is in doubt."""
GAP: Final = 12
"""Depth (of 255) of the narrow gaps by which hair is told from body."""
FAINT_GAP: Final = 4
"""The same in a matte that is right elsewhere, where nothing else is narrow."""
DENSE: Final = 0.03
"""Share of narrow gaps above which a cell may be hair."""
DIRTY: Final = 0.0125
"""Share of definite foreground that may be below 1 before the matte counts as damaged."""
HAZY: Final = 0.04
"""Share of definite background that may be above 0 before the matte counts as damaged."""


@dataclass(slots=True)
class Regions:
    """The picture, told apart. Masks are (H, W) uint8, 0 or 1.

    Attributes:
        inside: Definite foreground: alpha becomes 1.
        outside: Definite background: alpha becomes 0.
        faint: Background whose alpha shows the level of clear; empty where that is 0.
        ground: What is background away from the border, whether it was changed or not.
        belongs: What is visible and belongs to the body.
        tail: How many pixels of faint tail it may have at most; 0 if nothing is amiss.
        step: Side of a cell of the coarse grid, in pixels.
        pieces_removed: Visible detached pieces in ``outside``.
        openings_kept: Enclosed background regions.
        bodies: Significant opaque bodies.
        translucent: Share of the visible area that is not opaque.
        doubtful: Share of the picture that was filled from below 0.9, or is level and half
            transparent farther from background than the band's width.
        clear: The clear level used, of 255.
    """

    inside: np.ndarray
    outside: np.ndarray
    faint: np.ndarray
    ground: np.ndarray
    belongs: np.ndarray
    tail: int
    step: int
    pieces_removed: int = 0
    openings_kept: int = 0
    bodies: int = 0
    translucent: float = 0.0
    doubtful: float = 0.0
    clear: int = CLEAR

    @property
    def clean(self) -> bool:
        """Whether the absolute regions were right already."""
        return not self.tail


def divide(quantised: np.ndarray, scale: float, options: Options) -> Regions:
    """Tell definite foreground, definite background and the border band apart.

    Args:
        quantised: (H, W) uint8, raw alpha.
        scale: Size of the picture relative to 1024 x 1024.
        options: See :class:`Options`.
    """
    step = max(2, round(8 * scale))
    unknown, depth = _unknown(quantised, step, scale, options)
    background, connected, haze = unknown.background, unknown.connected, unknown.haze
    seen = (1 - background) & (1 - haze)
    belongs, fragile, (removed, faint_pieces, bodies) = connectivity.belonging(
        seen, quantised, scale, options
    )
    stray = (seen | haze) & (1 - belongs)
    border = connected & (1 - haze)
    border |= mask(cv2.dilate(background, square(1)) > 0)  # an edge may fall within a pixel
    border &= (1 - background) & (1 - stray)

    thick, crisp = thickness(border, depth, step)
    del depth  # a float a pixel
    rings = measure(border, thick, scale, options.band_width)
    inside = belongs & (1 - border) & (1 - _soft(quantised, unknown, rings, thick, step))
    del border
    outside = (1 - belongs) & (1 - rings.near)
    ground = outside | stray
    dents = cv2.dilate(unknown.dents, square(3 * scale))
    skirts = cv2.dilate(stray, square(6 * scale))
    clean = _clean(
        quantised,
        inside & (1 - dents) & crisp & (1 - rings.edge),
        outside & (1 - skirts) & crisp & (1 - rings.tail),
        rings.ring,
    )
    if clean:
        gaps = _narrow(quantised, step, FAINT_GAP) & (1 - connected) & (1 - dents)
        hair = rings.trusted | strands(gaps, rings.trusted, step)
        inside &= ((1 - hair) & (1 - connected)) | dents
        outside &= skirts | (1 - rings.ring)  # nothing fine reaches that far
        faint = np.zeros_like(outside)
    else:
        stray |= fragile
        removed += faint_pieces
        belongs &= 1 - fragile
        inside &= belongs
        tails: np.ndarray = cv2.dilate(belongs, square(1 + 2 * scale))
        alone: np.ndarray = cv2.dilate(fragile, square(6 * scale))
        outside |= alone & (tails ^ 1)
        faint = _less(quantised, unknown.clear + 1) & (tails ^ 1)
    outside |= stray
    visible = max(1, cv2.countNonZero(seen))
    unsure = _less(quantised, SOLID) & mask(quantised > VISIBLE)
    return Regions(
        inside=inside,
        outside=outside,
        faint=faint,
        ground=ground,
        belongs=belongs,
        tail=0 if clean else 2 + int(min(0.7 * thick.max(), 48)),
        step=step,
        pieces_removed=removed,
        openings_kept=unknown.openings,
        bodies=bodies,
        translucent=1 - cv2.countNonZero(seen & (1 - _less(quantised, 217))) / visible,
        doubtful=cv2.countNonZero((inside | unknown.beyond) & unsure) / quantised.size,
        clear=unknown.clear,
    )


@dataclass(slots=True)
class _Unknown:
    """Background, and what is neither background nor body by its level."""

    background: np.ndarray
    unsolid: np.ndarray
    connected: np.ndarray
    dents: np.ndarray
    beyond: np.ndarray
    haze: np.ndarray
    openings: int
    clear: int


def _unknown(
    quantised: np.ndarray, step: int, scale: float, options: Options
) -> tuple[_Unknown, np.ndarray]:
    """What is unknown, and the distance of every pixel from background (float32)."""
    mean, square_mean = connectivity.moments(quantised, step)
    clear = connectivity.clear_level(mean, square_mean)
    background, depth, openings = connectivity.background_core(quantised, clear, step, scale)
    if cv2.countNonZero(background) < 0.02 * quantised.size:
        # No background, or one that lies under haze as a whole.
        hazy = connectivity.background_core(quantised, HAZE_AT_MOST, step, scale)
        if cv2.countNonZero(hazy[0]) > 0.05 * quantised.size:
            clear = HAZE_AT_MOST
            background, depth, openings = hazy
    level, veiled = connectivity.levels(mean, square_mean, quantised.shape)
    unsolid = _less(quantised, SOLID) & (1 - veiled)
    connected, dents, plateau = connectivity.unknown_border(unsolid, quantised, background, scale)

    # A level unknown region farther than the band's width: haze if faint, else what it seems.
    beyond = connected & mask(depth > options.band_width * scale) & plateau & level
    haze = beyond & _less(quantised, HAZE_AT_MOST)
    if clear == CLEAR and cv2.countNonZero(haze):
        haze &= 1 - crisp_rims(haze, quantised, background, scale)
    found = _Unknown(background, unsolid, connected, dents, beyond, haze, openings, clear)
    return found, depth


def _soft(
    quantised: np.ndarray, unknown: _Unknown, rings: Rings, thick: np.ndarray, step: int
) -> np.ndarray:
    """What may be soft inside: beside the border, and where gaps are so dense that it is hair."""
    gaps = unknown.unsolid & (1 - unknown.connected) & (1 - unknown.dents)
    soft = rings.close | (rings.nearby & strands(gaps, rings.nearby, step))
    soft |= rings.band & tresses(quantised, thick, step)
    return soft & (1 - unknown.dents)


def _clean(
    quantised: np.ndarray, inside: np.ndarray, outside: np.ndarray, ring: np.ndarray
) -> bool:
    """Whether the absolute regions are right already, far enough from the border to tell."""
    return (
        _right(quantised, inside, 255, DIRTY)
        and _right(quantised, outside & ring, 0, HAZY)
        and _right(quantised, outside & (1 - ring), 0, HAZY)
    )


def crisp_rims(
    haze: np.ndarray, quantised: np.ndarray, background: np.ndarray, scale: float
) -> np.ndarray:
    """Faint level regions that end abruptly towards background: cloth, not haze.

    Haze fades into background over many pixels; tulle, a veil or a lens has an edge. Where
    most of the rim is an edge the region is kept as a whole, for a cut through it is wrong
    whatever it is.

    Args:
        haze: (H, W) mask of what is faint, level and far from background.
        quantised: (H, W) uint8.
        background: (H, W) mask.
        scale: Size of the picture relative to 1024 x 1024.

    Returns:
        The (H, W) mask of those regions.
    """
    faint = (1 - background) & _less(quantised, HAZE_AT_MOST)
    count, labels = cv2.connectedComponents(faint, connectivity=4)
    beside = faint & cv2.dilate(background, square(1))
    reach = square(4 * scale)
    # What alpha comes to within a few pixels, of what it comes to farther in.
    low = quantised * faint
    soon = cv2.dilate(low, reach)
    level = cv2.dilate(soon, square(12 * scale))
    edge = beside & mask(soon > 0.7 * level.astype(np.float32)) & mask(level > VISIBLE)
    rim = np.bincount(labels[beside.view(bool)], minlength=count)
    sharp = np.bincount(labels[edge.view(bool)], minlength=count)
    crisp = (sharp > 0.6 * rim) & (rim > 0)
    crisp[0] = False
    return mask(crisp[labels])


def thickness(border: np.ndarray, depth: np.ndarray, step: int) -> tuple[np.ndarray, np.ndarray]:
    """How thick the unknown border is about each cell, in pixels.

    Soft alpha is believed beyond the unknown border in proportion to it: a crisp edge goes
    from 0.9 to 1 within two pixels, a head of hair within a good part of its thickness.

    Args:
        border: (H, W) mask of the unknown border without background.
        depth: (H, W) distance from background.
        step: Side of a coarse cell in pixels.

    Returns:
        The thickness, (h, w) float32 on the coarse grid, 0 away from the border; and the
        (H, W) mask of where no thick border is near.
    """
    known = np.maximum(coarse(border, step), 1e-6)
    thick = cv2.dilate(2.0 * coarse(only(depth, border), step) / known, np.ones((3, 3), np.uint8))
    return thick, everywhere(thick <= 5, border.shape)


def tresses(quantised: np.ndarray, thick: np.ndarray, step: int) -> np.ndarray:
    """Where narrow gaps run on from a thick border into the body: locks of hair.

    Pin holes and the edges of panels are as narrow, but lie alone.

    Args:
        quantised: (H, W) uint8.
        thick: From :func:`thickness`.
        step: Side of a coarse cell in pixels.

    Returns:
        (H, W) mask.
    """
    narrow = share(_narrow(quantised, step, GAP), step)
    dense = cv2.blur(narrow, (3, 3), borderType=cv2.BORDER_REFLECT) > DENSE
    hair = thick > 5
    _, labels = cv2.connectedComponents((dense | hair).astype(np.uint8), connectivity=8)
    reached = np.isin(labels, labels[hair]) & dense
    return about(reached, quantised.shape)


def strands(dents: np.ndarray, nearby: np.ndarray, step: int) -> np.ndarray:
    """Where small dents are so much denser than deep in the body that they are hair.

    Args:
        dents: (H, W) mask of unknown pixels that are not connected with background.
        nearby: (H, W) mask of what lies near the border.
        step: Side of a coarse cell in pixels.

    Returns:
        (H, W) mask.
    """
    density = share(dents, step)
    around = cv2.blur(density, (5, 5), borderType=cv2.BORDER_REFLECT)
    deep = share(nearby, step) == 0
    usual = float(density[deep].mean()) if deep.any() else 0.0
    return about(around > 0.015 + 4 * usual, dents.shape)


def _narrow(quantised: np.ndarray, step: int, depth: int) -> np.ndarray:
    """Mask of what lies between two sides a few pixels apart, both so much higher (of 255)."""
    closed = cv2.morphologyEx(quantised, cv2.MORPH_CLOSE, square(step / 4))
    return mask(cv2.subtract(closed, quantised) >= depth)


def _less(quantised: np.ndarray, level: int) -> np.ndarray:
    return mask(quantised < level)


def _right(quantised: np.ndarray, region: np.ndarray, level: int, share_off: float) -> bool:
    """Whether a definite region is at its level already."""
    off = cv2.countNonZero(region & mask(quantised != level))
    return off <= share_off * cv2.countNonZero(region)
