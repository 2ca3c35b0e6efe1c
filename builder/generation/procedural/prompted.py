"""A person as a user's prompt describes it, for a generator that draws attributes only."""

from __future__ import annotations

from typing import Final

from builder.generation.procedural.traits import ARMLESS, resolve, stream
from builder.prompts.recognising import read_text
from builder.prompts.vocabulary import VOCABULARY
from ld_portrait_20k.errors import PortraitError

_HAIR: Final = ("hair_color", "hair_texture", "hair_style")
_WITHOUT_SHAPE: Final = ("bald", "buzz cut")
_LONG_STYLES: Final = ("ponytail", "bun", "braid", "afro", "dreadlocks")
"""Styles that say how long the hair is."""
_NAMED: Final = 5
"""Unknown words that a message lists at most."""


def attributes_of(prompt: str, seed: int) -> dict[str, str | None]:
    """Every attribute of the portrait to draw: what the prompt words, the rest by the seed.

    What the seed chooses never hides what the prompt asks for.

    Args:
        prompt: A user's text.
        seed: The sample's seed.

    Returns:
        Attribute to value, in the order of the schema; None where it does not apply.

    Raises:
        PortraitError: The prompt says what cannot be drawn, or contradicts itself: the picture
            would not show what it says.
    """
    reading = read_text(prompt)
    if reading.unknown:
        words = ", ".join(repr(word) for word in dict.fromkeys(reading.unknown[:_NAMED]))
        raise PortraitError(
            f"the procedural generator cannot draw {words:.200}; try: words of "
            "builder/prompts/vocabulary.toml only, or another --generator"
        )
    if reading.contradicted:
        raise PortraitError(
            f"two values of {reading.contradicted[0].replace('_', ' ')} for one person; "
            "try: one of them"
        )
    given = _with_consequences(reading.attributes, seed)
    values: dict[str, str | None] = {**resolve(seed, given)}
    for name in _hidden(values):
        if name not in reading.attributes:
            values[name] = None
    return {name: values[name] for name in VOCABULARY}


def _with_consequences(said: dict[str, str], seed: int) -> dict[str, str]:
    """What was said and what must hold for it to be seen."""
    given = dict(said)
    rng = stream(seed, "prompted")
    if "arms" in given:
        if given.get("framing") in ARMLESS:
            raise PortraitError(
                f"no arms are seen in a {given['framing']} portrait; try: half body, or no arms"
            )
        given.setdefault("framing", ("half body", "three-quarter length")[int(rng.integers(2))])
    if any(name in given for name in _HAIR):
        if given.get("hair_style") not in _LONG_STYLES:
            lengths = [
                length for length in VOCABULARY["hair_length"] if length not in _WITHOUT_SHAPE
            ]
            given.setdefault("hair_length", lengths[int(rng.integers(len(lengths)))])
        given.setdefault("headwear", "none")
    if "hair_length" in given or given.get("jewellery", "").endswith("earrings"):
        given.setdefault("headwear", "none")
    if "gaze" in given:
        given.setdefault("glasses", "none")
    if "facial_hair" in given:
        given.setdefault("gender", "man")
    if given.get("clothing") == "dress":
        given.setdefault("gender", "woman")
    return given


def _hidden(values: dict[str, str | None]) -> list[str]:
    """The attributes that do not apply to a person, as in the built-in vocabulary."""
    hidden = []
    covered = values["headwear"] == "headscarf"
    if values["framing"] in ARMLESS:
        hidden.append("arms")
    if values["glasses"] == "sunglasses":
        hidden.append("gaze")
    if covered:
        hidden.append("hair_length")
    if covered or values["hair_length"] in _WITHOUT_SHAPE:
        hidden += ["hair_texture", "hair_style"]
    if values["facial_hair"] == "none" and (covered or values["hair_length"] == "bald"):
        hidden.append("hair_color")
    return hidden
