"""Which samples a filter leaves out, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from builder.deriving.sources import Sample, Source
from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.selection.marks import Mark, MarksFile
from ld_portrait_20k.selection.text import Selection

MARKED_BAD: Final = "marked bad"
NOT_MARKED_GOOD: Final = "not marked good"
FILTERED: Final = "filtered"
"""Reasons in ``rejected.jsonl``, beside those of quality control."""


def counted(samples: int) -> str:
    """A number of samples in words: ``1 sample``, ``2,000 samples``."""
    return f"{samples:,} sample{'s' * (samples != 1)}"


@dataclass(frozen=True)
class Filter:
    """What to leave out: a sample goes if one of these says so.

    Attributes:
        leave_out: Leave out what it matches.
        keep: Leave out what it does not match.
        marks: Leave out what is marked bad.
        only_good: With marks: leave out all that is not marked good.
    """

    leave_out: Selection | None = None
    keep: Selection | None = None
    marks: MarksFile | None = None
    only_good: bool = False

    def __post_init__(self) -> None:
        """Refuse a filter that cannot leave anything out."""
        if self.leave_out is None and self.keep is None and self.marks is None:
            raise PortraitError("nothing says what to leave out; try: --where, --keep or --marks")
        if self.only_good and self.marks is None:
            raise PortraitError("--only-good goes with --marks FILE")

    def reason(self, sample: Sample) -> tuple[str, str] | None:
        """Why a sample goes: a reason and a detail; None if it stays."""
        if self.marks is not None:
            said = self.marks.marks.get(sample.old_id, Mark(None))
            if said.mark == "bad":
                return MARKED_BAD, said.note
            if self.only_good and said.mark != "good":
                return NOT_MARKED_GOOD, ""
        if self.leave_out is not None and self.leave_out.matches(sample.metadata, sample.split):
            return FILTERED, str(self.leave_out)
        if self.keep is not None and not self.keep.matches(sample.metadata, sample.split):
            return FILTERED, f"not {self.keep}"
        return None

    def described(self, left_out: int) -> str:
        """What it did, as the changelog says it."""
        reasons = []
        if self.leave_out is not None:
            reasons.append(f"those where {self.leave_out}")
        if self.keep is not None:
            reasons.append(f"those not where {self.keep}")
        if self.marks is not None:
            reasons.append("those not marked good" if self.only_good else "those marked bad")
        return f"{counted(left_out)} left out: {' and '.join(reasons)}"

    def to_dict(self) -> dict[str, Any]:
        """As a plan holds it."""
        return {
            "where": None if self.leave_out is None else str(self.leave_out),
            "keep": None if self.keep is None else str(self.keep),
            "marks": None if self.marks is None else self.marks.sha256,
            "only_good": self.only_good,
        }


def divide(source: Source, chosen: Filter) -> tuple[list[Sample], list[dict[str, Any]]]:
    """Divide a dataset's samples into those that stay and the log lines of those that go.

    Damaged metadata must not decide. What goes is compared with its checksum here; what stays is
    when it is copied.

    Raises:
        PortraitError: The marks are of another dataset, or a sample that would go is damaged.
    """
    kept: list[Sample] = []
    lines = []
    known = 0
    for sample in source.samples(0):
        known += chosen.marks is not None and sample.old_id in chosen.marks.marks
        why = chosen.reason(sample)
        if why is None:
            kept.append(sample)
            continue
        source.check(sample.old_id)
        item = sample.metadata
        lines.append(
            {
                "id": sample.id,
                "attempt": item["attempt"],
                "seed": item["seed"],
                "reason": why[0],
                "detail": why[1],
                "source": item["source"]["file"],
                "prompt": item["prompt"],
                "figures": item["quality"],
            }
        )
    if chosen.marks is not None and chosen.marks.marks and not known:
        raise PortraitError(
            f"{chosen.marks.path}: none of its {len(chosen.marks.marks)} marks is of a sample of "
            "this dataset; try: the marks of this dataset"
        )
    return kept, lines
