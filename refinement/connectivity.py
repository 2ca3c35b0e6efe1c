"""The prior: the portrait's border is one connected unknown region between body and background.

The steps, each a function of its own:

1. :func:`clear_level`: what counts as clear, given the haze of this picture.
2. :func:`background_core`: definite background, outside and in enclosed openings.
3. :func:`unknown_border`: the unknown region that is connected with it (and bridges of
   body thinner than a strand's bundle); other unknown regions are dents in the body.
4. :func:`reach`: how far from the border soft alpha is believed, from its own thickness.
5. :func:`belonging`: which visible pieces belong to the body.

The prior is that of Lu, Lu and Huang (arXiv 2501.16147), "the border of a portrait
foreground always appears connected"; how it is applied here is this project's own design.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from refinement.options import Options

CLEAR: Final = 15
"""At or below this (of 255) a pixel may be background: the halo of Layer Diffusion."""
CLEAR_AT_MOST: Final = 56
"""Haze above this is not looked through; the picture is one to reject."""
SOLID: Final = 230
"""At or above this a pixel may be body: veils stay above."""
DENT: Final = 77
"""A wide dent whose floor is above this is an artifact; below, an opening under haze."""
FLAT: Final = 9.0
"""Standard deviation, of 255, below which a region counts as level."""
STRONG: Final = 64
"""A small detached piece that stays below this is an artifact where there are others."""
HAZE_AT_MOST: Final = 115
"""An unknown plateau far from everything is haze below this and body above."""


@dataclass(slots=True)
class Regions:
    """The picture, told apart. Masks are (H, W) uint8, 0 or 1.

    Attributes:
        inside: Definite foreground: alpha becomes 1.
        outside: Definite background: alpha becomes 0.
        faint: Background whose alpha shows the level of clear; empty where that is 0.
        step: Side of a cell of the coarse grid, in pixels.
        pieces_removed: Visible detached pieces in ``outside``.
        openings_kept: Enclosed background regions.
        bodies: Significant opaque bodies.
        translucent: Share of the visible area that is not opaque though far from a border.
        doubtful: Share of the picture that was decided against the evidence.
        clear: The clear level used, of 255.
    """

    inside: np.ndarray
    outside: np.ndarray
    faint: np.ndarray
    step: int
    pieces_removed: int = 0
    openings_kept: int = 0
    bodies: int = 0
    translucent: float = 0.0
    doubtful: float = 0.0
    clear: int = CLEAR


RA, RB, RC = 1.5, 3.0, 0.75
OA, OC = 0.5, 0.35


def coarse(plane: np.ndarray, step: int) -> np.ndarray:
    """Mean over cells of about ``step`` pixels; symmetric under flips.

    Args:
        plane: (H, W) uint8 or float32.
        step: Side of a cell in pixels.

    Returns:
        (ceil(H / step), ceil(W / step)) float32.
    """
    height, width = plane.shape
    size = (-(-width // step), -(-height // step))
    return cv2.resize(plane.astype(np.float32), size, interpolation=cv2.INTER_AREA)


def fine(grid: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """A coarse grid brought back to (H, W) by linear interpolation."""
    return cv2.resize(grid, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR)


def square(radius: float) -> np.ndarray:
    """A square structuring element of odd side; symmetric under flips and turns."""
    side = 2 * max(1, round(radius)) + 1
    return np.ones((side, side), np.uint8)


def distance(region: np.ndarray) -> np.ndarray:
    """Distance of every pixel to ``region`` in pixels (chamfer 5 x 5; huge where none)."""
    return cv2.distanceTransform(1 - region, cv2.DIST_L2, 5)


def clear_level(quantised: np.ndarray, step: int) -> int:
    """The level up to which a pixel may be background in this picture.

    Far from everything visible alpha should be 0. Where it is not, its 95th percentile
    there is the haze, and what lies below it is no evidence of foreground.

    Args:
        quantised: (H, W) uint8, raw alpha.
        step: Side of a coarse cell in pixels.

    Returns:
        A level of 255, at least :data:`CLEAR`.
    """
    seen = coarse((quantised > CLEAR_AT_MOST).view(np.uint8), step)
    far = cv2.dilate((seen > 0).astype(np.uint8), np.ones((5, 5), np.uint8)) == 0
    if np.count_nonzero(far) < 16:
        return CLEAR
    haze = float(np.percentile(coarse(quantised, step)[far], 95))
    return int(np.clip(round(1.15 * haze + 2), CLEAR, CLEAR_AT_MOST))


def background_core(
    quantised: np.ndarray, clear: int, step: int, scale: float
) -> tuple[np.ndarray, np.ndarray, int]:
    """Definite background: clear regions, enclosed or not.

    A clear region of more than a few pixels is background wherever it is. A smaller one is
    a gap between strands if other background or other gaps are near, and a pin hole if it
    is alone in the body.

    Args:
        quantised: (H, W) uint8.
        clear: From :func:`clear_level`.
        step: Side of a coarse cell in pixels.
        scale: Size of the picture relative to 1024 x 1024.

    Returns:
        The (H, W) mask, the distance of every pixel from the larger regions (float32), and
        how many regions are enclosed (touch no side).
    """
    low = (quantised <= clear).view(np.uint8)
    count, labels = cv2.connectedComponents(low, connectivity=4)
    # All but one large region is little: work on its pixels only.
    main = _frequent(labels)
    places = np.flatnonzero(low.view(bool) & (labels != main))
    names = labels.ravel()[places]
    areas = np.bincount(names, minlength=count)
    areas[main] = low.size if main else 0
    large = areas >= max(4, round(9 * scale * scale))
    core = low.copy()
    core.ravel()[places] = large[names]
    depth = distance(core)
    keep = large.copy()
    small = places[~large[names]]
    if small.size:
        broken = cv2.blur(coarse((quantised < SOLID).view(np.uint8), step), (5, 5))
        near = depth.ravel()[small] <= 48 * scale
        near |= fine(broken, low.shape).ravel()[small] > 0.02
        keep[labels.ravel()[small[near]]] = True
        keep &= areas >= 2
        core.ravel()[places] = keep[names]
    framed = np.zeros(count, bool)
    for line in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
        framed[line] = True
    return core, depth, int(np.count_nonzero(keep[1:] & ~framed[1:]))


def level_plateaus(quantised: np.ndarray, step: int) -> np.ndarray:
    """Level, high regions: a strong veil rather than a border, for a border slopes.

    Args:
        quantised: (H, W) uint8.
        step: Side of a coarse cell in pixels.

    Returns:
        (H, W) mask of where alpha stays within a few percent, above 0.6, over 3 x 3 cells.
    """
    plane = quantised.astype(np.float32)
    window = (3, 3)
    mean = cv2.blur(coarse(plane, step), window, borderType=cv2.BORDER_REFLECT)
    square = cv2.blur(coarse(plane * plane, step), window, borderType=cv2.BORDER_REFLECT)
    level = (square - mean * mean < FLAT * FLAT) & (mean > 153)
    return (fine(level.astype(np.float32), quantised.shape) > 0.5).view(np.uint8)


def unknown_border(
    unsolid: np.ndarray, quantised: np.ndarray, background: np.ndarray, scale: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The unknown region that is connected with background, and the wide dents that are not.

    Regions of unknown alpha that a bridge of body no wider than 6 px (at 1024) parts count
    as connected: between strands lie gaps that do not touch.

    Args:
        unsolid: (H, W) mask of what is not body by its level.
        quantised: (H, W) uint8.
        background: From :func:`background_core`.
        scale: Size of the picture relative to 1024 x 1024.

    Returns:
        Masks of the border (with the background itself) and of the wide dents.
    """
    bridge = square(3 * scale)
    count, labels = cv2.connectedComponents(cv2.dilate(unsolid, bridge), connectivity=8)
    touching = unsolid & cv2.dilate(background, square(bridge.shape[0]))
    touched = np.zeros(count, np.uint8)
    touched[_at(labels, touching & (1 - background))] = 1
    plateau = cv2.erode(unsolid & (quantised > DENT).view(np.uint8), square(5 * scale))
    wide = np.zeros(count, np.uint8)
    wide[_at(labels, plateau)] = 1
    wide[touched > 0] = 0
    wide[0] = touched[0] = 0
    main = _frequent(labels)
    main = main if touched[main] else 0
    places = np.flatnonzero(unsolid.view(bool) & (labels != main))
    connected = unsolid.copy()
    connected.ravel()[places] = touched[labels.ravel()[places]]
    connected |= background
    dents = wide[labels] if wide.any() else np.zeros_like(unsolid)
    return connected, dents, cv2.dilate(plateau, square(6 * scale))


def _frequent(labels: np.ndarray) -> int:
    """A label that holds much of the picture, 0 if none does; only speed depends on it."""
    counts = np.bincount(labels[::16, ::16].ravel())
    counts[0] = 0
    return int(np.argmax(counts)) if counts.any() else 0


def _at(labels: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The labels at the pixels of a mask."""
    places = np.flatnonzero(mask.view(bool))
    return np.asarray(labels.ravel()[places])


def reach(border: np.ndarray, depth: np.ndarray, step: int) -> tuple[np.ndarray, np.ndarray]:
    """How far beyond the unknown border soft alpha is believed, in pixels.

    A crisp edge goes from 0.9 to 1 within two pixels, a soft one or a head of hair within
    a good part of its thickness; so the reach follows the local thickness.

    Args:
        border: (H, W) mask of the unknown border without background.
        depth: (H, W) distance from background.
        step: Side of a coarse cell in pixels.
        scale: Size of the picture relative to 1024 x 1024.

    Returns:
        (H, W) float32.
    """
    share = np.maximum(coarse(border, step), 1e-6)
    thick = cv2.dilate(2.0 * coarse(depth * border, step) / share, np.ones((3, 3), np.uint8))
    thin = _within(thick <= 5, border.shape)
    return fine(thick, border.shape), thin


def _within(holds: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Mask of where a coarse condition holds in every cell about."""
    everywhere = cv2.erode(holds.astype(np.uint8), np.ones((7, 7), np.uint8))
    return (fine(everywhere.astype(np.float32), shape) > 0.5).view(np.uint8)


def belonging(
    seen: np.ndarray, quantised: np.ndarray, scale: float, options: Options
) -> tuple[np.ndarray, np.ndarray, int, int]:
    """The visible pieces that belong to the body.

    Bodies are pieces with a good share of the opaque area. A smaller piece belongs if it
    is a strand that faded on its way (thin, long and close to what belongs) or if a side
    of the picture may have cut it off (large and at the frame).

    Args:
        seen: (H, W) mask of what is visible.
        quantised: (H, W) uint8.
        scale: Size of the picture relative to 1024 x 1024.
        options: See :class:`Options`.

    Returns:
        The (H, W) mask of what belongs, the mask of those small pieces among it that are
        faint throughout, the number of pieces that do not belong, and the number of bodies.
    """
    count, labels, stats, _ = cv2.connectedComponentsWithStats(seen, connectivity=8)
    empty = np.zeros_like(seen)
    if count == 1:
        return seen, empty, 0, 0
    area = stats[:, cv2.CC_STAT_AREA].astype(np.int64)
    area[0] = 0
    main = int(np.argmax(area))
    # All but the largest piece is little: work on its pixels only.
    places = np.flatnonzero(seen.view(bool) & (labels != main))
    names, levels = labels.ravel()[places], quantised.ravel()[places]
    opaque = np.bincount(names[levels >= SOLID], minlength=count)
    solid = cv2.countNonZero(seen & (quantised >= SOLID).view(np.uint8))
    opaque[main] = solid - int(opaque.sum())
    largest = int(opaque.max())
    x, y, wide, tall = (stats[:, i].astype(np.int64) for i in range(4))
    height, width = seen.shape
    framed = (x == 0) | (y == 0) | (x + wide == width) | (y + tall == height)
    body = opaque >= max(256 * scale * scale, 0.04 * largest)
    keep = body | (framed & (opaque >= max(256 * scale * scale, 0.01 * largest)))
    if not body.any():
        keep |= opaque > 0.5 * largest
        keep[main] = True
    if options.several_bodies == "largest" and body.any():
        keep = opaque == largest
    keep[0] = False

    def chosen(labelled: np.ndarray) -> np.ndarray:
        mask = seen.copy() if labelled[main] else np.zeros_like(seen)
        mask.ravel()[places] = labelled[names]
        return mask

    belongs = chosen(keep)
    faint = empty
    if options.keep_flyaways and not keep[1:].all():
        long = np.hypot(wide, tall)
        thick = np.zeros(count, bool)
        thick[names[cv2.erode(seen, square(2 * scale)).ravel()[places] > 0]] = True
        strong = np.zeros(count, bool)
        strong[names[levels >= STRONG]] = True
        slim = area <= long * np.maximum(1.5 + 3 * scale, 0.2 * long)
        thin = ~thick | slim | (long <= 2 + 6 * scale)
        solitary = keep.copy()
        for _ in range(3):  # a strand may fade more than once
            more = np.zeros(count, bool)
            more[names[cv2.dilate(belongs, square(10 * scale)).ravel()[places] > 0]] = True
            more &= thin
            more[names[cv2.dilate(belongs, square(1 + 3 * scale)).ravel()[places] > 0]] = True
            # Strands that left the picture and came back.
            more |= framed & ~thick & (long >= 24 * scale)
            more &= ~keep
            more[0] = False
            if not more.any():
                break
            keep |= more
            belongs = chosen(keep)
        faint = chosen(keep & ~solitary & ~strong)
    return belongs, faint, int(np.count_nonzero(~keep[1:])), int(np.count_nonzero(body[1:]))


def regions(quantised: np.ndarray, scale: float, options: Options) -> Regions:
    """Tell definite foreground, definite background and the border band apart.

    Args:
        quantised: (H, W) uint8, raw alpha.
        scale: Size of the picture relative to 1024 x 1024.
        options: See :class:`Options`.
    """
    width = options.band_width * scale
    step = max(2, round(8 * scale))
    clear = clear_level(quantised, step)
    background, depth, openings = background_core(quantised, clear, step, scale)
    unsolid = (quantised < SOLID).view(np.uint8) & (1 - level_plateaus(quantised, step))
    connected, dents, plateau = unknown_border(unsolid, quantised, background, scale)
    beyond = (depth > width).view(np.uint8) & plateau
    # An unknown plateau farther than the band's width: haze if faint, else body.
    haze = connected & beyond & (quantised < HAZE_AT_MOST)
    seen = (1 - background) & (1 - haze)
    belongs, faint_pieces, removed, bodies = belonging(seen, quantised, scale, options)
    stray = (seen | haze) & (1 - belongs)
    border = connected & (1 - beyond) & (1 - background) & (1 - stray)
    thick, crisp = reach(border, depth, step)
    around = RA + RB * scale + RC * thick
    away = distance(border)
    close = (away <= around).view(np.uint8)
    nearby = (away <= 2 * around + 12 * scale).view(np.uint8)
    close |= nearby & _strands(
        unsolid & (1 - connected) & (1 - dents), nearby, step
    )

    inside = belongs & (1 - border) & (1 - close)
    near = (away <= OA + OC * thick).view(np.uint8)
    outside = (1 - belongs) & (1 - near)
    dents = cv2.dilate(dents, square(3 * scale))
    skirts = cv2.dilate(stray, square(6 * scale))
    ring = (away <= 32 * scale).view(np.uint8)
    beyond_all = outside & (1 - skirts) & crisp
    clean = (
        _clean(quantised, inside & (1 - dents) & crisp, 255)
        and _clean(quantised, beyond_all & ring, 0)
        and _clean(quantised, beyond_all & (1 - ring), 0)
    )
    if clean:
        broken = (quantised < 250).view(np.uint8) & (1 - dents)
        hair = nearby | _strands(broken, nearby, step)
        inside &= ((1 - hair) & (1 - connected)) | dents
        outside &= skirts
    else:
        stray |= faint_pieces
        belongs &= 1 - faint_pieces
        inside &= belongs
        alone = cv2.dilate(faint_pieces, square(6 * scale))
        outside |= alone & (1 - cv2.dilate(belongs, square(1 + 2 * scale)))
    outside |= stray
    tails = cv2.dilate(belongs, square(1 + 2 * scale))
    faint = np.zeros_like(tails) if clean else (quantised <= clear).view(np.uint8) & (1 - tails)
    visible = max(1, int(np.count_nonzero(seen)))
    return Regions(
        inside=inside,
        outside=outside,
        step=step,
        pieces_removed=removed,
        openings_kept=openings,
        bodies=bodies,
        translucent=1 - np.count_nonzero(belongs & (quantised >= 217)) / visible,
        doubtful=np.count_nonzero(inside & (quantised < 128)) / quantised.size,
        clear=clear,
        faint=faint,
    )


def _strands(dents: np.ndarray, nearby: np.ndarray, step: int) -> np.ndarray:
    """Where small dents are so much denser than deep in the body that they are hair."""
    density = coarse(dents, step)
    around = cv2.blur(density, (5, 5), borderType=cv2.BORDER_REFLECT)
    deep = coarse(nearby, step) == 0
    usual = float(density[deep].mean()) if deep.any() else 0.0
    return (fine(around, dents.shape) > 0.015 + 4 * usual).view(np.uint8)


def _clean(quantised: np.ndarray, control: np.ndarray, level: int) -> bool:
    """Whether a definite region is at its level already: then nothing speaks for damage.

    The absolute regions are the control: where they are right, small deviations near the
    border are fine structure and stay.
    """
    total = int(np.count_nonzero(control))
    off = int(np.count_nonzero(control & (quantised != level)))
    return off <= 0.01 * total
