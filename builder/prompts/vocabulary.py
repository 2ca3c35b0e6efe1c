"""The attributes of a portrait and the values that each may take.

One table for everybody: the grammar words them, the procedural generator draws them, the
dataset card counts them. An attribute that does not apply to a sample is ``None`` (an
attribute such as ``arms`` in a close-up); one that applies and is absent says ``"none"``.
"""

from __future__ import annotations

from ld_portrait_20k.schema import ATTRIBUTES

VOCABULARY: dict[str, tuple[str, ...]] = {
    "age": ("young", "adult", "middle-aged", "elderly"),
    "gender": ("woman", "man", "androgynous person"),
    "skin_tone": ("very light", "light", "medium", "olive", "brown", "dark"),
    "hair_color": (
        "black",
        "dark brown",
        "brown",
        "auburn",
        "red",
        "blond",
        "platinum",
        "gray",
        "white",
        "blue",
        "pink",
    ),
    "hair_length": ("bald", "buzz cut", "short", "chin-length", "shoulder-length", "long"),
    "hair_style": (
        "loose",
        "messy",
        "slicked back",
        "side part",
        "with bangs",
        "ponytail",
        "bun",
        "braid",
        "afro",
        "dreadlocks",
    ),
    "hair_texture": ("straight", "wavy", "curly", "coily"),
    "facial_hair": ("none", "stubble", "mustache", "goatee", "short beard", "full beard"),
    "headwear": ("none", "beanie", "baseball cap", "wide-brimmed hat", "headscarf", "headband"),
    "glasses": ("none", "round glasses", "rectangular glasses", "sunglasses"),
    "jewellery": ("none", "stud earrings", "hoop earrings", "drop earrings", "necklace"),
    "clothing": (
        "t-shirt",
        "collared shirt",
        "sweater",
        "turtleneck",
        "hoodie",
        "blazer",
        "leather jacket",
        "dress",
        "tank top",
    ),
    "expression": ("neutral", "gentle smile", "laughing", "serious", "surprised", "pensive"),
    "gaze": ("at the camera", "to the left", "to the right", "down", "up"),
    "head_pose": ("frontal", "turned left", "turned right", "tilted left", "tilted right"),
    "framing": ("close-up", "head and shoulders", "half body", "three-quarter length"),
    "arms": ("at the sides", "hand on hip", "hands on hips", "arm raised", "behind the head"),
    "light": (
        "soft daylight",
        "studio softbox",
        "rim light",
        "golden hour",
        "window light",
        "hard sunlight",
    ),
    "camera": ("35mm lens", "50mm lens", "85mm lens", "105mm lens", "medium format"),
}
"""Attribute name to its values, in the order in which they are stored and counted."""

if tuple(VOCABULARY) != ATTRIBUTES:
    raise RuntimeError("the vocabulary and the schema name different attributes")
