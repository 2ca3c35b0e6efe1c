"""The picture divided into definite foreground, definite background and the border band.

If the areas far from the border are exact, the matte is treated as undamaged, and what looks odd
near the border is fine structure.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from refinement.options import Options
from refinement.planes.distances import nearer
from refinement.planes.grid import (
    Alpha8,
    Plane,
    blur,
    cell_means,
    cell_moments,
    cell_share,
    mask_from_cells,
    mask_where_all_cells,
    rough_cell_share,
    square_kernel,
)
from refinement.planes.labels import regions_meeting
from refinement.planes.masks import Mask
from refinement.regions import background as backgrounds
from refinement.regions.connectivity import unknown_border
from refinement.regions.damage import is_undamaged
from refinement.regions.earlier import Earlier
from refinement.regions.narrow import find_narrow_dips
from refinement.regions.panels import Panels, find_panels
from refinement.regions.pieces import belonging, faint_tails
from refinement.regions.plateaus import find_plateaus
from refinement.regions.rings import Rings, measure_rings
from refinement.thresholds.background import HAZE_SIDE
from refinement.thresholds.damage import MISSING_SIDE
from refinement.thresholds.hair import DENSE, FINE_REACH, GAP, STRANDS_SHARE, THICK
from refinement.thresholds.levels import CLEAR, HAZE_AT_MOST, OPAQUE_VEIL, SOLID, VISIBLE
from refinement.thresholds.panels import PANEL_RIM, PANEL_WIDE
from refinement.thresholds.pieces import TAIL_REACH


@dataclass(slots=True)
class Regions:
    """The divided picture.

    Attributes:
        inside: Definite foreground: alpha becomes 1.
        outside: Definite background: alpha becomes 0.
        ground: What is background away from the border, whether it was changed or not.
        belongs: What is visible and belongs to the body.
        veiling: What is level and half transparent, farther from background than the border
            band may be wide.
        sound: Body far from the border, which shows the damage.
        fine: Hair in the body that is hardly soft; empty for an undamaged matte.
        tail: How many pixels of faint tail the body may have at most; 0 for an undamaged matte.
        step: Side of a cell of the coarse grid, in pixels.
        pieces_removed: Visible detached pieces in ``outside``.
        openings_kept: Enclosed background regions.
        bodies: Significant opaque bodies.
        translucent: Share of the visible area that is not opaque.
        clear: The clear level used, of 255.
    """

    inside: Mask
    outside: Mask
    ground: Mask
    belongs: Mask
    veiling: Mask
    sound: Mask
    fine: Mask
    tail: int
    step: int
    pieces_removed: int = 0
    openings_kept: int = 0
    bodies: int = 0
    translucent: float = 0.0
    clear: int = CLEAR

    @property
    def clean(self) -> bool:
        """Whether the areas far from the border were exact already."""
        return not self.tail


def divide(
    quantised: Alpha8, scale: float, options: Options, earlier: Earlier | None = None
) -> Regions:
    """Divide a picture into definite foreground, definite background and the border band.

    Args:
        quantised: (H, W) uint8, raw alpha.
        scale: Size of the picture relative to 1024 x 1024.
        options: See :class:`Options`.
        earlier: What is known from another pass over the same matte.
    """
    step, earlier = max(2, round(8 * scale)), earlier or Earlier()
    unknown, depth = _unknown(quantised, step, scale, options, earlier)
    seen = ~(unknown.background | unknown.haze)
    found = belonging(seen, quantised, scale, options)
    stray = (seen | unknown.haze) - found.mask
    # An edge may fall within a pixel.
    border = (unknown.connected - unknown.haze) | unknown.background.dilate(1)
    border = border - unknown.background - stray

    thick, crisp = earlier.of("thick", (border, depth), lambda: thickness(border, depth, step))
    rings = earlier.of(
        "rings",
        (border, thick),
        lambda: measure_rings(border, thick, step, scale, options.band_width),
    )
    inside = found.mask - border - _soft(quantised, unknown, rings, thick, step)
    outside = ~(found.mask | rings.near | unknown.panes)
    solid = (seen & Mask(quantised >= OPAQUE_VEIL)).count()
    regions = Regions(
        inside=inside,
        outside=outside,
        ground=outside | stray,
        belongs=found.mask | unknown.panes,
        veiling=_veiling(unknown.beyond | unknown.panes, quantised),
        sound=_sound(inside & crisp, unknown, scale) - rings.edge,
        fine=Mask.empty(inside.shape),
        tail=0,
        step=step,
        pieces_removed=found.removed,
        openings_kept=unknown.openings,
        bodies=found.bodies,
        translucent=1 - solid / max(1, seen.count()),
        clear=unknown.clear,
    )
    skirts = stray.dilate(6 * scale)
    undamaged = unknown.panels.missing.count() <= (MISSING_SIDE * scale) ** 2 and is_undamaged(
        quantised,
        regions.sound,
        (outside & crisp) - skirts - rings.tail,
        rings,
        step,
    )
    tails = faint_tails(quantised)
    earlier.damaged |= not undamaged
    if undamaged:
        seen_stray = regions_meeting(stray, unknown.haze | Mask(quantised >= VISIBLE))
        kept = seen_stray & tails
        if kept:  # what a damaged matte keeps: fragments that faint tails connect with the body
            seen_stray -= kept & regions_meeting(Mask(quantised) - (seen_stray - kept), found.mask)
        regions.outside -= stray - seen_stray
        skirts = seen_stray.dilate(6 * scale)
        _spare_fine_structure(regions, quantised, unknown, rings, skirts, scale, earlier)
        regions.outside &= seen_stray.dilate(2) | ~tails
        regions.outside |= seen_stray
    else:
        regions.tail = 2 + round(TAIL_REACH * scale)
        regions.pieces_removed += found.faint_pieces
        _clear_around(regions, found.faint, scale)
        # Fragments of hair that faint tails connect with the body stay.
        regions.outside = (regions.outside | stray | found.faint) - tails
        # Beside a soft border its own tail is as faint as a halo. The level of the background
        # farther out tells them apart.
        regions.outside -= rings.skirt - stray - found.faint
        hair = (regions.inside & rings.nearby) - crisp
        dents = (hair & Mask(quantised < SOLID)).dilate(2 + FINE_REACH * scale)
        regions.fine = hair - dents
        thin = find_plateaus(quantised, inside, unknown.clear, step, scale)
        regions.inside |= (thin & regions.belongs) - regions.outside
        narrow = find_narrow_dips(quantised, scale)
        regions.inside -= narrow
        regions.fine -= narrow
    return regions


def _spare_fine_structure(
    regions: Regions,
    quantised: Alpha8,
    unknown: _Unknown,
    rings: Rings,
    skirts: Mask,
    scale: float,
    earlier: Earlier,
) -> None:
    """In an undamaged matte, leave alone what may be hair near the border."""
    panels = unknown.panels.sure
    if panels and not earlier.damaged:
        panels -= _cloth(quantised, unknown, regions.step, scale)
    if panels:  # with the rim about them, which is steeper
        panels |= panels.dilate(1 + PANEL_RIM * scale) - unknown.connected
    regions.inside &= panels | Mask(quantised == 255)
    regions.outside &= skirts | ~rings.ring  # nothing fine reaches that far


def _cloth(quantised: Alpha8, unknown: _Unknown, step: int, scale: float) -> Mask:
    """What looks like a panel in an undamaged matte: lenses, and cloth that goes on elsewhere."""
    panels, background = unknown.panels.sure - unknown.panels.loose, unknown.background
    enclosed = panels - regions_meeting(panels, background.dilate(2))
    lenses = backgrounds.thinly_enclosed(enclosed, background, scale)
    soft = unknown.connected | unknown.panels.likely  # a matte that is not damaged keeps these
    cloth = (soft - background).erode(PANEL_WIDE * scale)
    behind = backgrounds.like_cloth(panels - lenses, quantised, cloth, step)
    return unknown.panels.loose | lenses | behind


def _clear_around(regions: Regions, fragile: Mask, scale: float) -> None:
    """In a damaged matte, remove faint pieces."""
    regions.belongs -= fragile
    regions.inside &= regions.belongs
    regions.outside |= fragile.dilate(6 * scale) - regions.belongs.dilate(1 + 2 * scale)


@dataclass(slots=True)
class _Unknown:
    """Background, and what is neither background nor body by its level.

    Attributes:
        background: Definite background.
        unsolid: What is not body by its level.
        connected: The unknown border, with the background.
        dents: Wide dents that are no border.
        beyond: Level unknown regions farther from background than the band's width.
        haze: Those of them that are haze.
        openings: How many background regions are enclosed.
        clear: The clear level, of 255.
        panels: Panels and veils.
        panes: Faint enclosed parts of ``background``, which stay.
    """

    background: Mask
    unsolid: Mask
    connected: Mask
    dents: Mask
    beyond: Mask
    haze: Mask
    openings: int
    clear: int
    panels: Panels
    panes: Mask


def _unknown(
    quantised: Alpha8, step: int, scale: float, options: Options, earlier: Earlier
) -> tuple[_Unknown, Plane]:
    """What is unknown, and the distance of every pixel from background (float32)."""
    mean, mean_square = cell_moments(quantised, step)
    clear = backgrounds.clear_level(quantised, mean, mean_square, step, scale)
    core = backgrounds.background_core(quantised, clear, step, scale, earlier)
    if core[0].count() < 0.02 * quantised.size:
        # The picture has no background, or all of it lies under haze.
        hazy = backgrounds.background_core(quantised, HAZE_AT_MOST, step, scale, earlier)
        if hazy[0].count() > 0.05 * quantised.size:
            clear, core = HAZE_AT_MOST, hazy
    background, depth, openings = core
    panes, faint = backgrounds.find_panes(quantised, background, step, scale)
    if panes:  # they have a border, as background has
        background |= panes
        depth = nearer(depth, panes, Mask(quantised < SOLID).dilate(1))
    mean, level_cells = backgrounds.level_cells(mean, mean_square)
    panels = find_panels(quantised, mean, level_cells, scale, earlier.raised)
    unsolid = Mask(quantised < SOLID) - panels.mask
    border = unknown_border(unsolid, quantised, background, scale)
    border.dents |= panels.sure | panels.likely

    # A level unknown region farther than the band's width is haze if it is faint.
    beyond = (border.connected & border.plateau) | faint
    if beyond:
        beyond &= backgrounds.near_cells(level_cells, quantised.shape)
        places = beyond.places()
        far = depth.ravel()[places] > options.band_width * scale
        beyond = Mask.of_places(places[far], beyond.shape)
    haze = beyond & border.plateau
    if haze:
        haze = _wide(haze & Mask(quantised < HAZE_AT_MOST), HAZE_SIDE * scale)
    if clear == CLEAR and haze:
        haze -= backgrounds.crisp_rims(quantised, background, scale)
    found = _Unknown(
        background=background,
        unsolid=unsolid,
        connected=border.connected,
        dents=border.dents,
        beyond=beyond,
        haze=haze,
        openings=openings,
        clear=clear,
        panels=panels,
        panes=panes,
    )
    return found, depth


def _soft(quantised: Alpha8, unknown: _Unknown, rings: Rings, thick: Plane, step: int) -> Mask:
    """What may be soft inside: beside the border, and where gaps are so dense that it is hair."""
    gaps = unknown.unsolid - unknown.connected - unknown.dents
    soft = rings.close | (rings.nearby & strands(gaps, rings.nearby, step))
    locks = tresses(quantised, thick, step)
    if locks:
        soft |= rings.band & locks
    return soft - unknown.dents


def _sound(crisp: Mask, unknown: _Unknown, scale: float) -> Mask:
    """What of the body shows whether the matte is damaged: not what only a damaged one fills."""
    likely = unknown.panels.likely
    sound = crisp - unknown.dents.dilate(3 * scale)
    return sound - likely.dilate(1 + PANEL_RIM * scale) if likely else sound


def _veiling(beyond: Mask, quantised: Alpha8) -> Mask:
    """What is half transparent of the level regions beyond the band."""
    return beyond & Mask(quantised < SOLID) & Mask(quantised > VISIBLE) if beyond else beyond


def thickness(border: Mask, depth: Plane, step: int) -> tuple[Plane, Mask]:
    """How thick the unknown border is about each cell, in pixels.

    Soft alpha is believed beyond the unknown border in proportion to it: a crisp edge goes
    from 0.9 to 1 within two pixels, a head of hair within a good part of its thickness.

    Args:
        border: The unknown border without background.
        depth: (H, W) distance from background.
        step: Side of a coarse cell in pixels.

    Returns:
        The thickness, (h, w) float32 on the coarse grid, 0 away from the border; and the
        mask of where no thick border is near.
    """
    pixels, share = border.pixels(), cell_share(border, step)

    def planes(rows: slice) -> list[Plane]:
        return [np.asarray(cv2.copyTo(depth[rows], pixels[rows]), np.float32)]

    mean = cell_means(planes, border.shape, step)[0]
    doubled = 2.0 * mean / np.maximum(share, 1e-6)
    thick = np.asarray(cv2.dilate(doubled, np.ones((3, 3), np.uint8)), np.float32)
    return thick, mask_where_all_cells(thick <= THICK, border.shape)


def tresses(quantised: Alpha8, thick: Plane, step: int) -> Mask:
    """Where narrow gaps run on from a thick border into the body: locks of hair.

    Pin holes and the edges of panels are as narrow, but lie alone.

    Args:
        quantised: (H, W) uint8.
        thick: From :func:`thickness`.
        step: Side of a coarse cell in pixels.
    """
    hair = thick > THICK
    if not hair.any():
        return Mask.empty(quantised.shape)
    narrow = rough_cell_share(_narrow_gaps(quantised, step), step)
    dense = blur(narrow, 3) > DENSE
    _, labels = cv2.connectedComponents((dense | hair).astype(np.uint8), connectivity=8)
    reached = np.isin(labels, labels[hair]) & dense
    return mask_from_cells(reached, quantised.shape)


def strands(dents: Mask, nearby: Mask, step: int) -> Mask:
    """Where small dents are so much denser than deep in the body that they are hair.

    Args:
        dents: Unknown pixels that are not connected with background.
        nearby: What lies near the border.
        step: Side of a coarse cell in pixels.
    """
    if not dents:
        return dents
    density = rough_cell_share(dents, step)
    around = blur(density, 5)
    deep = rough_cell_share(nearby, step) == 0
    usual = float(density[deep].mean()) if deep.any() else 0.0
    least, factor = STRANDS_SHARE
    return mask_from_cells(around > least + factor * usual, dents.shape)


def _narrow_gaps(quantised: Alpha8, step: int) -> Mask:
    """Pixels between two sides a few pixels apart, both clearly higher."""
    closed = cv2.morphologyEx(quantised, cv2.MORPH_CLOSE, square_kernel(step / 4))
    return Mask(np.asarray(cv2.subtract(closed, quantised)) >= GAP)


def _wide(mask: Mask, side: float) -> Mask:
    """The connected regions of a mask that hold a square with so many pixels on a side."""
    core = mask.erode(max(3.0, side / 2))
    return regions_meeting(mask, core) if core else core
