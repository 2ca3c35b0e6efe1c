"""Which attributes go together, and how often each value is wanted.

The rules make a tree (see :mod:`builder.prompts.decks`). Values are uniform where nothing
speaks against it; the exceptions are written out here and reported by
:func:`builder.prompts.decks.targets`. What keeps a person consistent:

- ``facial_hair`` other than ``none`` only on men; ``dress`` on anybody but men;
- a bald or buzz-cut head has no texture and no style, and takes no headband;
- ponytail, bun and braid need hair to the shoulders; an afro is curly or coily and not
  long; dreadlocks are coily and at least chin-length; hats leave only styles that show;
- a headscarf hides the hair: colour, length, texture and style do not apply, and neither
  do earrings;
- ``hair_color`` applies where hair or facial hair shows;
- ``gaze`` does not apply behind sunglasses;
- ``arms`` applies to half body and three-quarter length only.
"""

from __future__ import annotations

from collections.abc import Mapping

from .decks import ABSENT, Rule
from .vocabulary import VOCABULARY

KIND = "kind"
"""An attribute of the rules' own, not of the sample: what the head shows."""

_KINDS: dict[str, dict[str, int]] = {
    "woman": {"haired": 21, "covered": 2, "bald": 1},
    "man": {"haired": 8, "haired bearded": 12, "bald": 2, "bald bearded": 2},
    "androgynous person": {"haired": 21, "covered": 1, "bald": 2},
}
_LENGTHS: dict[str, dict[str, int]] = {
    "woman": {"buzz cut": 1, "short": 3, "chin-length": 3, "shoulder-length": 4, "long": 5},
    "man": {"buzz cut": 3, "short": 6, "chin-length": 2, "shoulder-length": 2, "long": 3},
    "androgynous person": {
        "buzz cut": 2,
        "short": 4,
        "chin-length": 3,
        "shoulder-length": 3,
        "long": 4,
    },
}
_JEWELLERY: dict[str, tuple[int, ...]] = {
    "woman": (4, 2, 2, 2, 2),
    "man": (8, 1, 1, 0, 2),
    "androgynous person": (4, 1, 1, 1, 1),
}
_STYLE_LENGTHS: dict[str, tuple[str, ...]] = {
    "loose": ("chin-length", "shoulder-length", "long"),
    "messy": ("short", "chin-length", "shoulder-length", "long"),
    "slicked back": ("short", "chin-length"),
    "side part": ("short", "chin-length", "shoulder-length", "long"),
    "with bangs": ("short", "chin-length", "shoulder-length", "long"),
    "ponytail": ("shoulder-length", "long"),
    "bun": ("shoulder-length", "long"),
    "braid": ("shoulder-length", "long"),
    "afro": ("short", "chin-length", "shoulder-length"),
    "dreadlocks": ("chin-length", "shoulder-length", "long"),
}
_STYLE_TEXTURES: dict[str, tuple[str, ...]] = {
    "slicked back": ("straight", "wavy"),
    "side part": ("straight", "wavy"),
    "with bangs": ("straight", "wavy", "curly"),
    "afro": ("curly", "coily"),
    "dreadlocks": ("coily",),
}
_STYLES_UNDER_HAT = ("loose", "messy", "ponytail", "braid", "dreadlocks")


def _uniform(attribute: str) -> dict[str, int]:
    return dict.fromkeys(VOCABULARY[attribute], 1)


def _weighted(attribute: str, *weights: int) -> dict[str, int]:
    return dict(zip(VOCABULARY[attribute], weights, strict=True))


def _head(kind: str) -> str:
    return kind.split()[0]


def _hair_color(at: Mapping[str, str]) -> dict[str, int]:
    return _uniform("hair_color") if at[KIND] == "shown" else {}


def _facial_hair(at: Mapping[str, str]) -> dict[str, int]:
    if at[KIND] == "shaven":
        return {"none": 1}
    return {value: 1 for value in VOCABULARY["facial_hair"] if value != "none"}


def _headwear(at: Mapping[str, str]) -> dict[str, int]:
    if at[KIND] == "covered":
        return {"headscarf": 1}
    weights = {"none": 10, "beanie": 1, "baseball cap": 1, "wide-brimmed hat": 1}
    return weights if at[KIND] == "bald" else weights | {"headband": 1}


def _hair_length(at: Mapping[str, str]) -> dict[str, int]:
    if at[KIND] == "covered":
        return {}
    return {"bald": 1} if at[KIND] == "bald" else _LENGTHS[at["gender"]]


def _hair_texture(at: Mapping[str, str]) -> dict[str, int]:
    shaped = at["hair_length"] not in (ABSENT, "bald", "buzz cut")
    return _uniform("hair_texture") if shaped else {}


def _hair_style(at: Mapping[str, str]) -> dict[str, int]:
    if at["hair_texture"] == ABSENT:
        return {}
    return {
        style: 1
        for style in VOCABULARY["hair_style"]
        if at["hair_length"] in _STYLE_LENGTHS[style]
        and at["hair_texture"] in _STYLE_TEXTURES.get(style, VOCABULARY["hair_texture"])
        and (at["headwear"] == "bare" or style in _STYLES_UNDER_HAT)
    }


def _jewellery(at: Mapping[str, str]) -> dict[str, int]:
    if at[KIND] == "covered":
        return {"none": 2, "necklace": 1}
    weights = _weighted("jewellery", *_JEWELLERY[at["gender"]])
    return {value: weight for value, weight in weights.items() if weight}


def _clothing(at: Mapping[str, str]) -> dict[str, int]:
    weights = _uniform("clothing")
    if at["gender"] == "man":
        del weights["dress"]
    return weights


def _arms(at: Mapping[str, str]) -> dict[str, int]:
    if at["framing"] == "no arms":
        return {}
    return _weighted("arms", 3, 2, 2, 1, 1)


def _gaze(at: Mapping[str, str]) -> dict[str, int]:
    return {} if at["glasses"] == "sunglasses" else _weighted("gaze", 4, 1, 1, 1, 1)


def _even(attribute: str) -> Rule:
    return Rule(attribute, lambda _: _uniform(attribute))


RULES: tuple[Rule, ...] = (
    Rule("gender", lambda _: {"woman": 2, "man": 2, "androgynous person": 1}),
    Rule(KIND, lambda at: _KINDS[at["gender"]], parent="gender"),
    _even("age"),
    _even("skin_tone"),
    Rule(
        "hair_color",
        _hair_color,
        parent=KIND,
        group=lambda kind: "hidden" if kind in ("covered", "bald") else "shown",
    ),
    Rule("headwear", _headwear, parent=KIND, group=_head),
    Rule(
        "hair_length",
        _hair_length,
        parent="headwear",
        group=lambda worn: "bare" if worn in ("none", "headband") else "hat",
    ),
    Rule("hair_texture", _hair_texture, parent="hair_length"),
    Rule("hair_style", _hair_style, parent="hair_texture"),
    Rule(
        "facial_hair",
        _facial_hair,
        parent=KIND,
        group=lambda kind: "bearded" if "bearded" in kind else "shaven",
    ),
    Rule("glasses", lambda _: _weighted("glasses", 6, 2, 2, 1)),
    Rule("jewellery", _jewellery, parent=KIND, group=_head),
    Rule("clothing", _clothing, parent="gender"),
    _even("expression"),
    Rule(
        "gaze",
        _gaze,
        parent="glasses",
        group=lambda worn: worn if worn == "sunglasses" else "eyes show",
    ),
    Rule("head_pose", lambda _: _weighted("head_pose", 4, 1, 1, 1, 1)),
    Rule("framing", lambda _: _weighted("framing", 2, 3, 3, 2)),
    Rule(
        "arms",
        _arms,
        parent="framing",
        group=lambda crop: "no arms" if crop in ("close-up", "head and shoulders") else "arms",
    ),
    _even("light"),
    _even("camera"),
)
"""Parents before children."""
