"""Quality control: accept or reject each sample, with a named reason and figures."""

from __future__ import annotations

from typing import Final

from builder.quality.duplicates import (
    Duplicate,
    find_duplicate_words,
    find_duplicates,
    perceptual_hash,
)
from builder.quality.figures import Figures, measure
from builder.quality.judging import QualityControl
from builder.quality.rules import REASONS, RULES, Attributes, Verdict
from builder.quality.thresholds import Thresholds

VERSION: Final = "1"
"""Changes when the same picture would be judged otherwise."""

__all__ = [
    "REASONS",
    "RULES",
    "VERSION",
    "Attributes",
    "Duplicate",
    "Figures",
    "QualityControl",
    "Thresholds",
    "Verdict",
    "find_duplicate_words",
    "find_duplicates",
    "measure",
    "perceptual_hash",
]
