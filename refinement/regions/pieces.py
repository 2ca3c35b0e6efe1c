"""Which visible pieces belong to the body: bodies, strands that faded, what the frame cut off.

Alpha is (H, W) uint8; lengths are in pixels of a picture of
1024 x 1024 times ``scale``.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from refinement.options import Options
from refinement.planes.grid import Alpha8
from refinement.planes.labels import label
from refinement.planes.masks import Mask
from refinement.thresholds.levels import SOLID, STRONG
from refinement.thresholds.pieces import (
    BODY_AREA,
    BODY_SHARE,
    CUT_SHARE,
    STRAND_FADES,
    STRAND_REACH,
    TAIL_RISE,
    THIN_REACH,
)

Chosen = NDArray[np.bool_]
"""(number of pieces,) which pieces are meant; entry 0 is no piece."""


@dataclass(slots=True)
class Belonging:
    """The visible pieces that belong to the body.

    Attributes:
        mask: What belongs.
        faint: Those small pieces among it that are faint throughout.
        removed: How many pieces do not belong.
        faint_pieces: How many pieces are faint.
        bodies: How many pieces are bodies.
    """

    mask: Mask
    faint: Mask
    removed: int = 0
    faint_pieces: int = 0
    bodies: int = 0


def belonging(seen: Mask, quantised: Alpha8, scale: float, options: Options) -> Belonging:
    """Find the visible pieces that belong to the body.

    Bodies are pieces with a good share of the opaque area. A smaller piece belongs if it is a
    strand that faded on its way (thin, long and close to what belongs) or if a side of the
    picture may have cut it off (large and at the frame).

    Args:
        seen: What is visible.
        quantised: (H, W) uint8.
        scale: Size of the picture relative to 1024 x 1024.
        options: See :class:`Options`.
    """
    pieces = _Pieces(seen, quantised, scale)
    if pieces.count == 1:
        return Belonging(seen, Mask.empty(seen.shape))
    body, keep = pieces.bodies(options)
    solitary = keep
    if options.keep_flyaways and not keep[1:].all():
        keep = pieces.with_strands(keep)
    fragile = keep & ~solitary & ~pieces.strong()
    away, weak, bodies = (int(np.count_nonzero(chosen[1:])) for chosen in (~keep, fragile, body))
    faint = pieces.mask_of(fragile) if weak else Mask.empty(seen.shape)
    return Belonging(pieces.mask_of(keep), faint, away, weak, bodies)


class _Pieces:
    """The connected visible pieces, with their areas and corners.

    The main piece is not listed, see :class:`refinement.planes.labels.Labelled`.
    """

    def __init__(self, seen: Mask, quantised: Alpha8, scale: float) -> None:
        self._scale = scale
        self._regions = regions = label(seen, connectivity=8)
        self.count, main = regions.count, regions.main
        self._names, self._places = regions.names, regions.places
        self._levels = quantised.ravel()[self._places]
        self._area = regions.areas
        self._opaque = np.bincount(self._names[self._levels >= SOLID], minlength=self.count)
        if main:
            solid = (seen & Mask(quantised >= SOLID)).count()
            self._opaque[main] = solid - int(self._opaque.sum())
        self._cut = regions.touching_frame()

    def bodies(self, options: Options) -> tuple[Chosen, Chosen]:
        """The bodies, and all the pieces that are kept for their opaque area."""
        opaque, least = self._opaque, BODY_AREA * self._scale * self._scale
        largest = int(opaque.max())
        body = opaque >= max(least, BODY_SHARE * largest)
        keep = body | (self._cut & (opaque >= max(least, CUT_SHARE * largest)))
        if not body.any():
            keep |= opaque > 0.5 * largest
            keep[int(np.argmax(self._area))] = True
        if options.several_bodies == "largest" and body.any():
            keep = opaque == largest
        keep[0] = False
        return body, keep

    def with_strands(self, keep: Chosen) -> Chosen:
        """The kept pieces and the strands that go on from them, across gaps."""
        scale, keep = self._scale, keep.copy()
        low, high = self._regions.corners()
        long = np.hypot(*np.maximum(high - low + 1, 0))
        long[self._regions.main] = 0  # it is not asked
        thick = self._any_of(self._regions.mask.erode(2 * scale))
        slim = self._area <= long * np.maximum(1.5 + 3 * scale, 0.2 * long)
        thin = ~thick | slim | (long <= 2 + 6 * scale)
        strand = self._area <= long * np.maximum(1 + 1.5 * scale, 0.12 * long)
        strand &= long >= 16 * scale
        # Strands that left the picture and came back.
        returned = self._cut & ~thick & (long >= 24 * scale)
        latest = keep
        for _ in range(STRAND_FADES):
            belongs = self.mask_of(latest)
            near = self._within(belongs, STRAND_REACH * scale) & ~keep
            more = (near & strand) | returned
            if near.any():  # this is the farthest that any of them reaches
                more |= self._within(belongs, THIN_REACH * scale) & thin
                more |= self._within(belongs, 1 + 3 * scale)
            more &= ~keep
            more[0] = False
            if not more.any():
                break
            keep |= more
            latest = more  # what lies near the others belongs already
        return keep

    def strong(self) -> Chosen:
        """The pieces that are not faint throughout (the main piece is not asked)."""
        result = np.zeros(self.count, np.bool_)
        result[self._names[self._levels >= STRONG]] = True
        return result

    def mask_of(self, chosen: Chosen) -> Mask:
        """The mask of the chosen pieces."""
        return self._regions.mask_of(chosen)

    def _any_of(self, mask: Mask) -> Chosen:
        """The pieces, other than the main one, of which the mask holds a pixel."""
        result = np.zeros(self.count, np.bool_)
        result[self._names[mask.at(self._places)]] = True
        return result

    def _within(self, belongs: Mask, pixels: float) -> Chosen:
        """The pieces that come within so many pixels of what belongs."""
        return self._any_of(belongs.dilate(pixels))


def faint_tails(quantised: Alpha8) -> Mask:
    """Faint strands of hair: what stands out over all that a square of 3 px fits under.

    A halo is wide, so it is no strand.

    Args:
        quantised: (H, W) uint8.
    """
    wide = cv2.morphologyEx(quantised, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    halo = np.asarray(cv2.convertScaleAbs(wide, alpha=TAIL_RISE, beta=2), np.uint8)
    return Mask(quantised >= halo)
