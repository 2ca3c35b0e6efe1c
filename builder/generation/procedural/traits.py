"""The person to draw: attributes, and the continuous traits that the seed adds.

Colours and spreads were chosen by eye.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from builder.generation.procedural.arrays import FloatArray
from builder.generation.procedural.canvas import linear, stream
from builder.prompts.vocabulary import VOCABULARY

SKIN: dict[str, tuple[int, int, int]] = {
    "very light": (243, 210, 190),
    "light": (230, 186, 160),
    "medium": (206, 153, 120),
    "olive": (186, 141, 102),
    "brown": (141, 92, 64),
    "dark": (92, 58, 42),
}
"""sRGB of skin in even light."""

HAIR: dict[str, tuple[int, int, int]] = {
    "black": (34, 29, 28),
    "dark brown": (62, 42, 31),
    "brown": (101, 68, 45),
    "auburn": (122, 60, 36),
    "red": (166, 80, 38),
    "blond": (196, 160, 108),
    "platinum": (226, 209, 178),
    "gray": (143, 140, 137),
    "white": (219, 217, 213),
    "blue": (46, 92, 166),
    "pink": (218, 108, 152),
}
"""sRGB of hair in even light."""

_IRIS = ((70, 42, 24), (92, 60, 32), (118, 92, 50), (88, 104, 66), (92, 118, 138), (74, 102, 142))
_LIPSTICK = ((150, 34, 48), (172, 70, 78), (120, 40, 56))
ARMLESS = ("close-up", "head and shoulders")
"""Framings that show no arms; the attribute ``arms`` is ignored there."""


@dataclass(frozen=True, slots=True)
class Traits:
    """One person.

    Colours are (3,) linear light, 0..1. What has no unit below is a factor of the usual.

    Attributes:
        seed: The portrait's seed.
        values: A value for every attribute of the vocabulary.
        skin: Colour.
        hair: Colour.
        brow: Colour.
        iris: Colour.
        lips: Colour.
        masculine: 0 a woman .. 1 a man.
        years: Age.
        yaw: Turn of the head, radians, positive to the picture's right.
        roll: Tilt of the head, radians, positive clockwise.
        face_width: Width of the head.
        jaw: Width of the jaw.
        chin: Height of the chin's relief.
        nose_width: Width of the nose.
        nose_length: Length of the nose.
        eye_size: Width of the eyes.
        eye_gap: Distance of the eyes.
        eye_tilt: Rise of the eyes towards their outer corners.
        lip_full: Height of the lips.
        mouth_width: Width of the mouth.
        brow_height: Height of the brows over the eyes.
        brow_thick: Thickness of the brows.
        shoulder: Half-width of the shoulders, head units.
        build: -2 slim .. 2 heavy.
        makeup: 0..1.
        freckles: 0 none .. 1.4.
    """

    seed: int
    values: dict[str, str]
    skin: FloatArray
    hair: FloatArray
    brow: FloatArray
    iris: FloatArray
    lips: FloatArray
    masculine: float
    years: float
    yaw: float
    roll: float
    face_width: float
    jaw: float
    chin: float
    nose_width: float
    nose_length: float
    eye_size: float
    eye_gap: float
    eye_tilt: float
    lip_full: float
    mouth_width: float
    brow_height: float
    brow_thick: float
    shoulder: float
    build: float
    makeup: float
    freckles: float

    def __getitem__(self, name: str) -> str:
        return self.values[name]


def resolve(seed: int, attributes: Mapping[str, str | None]) -> dict[str, str]:
    """Give every attribute of the vocabulary a value; the seed chooses those not given.

    Raises:
        ValueError: A value that the vocabulary does not have.
    """
    values: dict[str, str] = {}
    for name, allowed in VOCABULARY.items():
        given = attributes.get(name)
        if given is not None and given not in allowed:
            raise ValueError(f"attribute {name}: {given!r} is not in the vocabulary")
        if given is None:
            given = _guess(stream(seed, f"attribute:{name}"), name, allowed, values, attributes)
        values[name] = given
    if values["framing"] in ARMLESS:
        values["arms"] = "at the sides"  # a raised arm would not be in the picture
    return values


def _guess(
    rng: np.random.Generator,
    name: str,
    allowed: tuple[str, ...],
    values: dict[str, str],
    attributes: Mapping[str, str | None],
) -> str:
    """A value for an attribute that goes with those already resolved."""
    pick = str(allowed[int(rng.integers(len(allowed)))])
    rare = rng.random()
    if name == "facial_hair":
        return "none" if values["gender"] != "man" or rare < 0.5 else pick
    if name in ("headwear", "glasses", "jewellery"):
        return "none" if rare < 0.7 else pick
    if name == "hair_length":
        if attributes.get("hair_style") in ("afro", "dreadlocks"):
            return "chin-length"
        if attributes.get("hair_style") in ("ponytail", "bun", "braid"):
            return "long"
        return "short" if pick == "bald" and (values["gender"] == "woman" or rare < 0.5) else pick
    if name == "hair_style":
        if values["hair_length"] in ("bald", "buzz cut"):
            return "loose"
        if values["hair_length"] == "short" and pick in ("ponytail", "bun", "braid"):
            return "messy"
        return pick
    if name == "hair_texture" and values["hair_style"] in ("afro", "dreadlocks"):
        return "coily"
    if name == "clothing" and pick == "dress" and values["gender"] == "man":
        return "t-shirt"
    if name == "arms" and values["framing"] in ARMLESS:
        return "at the sides"
    return pick


def traits(seed: int, attributes: Mapping[str, str | None]) -> Traits:
    """The person of this seed and these attributes.

    Raises:
        ValueError: A value that the vocabulary does not have.
    """
    values = resolve(seed, attributes)
    rng = stream(seed, "traits")
    gauss = np.clip(rng.standard_normal(32), -2.0, 2.0)
    gender = {"woman": 0.0, "man": 1.0, "androgynous person": 0.5}[values["gender"]]
    years = {"young": 20.0, "adult": 33.0, "middle-aged": 50.0, "elderly": 72.0}[values["age"]]
    years += 4.0 * float(gauss[0])
    dark = values["skin_tone"] in ("brown", "dark", "olive")
    skin, hair, brow, iris = _colours(values, gauss, rng, dark)
    yaw = {"turned left": -0.42, "turned right": 0.42}.get(values["head_pose"], 0.0)
    roll = {"tilted left": -0.2, "tilted right": 0.2}.get(values["head_pose"], 0.0)
    yaw += 0.05 * gauss[6]
    roll += 0.025 * gauss[7]
    makeup = (1.0 - gender) * float(0.15 + 0.85 * rng.random()) if gender < 0.9 else 0.0
    lips = _lips(skin, makeup, rng)
    return Traits(
        seed=int(seed),
        values=values,
        skin=np.clip(skin, 0.02, 0.95).astype(np.float32),
        hair=np.clip(hair, 0.004, 0.95).astype(np.float32),
        brow=brow.astype(np.float32),
        iris=iris,
        lips=np.clip(lips, 0.01, 0.9).astype(np.float32),
        masculine=gender,
        years=years,
        yaw=float(yaw),
        roll=float(roll),
        makeup=makeup,
        freckles=max(0.0, float(gauss[22]) - 0.6) * (0.0 if dark else 1.0),
        **_proportions(gauss, gender, dark),
    )


def _colours(
    values: Mapping[str, str], gauss: FloatArray, rng: np.random.Generator, dark: bool
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Skin, hair, brows and iris, (3,) linear light each."""
    skin = linear(np.array(SKIN[values["skin_tone"]]) / 255.0)
    skin = skin * (1.0 + np.array([0.05, 0.06, 0.07]) * gauss[1:4] * 0.6 + 0.05 * gauss[4])
    hair = linear(np.array(HAIR[values["hair_color"]]) / 255.0) * (1.0 + 0.12 * gauss[5])
    iris = linear(np.array(_IRIS[int(rng.integers(0, 2 if dark else len(_IRIS)))]) / 255.0)
    dyed = values["hair_color"] in ("blue", "pink", "platinum")
    brow = linear([0.25, 0.18, 0.14]) if dyed else hair * 0.55
    if values["hair_color"] in ("white", "gray"):
        brow = hair * 0.6
    return skin, hair, brow, iris


def _lips(skin: FloatArray, makeup: float, rng: np.random.Generator) -> FloatArray:
    """Colour of the lips (3,), linear light; lipstick from a make-up of 0.45 on."""
    lips = skin * np.array([0.86, 0.52, 0.50]) + np.array([0.045, 0.0, 0.008])
    if makeup > 0.45:
        tint = linear(np.array(_LIPSTICK[rng.integers(3)]) / 255.0)
        lips = lips + (tint - lips) * makeup * 0.8
    return lips


def _proportions(gauss: FloatArray, gender: float, dark: bool) -> dict[str, float]:
    """Proportions of face and body as factors of the usual; spreads chosen by eye."""
    return {
        "face_width": 1.0 + 0.035 * float(gauss[8]) + 0.01 * gender,
        "jaw": 0.90 + 0.14 * gender + 0.05 * float(gauss[9]),
        "chin": 1.0 + 0.12 * gender + 0.1 * float(gauss[10]),
        "nose_width": 0.90 + 0.16 * gender + 0.10 * float(gauss[11]) + (0.18 if dark else 0.0),
        "nose_length": 1.0 + 0.05 * float(gauss[12]),
        "eye_size": 1.0 - 0.07 * gender + 0.05 * float(gauss[13]),
        "eye_gap": 1.0 + 0.035 * float(gauss[14]),
        "eye_tilt": 0.05 - 0.02 * gender + 0.03 * float(gauss[15]),
        "lip_full": 1.05 - 0.2 * gender + 0.14 * float(gauss[16]) + (0.18 if dark else 0.0),
        "mouth_width": 1.0 + 0.05 * gender + 0.06 * float(gauss[17]),
        "brow_height": 1.0 + 0.12 * float(gauss[18]) - 0.1 * gender,
        "brow_thick": 0.85 + 0.35 * gender + 0.15 * float(gauss[19]),
        "shoulder": 0.80 + 0.14 * gender + 0.035 * float(gauss[20]),
        "build": float(gauss[21]),
    }
