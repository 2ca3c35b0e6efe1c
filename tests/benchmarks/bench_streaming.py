"""Streaming against ``datasets``, ``webdataset``, SPDL and litdata on the same shards.

Alternating rounds in one process, medians and ratios, one thread everywhere unless workers
are named. SPDL and litdata run where they are installed; they are no dependencies. Data: a
dataset folder of PNG shards of 1024x1024; without ``--data`` one of ``--samples`` procedural
portraits is built first (a few minutes; 16 took 48 s of CPU time, start included). All of it with
``--samples 24 --rounds 2 --decoded 16`` took 3.5 minutes of CPU time.

    python -m tests.benchmarks.bench_streaming --data ld-portrait-20k
    python -m tests.benchmarks.bench_streaming --only a,c --rounds 3 --json out.json
"""

from __future__ import annotations

import argparse
import functools
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import cv2  # noqa: E402
import numpy as np  # noqa: E402

from ld_portrait_20k import PortraitLoader, PortraitStream, codec  # noqa: E402
from ld_portrait_20k.compositing import PictureBackgrounds, training_transform  # noqa: E402

from .streaming_report import PASSES, Rate, Report, passes, rate  # noqa: E402
from .streaming_rivals import (  # noqa: E402
    datasets_stream,
    litdata_copy,
    litdata_loader,
    obvious_loader,
    ours_arrays,
    shards_of,
    spdl_loader,
    to_arrays,
    webdataset_bytes,
    webdataset_pil,
)
from .streaming_server import served  # noqa: E402

WARM = 2
"""Batches before the clock starts: by then workers run and a batch has its memory. How long a start
takes is measured by itself."""

REPEATS = 6
"""Of the shards in an epoch that workers load: two rounds before the clock starts, two measured,
and some that are loaded ahead. Forked workers have the backgrounds that one core's rounds kept."""

KEPT_BYTES = 2**29
"""Room for the 64 backgrounds of 1536x1024 at both scales that crops of 512 px ask for: 360 MiB.
With the default, 256 MiB, some would be decoded again and again."""


def bench_bytes(report: Report, root: Path, rounds: int, count: int) -> None:
    urls = shards_of(root)

    def ours(**options: Any) -> Rate:
        stream = PortraitStream(root, decode=False, **options)
        return rate(lambda: passes(lambda: iter(stream)), lambda s: bool(s.alpha), PASSES * count)

    report.race(
        "(a) bytes only, local",
        {
            "PortraitStream": ours,
            "PortraitStream, checksums": lambda: ours(check=True),
            "PortraitStream, shuffled": lambda: ours(shuffle=True),
            "webdataset": lambda: rate(
                lambda: webdataset_bytes(urls), lambda s: bool(s["alpha.png"]), count
            ),
            "datasets, decode off": lambda: rate(
                lambda: datasets_stream(urls, False), lambda s: bool(s["alpha.png"]), count
            ),
        },
        rounds,
        "3 times webdataset",
    )  # fmt: skip


def bench_http(report: Report, root: Path, base: str, rounds: int, count: int) -> None:
    urls = [f"{base}/data/{Path(path).name}" for path in shards_of(root)]

    def ours(**options: Any) -> Rate:
        stream = PortraitStream(base, decode=False, **options)
        return rate(lambda: passes(lambda: iter(stream)), lambda s: bool(s.alpha), PASSES * count)

    report.race(
        "(b) bytes only, HTTP on loopback",
        {
            "PortraitStream (checksums, as by default)": ours,
            "PortraitStream, no checksums": lambda: ours(check=False),
            "PortraitStream, shuffled": lambda: ours(shuffle=True),
            "webdataset": lambda: rate(
                lambda: webdataset_bytes([f"pipe:curl -s {u}" for u in urls]),
                lambda s: bool(s["alpha.png"]), count,
            ),
            "datasets, decode off": lambda: rate(
                lambda: datasets_stream(urls, False), lambda s: bool(s["alpha.png"]), count
            ),
        },
        rounds,
        "2.5 times webdataset",
    )  # fmt: skip


def bench_decoded(report: Report, root: Path, rounds: int, count: int) -> None:
    urls = shards_of(root)
    report.race(
        f"(c) decoded to uint8 ({codec.decoders()['png']})",
        {
            "PortraitStream": lambda: rate(lambda: iter(PortraitStream(root)), ours_arrays, count),
            "PortraitStream, shuffled": lambda: rate(
                lambda: iter(PortraitStream(root, shuffle=True)), ours_arrays, count
            ),
            "datasets": lambda: rate(lambda: datasets_stream(urls, True), to_arrays, count),
            'webdataset, decode("pil")': lambda: rate(
                lambda: webdataset_pil(urls), to_arrays, count
            ),
        },
        rounds,
        "2.4 times either",
    )


def training_paths(root: Path, backgrounds: Path, count: int) -> dict[str, Callable[..., Rate]]:
    """Ours, each way to make a training sample; called with a loader's options.

    Backgrounds are kept from round to round, as in a training of many epochs with so few of them.
    """

    def path(cache: int = KEPT_BYTES, **options: Any) -> Callable[..., Rate]:
        pictures = PictureBackgrounds(backgrounds, cache_bytes=cache)
        transform = training_transform(pictures, 512, **options)

        def run(**how: Any) -> Rate:
            """With workers: after twice as many samples as there are, of an epoch of ``REPEATS``
            times as many. An epoch of the few samples here would end, and its workers
            wait, every second.
            """
            shards = shards_of(root) * (REPEATS if how else 1)

            def make() -> Iterator[Any]:
                stream = PortraitStream(shards, shuffle=True, batch_size=8, transform=transform)
                return iter(PortraitLoader(stream, **how))

            warm = -(-2 * len(PortraitStream(root)) // 8) if how else WARM
            wanted = 2 * count if how else count - 8 * WARM
            return rate(make, lambda batch: len(batch["image"]), wanted, warm)

        return run

    return {
        "float32": path(),
        "uint8": path(dtype="uint8"),
        "device='cpu'": path(device="cpu"),
        "float32, backgrounds not kept": path(cache=0),
    }


def workers_half(root: Path, backgrounds: Path, count: int) -> Callable[[], Rate]:
    """What a worker does of the device form: the rate at which a core can feed a GPU."""
    pictures = PictureBackgrounds(backgrounds, cache_bytes=KEPT_BYTES)
    halves = training_transform(pictures, 512, device="cpu").halves()
    assert halves
    return lambda: rate(
        lambda: iter(PortraitStream(root, shuffle=True, transform=halves.sample)),
        lambda sample: len(sample["drawn"]) > 0,
        count,
    )


def bench_training(
    report: Report, root: Path, backgrounds: Path, folder: Path, rounds: int, count: int
) -> None:
    ours = training_paths(root, backgrounds, count)

    def rivals(workers: int) -> dict[str, Callable[[], Rate]]:
        def theirs(make: Callable[[], Iterator[Any]]) -> Callable[[], Rate]:
            return lambda: rate(make, lambda batch: len(batch["image"]), count - 8 * WARM, WARM)

        found = {
            f"{reader} + PIL + numpy": theirs(
                lambda reader=reader: obvious_loader(root, backgrounds, reader, workers)  # type: ignore[misc]
            )
            for reader in ("datasets", "webdataset")
        }
        if importlib.util.find_spec("spdl"):
            found["SPDL (threads) + PIL + numpy"] = theirs(
                lambda: spdl_loader(root, backgrounds, max(1, workers))
            )
        if copy is not None:
            found["litdata + PIL + numpy"] = theirs(
                functools.partial(litdata_loader, copy, backgrounds, workers)
            )
        return found

    copy = litdata_copy(root, folder) if importlib.util.find_spec("litdata") else None
    absent = [name for name in ("spdl", "litdata") if not importlib.util.find_spec(name)]
    if absent:
        print(f"\nnot installed and left out: {', '.join(absent)}")
    report.race(
        "(d) training samples on one core, once it runs: 512 crop, background, trimap",
        {
            **ours,
            "device form, the worker's half alone": workers_half(root, backgrounds, count),
            "decoded alone": lambda: rate(
                lambda: iter(PortraitStream(root, shuffle=True)), ours_arrays, count
            ),
            **rivals(0),
        },
        rounds,
        "90/s; the worker's half 0.85 of decoded alone",
    )
    two: dict[str, Callable[[], Rate]] = {}
    for name in ("float32", "uint8", "device='cpu'"):
        two[f"{name}, 2 processes"] = lambda run=ours[name]: run(num_workers=2)  # type: ignore[misc]
        two[f"{name}, 2 threads"] = lambda run=ours[name]: run(threads=2)  # type: ignore[misc]
    report.race(
        "(d) training samples with two workers, once they run",
        {**two, **rivals(2)},
        rounds,
        "170/s",
    )


def bench_resume(root: Path, rounds: int) -> list[dict[str, Any]]:
    print("\n(e) resume: seconds from load_state_dict to the first sample   target: flat")
    rows = []
    total = len(PortraitStream(root))
    for share in (0.01, 0.5, 0.99):
        times = []
        for _ in range(max(5, rounds)):
            stream = PortraitStream(root, shuffle=True)
            state = stream.state_dict(consumed=int(share * total))
            started = time.perf_counter()
            stream.load_state_dict(state)
            next(iter(stream))
            times.append(time.perf_counter() - started)
        rows.append({"title": "(e) resume", "share": share, "seconds": statistics.median(times)})
        print(f"  at {share:4.0%} of an epoch: {statistics.median(times) * 1000:.1f} ms")
    return rows


MEMORY = """
import re, sys
from pathlib import Path
from ld_portrait_20k import PortraitStream
def peak():
    return re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]
base = peak()
stream = PortraitStream(Path(sys.argv[1]), shuffle=True)
marks = []
total = len(stream)
for number, sample in enumerate(stream):
    if number in (total // 10, total // 2, total - 1):
        marks.append(peak())
print(base, *marks)
"""


def bench_memory(root: Path) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, str(root)], capture_output=True, text=True, check=True
    )
    base, *marks = (int(text) / 1024 for text in done.stdout.split())
    print("\n(f) peak memory of a decoding epoch   target: flat")
    told = ", ".join(f"{mark:.0f}" for mark in marks)
    print(f"  {base:.0f} MiB after imports; {told} MiB after a tenth, a half, all of it")
    return [{"title": "(f) memory", "base_mib": base, "marks_mib": marks}]


FIRST_SAMPLE = """
import sys, time
begun = time.perf_counter()
from ld_portrait_20k import PortraitStream
imported = time.perf_counter()
sample = next(iter(PortraitStream(sys.argv[1], shuffle=True)))
assert sample["foreground"].size
ended = time.perf_counter()
print(ended - imported, ended - begun)
"""


def bench_first_sample(root: Path, base: str, rounds: int) -> list[dict[str, Any]]:
    print("\n(g) first decoded sample of a cold stream   target: 100 ms local, 300 ms over HTTP")
    rows = []
    for name, source in (("local", str(root)), ("HTTP on loopback", base)):
        times = []
        for _ in range(max(5, rounds)):
            done = subprocess.run(
                [sys.executable, "-c", FIRST_SAMPLE, source],
                capture_output=True, text=True, check=True,
            )  # fmt: skip
            times.append([float(text) * 1000 for text in done.stdout.split()])
        alone, whole = (statistics.median(column) for column in zip(*times, strict=True))
        print(f"  {name}: {alone:.0f} ms after imports, {whole:.0f} ms with them")
        rows.append({"title": "(g) first sample", "name": name, "ms": alone, "imports_ms": whole})
    return rows


def build(folder: Path, samples: int) -> Path:
    from builder.api import regenerate

    print(f"building {samples} procedural portraits of 1024x1024 in {folder} ...", flush=True)
    output = folder / "ld-portrait-20k"
    return regenerate(output, generator="procedural", count=samples, size=1024, shards=8)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="dataset folder with PNG shards")
    parser.add_argument("--samples", type=int, default=208, help="to build without --data")
    parser.add_argument("--backgrounds", type=Path, help="folder of background pictures")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--decoded", type=int, default=64, help="samples a round when decoding")
    parser.add_argument("--only", default="a,b,c,d,e,f,g")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    import torch

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        root = options.data or build(Path(temporary), options.samples)
        backgrounds = options.backgrounds
        if backgrounds is None:
            backgrounds = Path(temporary, "backgrounds")
            backgrounds.mkdir()
            rng = np.random.default_rng(0)
            for number in range(64):
                coarse = rng.integers(0, 256, (24, 36, 3), dtype=np.uint8)
                picture = cv2.resize(coarse, (1536, 1024), interpolation=cv2.INTER_CUBIC)
                cv2.imwrite(str(backgrounds / f"{number}.jpg"), picture)
        total = len(PortraitStream(root))
        print(f"{total} samples in {len(shards_of(root))} shards, load {os.getloadavg()[0]:.1f}")
        decoded = min(total, options.decoded)
        report = Report()
        chosen = options.only.split(",")
        if "a" in chosen:
            bench_bytes(report, root, options.rounds, total)
        if "b" in chosen:
            with served(root) as base:
                bench_http(report, root, base, options.rounds, total)
        if "c" in chosen:
            bench_decoded(report, root, options.rounds, decoded)
        if "d" in chosen:
            count = min(total, 2 * decoded)
            bench_training(report, root, backgrounds, Path(temporary), options.rounds, count)
        if "e" in chosen:
            report.rows += bench_resume(root, options.rounds)
        if "f" in chosen:
            report.rows += bench_memory(root)
        if "g" in chosen:
            with served(root) as base:
                report.rows += bench_first_sample(root, base, options.rounds)
        if options.json:
            options.json.write_text(json.dumps(report.rows, indent=1))


if __name__ == "__main__":
    main()
