"""How fast the pipeline is when pictures cost nothing: refine, judge, encode, write.

Run from the project's root:

    python -m tests.benchmarks.bench_pipeline [--count 24] [--size 1024] [--rounds 3]

Rounds alternate between 1 and 2 workers in this one run; medians and their ratio are
printed, and where the workers' time goes. Pictures are procedural ones: every worker draws
three before it takes its first task, and hands them out again and again.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from builder.config import BuildConfig
from builder.generation.procedural import ProceduralGenerator
from builder.generation.protocol import Generated, Rejection, Request
from builder.pipeline.build import BuildReport
from builder.pipeline.sample import SampleHandler
from builder.plan import PlanRow
from tests.builder.building import plan_and_build


class CostlessGenerator:
    """Hands out the same few portraits for whatever is asked."""

    name = "procedural"
    batch_size = 1
    repeatable = False

    def __init__(self, size: int) -> None:
        attributes: dict[str, str | None] = {
            "framing": "head and shoulders",
            "hair_texture": "curly",
        }
        row = PlanRow("ldp-0000000", "train", "", None, attributes, 0, size, size)
        requests = [Request(row, 0, seed) for seed in range(3)]
        self._made = list(ProceduralGenerator(damage=1.0).generate(requests))

    def generate(self, requests: Sequence[Request]) -> Iterator[Generated | Rejection]:
        for request in requests:
            yield replace(self._made[request.seed % 3], request=request)


class CostlessHandler(SampleHandler):
    """The workers' handler, its generator replaced."""

    def __init__(self, plan: dict, options: dict) -> None:
        super().__init__(plan, options)
        self._generator = CostlessGenerator(int(os.environ["BENCH_PIPELINE_SIZE"]))


def run(count: int, size: int, workers: int, folder: Path) -> tuple[float, BuildReport]:
    """One build; seconds from the first sample's end to the last's, and the report."""
    ends: list[float] = []
    os.environ["BENCH_PIPELINE_SIZE"] = str(size)  # for the workers
    config = BuildConfig(count=count, width=size, height=size, damage=1.0, shards=2)
    report = plan_and_build(
        config,
        folder / f"w{workers}",
        workers=workers,
        handler="tests.benchmarks.bench_pipeline:CostlessHandler",
        on_sample=lambda: ends.append(time.perf_counter()),
    )
    shutil.rmtree(folder / f"w{workers}")
    # Workers start apart: the clock runs from the sample that had each of them at work.
    return (len(ends) - 2 * workers) / (ends[-1] - ends[2 * workers - 1]), report


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=48)
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
