"""What one writes without this package: ``datasets``, ``webdataset``, litdata and SPDL.

Each function gives an iterator over one pass.
"""

from __future__ import annotations

import functools
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray


def shards_of(root: Path) -> list[str]:
    return sorted(str(path) for path in (root / "data").glob("train-*.tar"))


def webdataset_bytes(urls: list[str]) -> Iterator[Any]:
    import webdataset

    return iter(webdataset.WebDataset(urls, shardshuffle=False))


def webdataset_pil(urls: list[str]) -> Iterator[Any]:
    import webdataset

    return iter(webdataset.WebDataset(urls, shardshuffle=False).decode("pil"))


def datasets_stream(urls: list[str], decode: bool) -> Iterator[Any]:
    import datasets

    rows = datasets.load_dataset("webdataset", data_files=urls, split="train", streaming=True)
    return iter(rows if decode else rows.decode(False))


def has_alpha(sample: dict[str, Any]) -> int:
    return bool(sample["alpha.png"])


def to_arrays(sample: dict[str, Any]) -> int:
    foreground = np.asarray(sample["foreground.png"])
    alpha = np.asarray(sample["alpha.png"])
    # webdataset makes RGB of the matte too.
    return int(foreground.dtype == np.uint8 and alpha.shape[:2] == foreground.shape[:2])


def ours_arrays(sample: dict[str, Any]) -> int:
    return int(sample["foreground"].dtype == np.uint8 and sample["alpha"].ndim == 2)


def obvious_training_sample(
    row: dict[str, Any], rng: np.random.Generator, files: list[Path]
) -> dict[str, NDArray[Any]]:
    """What one writes without a library: PIL for pictures, numpy for the rest."""
    from PIL import Image

    foreground = row["foreground.png"].convert("RGB")
    alpha = row["alpha.png"].convert("L")
    matte = np.asarray(alpha)
    ys, xs = np.nonzero((matte > 0) & (matte < 255))
    place = int(rng.integers(len(xs))) if len(xs) else 0
    center = (int(xs[place]), int(ys[place])) if len(xs) else (matte.shape[1] // 2,) * 2
    side = int(512 / np.exp(rng.uniform(np.log(0.8), np.log(1.6))))
    left = min(max(center[0] - side // 2, 0), max(matte.shape[1] - side, 0))
    top = min(max(center[1] - side // 2, 0), max(matte.shape[0] - side, 0))
    box = (left, top, left + side, top + side)
    foreground = foreground.resize((512, 512), Image.Resampling.BILINEAR, box=box)
    alpha = alpha.resize((512, 512), Image.Resampling.BILINEAR, box=box)
    if rng.random() < 0.5:
        foreground = foreground.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        alpha = alpha.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    color = np.asarray(foreground, np.float32) / 255
    color = np.clip(color * rng.uniform(0.8, 1.2), 0, 1)
    weight = np.asarray(alpha, np.float32) / 255
    with Image.open(files[int(rng.integers(len(files)))]) as stored:
        picture = stored.convert("RGB")
        window = min(picture.size)
        x = int(rng.integers(picture.size[0] - window + 1))
        y = int(rng.integers(picture.size[1] - window + 1))
        picture = picture.resize((512, 512), box=(x, y, x + window, y + window))
    background = np.asarray(picture, np.float32) / 255
    image = weight[..., None] * color + (1 - weight[..., None]) * background
    erode, dilate = rng.integers(1, 30, 2)
    trimap = np.full(weight.shape, 0.5, np.float32)
    disc = [
        cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * int(r) + 1,) * 2) for r in (erode, dilate)
    ]
    trimap[cv2.erode((weight == 1).astype(np.uint8), disc[0]) > 0] = 1
    trimap[cv2.erode((weight == 0).astype(np.uint8), disc[1]) > 0] = 0
    return {
        "image": image.transpose(2, 0, 1).copy(),
        "alpha": weight[None],
        "trimap": trimap[None],
        "foreground": color.transpose(2, 0, 1).copy(),
        "background": background.transpose(2, 0, 1).copy(),
    }


class ObviousDataset:
    """The obvious training set over ``datasets`` or ``webdataset``, for a torch DataLoader."""

    def __init__(self, root: Path, backgrounds: Path, reader: str = "datasets") -> None:
        from torch.utils.data import IterableDataset

        IterableDataset.register(ObviousDataset)
        self.root = root
        self.reader = reader
        self.files = sorted(backgrounds.iterdir())

    def __iter__(self) -> Iterator[dict[str, NDArray[Any]]]:
        from torch.utils.data import get_worker_info

        info = get_worker_info()
        urls = shards_of(self.root)
        # Both libraries deal the shards to the workers themselves.
        rng = np.random.default_rng(info.id if info else 0)
        stream = datasets_stream(urls, True) if self.reader == "datasets" else webdataset_pil(urls)
        for row in stream:
            yield obvious_training_sample(row, rng, self.files)


def obvious_loader(root: Path, backgrounds: Path, reader: str, workers: int) -> Iterator[Any]:
    from torch.utils.data import DataLoader

    dataset: Any = ObviousDataset(root, backgrounds, reader)
    return iter(DataLoader(dataset, batch_size=8, num_workers=workers))


def _decoded(sample: dict[str, Any]) -> dict[str, Any]:
    from PIL import Image

    return {key: Image.open(io.BytesIO(sample[key])) for key in ("foreground.png", "alpha.png")}


def spdl_loader(root: Path, backgrounds: Path, threads: int) -> Iterator[Any]:
    """SPDL's pipeline of threads around the obvious code."""
    from spdl.pipeline import PipelineBuilder
    from torch.utils.data import default_collate

    files = sorted(backgrounds.iterdir())
    rng = np.random.default_rng(0)

    def make(sample: Any) -> Any:
        return obvious_training_sample(_decoded(sample), rng, files)

    pipeline: Any = (
        PipelineBuilder()
        .add_source(webdataset_bytes(shards_of(root)))
        .pipe(make, concurrency=threads)
        .aggregate(8)
        .pipe(default_collate)
        .add_sink(2)
        .build(num_threads=threads)
    )
    with pipeline.auto_stop():
        yield from pipeline


def litdata_copy(root: Path, folder: Path) -> Path:
    """The same encoded samples in litdata's own chunks."""
    import litdata

    output = folder / "litdata"
    samples = [
        {key: sample[key] for key in ("foreground.png", "alpha.png")}
        for sample in webdataset_bytes(shards_of(root))
    ]
    litdata.optimize(
        fn=_same, inputs=samples, output_dir=str(output), chunk_bytes="64MB", num_workers=1
    )
    return output


def _same(sample: Any) -> Any:
    return sample


def litdata_loader(copy: Path, backgrounds: Path, workers: int) -> Iterator[Any]:
    """litdata's loader around the obvious code."""
    import litdata

    make = functools.partial(_litdata_sample, files=sorted(backgrounds.iterdir()))
    dataset = litdata.StreamingDataset(str(copy), transform=make)
    loader = litdata.StreamingDataLoader(dataset, batch_size=8, num_workers=workers)
    return iter(loader)


_RNG = np.random.default_rng(0)


def _litdata_sample(sample: dict[str, Any], files: list[Path]) -> dict[str, NDArray[Any]]:
    return obvious_training_sample(_decoded(sample), _RNG, files)
