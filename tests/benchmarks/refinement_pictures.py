"""Draw the pictures of refinement/README.md from procedural portraits.

python tests/benchmarks/refinement_pictures.py
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT)]

from builder.generation.procedural import damage, draw  # noqa: E402
from refinement import Options, refine  # noqa: E402
from refinement.regions.division import divide  # noqa: E402

GROUND = (70, 130, 140)
LOOK = {"hair_style": "loose", "hair_length": "chin-length", "hair_texture": "curly"}


def signature(alpha: NDArray[Any]) -> NDArray[Any]:
    """Alpha with faint values in blue and almost opaque ones in red, BGR."""
    shown = np.repeat(alpha[..., None], 3, axis=2)
    faint, veiled = (alpha > 0) & (alpha < 16), (alpha >= 230) & (alpha < 255)
    shown[faint] = np.stack([60 + 13 * alpha[faint], 0 * alpha[faint], 0 * alpha[faint]], -1)
    depth = 255 - 7 * (254 - alpha[veiled].astype(int))
    shown[veiled] = np.stack([0 * depth, 0 * depth, depth], -1)
    return shown


def over(colour: NDArray[Any], alpha: NDArray[Any], ground: tuple[int, int, int]) -> NDArray[Any]:
    """A composite, BGR."""
    share = alpha[..., None].astype(np.float32)
    return np.rint(share * colour + (1 - share) * np.array(ground)).astype(np.uint8)[..., ::-1]


def row(rgba: NDArray[np.uint8], crop: tuple[slice, slice], choices: list[Options]) -> NDArray[Any]:
    """The raw picture and what each choice of options makes of it, on one ground."""
    results: list[tuple[NDArray[Any], NDArray[Any]]] = [(rgba[..., :3], rgba[..., 3] / 255)]
    results += [(r.foreground, r.alpha) for r in (refine(rgba, options=o) for o in choices)]
    parts = [over(colour[crop], alpha[crop], GROUND) for colour, alpha in results]
    gap = np.full((parts[0].shape[0], 6, 3), 255, np.uint8)
    return np.hstack([piece for part in parts for piece in (part, gap)][:-1])


def wide_border(seed: int) -> NDArray[Any]:
    """A portrait in a haze of 0.4 that reaches 70 px of 640 beyond head and shoulders."""
    portrait = draw(seed, {**LOOK, "arms": "at the sides"}, 640, 640)
    body = (portrait.alpha > 127).astype(np.uint8)
    near = cv2.distanceTransform(1 - body, cv2.DIST_L2, 5) < 70
    veil = cv2.GaussianBlur(near.astype(np.float32), (0, 0), 14.0) * 102
    alpha = np.rint(np.maximum(portrait.alpha, veil)).astype(np.uint8)
    colour = np.where(portrait.alpha[..., None] > 127, portrait.foreground, np.uint8(235))
    return np.dstack(damage(colour, alpha, seed, 1.0))


def faded_strands(seed: int) -> NDArray[Any]:
    """Long hair whose strands fade 9 px from the body and come back."""
    look = {"hair_style": "loose", "hair_length": "long", "hair_texture": "wavy"}
    portrait = draw(seed, look, 640, 640)
    body = cv2.morphologyEx(
        (portrait.alpha > 127).astype(np.uint8), cv2.MORPH_OPEN, np.ones((9, 9), np.uint8)
    )
    away = cv2.distanceTransform(1 - body, cv2.DIST_L2, 5)
    alpha = portrait.alpha * (1 - np.exp(-(((away - 9) / 2.5) ** 2)))
    return np.dstack(damage(portrait.foreground, np.rint(alpha).astype(np.uint8), seed, 1.0))


def two_people(seed: int) -> NDArray[Any]:
    look = {"framing": "half body", "arms": "at the sides", "hair_length": "short"}
    alpha = np.zeros((640, 640), np.uint8)
    colour = np.full((640, 640, 3), 128, np.uint8)
    for number, (width, height, left) in enumerate(((320, 640, 0), (260, 520, 380))):
        portrait = draw(seed + number, look, width, height)
        place = np.s_[640 - height :, left : left + width]
        alpha[place], colour[place] = portrait.alpha, portrait.foreground
    return np.dstack(damage(colour, alpha, seed, 1.0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=ROOT / "refinement" / "images")
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    portrait = draw(arguments.seed, {**LOOK, "arms": "hand on hip"}, 640, 640)
    rgba = np.dstack(damage(portrait.foreground, portrait.alpha, arguments.seed, 2.0))
    result = refine(rgba)
    final = np.rint(255 * result.alpha).astype(np.uint8)
    regions = divide(rgba[..., 3], 640 / 1024, Options())
    parts = np.full((640, 640, 3), (60, 190, 250), np.uint8)
    parts[regions.inside.pixels() > 0] = 255
    parts[regions.outside.pixels() > 0] = 0
    prior = np.hstack([signature(rgba[..., 3]), parts, signature(final)])

    top = np.flatnonzero(portrait.alpha.max(1))[0]
    left = int(np.flatnonzero(portrait.alpha[top + 60])[0])
    crop = np.s_[top : top + 240, max(left - 40, 0) : max(left - 40, 0) + 240]

    rows = [
        np.hstack(
            [
                over(colour[crop], alpha[crop], g)
                for g in ((255, 255, 255), (0, 0, 0), (30, 180, 60))
            ]
        )
        for colour, alpha in (
            (rgba[..., :3], rgba[..., 3] / 255),
            (result.foreground, result.alpha),
            (portrait.foreground, portrait.alpha / 255),
        )
    ]
    widths = [
        refine(rgba, options=Options(estimate_colour=False, trimap_width=w)).trimap
        for w in (0, 8, 24)
    ]
    everything = np.s_[:, :]
    band = row(
        wide_border(arguments.seed),
        np.s_[80:480, 80:560],
        [Options(band_width=w) for w in (16, 64, 128)],
    )
    strands = row(
        faded_strands(20), np.s_[300:540, 100:340], [Options(), Options(keep_flyaways=False)]
    )
    bodies = row(
        two_people(11), everything, [Options(several_bodies=w) for w in ("keep", "largest")]
    )
    for name, picture in (
        ("band_width", cv2.resize(band, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)),
        ("keep_flyaways", strands),
        ("several_bodies", cv2.resize(bodies, None, fx=0.4, fy=0.4, interpolation=cv2.INTER_AREA)),
        ("prior", cv2.resize(prior, None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA)),
        ("colour", np.vstack(rows)),
        ("trimap_width", cv2.resize(np.hstack(widths), None, fx=0.4, fy=0.4)),
    ):
        quality = [cv2.IMWRITE_WEBP_QUALITY, 85]
        cv2.imwrite(str(arguments.output / f"{name}.webp"), picture, quality)


if __name__ == "__main__":
    main()
