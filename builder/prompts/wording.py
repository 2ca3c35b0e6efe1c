"""From attributes to English, in more than a million ways.

A wording is seven choices, the digits of one mixed-radix number. Each choice can be read off
the finished text whatever the attributes are (the phrases of a choice occur nowhere else,
and the order of the parts is a choice of its own), so two prompts with different wordings
are different texts. SDXL's text encoders read 75 tokens: parts are kept short, and what is
last, and lost where a prompt is a few tokens longer, is the quality tail. Prompts speak of
the person only, never of a background: Layer Diffusion draws none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

Attributes = Mapping[str, str | None]

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
_POSES = {"frontal": "frontal view"}
_ARMS = {
    "at the sides": "arms at sides",
    "arm raised": "one arm raised",
    "behind the head": "hands behind head",
}
_LIGHTS = {"studio softbox": "studio softbox light", "golden hour": "golden hour light"}
_CAMERAS = {"medium format": "medium format camera"}
_WITHOUT_ARTICLE = ("glasses", "sunglasses", "earrings", "stubble")


def word(attributes: Attributes, digits: tuple[int, ...]) -> str:
    """The prompt.

    Args:
        attributes: Attribute to value, as :func:`builder.prompts.grammar.prompt_at` draws
            them: consistent, with every attribute that always applies.
        digits: One choice for each of :data:`RADICES`.
    """
    detail, medium, photo, solo, dress, quality, layout = digits
    details = HAIR_DETAIL if attributes["hair_color"] else SKIN_DETAIL
    framing = attributes["framing"] or ""
    light, camera = attributes["light"] or "", attributes["camera"] or ""
    return LAYOUTS[layout].format(
        framed=f"{framing.replace(' body', '-body')} {MEDIUMS[medium]}",
        framing=framing,
        medium=MEDIUMS[medium],
        person=_article(f"{attributes['age']} {attributes['gender']}"),
        looks=_listed(_looks(attributes)),
        dress=f"{DRESS[dress]} {_listed(_worn(attributes))}",
        manner=", ".join(_manner(attributes)),
        photo=PHOTO[photo].format(
            light=_LIGHTS.get(light, light), camera=_CAMERAS.get(camera, camera)
        ),
        solo=SOLO[solo],
        tail=f"{QUALITY[quality]}, {details[detail]}",
    )


def _looks(attributes: Attributes) -> list[str]:
    skin = attributes["skin_tone"] or ""
    looks = [f"{_SKIN.get(skin, skin)} skin"]
    color, length = attributes["hair_color"], attributes["hair_length"]
    if length == "bald":
        looks.append("a bald head")
    elif length == "buzz cut":
        looks.append(_article(f"{color} buzz cut"))
    elif length:
        looks.append(_hair(attributes))
    if attributes["facial_hair"] not in (None, "none"):
        # Without hair on the head, the colour is the beard's.
        tint = f"{color} " if length in (None, "bald") else ""
        looks.append(_article(f"{tint}{attributes['facial_hair']}"))
    return looks


def _hair(attributes: Attributes) -> str:
    length, texture = attributes["hair_length"], attributes["hair_texture"]
    color, style = attributes["hair_color"], attributes["hair_style"] or "loose"
    if style in ("loose", "messy"):
        return f"{style} {length} {texture} {color} hair"
    if style == "dreadlocks":
        return f"{length} {texture} {color} dreadlocks"
    if style == "afro":
        return _article(f"{length} {texture} {color} afro")
    return _STYLES[style].format(hair=f"{length} {texture} {color} hair")


def _worn(attributes: Attributes) -> list[str]:
    worn = [attributes[name] for name in ("clothing", "headwear", "glasses", "jewellery")]
    return [_article(thing) for thing in worn if thing not in (None, "none")]


def _manner(attributes: Attributes) -> list[str]:
    expression, pose = attributes["expression"] or "", attributes["head_pose"] or ""
    manner = [_EXPRESSIONS.get(expression, f"{expression} expression")]
    if attributes["gaze"]:
        manner.append(f"looking {attributes['gaze']}")
    manner.append(_POSES.get(pose, f"head {pose}"))
    if attributes["arms"]:
        manner.append(_ARMS.get(attributes["arms"], attributes["arms"]))
    return manner


def _article(noun: str) -> str:
    if noun.endswith(_WITHOUT_ARTICLE):
        return noun
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def _listed(things: list[str]) -> str:
    return " and ".join([", ".join(things[:-1]), things[-1]] if things[1:] else things)
