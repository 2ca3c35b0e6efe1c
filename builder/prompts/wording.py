"""From attributes to English, in more than a million ways.

A wording is seven choices, the digits of one mixed-radix number. Each choice can be read off
the finished text whatever the attributes are (the phrases of a choice occur nowhere else,
and the order of the parts is a choice of its own), so two prompts with different wordings
are different texts. SDXL's text encoders read 75 tokens and drop the rest: parts are kept
short, and a prompt that would be longer (one in a hundred) has its attributes in fewer words,
which always fits. Prompts speak of the person only, never of a background: Layer Diffusion
draws none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

Attributes = Mapping[str, str | None]

TOKENS: Final = 75
"""What CLIP's text encoders read of a prompt, beside its two marks."""

SPLIT_WORDS: Final = {
    "androgynous": 3,
    "brimmed": 2,
    "coily": 2,
    "collared": 2,
    "deformed": 2,
    "dreadlocks": 2,
    "goatee": 2,
    "headscarf": 2,
    "jpeg": 2,
    "pensive": 2,
    "photorealistic": 2,
    "slicked": 2,
    "softbox": 2,
    "strands": 2,
    "stubble": 2,
    "tilted": 2,
    "turtleneck": 3,
    "watermark": 2,
}
"""The words of this grammar that CLIP's vocabulary splits, and into how many tokens.

Every other word, each digit and each punctuation mark is one token; counted with the
vocabulary of CLIP's authors (``bpe_simple_vocab_16e6``), which both encoders of SDXL use.
"""

MEDIUMS: Final = (
    "portrait photo",
    "portrait photograph",
    "photo portrait",
    "photographic portrait",
    "realistic portrait",
    "natural portrait",
    "candid portrait",
    "editorial portrait",
    "professional portrait",
    "modern portrait",
)
LAYOUTS: Final = (
    "{framed} of {person} with {looks}, {dress}, {manner}, {photo}, {solo}, {tail}",
    "{medium} of {person} with {looks}, {dress}, {framing}, {manner}, {photo}, {solo}, {tail}",
    "{framed} of {person} with {looks}, {dress}, {solo}, {manner}, {photo}, {tail}",
    "{person} with {looks}, {dress}, {manner}, {framed}, {photo}, {solo}, {tail}",
    "{photo}, {framed} of {person} with {looks}, {dress}, {manner}, {solo}, {tail}",
    "{framed}, {person} with {looks}, {dress}, {manner}, {photo}, {solo}, {tail}",
)
DRESS: Final = ("wearing", "dressed in", "in")
PHOTO: Final = (
    "{light}, {camera}",
    "{camera}, {light}",
    "under {light}, {camera}",
    "{camera}, under {light}",
    "in {light}, {camera}",
    "{camera}, in {light}",
)
SOLO: Final = (
    "single person",
    "one person",
    "solo",
    "isolated subject",
    "isolated figure",
    "isolated person",
    "solo subject",
    "single subject",
    "lone subject",
    "single figure",
    "solo person",
    "one subject",
    "lone person",
    "solo figure",
    "solo portrait",
    "subject isolated",
)
QUALITY: Final = (
    "high quality",
    "best quality",
    "very high quality",
    "high resolution",
    "highly detailed",
    "photorealistic",
    "sharp focus",
    "finely detailed",
)
HAIR_DETAIL: Final = (
    "detailed hair",
    "fine hair detail",
    "individual hair strands",
    "crisp hair strands",
    "intricate hair detail",
    "detailed hair strands",
    "fine hair strands",
    "sharp hair detail",
)
HAIR_DETAIL_TERSE: Final = (
    "detailed hair",
    "hair detail",
    "individual hairs",
    "crisp hair",
    "intricate hair",
    "realistic hair",
    "fine hairs",
    "sharp hair",
)
"""``HAIR_DETAIL`` where a prompt must be short; same number, same choice."""

SKIN_DETAIL: Final = (
    "detailed skin",
    "fine skin detail",
    "natural skin texture",
    "crisp skin texture",
    "intricate skin detail",
    "detailed skin texture",
    "fine skin texture",
    "sharp skin detail",
)
"""Takes the place of ``HAIR_DETAIL`` where no hair shows; same number, same choice."""

RADICES: Final = tuple(
    len(choices) for choices in (HAIR_DETAIL, MEDIUMS, PHOTO, SOLO, DRESS, QUALITY, LAYOUTS)
)

_SKIN = {"medium": "medium-toned"}
_STYLES = {
    "slicked back": "{hair} slicked back",
    "side part": "{hair} with a side part",
    "with bangs": "{hair} with bangs",
    "ponytail": "{hair} in a ponytail",
    "bun": "{hair} in a bun",
    "braid": "{hair} in a braid",
}
_EXPRESSIONS = {"gentle smile": "gentle smile", "laughing": "laughing"}
_GAZES_TERSE = {
    "at the camera": "eye contact",
    "to the left": "looking left",
    "to the right": "looking right",
}
_POSES = {"frontal": "frontal view"}
_ARMS = {
    "at the sides": "arms at sides",
    "arm raised": "one arm raised",
    "behind the head": "hands behind head",
}
_LIGHTS = {"studio softbox": "studio softbox light", "golden hour": "golden hour light"}
_CAMERAS = {"medium format": "medium format camera"}
_WITHOUT_ARTICLE = ("glasses", "sunglasses", "earrings", "stubble")


def count_tokens(text: str) -> int:
    """How many tokens CLIP makes of a prompt of this grammar."""
    found = re.findall(r"[a-z]+|\d|[^\sa-z\d]", text)
    return sum(SPLIT_WORDS.get(token, 1) for token in found)


def word(attributes: Attributes, digits: tuple[int, ...]) -> str:
    """The prompt, of at most :data:`TOKENS` tokens.

    Args:
        attributes: Attribute to value, as :func:`builder.prompts.grammar.prompt_at` draws
            them: consistent, with every attribute that always applies.
        digits: One choice for each of :data:`RADICES`.
    """
    text = text_of(attributes, digits, terse=False)
    return text if count_tokens(text) <= TOKENS else text_of(attributes, digits, terse=True)


def text_of(attributes: Attributes, digits: tuple[int, ...], terse: bool) -> str:
    """The prompt as it reads best, or in few words; arguments as for :func:`word`."""
    detail, medium, photo, solo, dress, quality, layout = digits
    details = HAIR_DETAIL_TERSE if terse else HAIR_DETAIL
    if not attributes["hair_color"]:
        details = SKIN_DETAIL
    framing = attributes["framing"] or ""
    light, camera = attributes["light"] or "", attributes["camera"] or ""
    person = f"{attributes['age']} {attributes['gender']}"
    if terse:
        framing, light = framing.removesuffix(" length"), light.removeprefix("studio ")
        camera = camera.removesuffix(" lens")
    else:
        person = _article(person)
        light, camera = _LIGHTS.get(light, light), _CAMERAS.get(camera, camera)
    text = LAYOUTS[layout].format(
        framed=f"{framing.replace(' body', '-body')} {MEDIUMS[medium]}",
        framing=framing,
        medium=MEDIUMS[medium],
        person=person,
        looks=_listed(_looks(attributes, terse)),
        dress=f"{DRESS[dress]} {_listed(_worn(attributes, terse))}",
        manner=", ".join(_manner(attributes, terse)),
        photo=PHOTO[photo].format(light=light, camera=camera),
        solo=SOLO[solo],
        tail=f"{QUALITY[quality]}, {details[detail]}",
    )
    # A hyphen is a token: "chin length", but "t-shirt".
    return re.sub(r"(?<=\w\w)-", " ", text) if terse else text


def _looks(attributes: Attributes, terse: bool) -> list[str]:
    skin = attributes["skin_tone"] or ""
    looks = [f"{skin if terse else _SKIN.get(skin, skin)} skin"]
    color, length = attributes["hair_color"], attributes["hair_length"]
    if length == "bald":
        looks.append("a bald head")
    elif length == "buzz cut":
        looks.append(_article(f"{color} buzz cut"))
    elif length:
        looks.append(_hair(attributes, terse))
    if attributes["facial_hair"] not in (None, "none"):
        # Without hair on the head, the colour is the beard's.
        tint = f"{color} " if length in (None, "bald") else ""
        beard = f"{tint}{attributes['facial_hair']}"
        looks.append(beard if terse else _article(beard))
    return looks


def _hair(attributes: Attributes, terse: bool) -> str:
    style = attributes["hair_style"] or "loose"
    shape = " ".join(attributes[f"hair_{name}"] or "" for name in ("length", "texture", "color"))
    if style in ("loose", "messy"):
        return f"{style} {shape} hair"
    if style == "dreadlocks":
        return f"{shape} dreadlocks"
    if style == "afro":
        return _article(f"{shape} afro")
    if terse and style in ("ponytail", "bun", "braid"):
        return f"{shape} {style}"
    return _STYLES[style].format(hair=f"{shape} hair")


def _worn(attributes: Attributes, terse: bool) -> list[str]:
    given = (attributes[name] for name in ("clothing", "headwear", "glasses", "jewellery"))
    worn = [thing for thing in given if thing not in (None, "none")]
    return worn if terse else [_article(thing) for thing in worn]


def _manner(attributes: Attributes, terse: bool) -> list[str]:
    expression, pose = attributes["expression"] or "", attributes["head_pose"] or ""
    gaze, arms = attributes["gaze"], attributes["arms"]
    plain = expression if terse else f"{expression} expression"
    manner = [_EXPRESSIONS.get(expression, plain)]
    if gaze:
        manner.append(_GAZES_TERSE.get(gaze, f"looking {gaze}") if terse else f"looking {gaze}")
    manner.append(_POSES.get(pose, pose if terse else f"head {pose}"))
    if arms:
        manner.append(_ARMS.get(arms, arms))
    return manner


def _article(noun: str) -> str:
    if noun.endswith(_WITHOUT_ARTICLE):
        return noun
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def _listed(things: list[str]) -> str:
    return " and ".join([", ".join(things[:-1]), things[-1]] if things[1:] else things)
