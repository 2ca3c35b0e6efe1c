"""Drawn portraits: deterministic, driven by their attributes, with exact and soft alpha."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from builder.generation.procedural import Portrait, draw
from builder.prompts.vocabulary import VOCABULARY
from tests.processes import ROOT

PLAIN = {
    "age": "adult",
    "gender": "woman",
    "skin_tone": "light",
    "hair_color": "brown",
    "hair_length": "shoulder-length",
    "hair_style": "loose",
    "hair_texture": "wavy",
    "facial_hair": "none",
    "headwear": "none",
    "glasses": "none",
    "jewellery": "none",
    "clothing": "sweater",
    "expression": "neutral",
    "gaze": "at the camera",
    "head_pose": "frontal",
    "framing": "head and shoulders",
    "light": "soft daylight",
}


def digest(portrait: Portrait) -> str:
    return hashlib.sha256(portrait.foreground.tobytes() + portrait.alpha.tobytes()).hexdigest()


def over(portrait: Portrait, background: int) -> NDArray[np.floating]:
    alpha = portrait.alpha[..., None].astype(np.float32) / 255
    return portrait.foreground * alpha + (1 - alpha) * background


def openings(alpha: NDArray[np.uint8], least: int) -> int:
    """Regions of true background that do not touch the frame."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats((alpha < 13).astype(np.uint8))
    edge = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    inner = set(range(1, count)) - set(edge.tolist())
    return sum(1 for i in inner if stats[i, cv2.CC_STAT_AREA] >= least)


LONGEST = max(len(values) for values in VOCABULARY.values())


@pytest.mark.parametrize("turn", range(2 * LONGEST))
def test_every_value_renders(turn: int) -> None:
    """Each picture takes one value of every attribute; together they take them all, twice.

    The combinations are blind (a bald person with bangs): none may fail.
    """
    attributes: dict[str, str | None] = {
        name: values[(turn + (turn // LONGEST) * place) % len(values)]
        for place, (name, values) in enumerate(VOCABULARY.items())
    }
    portrait = draw(11, attributes, 112, 128)
    assert portrait.foreground.shape == (128, 112, 3)
    assert portrait.foreground.dtype == portrait.alpha.dtype == np.uint8
    assert 0.1 < (portrait.alpha == 255).mean() < 0.92
    assert (portrait.alpha == 0).mean() > 0.04
    assert portrait.alpha[-1].max() == 255, "the body is cut by the bottom edge"
    assert portrait.foreground[portrait.alpha == 255].std() > 10


@pytest.mark.parametrize("size", [(128, 256), (256, 128), (64, 64), (150, 201)])
@pytest.mark.parametrize("framing", VOCABULARY["framing"])
def test_any_size_and_aspect(size: tuple[int, int], framing: str) -> None:
    portrait = draw(5, {**PLAIN, "framing": framing}, *size)
    assert portrait.alpha.shape == size[::-1]
    assert portrait.alpha[-1].max() == 255
    assert portrait.alpha[0].max() < 255 or framing == "close-up"
    assert (portrait.alpha == 255).mean() > 0.05


@pytest.mark.parametrize(("width", "height"), [(63, 100), (100, 5000), (100, 250), (900, 300)])
def test_sizes_outside_the_limits_are_refused(width: int, height: int) -> None:
    with pytest.raises(ValueError, match="size"):
        draw(1, {}, width, height)


def test_unknown_value_is_refused() -> None:
    with pytest.raises(ValueError, match=r"hair_color.*purple"):
        draw(1, {"hair_color": "purple"}, 128, 128)


def test_same_bytes_in_another_process_and_with_other_threads() -> None:
    attributes = {**PLAIN, "hair_texture": "curly", "jewellery": "hoop earrings"}
    here = digest(draw(3, attributes, 200, 200))
    code = (
        "import hashlib,cv2;cv2.setNumThreads(1);"
        "from builder.generation.procedural import draw;"
        f"p=draw(3,{attributes!r},200,200);"
        "print(hashlib.sha256(p.foreground.tobytes()+p.alpha.tobytes()).hexdigest())"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "7"}
    there = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    assert here == there


def test_seeds_differ_with_and_without_attributes() -> None:
    assert len({digest(draw(seed, PLAIN, 128, 128)) for seed in range(6)}) == 6
    assert len({digest(draw(seed, {}, 128, 128)) for seed in range(6)}) == 6
    assert digest(draw(2**63 - 1, {}, 96, 96)) != digest(draw(2**63 - 2, {}, 96, 96))


def test_none_and_missing_are_the_same() -> None:
    assert digest(draw(4, dict.fromkeys(VOCABULARY), 128, 128)) == digest(draw(4, {}, 128, 128))


def mean_hair(colour: str) -> NDArray[np.floating]:
    attributes = {**PLAIN, "hair_color": colour, "hair_style": "afro", "hair_texture": "coily"}
    portrait = draw(9, attributes, 192, 192)
    top = np.zeros_like(portrait.alpha, bool)
    rows = np.flatnonzero((portrait.alpha == 255).any(1))
    top[rows[0] : rows[0] + 12] = True
    return portrait.foreground[top & (portrait.alpha > 200)].mean(0)


def test_hair_colour_shows() -> None:
    black, white, blue, red = (mean_hair(c) for c in ("black", "white", "blue", "red"))
    assert white.mean() > black.mean() + 60
    assert blue[2] > blue[0] + 25
    assert red[0] > red[2] + 25


def test_skin_tone_shows() -> None:
    def face(tone: str) -> float:
        attributes = {**PLAIN, "skin_tone": tone, "framing": "close-up", "hair_length": "bald"}
        portrait = draw(9, attributes, 160, 160)
        return float(portrait.foreground[60:100, 60:100].mean())

    tones = [face(tone) for tone in ("very light", "medium", "dark")]
    assert tones[0] > tones[1] + 15 > tones[2] + 30


def test_head_pose_and_gaze_move_the_face_not_the_clothes() -> None:
    attributes = {**PLAIN, "hair_length": "bald", "framing": "half body"}
    frontal = over(draw(9, attributes, 192, 192), 128)
    turned = over(draw(9, {**attributes, "head_pose": "turned left"}, 192, 192), 128)
    change = np.abs(frontal - turned).mean(-1)
    assert change[:80].max() > 60
    assert change[120:].max() < 8


def test_hair_is_soft_and_the_body_is_not() -> None:
    portrait = draw(21, {**PLAIN, "hair_texture": "curly"}, 384, 384)
    alpha = portrait.alpha
    soft = (alpha > 0) & (alpha < 255)
    assert 0.01 < soft.mean() < 0.15
    values = np.unique(alpha[soft])
    assert len(values) > 150
    bald = draw(21, {**PLAIN, "hair_length": "bald"}, 384, 384).alpha
    soft_bald = ((bald > 0) & (bald < 255)).mean()
    assert soft_bald < 0.35 * soft.mean()


@pytest.mark.parametrize("clothing", VOCABULARY["clothing"])
def test_without_hair_only_the_rim_is_soft(clothing: str) -> None:
    """Inside, where garment meets skin, nothing shows through: exact 255 up to the rim.

    The exception are a few pixels where a gap (arm and hip) closes below a pixel's width.
    """
    attributes = {
        **PLAIN,
        "hair_length": "bald",
        "clothing": clothing,
        "framing": "three-quarter length",
        "arms": "hand on hip",
    }
    alpha = draw(31, attributes, 256, 256).alpha
    to_background = cv2.distanceTransform((alpha > 0).astype(np.uint8), cv2.DIST_L2, 5)
    assert (alpha[to_background > 3] < 255).mean() < 0.004
    assert (alpha[to_background > 12] == 255).all()
    to_body = cv2.distanceTransform((alpha < 255).astype(np.uint8), cv2.DIST_L2, 5)
    assert (alpha[to_body > 3] == 0).all()


def test_strands_enclose_true_background() -> None:
    found = [
        openings(
            draw(seed, {**PLAIN, "hair_texture": "curly", "hair_length": "long"}, 384, 384).alpha, 4
        )
        for seed in (1, 2, 3)
    ]
    assert min(found) >= 5


@pytest.mark.parametrize(
    ("arms", "least"), [("hand on hip", 1), ("hands on hips", 2), ("behind the head", 1)]
)
def test_arms_enclose_true_background(arms: str, least: int) -> None:
    attributes = {
        **PLAIN,
        "arms": arms,
        "hair_length": "buzz cut",
        "gender": "man",
        "framing": "three-quarter length",
    }
    portrait = draw(6, attributes, 320, 320)
    assert openings(portrait.alpha, 60) >= least


def test_hoops_enclose_true_background() -> None:
    attributes = {
        **PLAIN,
        "hair_length": "buzz cut",
        "framing": "close-up",
        "jewellery": "hoop earrings",
    }
    with_hoops = [openings(draw(seed, attributes, 384, 384).alpha, 30) for seed in range(4)]
    without = [
        openings(draw(seed, {**attributes, "jewellery": "none"}, 384, 384).alpha, 30)
        for seed in range(4)
    ]
    assert max(without) == 0
    assert sum(with_hoops) >= 4


def test_colour_continues_outside() -> None:
    portrait = draw(8, PLAIN, 256, 256)
    outside = portrait.alpha == 0
    colour = portrait.foreground.astype(np.float32)
    step = np.abs(np.diff(colour, axis=1)).max(-1)
    both = outside[:, 1:] & outside[:, :-1]
    assert np.quantile(step[both], 0.99) < 12
    assert colour[outside].std() > 1


def test_no_halo_in_straight_colour() -> None:
    """Dark hair stays dark where it is thin: no background was mixed into its colour."""
    attributes = {**PLAIN, "hair_color": "black", "hair_texture": "curly", "hair_length": "long"}
    portrait = draw(8, attributes, 384, 384)
    rows = slice(0, 200)
    alpha, colour = portrait.alpha[rows], portrait.foreground[rows].mean(-1)
    thin = (alpha > 12) & (alpha < 120)
    assert np.quantile(colour[thin], 0.9) < 110
