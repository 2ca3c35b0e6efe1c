"""How fast the pipeline is when pictures cost nothing: refine, judge, encode, write.

Run from the project's root:

    python -m tests.benchmarks.bench_pipeline [--count 48] [--size 1024] [--rounds 3]
    python -m tests.benchmarks.bench_pipeline --workers 1   # of one worker alone

Rounds alternate between 1 and 2 workers and, with as many workers, between the PNG encoder that
wrote shards before ``png_writing`` (Pillow) and the present one. Medians are printed: samples a
second of a worker's CPU time, which other programs on the machine do not change much; samples a
second by the clock; CPU time of the process that hands out tasks and writes shards, a sample; and
where the workers' CPU time goes. Pictures are procedural ones: every worker draws three before it
takes its first task, and hands them out again and again.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from builder.config import BuildConfig
from builder.generation.procedural import ProceduralGenerator
from builder.generation.protocol import Generated, Rejection, Request
from builder.pipeline.sample import SampleHandler, Stopwatch
from builder.plan import PlanRow
from ld_portrait_20k.codec import png_writing
from tests.benchmarks.bench_png import with_pillow
from tests.builder.building import plan_and_build

MODULE = "tests.benchmarks.bench_pipeline"


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


class CpuStopwatch(Stopwatch):
    """Counts CPU time of the process in place of the clock's."""

    clock = staticmethod(time.process_time)


class CostlessHandler(SampleHandler):
    """The workers' handler, its generator replaced."""

    stopwatch = CpuStopwatch

    def __init__(self, plan: dict, options: dict) -> None:
        super().__init__(plan, options)
        self._generator = CostlessGenerator(int(os.environ["BENCH_PIPELINE_SIZE"]))


class PillowHandler(CostlessHandler):
    """The same with the encoder of before; workers only, because it changes the module."""

    def __init__(self, plan: dict, options: dict) -> None:
        super().__init__(plan, options)
        png_writing.encode = with_pillow()  # type: ignore[assignment]


HANDLERS = {"before": PillowHandler, "now": CostlessHandler}


@dataclass(frozen=True)
class Figures:
    """Of one build; times a sample in seconds.

    Attributes:
        stages: Stage to the workers' CPU time.
        rate: Samples a second by the clock, after every worker's first two.
        parent: CPU time of this process.
        bytes: Size of the shards, a sample.
    """

    stages: dict[str, float]
    rate: float
    parent: float
    bytes: float


def run(name: str, count: int, size: int, workers: int, folder: Path) -> Figures:
    """One build."""
    ends: list[float] = []
    os.environ["BENCH_PIPELINE_SIZE"] = str(size)  # for the workers
    config = BuildConfig(count=count, width=size, height=size, damage=1.0, shards=2)
    handler = HANDLERS[name]
    began = time.process_time()
    report = plan_and_build(
        config,
        folder / name,
        part="units",
        workers=workers,
        handler=f"{handler.__module__}:{handler.__name__}".replace("__main__", MODULE),
        on_sample=lambda: ends.append(time.perf_counter()),
    )
    parent = time.process_time() - began
    size_of_shards = sum(file.stat().st_size for file in (folder / name).rglob("*.tar"))
    shutil.rmtree(folder / name)
    stages = {key: spent / count for key, spent in report.run.seconds.items() if key != "generate"}
    # Workers start apart: the clock runs from the sample that had each of them at work.
    rate = (len(ends) - 2 * workers) / (ends[-1] - ends[2 * workers - 1])
    return Figures(stages, rate, parent / count, size_of_shards / count)


def median(values: Iterable[float]) -> float:
    return statistics.median(values)


def report(name: str, workers: int, found: Sequence[Figures]) -> float:
    """Print the medians of some rounds; samples a second of a worker's CPU time."""
    stages = {key: median(figures.stages[key] for figures in found) for key in found[0].stages}
    total = sum(stages.values())
    shares = ", ".join(
        f"{key} {1000 * spent:.1f} ms ({100 * spent / total:.0f} %)"
        for key, spent in sorted(stages.items(), key=lambda item: -item[1])
    )
    print(
        f"{name:6} {workers} worker{'s' if workers > 1 else ' '} "
        f"{1 / total:5.2f} samples/s of CPU, {median(f.rate for f in found):5.2f} by the clock, "
        f"{median(f.bytes for f in found) / 1000:.1f} kB; parent "
        f"{1000 * median(f.parent for f in found):.1f} ms; {shares}",
        flush=True,
    )
    return 1 / total


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=48)
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    options = parser.parse_args()
    found: dict[tuple[int, str], list[Figures]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(options.rounds):
            for workers in options.workers:
                for name in HANDLERS:
                    figures = run(name, options.count, options.size, workers, Path(folder))
                    found.setdefault((workers, name), []).append(figures)
    for workers in options.workers:
        rates = [report(name, workers, found[workers, name]) for name in HANDLERS]
        print(f"now / before with {workers}: {rates[1] / rates[0]:.2f}")


if __name__ == "__main__":
    main()
