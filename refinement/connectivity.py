"""Connectivity: background and its openings, the unknown border, the pieces that belong.

The prior is that of Lu, Lu and Huang (arXiv 2501.16147), "the border of a portrait
foreground always appears connected"; how it is applied here is this project's own design.
Masks are (H, W) uint8, 0 or 1; alpha is (H, W) uint8; lengths are in pixels of a picture of
1024 x 1024 times ``scale``.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from refinement.grid import (
    about,
    at,
    coarse,
    distance,
    fine,
    framed,
    frequent,
    mask,
    share,
    square,
)
from refinement.options import Options

CLEAR: Final = 15
"""At or below this (of 255) a pixel may be background: the halo of Layer Diffusion."""
PIN_HOLE: Final = 60
"""A clear region of fewer pixels is a pin hole if nothing else is open far about it."""
CLEAR_AT_MOST: Final = 56
"""Haze above this is not looked through; the picture is one to reject."""
SOLID: Final = 230
"""At or above this a pixel may be body: veils stay above."""
DENT: Final = 77
"""A wide dent whose floor is above this is an artifact; below, an opening under haze."""
FLAT: Final = 9.0
"""Standard deviation, of 255, below which a region counts as level."""
ENCLOSED: Final = 0.55
"""A wide dent that touches the border is a panel if body begins abruptly along so much of it."""
SMOOTH: Final = 2.5
"""Mean difference from pixel to pixel, of 255, below which such a dent may be a panel."""
ROUGH: Final = 12.0
"""Mean difference from pixel to pixel, of 255, above which a wide dent is dense hair."""
PLATEAU: Final = 153
"""A level region above this is veiled body."""
STRONG: Final = 64
"""A small detached piece that stays below this is an artifact where there are others."""


def moments(quantised: np.ndarray, step: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and mean square of alpha over coarse cells, each (h, w) float32."""
    plane = quantised.astype(np.float32)
    mean = coarse(plane, step)
    plane *= plane
    return mean, coarse(plane, step)


def clear_level(mean: np.ndarray, square: np.ndarray) -> int:
    """The level up to which a pixel may be background in this picture.

    Far from everything visible alpha should be 0. Where it is not, its 95th percentile
    there is the haze, and what lies below it is no evidence of foreground.

    Args:
        mean: From :func:`moments`.
        square: From :func:`moments`.

    Returns:
        A level of 255, at least :data:`CLEAR`.
    """
    spread = np.sqrt(np.maximum(square - mean * mean, 0))
    seen = mask(mean + 2 * spread > CLEAR_AT_MOST)
    far = cv2.dilate(seen, np.ones((5, 5), np.uint8)) == 0
    if np.count_nonzero(far) < 16:
        return CLEAR
    haze = float(np.percentile(mean[far], 95))
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
    low = mask(quantised <= clear)
    count, labels = cv2.connectedComponents(low, connectivity=4)
    # All but one large region is little: work on its pixels only.
    main = frequent(labels)
    places = np.flatnonzero(low.view(bool) & (labels != main))
    names = labels.ravel()[places]
    areas = np.bincount(names, minlength=count)
    areas[main] = low.size if main else 0
    large = areas >= max(4, round(9 * scale * scale))
    few = areas < round(PIN_HOLE * scale * scale)
    chosen = (few & large)[names]
    lone = pin_holes(quantised, labels, places[chosen], areas, step, scale)
    large[lone] = False
    core = low.copy()
    core.ravel()[places] = large[names]
    depth = distance(core)
    keep = large.copy()
    small = places[~large[names]]
    if small.size:
        broken = cv2.blur(share(mask(quantised < SOLID), step), (5, 5))
        near = depth.ravel()[small] <= 48 * scale
        near |= fine(broken, low.shape).ravel()[small] > 0.02
        keep[labels.ravel()[small[near]]] = True
        keep[lone] = False
        keep &= areas >= 2
        core.ravel()[places] = keep[names]
    return core, depth, int(np.count_nonzero((keep & ~framed(labels, count))[1:]))


def pin_holes(
    quantised: np.ndarray,
    labels: np.ndarray,
    places: np.ndarray,
    areas: np.ndarray,
    step: int,
    scale: float,
) -> np.ndarray:
    """The small clear regions that lie alone in the body, far from anything open or soft.

    An opening is bounded by something thin (a strand, a finger, a hoop) or is a long gap. A
    compact hole many times its own width away from all larger background is neither, unless
    the haze that lies over the background shows in it.

    Args:
        quantised: (H, W) uint8.
        labels: (H, W) labels of the clear regions.
        places: Flat indices of the pixels of the clear regions in question.
        areas: Pixels of every clear region.
        step: Side of a coarse cell in pixels.
        scale: Size of the picture relative to 1024 x 1024.

    Returns:
        Their labels.
    """
    marked = labels.ravel()[places]
    names = np.flatnonzero(np.bincount(marked, minlength=areas.size))
    index = np.zeros(areas.size, np.int64)
    index[names] = np.arange(names.size)
    low, high = _corners(index[marked], places, labels.shape, names.size)
    area = areas[names]
    across = np.sqrt(area)
    compact = area > 0.5 * np.square((high - low).max(axis=0) + 1)
    large = areas >= round(PIN_HOLE * scale * scale)
    unsolid = mask(quantised < SOLID)
    lone = []
    for k in np.flatnonzero(compact):
        near = _around(unsolid, low[:, k], high[:, k], round(2.5 * step))
        if cv2.countNonZero(near) > 0.02 * near.size + (across[k] + 4) ** 2:
            continue
        reach = round(max(48 * scale, 8 * across[k]))
        if not large[_around(labels, low[:, k], high[:, k], reach)].any():
            lone.append(k)
    if not lone:
        return names[:0]
    clear = mask(labels > 0)
    levels = np.cumsum(cv2.calcHist([quantised], [0], clear, [256], [0, 256]))
    haze = int(np.searchsorted(levels, 0.5 * levels[-1]))
    floor = [int(quantised.ravel()[places[marked == names[k]]].min()) for k in lone]
    alike = np.abs(np.asarray(floor) - haze) <= 1 if haze else np.zeros(len(lone), bool)
    return np.asarray(names[lone][~alike])


def levels(
    mean: np.ndarray, square: np.ndarray, shape: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Level regions, for a border slopes: veil where alpha is high, else panel, haze or tulle.

    Args:
        mean: From :func:`moments`.
        square: From :func:`moments`.
        shape: (H, W) of the picture.

    Returns:
        (H, W) masks of what lies within two cells of where alpha stays within a few percent
        over 3 x 3 cells, and of where it does so above 0.6.
    """
    window = (3, 3)
    mean = cv2.blur(mean, window, borderType=cv2.BORDER_REFLECT)
    square = cv2.blur(square, window, borderType=cv2.BORDER_REFLECT)
    level = square - mean * mean < FLAT * FLAT
    high = level & (mean > PLATEAU)
    near: np.ndarray = cv2.dilate(level.astype(np.uint8), np.ones((5, 5), np.uint8))
    return about(near, shape), about(high, shape)


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
    touched[at(labels, touching & (1 - background))] = 1
    plateau = cv2.erode(unsolid & mask(quantised > DENT), square(5 * scale))
    wide, found = np.zeros(count, np.uint8), np.zeros_like(unsolid)
    if cv2.countNonZero(plateau):
        rough = cv2.absdiff(quantised, cv2.blur(quantised, (3, 3)))
        inner = plateau.view(bool)
        area, unevenness = _means(labels[inner], count, rough[inner])
        wide[(area > 0) & (unevenness < ROUGH)] = 1
        found = panels(quantised, rough, unsolid, plateau, scale)
        found &= 1 - cv2.dilate(background, square(2 * scale))
    wide[touched > 0] = 0
    wide[0] = touched[0] = 0
    main = frequent(labels)
    main = main if touched[main] else 0
    places = np.flatnonzero(unsolid.view(bool) & (labels != main))
    connected = unsolid.copy()
    connected.ravel()[places] = touched[labels.ravel()[places]]
    connected = (connected | background) & (1 - found)
    dents = wide[labels] | found if wide.any() else found
    return connected, dents, cv2.dilate(plateau, square(6 * scale))


def _means(names: np.ndarray, count: int, *values: np.ndarray) -> tuple[np.ndarray, ...]:
    """How many pixels each labelled piece has, and the mean of each of the values over it."""
    area = np.bincount(names, minlength=count)
    sums = (np.bincount(names, weights=value, minlength=count) for value in values)
    return area, *(total / np.maximum(area, 1) for total in sums)


def panels(
    quantised: np.ndarray,
    rough: np.ndarray,
    unsolid: np.ndarray,
    plateau: np.ndarray,
    scale: float,
) -> np.ndarray:
    """Wide dents that body surrounds, though a few pixels of border may touch them.

    A panel is smooth, about level, and ends abruptly in body. Tulle has background along a
    good part of its rim; slopes, smoke and hair are not level.

    Args:
        quantised: (H, W) uint8.
        rough: (H, W) uint8, how far a pixel is from the mean about it.
        unsolid: (H, W) mask of what is not body by its level.
        plateau: (H, W) mask of the middle of what is wide.
        scale: Size of the picture relative to 1024 x 1024.

    Returns:
        The (H, W) mask.
    """
    result = np.zeros_like(unsolid)
    around = square(5 * scale)
    margin = 2 * around.shape[0]
    left, top, width, height = cv2.boundingRect(plateau)
    part = np.s_[
        max(0, top - margin) : top + height + margin, max(0, left - margin) : left + width + margin
    ]
    alpha = quantised[part]
    region = np.asarray(cv2.dilate(plateau[part], around)) & unsolid[part] & mask(alpha > DENT)
    count, labels = cv2.connectedComponents(region, connectivity=8)
    if count > np.iinfo(np.uint16).max:
        return result
    names = np.asarray(cv2.dilate(labels.astype(np.uint16), around))
    rim = np.asarray(cv2.dilate(region, around)) > np.asarray(cv2.dilate(region, square(2 * scale)))
    total = np.bincount(names[rim], minlength=count)
    solid = np.bincount(names[rim & (alpha >= SOLID)], minlength=count)
    inner = plateau[part].view(bool)
    values = alpha[inner].astype(np.float64)
    area, mean, square_mean, unevenness = _means(
        labels[inner], count, values, values * values, rough[part][inner]
    )
    closed = (solid > ENCLOSED * total) & (area >= (12 * scale) ** 2) & (unevenness < SMOOTH)
    closed &= square_mean - mean * mean < FLAT * FLAT
    closed[0] = False
    result[part] = closed[labels]
    return result


def _corners(
    names: np.ndarray, places: np.ndarray, shape: tuple[int, ...], count: int
) -> tuple[np.ndarray, np.ndarray]:
    """First and last row and column of every labelled piece, (2, count) int64 each."""
    low, high = np.full((2, count), max(shape)), np.full((2, count), -1)
    for axis, line in enumerate((places // shape[1], places % shape[1])):
        np.minimum.at(low[axis], names, line)
        np.maximum.at(high[axis], names, line)
    return low, high


def _around(plane: np.ndarray, low: np.ndarray, high: np.ndarray, by: int) -> np.ndarray:
    """The part of a plane from one corner to the other and ``by`` pixels farther."""
    top, left = np.maximum(low - by, 0)
    bottom, right = high + by + 1
    return plane[top:bottom, left:right]


def belonging(
    seen: np.ndarray, quantised: np.ndarray, scale: float, options: Options
) -> tuple[np.ndarray, np.ndarray, tuple[int, int, int]]:
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
        faint throughout, and how many pieces do not belong, are faint, and are bodies.
    """
    count, labels = cv2.connectedComponents(seen, connectivity=8)
    empty = np.zeros_like(seen)
    if count == 1:
        return seen, empty, (0, 0, 0)
    # All but the largest piece is little: work on its pixels only.
    main = frequent(labels)
    places = np.flatnonzero(seen.view(bool) & (labels != main))
    names, levels = labels.ravel()[places], quantised.ravel()[places]
    area = np.bincount(names, minlength=count)
    opaque = np.bincount(names[levels >= SOLID], minlength=count)
    if main:
        area[main] = cv2.countNonZero(seen) - places.size
        opaque[main] = cv2.countNonZero(seen & mask(quantised >= SOLID)) - int(opaque.sum())
    largest = int(opaque.max())
    low, high = _corners(names, places, seen.shape, count)
    cut = framed(labels, count)
    body = opaque >= max(256 * scale * scale, 0.04 * largest)
    keep = body | (cut & (opaque >= max(256 * scale * scale, 0.01 * largest)))
    if not body.any():
        keep |= opaque > 0.5 * largest
        keep[int(np.argmax(area))] = True
    if options.several_bodies == "largest" and body.any():
        keep = opaque == largest
    keep[0] = False

    def chosen(labelled: np.ndarray) -> np.ndarray:
        result = seen.copy() if main and labelled[main] else np.zeros_like(seen)
        result.ravel()[places] = labelled[names]
        return result

    def reached(pixels: float) -> np.ndarray:
        result = np.zeros(count, bool)
        result[names[cv2.dilate(belongs, square(pixels)).ravel()[places] > 0]] = True
        return result

    belongs = chosen(keep)
    faint, fragile = empty, np.zeros(count, bool)
    if options.keep_flyaways and not keep[1:].all():
        long = np.hypot(*np.maximum(high - low + 1, 0))
        thick = np.zeros(count, bool)
        thick[names[cv2.erode(seen, square(2 * scale)).ravel()[places] > 0]] = True
        strong = np.zeros(count, bool)
        strong[names[levels >= STRONG]] = True
        slim = area <= long * np.maximum(1.5 + 3 * scale, 0.2 * long)
        thin = ~thick | slim | (long <= 2 + 6 * scale)
        strand = (long >= 16 * scale) & (area <= long * np.maximum(1 + 1.5 * scale, 0.12 * long))
        solitary = keep.copy()
        for _ in range(3):  # a strand may fade more than once
            more = reached(24 * scale) & strand
            more |= reached(10 * scale) & thin
            more |= reached(1 + 3 * scale)
            # Strands that left the picture and came back.
            more |= cut & ~thick & (long >= 24 * scale)
            more &= ~keep
            more[0] = False
            if not more.any():
                break
            keep |= more
            belongs = chosen(keep)
        fragile = keep & ~solitary & ~strong
        faint = chosen(fragile)
    away, weak, bodies = (int(np.count_nonzero(x[1:])) for x in (~keep, fragile, body))
    return belongs, faint, (away, weak, bodies)
