"""Small datasets made through the public writer, for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from ld_portrait_20k import codec
from ld_portrait_20k.format import schema
from ld_portrait_20k.format.manifest import FILE_NAME, Manifest, ShardRecord
from ld_portrait_20k.format.shards import ShardWriter

PROMPTS = ("a portrait, ü ß 漢字", "photo of a person", "studio portrait")


def picture(index: int, width: int = 24, height: int = 16) -> tuple[NDArray[Any], NDArray[Any]]:
    """A foreground and a matte that differ for every index."""
    rng = np.random.default_rng(index)
    ramp = np.linspace(0, 255, width)[None, :, None] * np.ones((height, 1, 3))
    foreground = (ramp * 0.5 + rng.integers(0, 128, (height, width, 3))).astype(np.uint8)
    y, x = np.mgrid[:height, :width]
    radius = np.hypot(x - width / 2, y - height / 2) / (0.45 * min(width, height))
    alpha = np.clip((1.2 - radius) * 255 / 0.6 + rng.integers(-9, 9, (height, width)), 0, 255)
    return foreground, alpha.astype(np.uint8)


def metadata(index: int, width: int = 24, height: int = 16) -> dict:
    return {
        "id": schema.sample_id(index),
        "prompt": PROMPTS[index % 3],
        "seed": index * 7919,
        "attempt": 0,
        "width": width,
        "height": height,
        "attributes": {"age": "adult", "glasses": None},
        "generator": {"name": "test", "guidance": 0.1, "models": [{"id": "m", "role": "none"}]},
        "quality": {"coverage": 1 / 3, "touches_bottom": bool(index % 2)},
    }


def encoded(
    index: int, width: int = 24, height: int = 16, form: str = "png"
) -> tuple[bytes, bytes, bytes]:
    foreground, alpha = picture(index, width, height)
    return (
        codec.encode_foreground(foreground, form),
        codec.encode_alpha(alpha),
        schema.encode_metadata(metadata(index, width, height)),
    )


def write_shard(
    root: Path,
    record_path: str,
    indices: Iterable[int],
    split: str = "train",
    subset: str = "default",
    form: str = "png",
    size: tuple[int, int] = (24, 16),
) -> ShardRecord:
    with ShardWriter(root / record_path, form) as writer:
        for index in indices:
            writer.add(schema.sample_id(index), *encoded(index, *size, form=form))
    return writer.record(record_path, subset, split)


def build(
    root: Path,
    counts: dict[str, tuple[int, int]] | None = None,
    form: str = "png",
    subsets: Sequence[str] = ("default",),
    size: tuple[int, int] = (24, 16),
    step: int = 1,
) -> Manifest:
    """A dataset folder: split to (shards, samples a shard), manifest and a minimal card."""
    counts = counts or {"train": (2, 3), "test": (1, 2)}
    shards = []
    for subset in subsets:
        index = 0
        for split, (count, each) in counts.items():
            for number in range(count):
                ids = range(index, index + each * step, step)
                index += each * step
                name = schema.shard_name(subset, split, number, count)
                shards.append(write_shard(root, name, ids, split, subset, form, size))
    manifest = Manifest(
        foreground_format=form,
        plan_hash="0" * 64,
        generator="test",
        splits={split: count * each for split, (count, each) in counts.items()},
        shards=tuple(shards),
    )
    (root / FILE_NAME).write_text(manifest.to_json(), encoding="utf-8")
    (root / "README.md").write_text(card(manifest), encoding="utf-8")
    return manifest


def card(manifest: Manifest) -> str:
    """The least that the stock library needs of a dataset card."""
    features = schema.feature_yaml(manifest.foreground_format)
    head = {
        "configs": [
            {
                "config_name": subset,
                "default": subset == "default",
                "data_files": [
                    {"split": split, "path": f"{schema.SUBSETS[subset]}/{split}-*.tar"}
                    for split in manifest.splits
                ],
            }
            for subset in manifest.subsets()
        ],
        "dataset_info": [
            {"config_name": subset, "features": features} for subset in manifest.subsets()
        ],
    }
    return f"---\n{yaml.safe_dump(head, sort_keys=False)}---\n# test\n"
