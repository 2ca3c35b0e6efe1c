"""The rules that a sample must pass, in the order in which they are asked."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from builder.quality.figures import Figures
from builder.quality.thresholds import FRAMINGS_CUT_BELOW, Thresholds
from refinement import Report

REASONS: Final[dict[str, str]] = {
    "no-alpha": "the picture has no alpha channel",
    "not-a-picture": "the file is no picture of a known kind",
    "unreadable": "the file is truncated, damaged or cannot be read",
    "animated": "the file has more than one frame",
    "too-small": "a side is too short to matte",
    "too-large": "more pixels, a longer side or a larger profile than is decoded",
    "changed": "the source file changed after it was planned",
    "bad-request": "the generator cannot draw what the plan asks for",
    "not-finite": "half precision overflowed: the picture has no finite values",
    "empty": "nothing, or next to nothing, is in the picture",
    "haze": "haze lies over the background",
    "no-background": "refinement found no background",
    "no-opaque-body": "no large opaque body: glass, smoke or a failed matte",
    "several-bodies": "more than one separate body",
    "body-too-small": "the body is too small in the picture",
    "body-too-large": "the body fills the picture: no background is left",
    "no-lower-border": "the framing says that the body is cut below, and it is not",
    "all-hard": "the matte has no soft edge at all",
    "all-soft": "too little of the matte is opaque",
    "near-duplicate": "looks like an earlier sample",
}
"""Every reason that this project rejects for, and what it means. Rules of other packages
give reasons of their own."""

_REASON_FORM: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*\Z")


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judgement of one sample.

    Attributes:
        reason: Lower-case words joined by hyphens (a key of :data:`REASONS`, or another
            rule's own), or None for an accepted sample.
        detail: One line with the figure that decided.
    """

    reason: str | None
    detail: str = ""

    def __post_init__(self) -> None:
        """Refuse a reason that the log and the card could not count.

        Raises:
            ValueError: It is not lower-case words joined by hyphens.
        """
        if self.reason is not None and not _REASON_FORM.match(self.reason):
            raise ValueError(f"reason {self.reason!r}: write it like too-dark")

    @property
    def accepted(self) -> bool:
        """Whether the sample may enter the dataset (duplicates are judged later)."""
        return self.reason is None


Attributes = Mapping[str, str | None]
"""A sample's attributes; empty where nothing is known of it."""

Rule = Callable[[Figures, Report, Attributes, Thresholds], Verdict | None]
"""A rule: the sample's figures, refinement's report, its attributes and the thresholds in;
None out where the rule has nothing against the sample."""


def empty(
    figures: Figures, report: Report, attributes: Attributes, thresholds: Thresholds
) -> Verdict | None:
    """Reject a picture with next to nothing in it."""
    least = thresholds.min_coverage
    if figures.coverage < least:
        return Verdict("empty", f"mean alpha {figures.coverage:.4f} < {least}")
    return None


def refinement_reasons(
    figures: Figures, report: Report, attributes: Attributes, thresholds: Thresholds
) -> Verdict | None:
    """Reject what refinement itself says cannot serve as ground truth."""
    for reason in report.reasons:
        return Verdict(reason, REASONS.get(reason, "refinement rejects the matte"))
    return None


def body_too_small(
    figures: Figures, report: Report, attributes: Attributes, thresholds: Thresholds
) -> Verdict | None:
    """Reject a body that covers too little of the picture, or is too low in it."""
    least = thresholds.min_body_coverage
    if figures.coverage < least:
        return Verdict("body-too-small", f"mean alpha {figures.coverage:.3f} < {least}")
    least = thresholds.min_body_height
    if figures.body_height < least:
        height = f"body height {figures.body_height:.2f} of the picture"
        return Verdict("body-too-small", f"{height} < {least}")
    return None


def body_too_large(
    figures: Figures, report: Report, attributes: Attributes, thresholds: Thresholds
) -> Verdict | None:
    """Reject a picture without background."""
    most = thresholds.max_coverage
    if figures.coverage > most:
        return Verdict("body-too-large", f"mean alpha {figures.coverage:.3f} > {most}")
    return None


def all_hard(
    figures: Figures, report: Report, attributes: Attributes, thresholds: Thresholds
) -> Verdict | None:
    """Reject a matte without soft pixels: a mask, not a matte."""
    least = thresholds.min_soft_area
    if figures.soft_area < least:
        return Verdict("all-hard", f"soft area {figures.soft_area:.5f} < {least}")
    return None


def all_soft(
    figures: Figures, report: Report, attributes: Attributes, thresholds: Thresholds
) -> Verdict | None:
    """Reject a matte of which too little is opaque: portraits have bodies."""
    least = thresholds.min_opaque_share
    if figures.opaque_area < least * figures.coverage:
        share = figures.opaque_area / figures.coverage
        return Verdict("all-soft", f"{share:.2f} of the matte is opaque < {least}")
    return None


def no_lower_border(
    figures: Figures, report: Report, attributes: Attributes, thresholds: Thresholds
) -> Verdict | None:
    """Reject a floating body where the framing says that the picture cuts it below."""
    if attributes.get("framing") in FRAMINGS_CUT_BELOW and not figures.touches_bottom:
        return Verdict("no-lower-border", f"framing is {attributes['framing']!r}")
    return None


RULES: Final[dict[str, Rule]] = {
    "empty": empty,
    "refinement": refinement_reasons,
    "body-too-small": body_too_small,
    "body-too-large": body_too_large,
    "all-hard": all_hard,
    "all-soft": all_soft,
    "no-lower-border": no_lower_border,
}
"""This project's rules by name; the first one that rejects a sample gives the reason."""
