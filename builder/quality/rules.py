"""The rules that a sample must pass, in the order in which they are asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from builder.quality.figures import Figures

MIN_COVERAGE: Final = 0.01
MIN_BODY_COVERAGE: Final = 0.04
MIN_BODY_HEIGHT: Final = 0.30
MAX_COVERAGE: Final = 0.97
MIN_SOFT_AREA: Final = 1e-4
MIN_OPAQUE_SHARE: Final = 0.35
"""Of what a matte covers, at least this much must be opaque: portraits have bodies."""

CUT_BELOW: Final = frozenset(
    {"close-up", "head and shoulders", "half body", "three-quarter length"}
)
"""Framings whose body runs out of the picture at its lower border."""

REASONS: Final[dict[str, str]] = {
    "no-alpha": "the picture has no alpha channel",
    "not-a-picture": "the file is no picture of a known kind",
    "unreadable": "the file is truncated, damaged or cannot be read",
    "too-small": "a side is too short to matte",
    "too-large": "more pixels than are decoded",
    "changed": "the source file changed after it was planned",
    "bad-request": "the generator cannot draw what the plan asks for",
    "not-finite": "half precision overflowed: the picture has no finite values",
    "empty": "nothing, or next to nothing, is in the picture",
    "haze": "haze lies over the background",
    "no-opaque-body": "no large opaque body: glass, smoke or a failed matte",
    "several-bodies": "more than one separate body",
    "wide-soft-region": "wide half-transparent regions that are no border",
    "body-too-small": "the body is too small in the picture",
    "body-too-large": "the body fills the picture: no background is left",
    "no-lower-border": "the framing says that the body is cut below, and it is not",
    "all-hard": "the matte has no soft edge at all",
    "all-soft": "too little of the matte is opaque",
    "near-duplicate": "looks like an earlier sample",
}
"""Every reason for a rejection and what it means, for the log and the card."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judgement of one sample.

    Attributes:
        reason: A key of :data:`REASONS`, or None for an accepted sample.
        detail: One line with the figure that decided.
    """

    reason: str | None
    detail: str = ""

    @property
    def accepted(self) -> bool:
        """Whether the sample may enter the dataset (duplicates are judged later)."""
        return self.reason is None


def judge(
    figures: Figures, reasons: Sequence[str], attributes: Mapping[str, str | None]
) -> Verdict:
    """Accept or reject a refined sample.

    Args:
        figures: What was measured.
        reasons: What refinement itself holds against the matte.
        attributes: The sample's attributes; ``framing`` says whether the body must be cut
            by the lower border. Empty where nothing is known.
    """
    if figures.coverage < MIN_COVERAGE:
        return Verdict("empty", f"mean alpha {figures.coverage:.4f} < {MIN_COVERAGE}")
    for reason in reasons:
        return Verdict(reason, REASONS.get(reason, "refinement rejects the matte"))
    if figures.coverage < MIN_BODY_COVERAGE:
        return Verdict("body-too-small", f"mean alpha {figures.coverage:.3f} < {MIN_BODY_COVERAGE}")
    if figures.body_height < MIN_BODY_HEIGHT:
        return Verdict(
            "body-too-small",
            f"body height {figures.body_height:.2f} of the picture < {MIN_BODY_HEIGHT}",
        )
    if figures.coverage > MAX_COVERAGE:
        return Verdict("body-too-large", f"mean alpha {figures.coverage:.3f} > {MAX_COVERAGE}")
    if figures.soft_area < MIN_SOFT_AREA:
        return Verdict("all-hard", f"soft area {figures.soft_area:.5f} < {MIN_SOFT_AREA}")
    if figures.opaque_area < MIN_OPAQUE_SHARE * figures.coverage:
        share = figures.opaque_area / figures.coverage
        return Verdict("all-soft", f"{share:.2f} of the matte is opaque < {MIN_OPAQUE_SHARE}")
    if attributes.get("framing") in CUT_BELOW and not figures.touches_bottom:
        return Verdict("no-lower-border", f"framing is {attributes['framing']!r}")
    return Verdict(None)
