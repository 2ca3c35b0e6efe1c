"""From English back to attributes: what of a text the built-in vocabulary can word.

Generators that draw attributes instead of reading text need to know whether a user's prompt
says more than they can draw. A picture that does not show what its prompt says is a false label.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Final

from builder.prompts.vocabulary import VOCABULARY, default_vocabulary
from builder.prompts.wording import LISTS

_SYNONYMS: Final = {
    "gender": {"female": "woman", "lady": "woman", "male": "man"},
    "age": {"old": "elderly"},
    "facial_hair": {"beard": "short beard", "moustache": "mustache"},
    "headwear": {"hat": "wide-brimmed hat", "cap": "baseball cap"},
    "glasses": {"glasses": "round glasses"},
    "jewellery": {"earrings": "stud earrings"},
    "clothing": {"shirt": "collared shirt", "t shirt": "t-shirt", "tee shirt": "t-shirt"},
    "expression": {"smile": "gentle smile", "smiling": "gentle smile"},
}
"""Other words for a value, or for a kind of thing of which one value is an example."""

_EMPTY: Final = frozenset(
    {
        *("a", "an", "and", "by", "has", "have", "her", "his", "in", "is", "of", "on", "one"),
        *("she", "he", "the", "their", "they", "this", "under", "wearing", "wears", "dressed"),
        *("who", "with", "person", "portrait", "photo", "photograph", "picture", "image", "shot"),
    }
)
"""Words that ask for nothing which a portrait of one person does not have anyway."""

_LOOSE: Final = ("loose", "messy")
_STYLED: Final = {
    "hair slicked back": "slicked back",
    "slicked back hair": "slicked back",
    "hair with a side part": "side part",
    "hair with bangs": "with bangs",
    "hair in a ponytail": "ponytail",
    "hair in a bun": "bun",
    "hair in a braid": "braid",
    **{style: style for style in ("ponytail", "bun", "braid", "afro", "dreadlocks")},
}


@dataclass(frozen=True, slots=True)
class Reading:
    """What a text says.

    Attributes:
        attributes: Attribute to the value that it words; those it is silent about are not there.
        unknown: Words that no attribute explains, in their order.
        contradicted: Attributes for which it words two values.
    """

    attributes: dict[str, str]
    unknown: tuple[str, ...]
    contradicted: tuple[str, ...]


def read_text(text: str) -> Reading:
    """Read the attributes of the built-in vocabulary out of a text.

    Every prompt of the built-in grammar gives back its own attributes (``test_recognising.py``).

    Args:
        text: English, in any case.
    """
    rest = f" {_plain(text)} "
    found: dict[str, str] = {}
    contradicted: list[str] = []

    def take(attribute: str, value: str | None) -> None:
        if value is not None and found.setdefault(attribute, value) != value:
            contradicted.append(attribute)

    for pattern, attribute, value in _phrases():
        rest, count = pattern.subn(" | ", rest)
        if count and attribute:
            take(attribute, value)

    def beard(match: re.Match[str]) -> str:
        take("hair_color", match["color"])
        take("facial_hair", _values("facial_hair")[match["thing"]])
        return " | "

    def hair(match: re.Match[str]) -> str:
        for word in re.findall(_adjectives(), match["words"]):
            take(*_adjective(word))
        thing = match["thing"]
        if thing == "buzz cut":
            take("hair_length", thing)
        take("hair_style", _STYLED.get(thing))
        return " | "

    rest = re.sub(_with_color("facial_hair"), beard, rest)
    rest = re.sub(_hair(), hair, rest)
    for attribute in ("headwear", "glasses", "jewellery", "clothing", "gender", "age"):
        for name, value in _values(attribute).items():
            rest, count = re.subn(rf"(?<= ){name}(?= )", "|", rest)
            if count:
                take(attribute, value)
    words = [word for word in rest.replace("|", " ").split() if word not in _EMPTY]
    return Reading(found, tuple(words), tuple(dict.fromkeys(contradicted)))


def _plain(text: str) -> str:
    """Lower case, every word apart, marks that end a phrase kept as a bar."""
    text = re.sub(r"[,.;:!?()\n]+", " | ", text.lower().replace("-", " "))
    return " ".join(text.split())


@cache
def _values(attribute: str) -> dict[str, str]:
    """Word to value, the longest first."""
    known = {_plain(value): value for value in VOCABULARY[attribute] if value != "none"}
    known |= _SYNONYMS.get(attribute, {})
    return dict(sorted(known.items(), key=lambda pair: -len(pair[0])))


@cache
def _phrases() -> tuple[tuple[re.Pattern[str], str, str], ...]:
    """Phrases that mean one thing wherever they stand, the longest first."""
    wording = default_vocabulary().wording
    found: dict[str, tuple[str, str]] = {}
    for name in LISTS:
        if name not in ("layouts", "photo", "dress"):
            found |= {_plain(phrase): ("", "") for phrase in getattr(wording, name)}
    forms = {
        "skin_tone": "{} skin", "expression": "{} expression", "gaze": "looking {}",
        "head_pose": "head {}", "arms": "{}", "framing": "{}", "light": "{}", "camera": "{}",
    }  # fmt: skip
    for attribute, form in forms.items():
        for value in VOCABULARY[attribute]:
            known = {value}
            for phrases in (wording.phrases, wording.terse_phrases):
                known.add(phrases.get(attribute, {}).get(value, value))
            for phrase in known:
                found[_plain(form.format(phrase))] = (attribute, value)
                if attribute != "skin_tone":
                    found[_plain(phrase)] = (attribute, value)
    found |= {word: ("expression", value) for word, value in _SYNONYMS["expression"].items()}
    found |= dict.fromkeys(("bald head", "bald"), ("hair_length", "bald"))
    return tuple(
        (re.compile(rf"(?<= ){re.escape(phrase)}(?= )"), *meaning)
        for phrase, meaning in sorted(found.items(), key=lambda pair: -len(pair[0]))
    )


@cache
def _with_color(attribute: str) -> str:
    colors, things = "|".join(_values("hair_color")), "|".join(_values(attribute))
    return rf"(?<= )(?:(?P<color>{colors}) )?(?P<thing>{things})(?= )"


@cache
def _adjectives() -> str:
    lengths = [name for name in _values("hair_length") if name not in ("bald", "buzz cut")]
    known = [*lengths, *_values("hair_texture"), *_values("hair_color"), *_LOOSE]
    return "|".join(sorted(known, key=len, reverse=True))


def _adjective(word: str) -> tuple[str, str]:
    for attribute in ("hair_length", "hair_texture", "hair_color", "hair_style"):
        if word in _values(attribute):
            return attribute, _values(attribute)[word]
    raise ValueError(word)


@cache
def _hair() -> str:
    things = "|".join(sorted((*_STYLED, "buzz cut", "hair"), key=len, reverse=True))
    return rf"(?<= )(?P<words>(?:(?:{_adjectives()}) )*)(?P<thing>{things})(?= )"
