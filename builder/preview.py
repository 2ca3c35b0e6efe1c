"""Pictures of a dataset: a contact sheet of samples spread over the whole of it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dataset_card.gallery import contact_sheet
from ld_portrait_20k import codec, schema
from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.manifest import Manifest
from ld_portrait_20k.shard_reader import ShardReader

MAX_SAMPLES = 400


def spread(manifest: Manifest, count: int, subset: str = "default") -> list[str]:
    """Ids spread evenly over a subset, in id order.

    Args:
        manifest: The dataset's manifest.
        count: How many at most.
        subset: ``default``, ``raw`` or ``truth``.
    """
    numbers = np.sort(np.concatenate([shard.rows()[:, 0] for shard in manifest.select(subset)]))
    if len(numbers) > count:
        numbers = numbers[(2 * np.arange(count) + 1) * len(numbers) // (2 * count)]
    return [schema.sample_id(int(number)) for number in numbers]


def read_chosen(
    root: Path, manifest: Manifest, ids: list[str], subset: str = "default"
) -> Iterator[tuple[str, NDArray[np.uint8], NDArray[np.uint8]]]:
    """Read some samples by id, straight from their offsets.

    Yields:
        Id, foreground (H, W, 3) uint8 straight sRGB, alpha (H, W) uint8; in shard order.

    Raises:
        PortraitError: A shard cannot be read, or a picture is damaged.
    """
    wanted = set(ids)
    for shard in manifest.select(subset):
        if wanted.isdisjoint(shard.ids()):
            continue
        path = root / shard.path
        try:
            with ShardReader(path, shard, manifest.foreground_format) as reader:
                for key in filter(wanted.__contains__, shard.ids()):
                    sample = reader.sample(key)
                    foreground = codec.decode_foreground(sample.foreground)
                    yield key, foreground, codec.decode_alpha(sample.alpha)
        except codec.ImageError as problem:
            raise PortraitError(
                f"{path}: {problem}; try: python -m builder verify {shlex.quote(str(root))}"
            ) from problem


def sheet(
    root: Path, manifest: Manifest, *, count: int, columns: int, cell: int, subset: str = "default"
) -> NDArray[np.uint8]:
    """A contact sheet: each portrait on light, dark and a photo-like background, and its matte.

    Args:
        root: The dataset folder.
        manifest: Its manifest.
        count: How many samples, spread evenly.
        columns: Samples side by side.
        cell: Side of one picture in pixels.
        subset: ``default``, ``raw`` or ``truth``.

    Returns:
        (H, W, 3) uint8 sRGB.

    Raises:
        PortraitError: The subset is not there, or a shard is damaged.
    """
    if subset not in manifest.subsets():
        have = ", ".join(manifest.subsets())
        raise PortraitError(f"{root}: has no subset {subset!r}; it has {have}")
    if not 1 <= count <= MAX_SAMPLES:
        raise PortraitError(f"--count is 1 to {MAX_SAMPLES}")
    assert subset in schema.SUBSETS
    chosen = list(read_chosen(root, manifest, spread(manifest, count, subset), subset))
    chosen.sort(key=lambda item: item[0])
    return contact_sheet(chosen, columns=columns, cell=cell)
