"""Draw the pictures of refinement/README.md from procedural portraits.

python tests/benchmarks/refinement_pictures.py
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT)]

from builder.generation.procedural import damage, draw  # noqa: E402
from refinement import Options, refine  # noqa: E402
from refinement.regions import divide  # noqa: E402

LOOK = {"hair_style": "loose", "hair_length": "chin-length", "hair_texture": "curly"}


def signature(alpha: np.ndarray) -> np.ndarray:
    """Alpha with faint values in blue and almost opaque ones in red, BGR."""
    shown = np.repeat(alpha[..., None], 3, axis=2)
    faint, veiled = (alpha > 0) & (alpha < 16), (alpha >= 230) & (alpha < 255)
    shown[faint] = np.stack([60 + 13 * alpha[faint], 0 * alpha[faint], 0 * alpha[faint]], -1)
    depth = 255 - 7 * (254 - alpha[veiled].astype(int))
    shown[veiled] = np.stack([0 * depth, 0 * depth, depth], -1)
    return shown


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
    parts[regions.inside > 0] = 255
    parts[regions.outside > 0] = 0
    prior = np.hstack([signature(rgba[..., 3]), parts, signature(final)])

    top = np.flatnonzero(portrait.alpha.max(1))[0]
    left = int(np.flatnonzero(portrait.alpha[top + 60])[0])
    crop = np.s_[top : top + 240, max(left - 40, 0) : max(left - 40, 0) + 240]

    def over(colour: np.ndarray, alpha: np.ndarray, ground: tuple[int, int, int]) -> np.ndarray:
        share = alpha[crop][..., None].astype(np.float32)
        mixed = share * colour[crop] + (1 - share) * np.array(ground)
        return np.rint(mixed).astype(np.uint8)[..., ::-1]

    rows = [
        np.hstack([over(colour, alpha, g) for g in ((255, 255, 255), (0, 0, 0), (30, 180, 60))])
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
    for name, picture in (
        ("prior", cv2.resize(prior, None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA)),
        ("colour", np.vstack(rows)),
        ("trimap_width", cv2.resize(np.hstack(widths), None, fx=0.4, fy=0.4)),
    ):
        quality = [cv2.IMWRITE_WEBP_QUALITY, 85]
        cv2.imwrite(str(arguments.output / f"{name}.webp"), picture, quality)


if __name__ == "__main__":
    main()
