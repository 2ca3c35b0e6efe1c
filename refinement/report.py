"""What was changed where, and whether the result can serve as ground truth."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np

from refinement.doubt import find_doubt
from refinement.options import Options
from refinement.planes.grid import Alpha8
from refinement.planes.masks import Mask
from refinement.regions.division import Regions
from refinement.thresholds.doubt import EMPTY_SOFT_AREA, HAZE_REJECTED, TRANSLUCENT_AT_MOST


@dataclass(frozen=True, slots=True)
class Report:
    """Figures of one refinement. Areas are shares of the picture, 0..1.

    Attributes:
        filled_area: Raised to 1 inside the body.
        cleared_area: Lowered to 0 outside it.
        pieces_removed: Detached pieces that were visible and were removed.
        openings_kept: Enclosed background regions that were kept open.
        band_area: The border band, where alpha is kept as generated or corrected smoothly.
        raw_haze: Mean raw alpha (0..1) over what is background in the result, away from
            the border band, dense pieces left out: how hazy the background was.
        doubtful_area: What the prior decided against the evidence, or cannot tell: moved by
            0.08 or more by all passes together (panels and tulle that were filled, pin holes,
            haze, smoke and pieces that were cleared, veils and halos taken off the band), or
            level and half transparent farther from background than ``Options.band_width``
            (tulle and lenses that are kept).
        bodies: Significant separate opaque bodies.
        opaque_area: Alpha exactly 1.
        soft_area: Alpha strictly between 0 and 1.
        confidence: 0..1, how sure the refinement is: 1 where no error is expected to be left, 0.5
            where alpha is expected to be off by 0.004 of 1 on average, 0 with ``reasons``.
            The expected error grows with soft alpha, with how uneven the damage was that was taken
            off body and background beside it, with level soft alpha, and a little with all that
            was moved by 0.08 or more (:mod:`refinement.doubt`). It orders pictures by the error
            that is left (``tests/benchmarks/bench_refinement_doubt.py`` says how well).
        reasons: Why the matte should not serve as ground truth; empty if it may. Among
            ``"empty"``, ``"no-opaque-body"``, ``"no-background"``, ``"several-bodies"``
            and ``"haze"``.
    """

    filled_area: float
    cleared_area: float
    pieces_removed: int
    openings_kept: int
    band_area: float
    raw_haze: float
    doubtful_area: float
    bodies: int
    opaque_area: float
    soft_area: float
    confidence: float
    reasons: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """All fields as plain JSON types (``reasons`` a list)."""
        fields = asdict(self)
        fields["reasons"] = list(self.reasons)
        return fields


def assemble(raw: Alpha8, final: Alpha8, regions: Regions, options: Options) -> Report:
    """Measure what was changed.

    Args:
        raw: (H, W) uint8, alpha as generated.
        final: (H, W) uint8, alpha after refinement.
        regions: What was found definite.
        options: See :class:`Options`.
    """
    size = float(raw.size)
    ground = regions.ground.count()
    thin = regions.ground & Mask(raw < 128)  # a removed piece or body is denser
    haze = cv2.mean(raw, mask=thin.pixels())[0] / 255 * thin.count() / max(1, ground)
    opaque = cv2.countNonZero(np.equal(final, 255).view(np.uint8)) / size
    soft = cv2.countNonZero(final) / size - opaque
    reasons = _reasons(opaque, soft, haze, regions, options)
    doubt = find_doubt(raw, final, regions.step)
    return Report(
        filled_area=(regions.inside & Mask(raw < 255)).count() / size,
        cleared_area=(regions.outside & Mask(raw)).count() / size,
        pieces_removed=regions.pieces_removed,
        openings_kept=regions.openings_kept,
        band_area=1.0 - (regions.inside | regions.outside).count() / size,
        raw_haze=haze,
        doubtful_area=(doubt.moved_visibly | regions.veiling).count() / size,
        bodies=regions.bodies,
        opaque_area=opaque,
        soft_area=soft,
        confidence=0.0 if reasons else doubt.confidence,
        reasons=reasons,
    )


def _reasons(
    opaque: float, soft: float, haze: float, regions: Regions, options: Options
) -> tuple[str, ...]:
    """Why the matte should not serve as ground truth."""
    reasons = []
    if opaque == 0 and soft < EMPTY_SOFT_AREA:
        reasons.append("empty")
    elif regions.bodies == 0 or regions.translucent > TRANSLUCENT_AT_MOST:
        reasons.append("no-opaque-body")
    elif not regions.ground and regions.openings_kept == 0:
        reasons.append("no-background")
    if regions.bodies > 1 and options.several_bodies == "reject":
        reasons.append("several-bodies")
    if haze > HAZE_REJECTED:
        reasons.append("haze")
    return tuple(reasons)
