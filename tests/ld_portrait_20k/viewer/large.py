"""A dataset of many samples with tiny pictures, for measuring what a view of it costs.

``python -m tests.ld_portrait_20k.viewer.large FOLDER [COUNT]`` writes one and measures it.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ld_portrait_20k import codec
from ld_portrait_20k.format import schema
from ld_portrait_20k.format.manifest import FILE_NAME, Manifest
from ld_portrait_20k.format.shards import ShardWriter
from tests.ld_portrait_20k.samples import picture
from tests.ld_portrait_20k.server import Server
from tests.processes import ROOT, module_command

HAIR = ("black", "brown", "blonde", "red", "grey")
AGES = ("child", "young", "adult", "old")
WORDS = ("studio", "window", "curly", "smiling", "scarf", "profile", "rain", "evening")


def metadata(number: int, width: int, height: int) -> dict[str, Any]:
    """Varied metadata of about the size that Layer Diffusion's has."""
    rng = random.Random(number)
    return {
        "id": schema.sample_id(number),
        "prompt": f"portrait {number}, {', '.join(rng.sample(WORDS, 4))}" + ", soft light" * 20,
        "negative_prompt": "blurry, " * 20,
        "seed": number * 7919,
        "attempt": 0,
        "width": width,
        "height": height,
        "attributes": {
            **dict.fromkeys(schema.ATTRIBUTES, "plain"),
            "age": rng.choice(AGES), "hair_color": rng.choice(HAIR), "glasses": None,
        },
        "generator": {
            "name": "test", "version": "1", "steps": 20, "guidance": 7.0,
            "models": [{"id": "a/b", "role": role, "sha256": "0" * 64} for role in "abcd"],
        },
        "refinement": {"version": "1", "confidence": rng.random(), "band_area": rng.random() / 4},
        "quality": {"coverage": rng.uniform(0.2, 0.8), "perceptual_hash": f"{number:016x}"},
        "truth": {"raw_sad": rng.uniform(1, 9), "refined_sad": rng.uniform(0, 3)},
    }  # fmt: skip


def write(
    root: Path,
    count: int,
    shards: int = 16,
    size: tuple[int, int] = (24, 16),
    subsets: Sequence[str] = ("default",),
) -> None:
    """A dataset folder; the last shard of several is the split test."""
    pictures = [picture(number, *size) for number in range(20)]
    encoded = [(codec.encode_foreground(f), codec.encode_alpha(a)) for f, a in pictures]
    records = []
    for subset in subsets:
        for shard in range(shards):
            split = "test" if shards > 1 and shard == shards - 1 else "train"
            total = 1 if split == "test" else max(1, shards - 1)
            name = schema.shard_name(subset, split, 0 if split == "test" else shard, total)
            with ShardWriter(root / name, "png") as writer:
                for number in range(shard * count // shards, (shard + 1) * count // shards):
                    text = schema.encode_metadata(metadata(number, *size))
                    writer.add(schema.sample_id(number), *encoded[number % 20], text)
            records.append(writer.record(name, subset, split))
    splits = {
        split: sum(r.samples for r in records if r.split == split and r.subset == "default")
        for split in ("train", "test")
    }
    manifest = Manifest("png", "0" * 64, "test", {k: v for k, v in splits.items() if v},
                        tuple(records))  # fmt: skip
    (root / FILE_NAME).write_text(manifest.to_json(), encoding="utf-8")


def measure(source: str) -> dict[str, float]:
    """Seconds and memory of one run of the command, by its own address."""
    started = time.perf_counter()
    process = subprocess.Popen(
        module_command("ld_portrait_20k", "view", source, "--no-browser"),
        env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        found = {"address": time.perf_counter() - started}

        def get(path: str) -> bytes:
            with urllib.request.urlopen(address + path, timeout=300) as answer:
                return bytes(answer.read())

        about = json.loads(get("api/dataset"))
        first = json.loads(get("api/samples?count=100"))["samples"][0]
        get(f"api/thumb/{about['identity']}/default/{first['id']}")
        found["first picture"] = time.perf_counter() - started
        get("api/facets?")
        found["filters"] = time.perf_counter() - started
        for name, path in {
            "facets, warm": "api/facets?hair_color=red&confidence=0.5..",
            "search and sort": "api/samples?q=curly+rain&sort=-confidence&count=100",
        }.items():
            before = time.perf_counter()
            get(path)
            found[name] = time.perf_counter() - before
        status = Path(f"/proc/{process.pid}/status").read_text()
        memory = re.search(r"VmHWM:\s+(\d+)", status)
        found["MB"] = int(memory[1]) / 1024 if memory else float("nan")
        return found
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    if not (folder / FILE_NAME).exists():
        write(folder, int(sys.argv[2]) if len(sys.argv) > 2 else 20_051)
    os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(prefix="ld-portrait-large-")
    with Server(folder) as files:
        for where, source in (("folder", str(folder)), ("HTTP", files.url)):
            for name in ("first time", "again"):
                files.requests.clear()
                found = {key: round(value, 3) for key, value in measure(source).items()}
                print(where, name, found, f"{len(files.requests)} requests")
    shutil.rmtree(os.environ["XDG_CACHE_HOME"])
