"""placeholder while the module is being written."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Source:
    """A file that a planned sample comes from.

    Attributes:
        id: The file's stem.
        file: Path relative to the source folder, with forward slashes.
        sha256: Of the file when planned.
    """

    id: str
    file: str
    sha256: str


@dataclass(frozen=True, slots=True)
class PlanRow:
    """One planned sample.

    Attributes:
        id: ``ldp-0000042``.
        split: ``train``, ``validation`` or ``test``.
        prompt: The text that describes the portrait; empty only for a folder without one.
        negative_prompt: What the generator is told to avoid, or None.
        attributes: The attributes that the prompt words; a value is None where it does
            not apply, and the dict is empty where nothing is known.
        seed: The sample's seed, 0..2**63-1.
        width: Planned width in pixels; 0 where the source file decides.
        height: Planned height in pixels; 0 where the source file decides.
        source: The file it comes from, for the ``folder`` generator.
    """

    id: str
    split: str
    prompt: str
    negative_prompt: str | None
    attributes: dict[str, str | None]
    seed: int
    width: int
    height: int
    source: Source | None = None
