"""What is known of a picture before its pixels are keyed: a look at it in small."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from ld_portrait_20k.matting.keying.light import Light, Map, Screen, excess, to_light
from ld_portrait_20k.matting.keying.screens import (
    estimate_plate,
    find_screen,
    match_exposure,
    screen_pixels,
    solid_parts,
    spread,
)

_SIDE: Final = 512  # of the small picture's longer side; its errors show below that
_DEPTH: Final = 0.02  # of the longer side: what lies deeper inside the subject is no hair
_INSIDE: Final = 0.3  # alpha above which a place deep inside is taken for solid; by eye
_OPAQUE: Final = 0.95
_SMOOTH: Final = 0.06  # standard deviation of the alpha of plain cloth over 7 x 7 px; by eye
_RADII: Final = (6, 18, 50, 150)  # px of the small picture, over which colours spread
_HAZY: Final = 0.8  # mean alpha by colour difference under which solid places look green
_HAZY_SHARE: Final = 0.03  # share of the solid places that may be so before it is said


@dataclass(frozen=True, slots=True, eq=False)
class Overview:
    """A picture in small.

    Attributes:
        screen: Colour of the screen.
        plate: (h, w, 3) linear light of the empty screen.
        gain: (3,), what a photographed plate is to be multiplied with.
        core: (h, w), 1 where the subject is certainly opaque, else 0.
        foreground: (h, w, 3) linear light of the subject's solid parts, spread everywhere.
        known: (h, w), 0..1, how far that colour is known; 0 all over without a subject.
        floor: Mean alpha of 5 x 5 pixels below which there is screen.
        warnings: What the keyer cannot decide, in sentences.
    """

    screen: Screen
    plate: Light
    gain: NDArray[np.float32]
    core: Map
    foreground: Light
    known: Map
    floor: float
    warnings: tuple[str, ...]


def look(
    image: NDArray[np.uint8] | NDArray[np.uint16],
    screen: Screen | None = None,
    plate: NDArray[np.uint8] | NDArray[np.uint16] | None = None,
) -> Overview:
    """Find the screen, the plate and the subject's core in a picture.

    Args:
        image: (H, W, 3) uint8 or uint16 sRGB.
        screen: Colour of the screen; found by default.
        plate: The empty screen, of the same size; estimated by default.

    Raises:
        PortraitError: No screen.
    """
    small = _shrink(image)
    given = None if plate is None else _shrink(plate)
    screen = screen or find_screen(small if given is None else given)
    sure = screen_pixels(small, screen)
    if given is None:
        empty, gain = estimate_plate(small, sure), np.ones(3, np.float32)
    else:
        gain = match_exposure(given, small, sure & screen_pixels(given, screen))
        empty = given * gain
    share = np.clip(excess(small, screen) / np.maximum(excess(empty, screen), 1e-3), 0, 1)
    alpha = np.asarray(1 - share, np.float32)
    core = _core(alpha)
    deep, sure_deep = spread(small, np.maximum(core, solid_parts(alpha, 13)), _RADII)
    thin, known = spread(small, np.maximum(core, solid_parts(alpha, 3)), _RADII)
    colour = sure_deep[..., None] * deep + (1 - sure_deep)[..., None] * thin
    noise = _noise(image, empty, screen, sure)
    return Overview(
        screen, empty, gain, core, colour, known,
        # 0.05 keeps what JPEG and blur leave around a subject out; by bench_keying. Five
        # standard deviations of the screen's own noise do the same for darker footage.
        floor=min(max(0.05, 5 * noise), 0.3),
        warnings=_warnings(alpha, core, screen),
    )  # fmt: skip


def _shrink(image: NDArray[np.uint8] | NDArray[np.uint16]) -> Light:
    height, width = image.shape[:2]
    factor = max(1, round(max(height, width) / _SIDE))
    # First in whole steps of the samples, which a picture of 8k takes in no memory; the
    # mean of neighbouring samples of one screen differs from that of their light by little.
    if factor > 1:
        size = (max(1, width // factor), max(1, height // factor))
        small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA))
        return to_light(small.astype(np.uint8 if image.dtype == np.uint8 else np.uint16))
    return to_light(image)


def _core(alpha: Map) -> Map:
    """Deep inside the subject, where part-transparency is a colour near the screen's.

    Thick hair before the screen is part-transparent over as wide a place, but not smoothly.
    """
    mean = cv2.blur(alpha, (7, 7))
    uneven = np.sqrt(np.maximum(cv2.blur(alpha * alpha, (7, 7)) - mean * mean, 0))
    inside = (alpha > _OPAQUE) | ((alpha > _INSIDE) & (uneven < _SMOOTH))
    reach = max(3, round(_DEPTH * max(alpha.shape)))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    core = cv2.erode(inside.astype(np.uint8), disc)
    # The seam between two cloths is uneven too, but lies between places that are sure.
    gap = np.ones((2 * reach + 9, 2 * reach + 9), np.uint8)
    closed = cv2.morphologyEx(core, cv2.MORPH_CLOSE, gap) > 0
    deep = cv2.erode((alpha > _INSIDE).astype(np.uint8), disc) > 0
    return (closed & deep).astype(np.float32)


def _noise(
    image: NDArray[np.uint8] | NDArray[np.uint16],
    plate: Light,
    screen: Screen,
    sure: NDArray[np.bool_],
) -> float:
    """Standard deviation of the screen's alpha, as a mean of 5 x 5 full-size pixels."""
    rows, columns = np.nonzero(cv2.erode(sure.astype(np.uint8), np.ones((9, 9), np.uint8)))
    chosen = range(0, len(rows), max(1, len(rows) // 24))
    height, width = image.shape[:2]
    found = []
    for i in chosen:
        y = round(rows[i] * height / plate.shape[0])
        x = round(columns[i] * width / plate.shape[1])
        patch = to_light(image[max(0, y - 8) : y + 8, max(0, x - 8) : x + 8])
        shares = excess(patch, screen) / max(
            float(excess(plate[rows[i], columns[i]], screen)), 1e-3
        )
        found.append(float(np.std(cv2.blur(shares, (5, 5)))))
    return float(np.median(found)) if found else 0.0


def _warnings(alpha: Map, core: Map, screen: Screen) -> tuple[str, ...]:
    solid = core > 0
    if not solid.any():
        return ("no solid subject found before the screen",)
    hazy = float((np.asarray(cv2.blur(alpha, (5, 5)))[solid] < _HAZY).mean())
    if hazy > _HAZY_SHARE:
        return (
            f"{hazy:.0%} of the subject's inside is coloured like the {screen} screen (clothes?) "
            "and was kept opaque; try: --core with a mask where it must be, or the other screen",
        )
    return ()
