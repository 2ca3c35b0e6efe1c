"""Samples that quality control rejected, from the dataset's ``rejected.jsonl``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.format import json_text, schema


@dataclass(frozen=True, slots=True)
class Rejected:
    """One rejected attempt.

    Attributes:
        id: The sample's.
        attempt: 0 for the first try.
        reason: Name of the rule.
        detail: What was wrong, in words.
        metadata: What is known of it, in the form of a sample's metadata.
    """

    id: str
    attempt: int
    reason: str
    detail: str
    metadata: dict[str, Any]

    @property
    def key(self) -> str:
        """Id and attempt, because a later attempt may be a sample of the dataset."""
        return f"{self.id}.{self.attempt}"


def read_rejected(content: bytes, where: str) -> list[Rejected]:
    """Read ``rejected.jsonl``.

    Args:
        content: Its bytes.
        where: Path or URL, for messages.

    Raises:
        PortraitError: A line that is no rejection.
    """
    found = []
    for number, line in enumerate(content.splitlines(), 1):
        try:
            found.append(_rejection(json_text.parse(line)))
        except (ValueError, KeyError, TypeError, AttributeError) as problem:
            raise PortraitError(
                f"{where}, line {number}: not a rejected sample; try: download the dataset again"
            ) from problem
    return found


def _rejection(line: dict[str, Any]) -> Rejected:
    key, attempt = str(line["id"]), int(line["attempt"])
    if not schema.is_sample_id(key):
        raise ValueError(key)
    figures = dict(line.get("figures") or {})
    metadata = {
        "prompt": line.get("prompt"),
        "seed": line.get("seed"),
        "attempt": attempt,
        "source": {"file": line.get("source")},
        **{
            section: {name: figures[name] for name in schema.METADATA[section] if name in figures}
            for section in ("quality", "refinement", "truth")
        },
    }
    return Rejected(key, attempt, str(line["reason"]), str(line.get("detail") or ""), metadata)
