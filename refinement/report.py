"""What was changed where, and whether the result can serve as ground truth."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


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
            0.08 or more (panels and tulle that were filled, pin holes, haze, smoke and pieces
            that were cleared), or level and half transparent farther from background than
            ``Options.band_width`` (tulle and lenses that are kept).
        bodies: Significant separate opaque bodies.
        opaque_area: Alpha exactly 1.
        soft_area: Alpha strictly between 0 and 1.
        confidence: 0..1, how far the prior explains the picture: 1 less ``doubtful_area``,
            less the doubt about soft alpha, which grows with how much of it there is and with
            how far it was moved. It orders pictures by the error that is left
            (``tests/benchmarks/bench_refinement.py`` gives the rank correlation).
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
