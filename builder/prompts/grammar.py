"""Any number of distinct, balanced, consistent prompts; prompt ``i`` never depends on how many."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from builder.prompts.decks import draw
from builder.prompts.vocabulary import Vocabulary, default_vocabulary
from ld_portrait_20k.format.schema import ATTRIBUTES

_STRIDE: Final = 813_527 / 1_105_920
"""Distance of one prompt's wording from the next, as a share of all wordings. Chosen so that
813,527 is prime to the 1,105,920 wordings of the package's vocabulary and every choice of a
wording is spread evenly too (``test_grammar.py`` counts them)."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A portrait to ask for.

    Attributes:
        text: The prompt.
        negative: The negative prompt.
        attributes: Every attribute of :data:`ld_portrait_20k.format.schema.ATTRIBUTES`; None where
            it does not apply.
    """

    text: str
    negative: str
    attributes: dict[str, str | None]


def prompt_at(index: int, seed: int, vocabulary: Vocabulary | None = None) -> Prompt:
    """Prompt ``index`` of the sequence that ``seed`` names.

    Its attributes are dealt from stratified decks (:mod:`builder.prompts.decks`), so every
    prefix of the sequence is balanced. Its wording is number
    ``(start + stride * index) mod capacity``; the stride is prime to the capacity, so no two
    indices below it share a wording, and texts of different wordings differ.

    Args:
        index: Which prompt, 0 up to one less than the vocabulary's capacity.
        seed: Which sequence; any integer.
        vocabulary: What portraits may look like, and how that is worded; by default the
            package's own.

    Raises:
        ValueError: The index is outside that range.
    """
    vocabulary = vocabulary or default_vocabulary()
    capacity = vocabulary.capacity
    if not 0 <= index < capacity:
        raise ValueError(f"prompt {index}: a seed has prompts 0 to {capacity - 1}; take another")
    values = draw(vocabulary.rules, index, seed)
    attributes = {name: values[name] for name in ATTRIBUTES}
    start = int.from_bytes(hashlib.sha256(f"wording/{seed}".encode()).digest())
    number = (start + _stride(capacity) * index) % capacity
    digits = []
    for radix in vocabulary.wording.radices:
        number, digit = divmod(number, radix)
        digits.append(digit)
    text = vocabulary.wording.word(attributes, tuple(digits))
    return Prompt(text, vocabulary.negative_prompt, attributes)


@lru_cache(maxsize=16)
def _stride(capacity: int) -> int:
    """The first number from the share of the capacity upwards that is prime to it."""
    stride = max(1, round(_STRIDE * capacity))
    while math.gcd(stride, capacity) > 1:
        stride += 1
    return stride
