"""Small but whole dataset folders, made with the project's own schema, manifest and tar."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

from ld_portrait_20k.format import schema, ustar
from ld_portrait_20k.format.manifest import Manifest, ShardRecord, file_sha256


def png(rng: np.random.Generator, mode: str, side: int) -> bytes:
    shape = (side, side, 3) if mode == "RGB" else (side, side)
    picture = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8)).save(picture, "PNG")
    return picture.getvalue()


def make_dataset(
    root: Path,
    *,
    shards: int = 4,
    samples: int = 3,
    side: int = 16,
    seed: int = 0,
    raw: bool = True,
) -> Manifest:
    """Write a dataset of ``shards * samples`` samples of random pixels.

    Args:
        root: The folder; may exist.
        shards: Shards of each subset.
        samples: Samples a shard.
        side: Side of the pictures in pixels; noise, so a sample has about 4 * side**2 bytes.
        seed: Of the pixels.
        raw: Whether the subset ``raw`` is there too.
    """
    records = []
    for subset in ("default", "raw") if raw else ("default",):
        for n in range(shards):
            path = root / schema.shard_name(subset, "train", n, shards)
            path.parent.mkdir(parents=True, exist_ok=True)
            rows: list[tuple[int, int, int, int]] = []
            with path.open("wb") as stream:
                for number in range(n * samples, (n + 1) * samples):
                    key = schema.sample_id(number)
                    rng = np.random.default_rng([seed, number, subset == "raw"])
                    text = schema.encode_metadata({"id": key, "prompt": f"person {number}"})
                    contents = (png(rng, "RGB", side), png(rng, "L", side), text)
                    for suffix, content in zip(schema.members("png"), contents, strict=True):
                        stream.write(ustar.encode_header(f"{key}.{suffix}", len(content)))
                        stream.write(content + bytes(ustar.padding(len(content))))
                    foreground, alpha, meta = (len(content) for content in contents)
                    rows.append((number, foreground, alpha, meta))
                stream.write(ustar.END)
            records.append(
                ShardRecord(
                    path.relative_to(root).as_posix(), subset, "train",
                    path.stat().st_size, file_sha256(path), tuple(rows),
                )
            )  # fmt: skip
    rejected = json.dumps({"id": "ldp-9000000", "reason": "empty"}) + "\n"
    (root / "rejected.jsonl").write_text(rejected)
    (root / "LICENSE").write_text("Creative Commons Zero\n")
    (root / "pictures").mkdir(exist_ok=True)
    (root / "pictures" / "sheet.png").write_bytes(png(np.random.default_rng(seed), "RGB", 32))
    (root / ".work").mkdir(exist_ok=True)
    (root / ".work" / "plan.json").write_text("{}")
    manifest = Manifest(
        "png", f"{seed:064x}", "procedural", {"train": shards * samples}, tuple(records),
        {"rejected.jsonl": {
            "bytes": len(rejected), "sha256": hashlib.sha256(rejected.encode()).hexdigest(),
        }},
    )  # fmt: skip
    (root / "manifest.json").write_text(manifest.to_json())
    (root / "README.md").write_text(card(manifest))
    return manifest


def card(manifest: Manifest) -> str:
    configs = [
        {"config_name": name, "data_files": [{"split": "train", "path": f"{folder}/train-*.tar"}]}
        for name, folder in schema.SUBSETS.items()
        if name in manifest.subsets()
    ]
    features = schema.feature_yaml(manifest.foreground_format)
    infos = [{"config_name": name, "features": features} for name in manifest.subsets()]
    head = yaml.safe_dump({"license": "cc0-1.0", "configs": configs, "dataset_info": infos})
    return f"---\n{head}---\n# A dataset of noise\n"


def published_files(root: Path) -> dict[str, str]:
    """Path to sha256 of what a publication of the folder must put on the Hub."""
    files = [path for path in sorted(root.rglob("*")) if path.is_file()]
    return {
        path.relative_to(root).as_posix(): file_sha256(path)
        for path in files
        if ".work" not in path.parts
    }
