"""Pictures of a dataset: a contact sheet of samples spread over the whole of it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from dataset_card.gallery import PAPER, Layers, comparison_sheet, contact_sheet
from ld_portrait_20k import codec
from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.format import schema
from ld_portrait_20k.format.manifest import Manifest
from ld_portrait_20k.format.shard_reader import ShardReader

MAX_SAMPLES = 400

_Read = tuple[str, NDArray[np.uint8], NDArray[np.uint8]]


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
    root: Path,
    manifest: Manifest,
    *,
    count: int,
    columns: int,
    cell: int,
    subset: str = "default",
    compare: int = 0,
) -> NDArray[np.uint8]:
    """A contact sheet: each portrait on light, dark and a photo-like background, and its matte.

    Below them, some of the samples before and after refinement, with the change.

    Args:
        root: The dataset folder.
        manifest: Its manifest.
        count: How many samples, spread evenly.
        columns: Samples side by side.
        cell: Side of one picture in pixels.
        subset: ``default``, ``raw`` or ``truth``.
        compare: How many of the samples are compared with their raw mattes: those that
            refinement changed most. None where the dataset has no raw subset, or for others
            than ``default``.

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
    drawn = contact_sheet(chosen, columns=columns, cell=cell)
    if not compare or subset != "default" or "raw" not in manifest.subsets():
        return drawn
    compared = _most_changed(root, manifest, chosen, compare)
    if not compared:
        return drawn
    return _below(drawn, comparison_sheet(compared, columns=columns, cell=cell))


def _most_changed(
    root: Path, manifest: Manifest, refined: Sequence[_Read], count: int
) -> list[tuple[str, Layers, Layers]]:
    """The samples whose alpha refinement changed most in the mean, with their raw pictures."""
    after = {key: (foreground, alpha) for key, foreground, alpha in refined}
    found: list[tuple[float, str, Layers, Layers]] = []
    for key, *raw in read_chosen(root, manifest, list(after), "raw"):
        before = raw[0], raw[1]
        if before[1].shape == after[key][1].shape:
            change = float(np.abs(before[1].astype(np.int16) - after[key][1]).mean())
            found = [*found, (change, key, before, after[key])]
            found.sort(key=lambda item: (-item[0], item[1]))
            del found[count:]
    return [(key, before, refined_one) for _, key, before, refined_one in found]


def _below(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Two sheets, one below the other, on paper of the wider one's width."""
    width = max(first.shape[1], second.shape[1])
    padded = [
        cv2.copyMakeBorder(sheet, 0, 0, 0, width - sheet.shape[1], cv2.BORDER_CONSTANT, value=PAPER)
        for sheet in (first, second)
    ]
    return np.vstack(padded).astype(np.uint8, copy=False)
