"""Throughput of ``python -m refinement`` against the number of its processes.

    python tests/benchmarks/bench_refinement_cli.py
    python tests/benchmarks/bench_refinement_cli.py --pictures 64 --workers 1,2,4,8
    python tests/benchmarks/bench_refinement_cli.py --folder cutouts

Every round runs the whole command once for each number of processes, in turn, into a fresh
folder, start of the processes included; figures are medians over the rounds, speed-ups medians
of the rounds' ratios. The pictures are procedural portraits (``builder.generation.procedural``)
with its damage, or the RGBA pictures of a folder. ``--preview`` and ``--report`` add their work.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT)]

from builder.generation.procedural import damage, draw  # noqa: E402


def make(folder: Path, count: int, size: int) -> None:
    for seed in range(count):
        portrait = draw(4000 + seed, {}, size, size)
        rgba = np.dstack(damage(portrait.foreground, portrait.alpha, seed, 1.0))
        shown = cv2.cvtColor(rgba, cv2.COLOR_RGBA2BGRA)
        cv2.imwrite(str(folder / f"{seed:04d}.png"), shown)


def run(folder: Path, workers: int, more: list[str]) -> tuple[float, int]:
    """Seconds of the command, and how many pictures it refined."""
    with tempfile.TemporaryDirectory() as output:
        words = [str(folder), "--output", output, "--workers", str(workers), "--json", *more]
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "refinement", *words],
            capture_output=True,
            text=True,
            check=True,
            cwd=ROOT,
        )
        return time.perf_counter() - start, json.loads(done.stdout)["refined"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=16)
    parser.add_argument("--size", type=int, default=1024, help="side in pixels")
    parser.add_argument("--folder", type=Path, help="RGBA pictures instead of drawn ones")
    parser.add_argument("--workers", default="1,2", help="numbers of processes")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--preview", action="store_true")
    parser.add_argument("--json", action="store_true", help="also print the figures as JSON")
    arguments = parser.parse_args()
    counts = [int(word) for word in arguments.workers.split(",")]
    more = ["--preview"] if arguments.preview else []
    taken: dict[int, list[float]] = {count: [] for count in counts}
    loads = [os.getloadavg()[0]]
    with tempfile.TemporaryDirectory() as made:
        folder = arguments.folder or Path(made)
        if arguments.folder is None:
            make(folder, arguments.pictures, arguments.size)
        pictures = 0
        for _ in range(arguments.rounds):
            for count in counts:
                seconds, pictures = run(folder.resolve(), count, more)
                taken[count].append(seconds)
            loads.append(os.getloadavg()[0])
    print(f"{pictures} pictures, {arguments.rounds} rounds, {os.cpu_count()} processors, ", end="")
    print(f"load of the machine {loads[0]:.1f} before and {max(loads):.1f} at most")
    print(f"{'workers':>8}{'seconds':>10}{'pictures/s':>12}{'speed-up':>10}")
    result = {}
    first = taken[counts[0]]
    for count, times in taken.items():
        ratio = statistics.median(a / b for a, b in zip(first, times, strict=True))
        middle = statistics.median(times)
        result[count] = {"seconds": middle, "pictures/s": pictures / middle, "speed-up": ratio}
        print(f"{count:8}{middle:10.2f}{pictures / middle:12.2f}{ratio:10.2f}")
    if arguments.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
