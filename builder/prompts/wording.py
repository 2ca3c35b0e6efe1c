"""From attributes to English, in more than a million ways.

A wording is seven choices, the digits of one mixed-radix number. Each choice can be read off
the finished text whatever the attributes are: the phrases of a choice occur nowhere else, and
the order of the parts is a choice of its own. So two prompts with different wordings are
different texts. SDXL's text encoders read 75 tokens and drop the rest: parts are kept short,
and a prompt that would be longer (one in a hundred) has its attributes in fewer words, which
always fits with the built-in vocabulary. Prompts speak of the person only, never of a
background: Layer Diffusion draws none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from string import Formatter
from typing import Any, Final

from builder.prompts.checking import VocabularyError, check_keys, strings, table

Attributes = Mapping[str, str | None]

TOKENS: Final = 75
"""What CLIP's text encoders read of a prompt, beside its two marks."""

LISTS: Final = (
    *("hair_detail", "mediums", "photo", "solo", "dress", "quality", "layouts"),
    *("hair_detail_terse", "skin_detail"),
)
"""Lists of phrases; the first seven are the choices of a wording, in the order of its digits."""

_CHOICES: Final = LISTS[:7]
_WORDED: Final = {
    "skin_tone": ("value",),
    "hair_length": ("value", "color"),
    "hair_style": ("value", "hair", "shape", "color"),
    "expression": ("value",),
    "gaze": ("value",),
    "head_pose": ("value",),
    "framing": ("value",),
    "arms": ("value",),
    "light": ("value",),
    "camera": ("value",),
}
"""Attributes whose values may have phrases of their own, and what these may hold in braces."""

_LAYOUT_PARTS: Final = {
    *("framed", "framing", "medium", "person", "looks", "dress", "manner", "photo"),
    *("solo", "tail"),
}
_WITHOUT_ARTICLE: Final = ("glasses", "sunglasses", "earrings", "stubble")
Phrases = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True, eq=False)
class Wording:
    """The phrases of a vocabulary; ``vocabulary.toml`` describes each.

    Attributes:
        hair_detail: Last words of a prompt.
        mediums: What kind of picture is asked for.
        photo: How light and camera are worded.
        solo: That there is one person.
        dress: How clothing is introduced.
        quality: How good the picture is to be.
        layouts: The order of the parts.
        hair_detail_terse: ``hair_detail`` in few words.
        skin_detail: Takes the place of ``hair_detail`` where no hair shows.
        phrases: Attribute to value to its phrase, where the value alone does not read well.
        terse_phrases: The same for prompts that must be short.
        tokens: Words that CLIP splits, and into how many tokens.
    """

    hair_detail: tuple[str, ...]
    mediums: tuple[str, ...]
    photo: tuple[str, ...]
    solo: tuple[str, ...]
    dress: tuple[str, ...]
    quality: tuple[str, ...]
    layouts: tuple[str, ...]
    hair_detail_terse: tuple[str, ...]
    skin_detail: tuple[str, ...]
    phrases: Phrases
    terse_phrases: Phrases
    tokens: Mapping[str, int]

    @property
    def radices(self) -> tuple[int, ...]:
        """How many phrases each of the seven choices has."""
        return tuple(len(getattr(self, name)) for name in _CHOICES)

    def count_tokens(self, text: str) -> int:
        """How many tokens CLIP makes of a prompt; a word not in :attr:`tokens` counts one."""
        found = re.findall(r"[a-z]+|\d|[^\sa-z\d]", text.lower())
        return sum(self.tokens.get(token, 1) for token in found)

    def word(self, attributes: Attributes, digits: tuple[int, ...]) -> str:
        """The prompt, in few words where it would have more than :data:`TOKENS` tokens.

        Args:
            attributes: Attribute to value, as :func:`builder.prompts.grammar.prompt_at`
                draws them: consistent, with every attribute that always applies.
            digits: One choice for each of :attr:`radices`.
        """
        text = self.text_of(attributes, digits, terse=False)
        if self.count_tokens(text) <= TOKENS:
            return text
        return self.text_of(attributes, digits, terse=True)

    def text_of(self, attributes: Attributes, digits: tuple[int, ...], terse: bool) -> str:
        """The prompt as it reads best, or in few words; arguments as for :meth:`word`."""
        detail, medium, photo, solo, dress, quality, layout = digits
        details = self.hair_detail_terse if terse else self.hair_detail
        if not attributes["hair_color"]:
            details = self.skin_detail
        framing = self._phrase("framing", attributes["framing"], terse)
        light, camera = (
            self._phrase(name, attributes[name], terse) for name in ("light", "camera")
        )
        person = f"{attributes['age']} {attributes['gender']}"
        text = self.layouts[layout].format(
            framed=f"{framing.replace(' body', '-body')} {self.mediums[medium]}",
            framing=framing,
            medium=self.mediums[medium],
            person=person if terse else _article(person),
            looks=_listed(self._looks(attributes, terse)),
            dress=f"{self.dress[dress]} {_listed(_worn(attributes, terse))}",
            manner=", ".join(self._manner(attributes, terse)),
            photo=self.photo[photo].format(light=light, camera=camera),
            solo=self.solo[solo],
            tail=f"{self.quality[quality]}, {details[detail]}",
        )
        # A hyphen is a token: "chin length", but "t-shirt".
        return re.sub(r"(?<=\w\w)-", " ", text) if terse else text

    def _phrase(
        self, name: str, value: str | None, terse: bool, default: str = "{value}", **parts: str
    ) -> str:
        """A value's phrase, else the default one."""
        value = value or ""
        own = self.phrases.get(name, {}).get(value, default)
        if terse:
            own = self.terse_phrases.get(name, {}).get(value, own)
        text = own.format(value=value, **parts)
        return _article(text[2:]) if text.startswith("a ") else text

    def _looks(self, attributes: Attributes, terse: bool) -> list[str]:
        looks = [f"{self._phrase('skin_tone', attributes['skin_tone'], terse)} skin"]
        color, length = attributes["hair_color"], attributes["hair_length"]
        own = self.phrases.get("hair_length", {}).get(length or "")
        if length and own is not None:
            looks.append(self._phrase("hair_length", length, terse, color=color or ""))
        elif length:
            looks.append(self._hair(attributes, terse))
        if attributes["facial_hair"] not in (None, "none"):
            # Where the words for the hair name no colour, the beard's words do.
            untold = length is None or (own is not None and "{color}" not in own)
            beard = f"{color} {attributes['facial_hair']}" if untold else attributes["facial_hair"]
            looks.append(str(beard) if terse else _article(str(beard)))
        return looks

    def _hair(self, attributes: Attributes, terse: bool) -> str:
        shape = " ".join(
            attributes[f"hair_{name}"] or "" for name in ("length", "texture", "color")
        )
        style = attributes["hair_style"] or "loose"
        parts = {"hair": f"{shape} hair", "shape": shape, "color": attributes["hair_color"] or ""}
        return self._phrase("hair_style", style, terse, "{value} {hair}", **parts)

    def _manner(self, attributes: Attributes, terse: bool) -> list[str]:
        manner = [
            self._phrase(
                "expression",
                attributes["expression"],
                terse,
                "{value}" if terse else "{value} expression",
            )
        ]
        if attributes["gaze"]:
            manner.append(self._phrase("gaze", attributes["gaze"], terse, "looking {value}"))
        pose = "{value}" if terse else "head {value}"
        manner.append(self._phrase("head_pose", attributes["head_pose"], terse, pose))
        if attributes["arms"]:
            manner.append(self._phrase("arms", attributes["arms"], terse))
        return manner


def _worn(attributes: Attributes, terse: bool) -> list[str]:
    given = (attributes[name] for name in ("clothing", "headwear", "glasses", "jewellery"))
    worn = [thing for thing in given if thing is not None and thing != "none"]
    return worn if terse else [_article(thing) for thing in worn]


def _article(noun: str) -> str:
    if noun.endswith(_WITHOUT_ARTICLE):
        return noun
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def _listed(things: list[str]) -> str:
    return " and ".join([", ".join(things[:-1]), things[-1]] if things[1:] else things)


def read_wording(body: Mapping[str, Any], tokens: Any) -> Wording:
    """Read and check the ``wording`` and ``tokens`` tables of a vocabulary file.

    Raises:
        VocabularyError: What is wrong, and where.
    """
    check_keys(body, "wording", (*LISTS, "phrases", "terse_phrases"))
    lists = {name: strings(body.get(name), f"wording.{name}") for name in LISTS}
    _check_unique(lists)
    for name in ("hair_detail_terse", "skin_detail"):
        if len(lists[name]) != len(lists["hair_detail"]):
            raise VocabularyError(f"wording.{name}", "has another length than wording.hair_detail")
    for layout in lists["layouts"]:
        # A layout has `framed`, or its two halves apart.
        wanted = _LAYOUT_PARTS - {"framed"}
        if "{framed}" in layout:
            wanted = _LAYOUT_PARTS - {"framing", "medium"}
        _check_parts(layout, "wording.layouts", wanted, exactly=True)
    for photo in lists["photo"]:
        _check_parts(photo, "wording.photo", {"light", "camera"}, exactly=True)
    counts = table(tokens, "tokens")
    for word, count in counts.items():
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise VocabularyError(f"tokens.{word}", "is a whole number of at least 1")
    return Wording(
        **lists,
        phrases=_phrases(body.get("phrases", {}), "wording.phrases"),
        terse_phrases=_phrases(body.get("terse_phrases", {}), "wording.terse_phrases"),
        tokens=dict(counts),
    )


def _check_unique(lists: Mapping[str, tuple[str, ...]]) -> None:
    """Different choices must be different texts; short forms stand for the same choice."""
    seen: dict[str, tuple[str, int]] = {}
    for name in (*_CHOICES, "skin_detail", "hair_detail_terse"):
        for place, phrase in enumerate(lists[name]):
            other, where = seen.setdefault(phrase, (name, place))
            same_choice = {name, other} == {"hair_detail", "hair_detail_terse"} and place == where
            if other != name and not same_choice:
                raise VocabularyError(f"wording.{name}", f"{phrase!r} is in wording.{other} too")


def _check_parts(text: str, where: str, wanted: set[str], *, exactly: bool = False) -> None:
    try:
        parts = [part for _, part, _, _ in Formatter().parse(text) if part is not None]
    except ValueError as problem:
        raise VocabularyError(where, f"{text!r}: {problem}") from None
    if any(part not in wanted for part in parts):
        listed = ", ".join(f"{{{part}}}" for part in sorted(wanted))
        raise VocabularyError(where, f"{text!r}: braces may hold {listed}")
    if exactly and sorted(parts) != sorted(wanted):
        missing = sorted(wanted - set(parts))
        listed = f"lacks {{{missing[0]}}}" if missing else "names a part twice"
        raise VocabularyError(where, f"{text!r}: {listed}")


def _phrases(raw: Any, where: str) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    body = table(raw, where)
    check_keys(body, where, _WORDED)
    for name, phrases in body.items():
        found[name] = {}
        for value, phrase in table(phrases, f"{where}.{name}").items():
            if not isinstance(phrase, str) or not phrase.strip():
                raise VocabularyError(
                    f"{where}.{name}", f"the phrase of {value!r} is no text, or empty"
                )
            _check_parts(phrase, f"{where}.{name}", set(_WORDED[name]))
            found[name][value] = phrase
    return found
