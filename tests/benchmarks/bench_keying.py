"""The keyer on procedural foregrounds before green and blue screens, with their truth.

    python tests/benchmarks/bench_keying.py                    # 36 foregrounds of 512 px
    python tests/benchmarks/bench_keying.py --count 6 --pictures out
    python tests/benchmarks/bench_keying.py --speed            # one core, 1920x1080
    python tests/benchmarks/bench_keying.py --truth DIR        # RGBA pictures or a dataset

Errors are those of alpha to the truth, x 1e-3 (SAD in thousands); "band" is where either the
true alpha is strictly between 0 and 1 or such a place is within 5 px. "plain" is the colour
difference alone against the true plate, with nothing cleaned: what the rest of the keyer adds.
"blurred" is the truth behind the lens blur: what no keyer that knows no lens can undercut.
The screen is the one that an operator would choose (``choose_screen``).
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT)]

from ld_portrait_20k.compositing import composite  # noqa: E402
from ld_portrait_20k.matting.data.sources import open_source  # noqa: E402
from ld_portrait_20k.matting.keying.camera import Camera, choose_screen, shoot  # noqa: E402
from ld_portrait_20k.matting.keying.keyer import key  # noqa: E402
from ld_portrait_20k.matting.keying.light import Screen, excess, to_light  # noqa: E402

Picture = NDArray[np.uint8]
GROUNDS = {"white": (255, 255, 255), "black": (0, 0, 0), "green": (60, 150, 90)}


def procedural(count: int, size: int) -> Iterator[tuple[str, Picture, Picture]]:
    from builder.generation.procedural import draw
    from builder.prompts.vocabulary import VOCABULARY

    styles = VOCABULARY["hair_style"]
    for i in range(count):
        wanted = {"hair_style": styles[i % len(styles)]} if i % 4 else {}
        portrait = draw(7000 + i, wanted, size, size)
        yield f"{i:03d}", portrait.foreground, portrait.alpha


def given(where: str, count: int) -> Iterator[tuple[str, Picture, Picture]]:
    source = open_source(where)
    for index in range(min(count, len(source))):
        sample = source[index]
        if sample.foreground is not None:
            yield sample.sample_id.replace("/", "_"), sample.foreground, sample.alpha


def errors(predicted: NDArray[np.floating], alpha: Picture) -> dict[str, float]:
    off = np.abs(predicted - alpha / 255)
    soft = ((alpha > 0) & (alpha < 255)).astype(np.uint8)
    band = cv2.dilate(soft, np.ones((11, 11), np.uint8)) > 0
    return {
        "MAD": float(off.mean()) * 1e3,
        "SAD": float(off.sum()) / 1e3,
        "band": float(off[band].mean()) * 1e3,
        "MSE": float((off**2).mean()) * 1e3,
    }


def plain(shot_image: Picture, plate: Picture, screen: Screen) -> NDArray[np.floating]:
    full = excess(to_light(plate), screen)
    return 1 - np.clip(excess(to_light(shot_image), screen) / np.maximum(full, 1e-3), 0, 1)


def measure(
    pictures: Iterator[tuple[str, Picture, Picture]], where: Path | None
) -> dict[str, list[dict[str, float]]]:
    found: dict[str, list[dict[str, float]]] = {}
    for number, (name, foreground, alpha) in enumerate(pictures):
        screen = choose_screen(foreground, alpha)
        shot = shoot(foreground, alpha, Camera(screen), seed=number)
        ideal = shoot(foreground, alpha, Camera.ideal(screen), seed=number)
        keyed = key(shot.image)
        rows = {
            "keyed": keyed.alpha / 255,
            "keyed, plate given": key(shot.image, plate=shot.plate).alpha / 255,
            "plain": plain(shot.image, shot.plate, screen),
            "ideal camera": key(ideal.image).alpha / 255,
            "ideal camera, plain": plain(ideal.image, ideal.plate, screen),
            "blurred": np.asarray(cv2.GaussianBlur(alpha / 255, (0, 0), Camera().blur), np.float64),
        }
        for kind, predicted in rows.items():
            found.setdefault(kind, []).append(errors(predicted, alpha))
        for warning in keyed.warnings:
            print(f"{name}: {warning}", file=sys.stderr)
        if where:
            show(
                where / f"{name}.png", shot.image, keyed.foreground, keyed.alpha, foreground, alpha
            )
    return found


def show(path: Path, image: Picture, colour: Picture, matte: Picture, *truth: Picture) -> None:
    """Footage, matte and composites of the keyed foreground, and of the truth below."""
    rows = []
    for front, alpha in ((colour, matte), truth):
        grounds = [np.broadcast_to(np.array(c, np.uint8), front.shape) for c in GROUNDS.values()]
        over = [composite(front, alpha, ground.copy()) for ground in grounds]
        rows.append(np.hstack([image, np.repeat(alpha[..., None], 3, 2), *over]))
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.vstack(rows)[..., ::-1])


def speed() -> None:
    cv2.setNumThreads(1)
    _, foreground, alpha = next(procedural(1, 1080))
    pad = ((0, 0), (420, 420))
    shot = shoot(np.pad(foreground, (*pad, (0, 0))), np.pad(alpha, pad))
    times = []
    for _ in range(3):
        begun = time.process_time()
        key(shot.image)
        times.append(time.process_time() - begun)
    print(f"{shot.image.shape[1]}x{shot.image.shape[0]}: {min(times):.2f} CPU-s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=36)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--truth", metavar="DIR", help="RGBA pictures, or a dataset")
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="write what it looks like")
    parser.add_argument("--speed", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.speed:
        speed()
        return
    subjects = (
        given(options.truth, options.count)
        if options.truth
        else procedural(options.count, options.size)
    )
    found = measure(subjects, options.pictures)
    means = {
        kind: {name: statistics.mean(row[name] for row in rows) for name in rows[0]}
        for kind, rows in found.items()
    }
    if options.json:
        print(json.dumps(means))
        return
    print(f"{'':22}" + "".join(f"{name:>9}" for name in ("MAD", "SAD", "band", "MSE")))
    for kind, row in means.items():
        print(f"{kind:22}" + "".join(f"{value:9.2f}" for value in row.values()))


if __name__ == "__main__":
    main()
