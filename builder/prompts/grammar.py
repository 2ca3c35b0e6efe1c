"""Any number of distinct, balanced, consistent prompts; prompt ``i`` never depends on how many."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import Final

from ld_portrait_20k.schema import ATTRIBUTES

from .decks import draw
from .rules import RULES
from .wording import RADICES, word

NEGATIVE_PROMPT: Final = (
    "multiple people, crowd, text, watermark, logo, signature, frame, border, cropped head, "
    "extra limbs, extra fingers, deformed hands, bad anatomy, blurry, low quality, "
    "low resolution, jpeg artifacts, cartoon, painting, 3d render, nsfw"
)
"""What a portrait's generator is told to avoid."""

CAPACITY: Final = math.prod(RADICES)
"""How many prompts of one seed are distinct by construction: 1,105,920."""

_STRIDE: Final = 813_527
"""Prime to :data:`CAPACITY`; chosen so that every choice of a wording is spread evenly too."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A portrait to ask for.

    Attributes:
        text: The prompt.
        negative: The negative prompt.
        attributes: Every attribute of :data:`ld_portrait_20k.schema.ATTRIBUTES`; None where
            it does not apply.
    """

    text: str
    negative: str
    attributes: dict[str, str | None]


def prompt_at(index: int, seed: int) -> Prompt:
    """Prompt ``index`` of the sequence that ``seed`` names.

    Its attributes are dealt from stratified decks (:mod:`builder.prompts.decks`), so every
    prefix of the sequence is balanced. Its wording is number
    ``(start + stride * index) mod CAPACITY``; the stride is prime to the capacity, so no two
    indices below it share a wording, and texts of different wordings differ.

    Args:
        index: Which prompt, 0 up to :data:`CAPACITY` - 1.
        seed: Which sequence; any integer.

    Raises:
        ValueError: The index is outside that range.
    """
    if not 0 <= index < CAPACITY:
        raise ValueError(f"prompt {index}: a seed has prompts 0 to {CAPACITY - 1}; take another")
    values = draw(RULES, index, seed)
    attributes = {name: values[name] for name in ATTRIBUTES}
    start = int.from_bytes(hashlib.sha256(f"wording/{seed}".encode()).digest())
    number = (start + _STRIDE * index) % CAPACITY
    digits = []
    for radix in RADICES:
        number, digit = divmod(number, radix)
        digits.append(digit)
    return Prompt(word(attributes, tuple(digits)), NEGATIVE_PROMPT, attributes)


def draw_prompts(count: int, seed: int) -> list[Prompt]:
    """The first ``count`` prompts of a seed, all distinct.

    Raises:
        ValueError: More than :data:`CAPACITY`.
    """
    return [prompt_at(index, seed) for index in range(count)]
