"""Chroma keying in linear light: alpha and clean foreground colour from screen footage.

The first matte is the colour difference of Vlahos (US patents 3,595,987, 1971, and
4,100,569, 1978) against a clean plate, which lights the screen as unevenly as it is. It
takes the foreground to have no colour of the screen's; Smith & Blinn, "Blue Screen Matting",
SIGGRAPH 1996, section 3, show that it then is the one solution. Where it is part-transparent,
the pixel is projected on the line from the plate to the foreground's colour nearby (the
triangulation of the same paper with a guessed foreground), as far as that line explains it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from ld_portrait_20k.matting.data.pictures import Samples, check_sizes, to_unit
from ld_portrait_20k.matting.keying.light import Light, Map, Screen, excess, to_light, to_samples
from ld_portrait_20k.matting.keying.overview import Overview, look
from ld_portrait_20k.matting.keying.screens import solid_parts, spread

_NEAR: Final = (2, 6)  # px, over which colours of solid parts spread; further in small
_MISFIT: Final = 0.06  # in linear light; by bench_keying, .03 to .1 do nearly as well
_SOLID: Final = 0.1  # transparency as a mean of 5 x 5 px below which there is none; by bench
_RIM: Final = 16  # px from anything transparent, within which colours may be mixed; by eye
_FAINT: Final = 0.2  # alpha below which a pixel's own colour is mostly noise; by eye
_MIXED: Final = 0.5  # most of a colour that is taken for screen at the rim; by eye
_HUES: Final = 0.08  # how far shares of R, G and B stray within one head of hair; by eye
_DARK: Final = 0.01  # in linear light; hues of what is darker are noise
_BAND: Final = 1 << 20  # pixels a band; some 100 bytes a pixel are in use at once
_MARGIN: Final = 32  # rows around a band that its pixels depend on: 6 + 3 + 2 + 16, rounded up


@dataclass(frozen=True, slots=True, eq=False)
class Keyed:
    """What was keyed out of a picture.

    Attributes:
        alpha: (H, W), of the picture's depth.
        foreground: (H, W, 3), straight sRGB of the same depth, without the screen's light;
            what has alpha 0 has the colour of the subject nearby.
        screen: Colour of the screen.
        warnings: What should be looked at, in sentences.
    """

    alpha: Samples
    foreground: Samples
    screen: Screen
    warnings: tuple[str, ...] = ()


def key(
    image: Samples,
    screen: Screen | None = None,
    *,
    plate: Samples | None = None,
    core: Samples | None = None,
    garbage: Samples | None = None,
    despill: float = 1.0,
) -> Keyed:
    """Key a picture, in bands of bounded memory.

    Args:
        image: (H, W, 3) uint8 or uint16 sRGB.
        screen: Colour of the screen; found by default.
        plate: The empty screen, (H, W, 3) uint8 or uint16 sRGB, shot alike; exposure may
            differ. Estimated by default.
        core: (H, W) uint8 or uint16 mask of what is opaque (core matte), beside what the
            keyer finds itself.
        garbage: (H, W) mask of what is not the subject (garbage matte).
        despill: Share of the screen's light that is taken out of the foreground's colour,
            0..1.

    Raises:
        PortraitError: No screen, or sizes that differ.
    """
    for name, other in (("the plate", plate), ("the core", core), ("the garbage matte", garbage)):
        if other is not None:
            check_sizes(name, "the picture", (other.shape, image.shape))
    overview = look(image, screen, plate)
    height, width = image.shape[:2]
    colour = np.empty_like(image)
    alpha = np.empty((height, width), image.dtype)
    for top, bottom, above, below in _bands(height, width):
        rows = slice(above, below)
        light = to_light(image[rows])
        empty = (
            _enlarge(overview.plate, above, below, height, width)
            if plate is None
            # Its own noise goes; what it shows of folds and seams stays.
            else _smooth(to_light(plate[rows])) * overview.gain
        )
        far = _enlarge(overview.foreground, above, below, height, width)
        share, near = _alpha(light, empty, far, overview, (above, below, height))
        if core is not None:
            share = np.maximum(share, to_unit(core[rows]).astype(np.float32))
        if garbage is not None:
            share = share * (1 - to_unit(garbage[rows]).astype(np.float32))
        clean = _foreground(light, empty, share, near, far, overview.screen, despill)
        kept = slice(top - above, bottom - above)
        full = np.iinfo(image.dtype).max
        alpha[top:bottom] = np.rint(share[kept] * np.float32(full))
        colour[top:bottom] = to_samples(clean[kept], image.dtype.itemsize * 8)
    return Keyed(alpha, colour, overview.screen, overview.warnings)


def _alpha(
    light: Light, empty: Light, far: Light, overview: Overview, rows: tuple[int, int, int]
) -> tuple[Map, Light]:
    """Alpha of a band, and the foreground's colour nearby."""
    span = (*rows, light.shape[1])
    full = np.maximum(excess(empty, overview.screen), np.float32(1e-3))
    first = np.asarray(1 - np.clip(excess(light, overview.screen) / full, 0, 1), np.float32)
    core = _enlarge(overview.core, *span)
    near, known = spread(light, np.maximum(solid_parts(first, 7), core > 0.99), _NEAR)
    known = known[..., None]
    near = known * near + (1 - known) * far

    line = near - empty
    offset = light - empty
    length = np.maximum(_dot(line, line), np.float32(1e-6))
    along = np.clip(_dot(offset, line) / length, 0, 1)
    rest = offset - along[..., None] * line
    trust = np.float32(_MISFIT**2) / (_dot(rest, rest) + np.float32(_MISFIT**2))
    trust *= _enlarge(overview.known, *span)
    alpha = np.asarray(first + trust * (along - first), np.float32)

    # Garbage and core mattes: means of 5 x 5 pixels are free of the noise of single ones,
    # so that nothing has to be clipped off the hair's own alpha.
    alpha[cv2.blur(alpha, (5, 5)) < overview.floor] = 0
    alpha[(cv2.blur(alpha, (5, 5)) > 1 - _SOLID) | (core > 0.99)] = 1
    return alpha, near


def _foreground(
    light: Light,
    empty: Light,
    alpha: Map,
    near: Light,
    far: Light,
    screen: Screen,
    despill: float,
) -> Light:
    """The foreground's own colour: without plate, without spill.

    Spill is the plate's colour added to the foreground's, so it is subtracted in the plate's
    proportions until the colour difference is 0; grey then becomes exactly grey again. A
    mixture of warm hair and screen has no colour difference left and still looks greenish:
    at the rim a colour may lean to the screen no more than the solid parts behind it do.
    """
    share = alpha[..., None]
    own = (light - (1 - share) * empty) / np.maximum(share, np.float32(1e-3))
    sure = share**2 / (share**2 + np.float32(_FAINT**2))
    colour = np.where(share == 1, light, np.clip(sure * own + (1 - sure) * near, 0, 1))
    full = np.maximum(excess(empty, screen), np.float32(1e-3))
    difference = excess(colour, screen)
    spill = np.clip(difference / full, 0, None)
    window = (2 * _RIM + 1, 2 * _RIM + 1)
    rim = np.clip(6 * cv2.blur((alpha < 1).astype(np.float32), window), 0, 1)
    # What the solid parts behind would take to become this colour, if they are of one kind.
    mixed = np.clip((np.minimum(difference, 0) - _lean(far, colour, screen)) / full, 0, _MIXED)
    mixed *= rim
    rows, columns = np.nonzero(mixed)
    some = mixed[rows, columns] / rim[rows, columns] + spill[rows, columns]
    taken = colour[rows, columns] - some[:, None] * empty[rows, columns]
    mixed[rows, columns] *= _alike(np.asarray(taken, np.float32), far[rows, columns])
    # The other way round: too low an alpha took too much of the screen out.
    missing = np.clip((_lean(near, colour, screen) - difference) / full, 0, None) * (alpha < 1)
    amount = np.float32(despill) * (spill + mixed) - missing
    colour = colour - amount[..., None] * empty
    return np.asarray(np.clip(colour, 0, 1), np.float32)


def _bands(height: int, width: int) -> Iterator[tuple[int, int, int, int]]:
    """Rows of each band, and the rows around them that are needed."""
    rows = max(64, _BAND // width)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        yield top, bottom, max(0, top - _MARGIN), min(height, bottom + _MARGIN)


def _enlarge(
    small: NDArray[np.float32], top: int, bottom: int, height: int, width: int
) -> NDArray[np.float32]:
    """Rows of a small picture as it is at full size, linearly between its pixels."""
    down, across = len(small) / height, small.shape[1] / width
    # Where a row and a column of the result lie in the small picture, from centre to centre.
    place = np.array(
        [[across, 0, across / 2 - 0.5], [0, down, (top + 0.5) * down - 0.5]], np.float64
    )
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    size = (width, bottom - top)
    grown = cv2.warpAffine(small, place, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(grown, np.float32)


def _smooth(light: Light) -> Light:
    return np.asarray(cv2.GaussianBlur(light, (0, 0), 1.5))


def _lean(reference: Light, colour: Light, screen: Screen) -> Map:
    """The colour difference of a colour, if it were of the reference's hue; never over 0."""
    difference = np.minimum(excess(reference, screen), 0)
    return np.asarray(_luma(colour) * difference / (_luma(reference) + np.float32(_DARK)))


def _alike(one: Light, other: Light) -> Map:
    """How alike two hues are: 1 for equal ones, 0 for grey and skin."""
    off = _hue(one) - _hue(other)
    return np.exp(-_dot(off, off) / np.float32(_HUES**2))


def _hue(light: Light) -> Light:
    light = np.maximum(light, 0) + np.float32(_DARK / 3)
    return np.asarray(light / light.sum(-1, keepdims=True))


def _luma(light: Light) -> Map:
    return np.asarray(light @ np.array([0.2126, 0.7152, 0.0722], np.float32))


def _dot(one: Light, other: Light) -> Map:
    return np.asarray(np.einsum("...c,...c->...", one, other), np.float32)
