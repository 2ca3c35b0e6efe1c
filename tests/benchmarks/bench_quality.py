"""Figures of quality control over a dataset, to see what margin its thresholds leave.

    python -m builder regenerate --generator folder --source DIR --no-reject --output here
    python -m tests.benchmarks.bench_quality here

Prints one JSON object: lowest, median and highest value of each figure that has a threshold,
and bits of difference of perceptual hashes, between different samples and between a sample
and itself re-encoded (JPEG 90) and scaled (to 0.8).
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Iterable, Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from builder.quality import perceptual_hash
from ld_portrait_20k import codec
from ld_portrait_20k.format.manifest import Manifest

Sample = tuple[dict[str, Any], NDArray[np.uint8], NDArray[np.uint8]]


def samples(root: Path) -> Iterator[Sample]:
    """Metadata, foreground and alpha of every refined sample."""
    manifest = Manifest.load(root)
    for shard in manifest.select():
        content = (root / shard.path).read_bytes()
        for _, entries in shard.entries(manifest.foreground_format):
            foreground, alpha, text = (
                content[entry.offset : entry.offset + entry.size] for entry in entries
            )
            yield json.loads(text), codec.decode_foreground(foreground), codec.decode_alpha(alpha)


def spread(values: Iterable[float]) -> list[float]:
    """Lowest, median, highest."""
    ordered = sorted(values)
    if not ordered:
        return []
    return [float(f"{v:.4g}") for v in (ordered[0], statistics.median(ordered), ordered[-1])]


def differing_bits(one: str, other: str) -> int:
    """In how many bits two hashes differ."""
    return (int(one, 16) ^ int(other, 16)).bit_count()


def changed(foreground: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> dict[str, str]:
    """Hashes of a sample that was re-encoded, and of one that was scaled."""
    coded = cv2.imencode(".jpg", foreground, [cv2.IMWRITE_JPEG_QUALITY, 90])[1]
    again = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)
    half = [
        cv2.resize(p, None, fx=0.8, fy=0.8, interpolation=cv2.INTER_AREA)
        for p in (foreground, alpha)
    ]
    return {
        "re-encoded": perceptual_hash(again, alpha),
        "scaled": perceptual_hash(*(np.asarray(p, np.uint8) for p in half)),
    }


def main() -> None:
    """Measure a dataset folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", type=Path, metavar="DIR")
    root: Path = parser.parse_args().dataset
    figures: list[dict[str, Any]] = []
    distances: dict[str, list[int]] = {"re-encoded": [], "scaled": []}
    for metadata, foreground, alpha in samples(root):
        found = metadata["quality"]
        figures.append(found)
        for how, text in changed(foreground, alpha).items():
            distances[how].append(differing_bits(found["perceptual_hash"], text))
    hashes = [found["perceptual_hash"] for found in figures]
    result = {
        "samples": len(figures),
        **{
            name: spread(found[name] for found in figures)
            for name in ("coverage", "body_height", "soft_area")
        },
        "opaque_share": spread(f["opaque_area"] / (f["coverage"] or 1.0) for f in figures),
        "bits_between_samples": spread(differing_bits(a, b) for a, b in combinations(hashes, 2)),
        **{f"bits_when_{how}": spread(bits) for how, bits in distances.items()},
    }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
