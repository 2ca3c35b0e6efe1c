"""Datasets made for the tests of the card: metadata, shards, manifests."""

import hashlib
import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from ld_portrait_20k.format import schema, ustar
from ld_portrait_20k.format.manifest import Manifest, ShardRecord


def metadata(index: int, **changes: Any) -> dict[str, Any]:
    item: dict[str, Any] = {
        "id": schema.sample_id(index),
        "prompt": f"portrait photo of person {index}, soft daylight",
        "attributes": {"age": ("young", "elderly")[index % 2], "hair_length": "long"},
        "seed": index,
        "attempt": index % 3,
        "width": 24,
        "height": 32,
        "generator": {"name": "procedural", "version": "1.2", "damage": 0.5},
        "refinement": {"version": "1", "band_area": 0.01 * (index % 30), "pieces_removed": index},
        "quality": {"coverage": 0.4 + 0.001 * index, "soft_area": 0.07, "touches_bottom": True},
        "truth": {"raw_sad": 4.0 + index, "raw_mse": 2.0, "refined_sad": 1.5, "refined_mse": 0.25},
    }
    return schema.complete(item | changes)


def manifest(samples: int, generator: str = "procedural", **changes: Any) -> Manifest:
    rows = tuple((index, 10, 10, 10) for index in range(samples))
    name = schema.shard_name("default", "train", 0, 1)
    shard = ShardRecord(name, "default", "train", 10_240, "0" * 64, rows)
    fields: dict[str, Any] = {
        "foreground_format": "png",
        "plan_hash": "ab" * 32,
        "generator": generator,
        "splits": {"train": samples},
        "shards": (shard,),
    }
    return Manifest(**(fields | changes))


def _encode(picture: NDArray[np.uint8], image_format: str) -> bytes:
    out = io.BytesIO()
    Image.fromarray(picture).save(out, image_format)
    return out.getvalue()


def write_dataset(
    root: Path, shards: dict[str, list[list[int]]], foreground_format: str = "png"
) -> tuple[Manifest, list[dict[str, Any]]]:
    """Write real shards (split to lists of sample numbers) of the subsets default and raw."""
    records, items = [], {}
    for subset in ("default", "raw"):
        for split, parts in shards.items():
            for place, numbers in enumerate(parts):
                content, rows = b"", []
                for number in numbers:
                    items[number] = metadata(number)
                    rng = np.random.default_rng(number)
                    files = (
                        _encode(rng.integers(0, 255, (32, 24, 3), np.uint8), foreground_format),
                        _encode(rng.integers(0, 255, (32, 24), np.uint8), "png"),
                        schema.encode_metadata(items[number]),
                    )
                    for suffix, data in zip(schema.members(foreground_format), files, strict=True):
                        content += ustar.encode_header(f"{items[number]['id']}.{suffix}", len(data))
                        content += data + bytes(ustar.padding(len(data)))
                    foreground, alpha, text = map(len, files)
                    rows.append((number, foreground, alpha, text))
                content += ustar.END
                path = schema.shard_name(subset, split, place, len(parts))
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).write_bytes(content)
                digest = hashlib.sha256(content).hexdigest()
                records.append(ShardRecord(path, subset, split, len(content), digest, tuple(rows)))
    splits = {split: sum(map(len, parts)) for split, parts in shards.items()}
    made = manifest(0, splits=splits, shards=tuple(records), foreground_format=foreground_format)
    return made, [items[number] for number in sorted(items)]


@pytest.fixture(scope="session")
def make() -> SimpleNamespace:
    return SimpleNamespace(metadata=metadata, manifest=manifest, write_dataset=write_dataset)
