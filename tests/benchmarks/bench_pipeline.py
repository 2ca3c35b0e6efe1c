"""How fast the pipeline is when pictures cost nothing: refine, judge, encode, write.

Run from the project's root:

    python -m tests.benchmarks.bench_pipeline [--count 24] [--size 1024] [--rounds 3]

Rounds alternate between 1 and 2 workers in this one run; medians and their ratio are
printed, and where the workers' time goes. Pictures are procedural ones, drawn once per
worker before the clock matters and handed out again and again.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from builder.build import BuildReport, build
from builder.config import BuildConfig
from builder.generation.procedural import ProceduralGenerator
from builder.generation.protocol import Generated, Rejection, Request
from builder.run import RunOptions
from builder.samples import SampleHandler


class CostlessGenerator:
    """Hands out the same few portraits for whatever is asked."""

    name = "procedural"
    batch_size = 1
    repeatable = False

    def __init__(self) -> None:
        self._made: dict[int, Generated | Rejection] = {}
        self._drawing = ProceduralGenerator(damage=1.0)

    def generate(self, requests: Sequence[Request]) -> Iterator[Generated | Rejection]:
        for request in requests:
            key = request.seed % 3
            if key not in self._made:
                attributes = {"framing": "head and shoulders", "hair_texture": "curly"}
                row = replace(request.row, attributes={**request.row.attributes, **attributes})
                (self._made[key],) = self._drawing.generate([replace(request, row=row, seed=key)])
            yield replace(self._made[key], request=request)


class CostlessHandler(SampleHandler):
    """The workers' handler, its generator replaced."""

    def __init__(self, plan: dict, options: dict) -> None:
        super().__init__(plan, options)
        self._generator = CostlessGenerator()


def run(count: int, size: int, workers: int, folder: Path) -> tuple[float, BuildReport]:
    """One build; seconds from the first sample's end to the last's, and the report."""
    ends: list[float] = []
    options = RunOptions(
        workers=workers,
        handler="tests.benchmarks.bench_pipeline:CostlessHandler",
        on_sample=lambda: ends.append(time.perf_counter()),
    )
    config = BuildConfig(count=count, width=size, height=size, damage=1.0, shards=2)
    report = build(config, folder / f"w{workers}", options)
    shutil.rmtree(folder / f"w{workers}")
    warm = 3 * workers  # each worker draws its three pictures first
    return (len(ends) - warm) / (ends[-1] - ends[warm - 1]), report


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=24)
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    rates: dict[int, list[float]] = {1: [], 2: []}
    seconds: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(options.rounds):
            for workers, found in rates.items():
                rate, report = run(options.count, options.size, workers, Path(folder))
                found.append(rate)
                for stage, spent in report.run.seconds.items():
                    if stage != "generate":
                        seconds[stage] = seconds.get(stage, 0.0) + spent
    medians = {workers: statistics.median(found) for workers, found in rates.items()}
    for workers, rate in medians.items():
        print(f"{workers} worker{'s' if workers > 1 else ' '}  {rate:6.2f} samples/s (median)")
    print(f"ratio 2:1  {medians[2] / medians[1]:.2f}")
    total = sum(seconds.values())
    for stage, spent in sorted(seconds.items(), key=lambda item: -item[1]):
        print(f"{stage:8} {100 * spent / total:5.1f} % of the workers' time")


if __name__ == "__main__":
    main()
