"""A dataset of very many tiny samples: time and memory of every stage, from plan to stream.

    python -m tests.benchmarks.bench_scale --samples 2000 --draw
    python -m tests.benchmarks.bench_scale --samples 100000
    python -m tests.benchmarks.bench_scale --samples 100000 --skip deep --open-samples 1000000

Each stage runs in a process of its own, whose peak memory is its own. With ``--draw`` every sample
goes through the whole pipeline (a flat generator of 64 px, refinement, judging, encoding); without
it 16 samples do, and units are written with copies of them under other ids, seeds, prompts and
random perceptual hashes, which costs what writing costs and no more; one hash in a thousand is
nearly another one's. ``--open-samples`` writes the
manifest and the index of a dataset of that size around one shard, since opening reads no other,
and measures from the call to the first decoded sample; imports come before and are told apart.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import resource
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from builder.config import BuildConfig
from builder.files import WORK_FOLDER
from builder.generation.protocol import Generated, Request
from builder.pipeline.build import build
from builder.pipeline.output_folder import freeze
from builder.pipeline.planner import plan_for_output
from builder.pipeline.run_options import RunOptions
from builder.pipeline.work_folder import FinishedSamples, WorkFolder
from builder.plan import Plan
from ld_portrait_20k.format import schema
from ld_portrait_20k.format.integrity import verify
from ld_portrait_20k.format.manifest import Manifest
from ld_portrait_20k.format.shard_reader import ShardReader

SIDE = 64
A_SHARD = 256
TEMPLATES = 16
STAGES = ("plan", "units", "finish", "verify", "deep", "open")


class Tiles:
    """A flat shape of a random colour: as cheap to draw as a picture can be."""

    name = "tiles"
    version = "1"

    def generate(self, requests: Sequence[Request]) -> Iterator[Generated]:
        """A picture a request."""
        for request in requests:
            rng = np.random.default_rng(request.seed)
            size = request.row.height, request.row.width
            foreground = np.empty((*size, 3), np.uint8)
            foreground[:] = rng.integers(0, 256, 3, np.uint8)
            alpha = np.zeros(size, np.uint8)
            alpha[12:, 12:-12] = 255
            yield Generated(request, foreground, alpha, {"name": self.name})


def config(count: int, *, reject: bool = False, raw: bool = True) -> BuildConfig:
    return BuildConfig(
        generator=f"{__name__.replace('__main__', 'tests.benchmarks.bench_scale')}:Tiles",
        count=count, width=SIDE, height=SIDE, shards=max(3, -(-count // A_SHARD)), attempts=1,
        reject=reject, keep_raw=raw,
    )  # fmt: skip


def plan(output: Path, count: int, *, drawn: bool, raw: bool) -> str:
    """Plan; near-duplicates are searched for in the end, unless all samples are flat shapes."""
    options = config(count, reject=not drawn, raw=raw)
    run = RunOptions.for_config(options, workers=0)
    made = plan_for_output(options, output, run)
    freeze(output, made)
    return f"{len(made.rows)} rows, {len(made.units())} units"


def saved_plan(output: Path) -> Plan:
    found = Plan.load(output / WORK_FOLDER)
    assert found is not None
    return found


def draw_units(output: Path, count: int) -> str:
    report = build(saved_plan(output), output, RunOptions(workers=0), part="units")
    return f"{report.run.built} units drawn"


def copy_units(output: Path, count: int) -> str:
    """Write every unit with copies of a few real samples."""
    with tempfile.TemporaryDirectory(dir=output.parent) as folder:
        templates = real_samples(Path(folder) / "templates")
    made = saved_plan(output)
    work = WorkFolder(output, made)
    rng = random.Random(0)
    hashes = [rng.getrandbits(128)]
    for unit in made.units():
        finished = FinishedSamples(work.folder)
        for row in unit.rows:
            metadata, foreground, alpha = templates[rng.randrange(len(templates))]
            own = {**metadata, "quality": dict(metadata["quality"])}
            own.update(id=row.id, seed=row.seed, prompt=row.prompt, attributes=row.attributes)
            twin = rng.random() < 0.001
            hashes.append(rng.choice(hashes) ^ 0b1011 if twin else rng.getrandbits(128))
            own["quality"]["perceptual_hash"] = f"{hashes[-1]:032x}"
            text = schema.encode_metadata(own)
            finished.accept(row.id, own, (foreground, alpha, text) * len(made.subsets))
        work.save(unit, finished)
        finished.close()
    return f"{len(made.units())} units of copies"


def real_samples(output: Path) -> list[tuple[dict[str, Any], bytes, bytes]]:
    made = plan_for_output(config(TEMPLATES), output)
    manifest = build(made, output, RunOptions(workers=0)).manifest
    assert manifest is not None
    found = []
    for shard in manifest.select():
        with ShardReader(output / shard.path, shard, manifest.foreground_format) as reader:
            found += [(s.metadata, s.foreground, s.alpha) for s in reader.samples()]
    return found


def finish(output: Path, count: int) -> str:
    manifest = build(saved_plan(output), output, RunOptions(workers=0), part="finish").manifest
    assert manifest is not None
    size = (output / "manifest.json").stat().st_size
    index = sum(path.stat().st_size for path in output.glob("index/*"))
    return f"manifest {size / 1e6:.1f} MB, index files {index / 1e6:.1f} MB"


def check(output: Path, *, deep: bool) -> str:
    report = verify(output, deep=deep, workers=2)
    assert report.ok, report.problems[:3]
    return f"{report.samples} samples, {report.bytes / 1e6:.0f} MB"


def open_stream(root: Path) -> str:
    from ld_portrait_20k.streaming.stream import PortraitStream

    imported = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter(), time.process_time()
    stream = PortraitStream(root)
    opened = time.perf_counter() - began[0]
    next(iter(stream))
    wall, cpu = time.perf_counter() - began[0], time.process_time() - began[1]
    return (
        f"{stream.total} samples; open {opened:.2f} s, to the first sample {wall:.2f} s "
        f"({cpu:.2f} s CPU); {imported / 1024:.0f} MiB after imports"
    )


def many_records(root: Path, source: Path, count: int) -> str:
    """A manifest of ``count`` samples around the first train shard of ``source``."""
    old = Manifest.load(source)
    first = old.select("default", "train")[0]
    first = replace(first, index=tuple(first.index), crc32=tuple(first.crc32))
    shards = -(-count // first.samples)
    records = []
    for number in range(shards):
        path = schema.shard_name("default", "train", number, shards)
        begin = first.index[-1][0] + 1 + (number - 1) * first.samples
        rows = first.index if not number else tuple(
            (begin + place, *row[1:]) for place, row in enumerate(first.index)
        )  # fmt: skip
        records.append(replace(first, path=path, index=rows))
    (root / "data").mkdir(parents=True)
    shutil.copyfile(source / first.path, root / records[0].path)
    splits = {"train": shards * first.samples}
    replace(old, shards=tuple(records), splits=splits, files={}).save(root)
    return f"{shards} shards"


def measured(work: Callable[[], str]) -> Mapping[str, Any]:
    """What some work takes in a process of its own."""
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe()
    process = context.Process(target=_measure, args=(work, there))
    process.start()
    there.close()
    try:
        found: Mapping[str, Any] = here.recv()
    except EOFError:
        raise SystemExit(1) from None  # its traceback is above
    process.join()
    return found


def _measure(work: Callable[[], str], answer: Connection) -> None:
    began = time.perf_counter(), time.process_time()
    said = work()
    usage = resource.getrusage(resource.RUSAGE_SELF)
    answer.send(
        {
            "wall_s": round(time.perf_counter() - began[0], 2),
            "cpu_s": round(time.process_time() - began[1], 2),
            "peak_mib": usage.ru_maxrss // 1024,
            "said": said,
        }
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--draw", action="store_true", help="draw every sample")
    parser.add_argument("--no-raw", action="store_true", help="one subset instead of two")
    parser.add_argument("--skip", nargs="*", choices=STAGES, default=[])
    parser.add_argument("--open-samples", type=int, metavar="N", help="also open so many")
    parser.add_argument("--folder", type=Path, help="where to build; removed afterwards")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="bench-scale-", dir=options.folder))
    output, many = folder / "dataset", folder / "many"
    count = options.samples
    stages: dict[str, Callable[[], str]] = {
        "plan": lambda: plan(output, count, drawn=options.draw, raw=not options.no_raw),
        "units": lambda: (draw_units if options.draw else copy_units)(output, count),
        "finish": lambda: finish(output, count),
        "verify": lambda: check(output, deep=False),
        "deep": lambda: check(output, deep=True),
        "open": lambda: open_stream(output),
    }
    stages = {name: work for name, work in stages.items() if name not in options.skip}
    if options.open_samples:
        stages["write many"] = lambda: many_records(many, output, options.open_samples)
        stages["open many"] = lambda: open_stream(many)
    print(f"{count} samples of {SIDE} px, load {os.getloadavg()[0]:.1f}")
    print("| stage | s | s CPU | peak MiB | |\n|---|---|---|---|---|")
    try:
        for name, work in stages.items():
            took = measured(work)
            print(
                f"| {name} | {took['wall_s']} | {took['cpu_s']} | {took['peak_mib']} "
                f"| {took['said']} |",
                flush=True,
            )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
