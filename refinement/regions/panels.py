"""Panels: level parts of the body that came out see-through, found pixel by pixel.

Alpha is (H, W) uint8; lengths are in pixels of a picture of
1024 x 1024 times ``scale``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from refinement.planes.grid import (
    Alpha8,
    Plane,
    dilate,
    erode,
    interpolate_level,
    local_level,
    mask_from_cells,
    spread,
    square_kernel,
)
from refinement.planes.labels import Labelled, count_beside, label, regions_meeting
from refinement.planes.masks import Mask, Mask8
from refinement.regions.outlines import find_see_through
from refinement.thresholds.levels import CLEAR_AT_MOST, DENT, HAZE_AT_MOST, SOLID, VEIL
from refinement.thresholds.panels import (
    DENSE_PANEL,
    DENSER_PANEL,
    LIKELY_ENDS,
    LIKELY_SMOOTH,
    PANEL_BODY,
    PANEL_LARGE,
    PANEL_RANGE,
    PANEL_REACH,
    PANEL_TOLERANCE,
    PANEL_WIDE,
    SEAM,
    SMOOTH,
    VEIL_NARROW,
    VEIL_REACH,
    VEIL_SLOPES,
)


@dataclass(slots=True)
class Panels:
    """Level parts of the body.

    Attributes:
        mask: Whole panels and veils with their soft rims.
        sure: Those of them that are certainly no hair.
        likely: Further panels, with less body about them or in a veil; a damaged matte has such.
        loose: Those of ``sure`` that do not end as abruptly as the subject where no body is beside
            them: parts of something larger.
        missing: Those of ``likely`` beside which the outline of the body goes on: no matte that is
            right has such.
    """

    mask: Mask
    sure: Mask
    likely: Mask
    loose: Mask
    missing: Mask


def find_panels(
    quantised: Alpha8,
    mean: Plane,
    level_cells: NDArray[np.bool_],
    scale: float,
    raised: bool = False,
) -> Panels:
    """Find the level regions that body surrounds, and level veils.

    A border slopes from body to background; a panel is level and body lies along most of its
    rim. A veil is level, wide and dense, wherever it lies. Each is taken whole: from where alpha
    is level it grows over everything that is not lower than its own level there, so that its
    soft rim belongs to it and the slope to the background does not.

    Args:
        quantised: (H, W) uint8.
        mean: From :func:`refinement.regions.background.level_cells`.
        level_cells: From the same.
        scale: Size of the picture relative to 1024 x 1024.
        raised: Whether an earlier pass raised levels, so that they tell less.
    """
    smooth = _smooth(quantised, scale)
    high = level_cells & (mean > VEIL)
    # Body that is hardly veiled needs nothing.
    veiled = high & (mean < SOLID + PANEL_TOLERANCE)
    shape = quantised.shape
    veils = sure = likely = loose = missing = Mask.empty(shape)
    if veiled.any():
        level = interpolate_level(spread(mean, high.astype(np.float32)), shape)
        core = mask_from_cells(veiled, shape)
        veils = _without_slopes(_grow(core, level, smooth, VEIL_REACH * scale), quantised, scale)
    flat = _Flat.of(quantised, smooth, scale)
    if flat is not None:
        sure, loose = flat.sure()
        missing, within = find_see_through(quantised, mean, veils | sure, scale)
        likely = missing if raised else flat.likely(veils | sure)
        if within and not raised:  # of what has no known level
            likely |= within - regions_meeting(within, likely)
        likely |= missing
    return Panels(veils | sure | likely, sure, likely, loose, missing)


def has_panels(quantised: Alpha8, scale: float) -> bool:
    """Whether a refined matte still has what may be panels, with more body beside them now."""
    flat = _Flat.of(quantised, _smooth(quantised, scale), scale)
    return flat is not None and (
        flat.level().count() > (PANEL_LARGE * scale) ** 2 or bool(flat.sure()[0])
    )


def _smooth(quantised: Alpha8, scale: float) -> Alpha8:
    return np.asarray(cv2.blur(quantised, (2 * round(2 * scale) + 1,) * 2), np.uint8)


def _grow(core: Mask, level: Alpha8, alpha: Alpha8, pixels: float) -> Mask:
    """Grow a mask over what is connected with it and not lower than the level there."""
    floor = np.asarray(cv2.subtract(level, np.full_like(level, PANEL_TOLERANCE)))
    allowed = Mask(alpha >= floor) & Mask(level)
    return (core & allowed).grow_within(allowed, 2 + round(pixels))


def _without_slopes(veils: Mask, quantised: Alpha8, scale: float) -> Mask:
    """The veils without narrow ones that have slopes about them: tops of what is out of focus."""
    reach = VEIL_NARROW * scale
    wide = veils.erode(reach).dilate(reach + 1)
    regions = label(veils - wide, connectivity=8)
    alone = ~regions.meeting(wide.dilate(1))
    alone[0] = False
    if not alone.any():
        return veils
    narrow = regions.mask_of(alone)
    groups = label(narrow.dilate(2), connectivity=8)  # those that meet are decided together
    rim, names = groups.pixels_of(groups.mask - veils)
    about = quantised.ravel()[rim]
    slopes = np.bincount(names[(about > DENT) & (about < SOLID)], minlength=groups.count)
    tops = slopes > VEIL_SLOPES * np.bincount(names, minlength=groups.count)
    return veils - (narrow & groups.mask_of(tops)) if tops.any() else veils


@dataclass(frozen=True, slots=True)
class _Flat:
    """Part of a picture that holds all that is half transparent and wide.

    Attributes:
        shape: Of the whole picture.
        part: Rows and columns.
        alpha: The part of the matte.
        between: Where alpha is neither body nor an opening.
        dense: What of this is too dense for haze.
        wide: What of this is wide.
        span: How much alpha varies about each pixel.
        scale: Size of the picture relative to 1024 x 1024.
    """

    shape: tuple[int, ...]
    part: tuple[slice, slice]
    alpha: Alpha8
    between: Mask
    dense: Mask
    wide: Mask
    span: Alpha8
    scale: float

    @classmethod
    def of(cls, quantised: Alpha8, smooth: Alpha8, scale: float) -> _Flat | None:
        """The part of a picture, or None if nothing in it is wide."""
        between = Mask(smooth > DENT) & Mask(smooth < SOLID)
        wide = between.erode(PANEL_WIDE * scale)
        if not wide:
            return None
        window = square_kernel(4 * scale)
        part = wide.box(4 * window.shape[0] + round(PANEL_REACH * scale))
        low, high = erode(smooth[part], window), dilate(smooth[part], window)
        span = np.asarray(cv2.subtract(high, low), np.uint8)
        between, wide = (Mask(mask.pixels()[part]) for mask in (between, wide))
        dense = between & Mask(smooth[part] > HAZE_AT_MOST)
        return cls(quantised.shape, part, quantised[part], between, dense, wide, span, scale)

    def level(self) -> Mask:
        """Where alpha is level."""
        return self.wide & Mask(self.span <= PANEL_RANGE)

    def sure(self) -> tuple[Mask, Mask]:
        """The panels: level below SOLID, smooth, and surrounded by body; and the loose ones."""
        grown = self._grow(Mask.empty(self.alpha.shape))
        if grown is None:
            return Mask.empty(self.shape), Mask.empty(self.shape)
        rim, beside = grown.rim(self.scale)
        body = Mask(self.alpha >= SOLID)
        covered = beside(body.pixels())
        chosen = covered / np.maximum(rim, 1) > PANEL_BODY
        chosen &= grown.mean(_roughness(self.alpha), grown.core) < SMOOTH
        loose = chosen.copy()
        if chosen.any():
            fading = self._fading(beside, rim - covered, body)
            loose &= fading > (1 - LIKELY_ENDS) * rim
        if loose.any():  # not where most of that is seams and folds: narrow gaps within the panel
            body |= grown.regions.mask.dilate(SEAM * self.scale).erode(SEAM * self.scale)
            loose &= 2 * self._fading(beside, rim - beside(body.pixels()), body) > fading
        return self._whole(grown, chosen), self._whole(grown, loose)

    def likely(self, known: Mask) -> Mask:
        """Dense panels with less body about them or with texture, and panels in what was found.

        What was found before counts as body beside them, because panels overlap and veiled body
        surrounds them.

        Args:
            known: Veils and panels found before, of the whole picture.
        """
        known = known.crop(self.part)
        grown = self._grow(known, DENSER_PANEL[1] * self.scale)
        if grown is None:
            return Mask.empty(self.shape)
        rim, beside = grown.rim(self.scale)
        body = Mask(self.alpha >= SOLID) | known
        covered = beside(body.pixels())
        share = covered / np.maximum(rim, 1)
        # Hair that a panel grew into is rough, so more than the level part is asked.
        within = grown.core | grown.regions.mask.erode(2)
        level = grown.mean(self.alpha, within)
        least, dense = DENSE_PANEL
        body_about = (share > PANEL_BODY) | ((share > least) & (level > dense))
        denser, thick, thick_ends = DENSER_PANEL
        alone = (covered > 0) & (level > denser)
        smooth = grown.mean(_roughness(self.alpha), within) < LIKELY_SMOOTH
        # Where no body is beside it a panel ends as the subject does, and fringes fade.
        open_, fading = rim - covered, self._fading(beside, rim - covered, body)
        chosen = (body_about | alone) & smooth & (fading <= (1 - LIKELY_ENDS) * open_)
        wide = grown.regions.mask.erode(thick * self.scale)
        if wide:  # no border is as wide, so what is may have texture and hair about it
            chosen |= alone & grown.regions.meeting(wide) & (fading <= (1 - thick_ends) * open_)
        return self._whole(grown, chosen)

    def _fading(
        self, beside: Callable[[Mask8], NDArray[np.intp]], open_: NDArray[np.intp], body: Mask
    ) -> NDArray[np.intp]:
        """How many pixels of the open rim of each region do not end abruptly, (count,)."""
        lowest = erode(self.alpha, square_kernel(3 * self.scale))
        return open_ - beside((Mask(lowest <= CLEAR_AT_MOST) - body).pixels())

    def _grow(self, known: Mask, thick: float = 0) -> _Grown | None:
        """Grow from what is level, or too wide for a border, over all that is not much lower.

        Args:
            known: Where nothing is looked for.
            thick: Half the side, in pixels, of a square that no border holds; 0 if what is not
                level is no panel.
        """
        core = self.level() - known
        between = self.between - known
        squares = Mask.empty(known.shape)
        if thick:
            middle = (self.dense - known).erode(thick)
            squares = middle.dilate(max(1, thick - 2))  # without their soft rims
            core |= squares
        if not core:
            return None
        level = local_level(self.alpha, core.pixels(), max(2, round(8 * self.scale)))
        alpha = self.alpha * between.pixels()
        mask = squares | _grow(core, level, alpha, PANEL_REACH * self.scale)
        regions = label(mask, connectivity=8)
        if regions.count == 1 or regions.count >= np.iinfo(np.uint16).max:
            return None
        return _Grown(core & mask, regions)

    def _whole(self, grown: _Grown, chosen: NDArray[np.bool_]) -> Mask:
        """The chosen regions, (count,), in the whole picture."""
        chosen[0] = False
        if not chosen.any():
            return Mask.empty(self.shape)
        return grown.regions.mask_of(chosen).placed(self.part, self.shape)


@dataclass(frozen=True, slots=True)
class _Grown:
    """Regions that grew from where alpha is level.

    Attributes:
        core: Where it is level.
        regions: What grew.
    """

    core: Mask
    regions: Labelled

    def rim(self, scale: float) -> tuple[NDArray[np.intp], Callable[[Mask8], NDArray[np.intp]]]:
        """The pixels along the rim of each region, (count,), and what counts those in a mask."""
        rim = (~self.regions.mask.dilate(1)).pixels()
        beside = count_beside(self.regions, rim, square_kernel(3 * scale + 1))
        return beside(rim), beside

    def mean(self, plane: Alpha8, where: Mask) -> NDArray[np.float64]:
        """The mean over a part of each region, (count,)."""
        places, names = self.regions.pixels_of(where)
        total = np.bincount(names, weights=plane.ravel()[places], minlength=self.regions.count)
        return total / np.maximum(np.bincount(names, minlength=self.regions.count), 1)


def _roughness(alpha: Alpha8) -> Alpha8:
    return np.asarray(cv2.absdiff(alpha, cv2.blur(alpha, (3, 3))), np.uint8)
