"""Figures of matting models on drawn and real portraits, for the tables of matting.

    python -m tests.benchmarks.bench_matting --shared DIR [--models hint-unet closed-form]
        [--drawn 24] [--pictures DIR]

DIR holds ``backgrounds/``, ``layerdiffuse/`` and ``mattes/``: four photographs, Layer
Diffusion outputs and pymatting's lemur. Three sets, all in the unknown region:

- drawn: procedural portraits of 640 px with exact alpha, of seeds that no recipe uses, each
  over one of the photographs;
- real: four Layer Diffusion foregrounds, refined by this project (nobody knows their true
  alpha), at most 768 px a side, over each photograph;
- lemur: a photograph whose "truth" is closed-form's own result, so closed-form wins there.

Trimaps of drawn and real: every soft pixel, and 10 px either way. Milliseconds are CPU time
of one thread a picture. Run it with OMP_NUM_THREADS=1.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from builder.generation.procedural import draw
from ld_portrait_20k import matting
from ld_portrait_20k.compositing.composite import composite
from ld_portrait_20k.compositing.geometry import resize_picture
from ld_portrait_20k.compositing.trimaps import trimap
from ld_portrait_20k.matting.metrics import METRICS, score
from refinement import refine

FIRST_SEED: Final = 7_000_000
"""Of the drawn portraits; datasets derive theirs by hashing, so none of them is this one."""

REAL: Final = (
    "portrait_01_sdxl_curlyman_i2i", "portrait_03_sdxl_man_inpaint",
    "portrait_05_sd15_armorman", "animal_01_sdxl_cat",
)  # fmt: skip
_BAND: Final = 10  # pixels; as in the facts that this table is compared with
_SCALES: Final = {"sad": 1.0, "mse": 1e3, "mad": 1e3, "grad": 1.0, "conn": 1.0}


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """One picture with its trimap (0, 0.5, 1) and its alpha, float32 0..1."""

    group: str
    name: str
    image: NDArray[np.float32]
    trimap: NDArray[np.float32]
    alpha: NDArray[np.float32]


def cases(shared: Path, drawn: int) -> Iterator[Case]:
    """All cases of the three sets."""
    photographs = [_read(path) for path in sorted((shared / "backgrounds").glob("*.jpg"))]
    for number in range(drawn):
        portrait = draw(FIRST_SEED + number, {}, 640, 640)
        background = photographs[number % len(photographs)]
        yield _composed("drawn", f"drawn-{number}", portrait.foreground, portrait.alpha, background)
    for name in REAL:
        layers = _read(shared / "layerdiffuse" / f"{name}.png", cv2.IMREAD_UNCHANGED)
        refined = refine(layers)
        alpha = np.rint(refined.alpha * 255).astype(np.uint8)
        scale = min(1.0, 768 / max(alpha.shape))
        size = (round(alpha.shape[0] * scale), round(alpha.shape[1] * scale))
        foreground = resize_picture(np.asarray(refined.foreground, np.uint8), size)
        alpha = resize_picture(alpha, size)
        for number, background in enumerate(photographs):
            yield _composed("real", f"{name}-{number}", foreground, alpha, background)
    folder = shared / "mattes"
    alpha = _read(folder / "lemur_alpha.png", cv2.IMREAD_GRAYSCALE)
    known = _read(folder / "lemur_trimap.png", cv2.IMREAD_GRAYSCALE)
    yield Case("lemur", "lemur", _unit(_read(folder / "lemur.png")), _known(known), _unit(alpha))


def measure(model: Any, case: Case) -> tuple[dict[str, float], NDArray[np.float32]]:
    """Errors in the unknown region, CPU milliseconds, and the matte."""
    began = time.process_time()
    predicted = model(case.image, case.trimap)
    spent = time.process_time() - began
    unknown = (case.trimap > 0) & (case.trimap < 1)
    figures = score(predicted, case.alpha, {"unknown": unknown})["unknown"]
    return {**figures, "ms": 1000 * spent}, predicted


def main() -> None:
    """Print a Markdown table; write pictures where asked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument(
        "--models", nargs="+", default=["hint-unet", "closed-form", "guided-filter"]
    )
    parser.add_argument("--drawn", type=int, default=24)
    parser.add_argument("--pictures", type=Path, help="a sheet a case: all the mattes")
    options = parser.parse_args()
    _one_thread()
    models = {name: matting.load(name) for name in options.models}
    rows: dict[tuple[str, str], list[dict[str, float]]] = {}
    for case in cases(options.shared, options.drawn):
        mattes = []
        for name, model in models.items():
            figures, predicted = measure(model, case)
            rows.setdefault((case.group, name), []).append(figures)
            mattes.append(predicted)
        if options.pictures:
            options.pictures.mkdir(parents=True, exist_ok=True)
            _sheet(options.pictures / f"{case.name}.png", case, mattes)
    print("| set | model | SAD / 1000 | MSE x 1e-3 | MAD x 1e-3 | Grad / 1000 | Conn / 1000 | ms |")
    print("|---|---|---|---|---|---|---|---|")
    for (group, name), found in rows.items():
        means = [np.mean([row[key] for row in found]) * _SCALES[key] for key in METRICS]
        text = " | ".join(f"{value:.2f}" for value in means)
        spent = np.median([row["ms"] for row in found])
        print(f"| {group} ({len(found)}) | {name} | {text} | {spent:.0f} |")


def _composed(
    group: str,
    name: str,
    foreground: NDArray[np.uint8],
    alpha: NDArray[np.uint8],
    background: NDArray[np.uint8],
) -> Case:
    height, width = alpha.shape
    scale = max(height / background.shape[0], width / background.shape[1])
    size = (
        max(height, round(background.shape[0] * scale)),
        max(width, round(background.shape[1] * scale)),
    )
    behind = resize_picture(background, size)[:height, :width]
    image = composite(foreground, alpha, np.ascontiguousarray(behind))
    return Case(group, name, _unit(image), _known(trimap(alpha, _BAND, _BAND)), _unit(alpha))


def _known(values: NDArray[np.uint8]) -> NDArray[np.float32]:
    half = np.full(values.shape, 0.5, np.float32)
    half[values < 5], half[values > 250] = 0, 1
    return half


def _unit(values: NDArray[np.uint8]) -> NDArray[np.float32]:
    return values.astype(np.float32) / np.float32(255)


def _read(path: Path, flags: int = cv2.IMREAD_COLOR) -> NDArray[np.uint8]:
    picture = cv2.imread(str(path), flags)
    if picture is None:
        raise SystemExit(f"{path}: not a picture that can be read")
    if picture.ndim == 3:
        way = cv2.COLOR_BGRA2RGBA if picture.shape[2] == 4 else cv2.COLOR_BGR2RGB
        picture = cv2.cvtColor(picture, way)
    return np.asarray(picture).astype(np.uint8)


def _sheet(path: Path, case: Case, mattes: list[NDArray[np.float32]]) -> None:
    planes = [case.trimap, *mattes, case.alpha]
    grey = [cv2.cvtColor(np.rint(p * 255).astype(np.uint8), cv2.COLOR_GRAY2BGR) for p in planes]
    image = cv2.cvtColor(np.rint(case.image * 255).astype(np.uint8), cv2.COLOR_RGB2BGR)
    cv2.imwrite(str(path), np.concatenate([image, *grey], axis=1))


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)
    cv2.setNumThreads(1)


if __name__ == "__main__":
    main()
