"""Streaming against ``datasets`` and ``webdataset`` on the same shards.

Alternating rounds in one process, medians and ratios, one thread everywhere unless workers
are named. Data: a dataset folder of PNG shards of 1024x1024; without ``--data`` one of
``--samples`` procedural portraits is built first (a few minutes).

    python -m tests.benchmarks.bench_streaming --data ld-portrait-20k
    python -m tests.benchmarks.bench_streaming --only a,c --rounds 3 --json out.json
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import re
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
from numpy.typing import NDArray  # noqa: E402

from ld_portrait_20k import PortraitLoader, PortraitStream, codec  # noqa: E402
from ld_portrait_20k.compositing import PictureBackgrounds, training_transform  # noqa: E402

SERVER = """
import sys
from pathlib import Path
from tests.benchmarks.bench_streaming import file_server
server = file_server(Path(sys.argv[1]))
print(server.server_address[1], flush=True)
server.serve_forever()
"""


def file_server(root: Path) -> Any:
    """A plain file server with Range and keep-alive; it sends with ``sendfile``."""
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Buffered: headers leave in one packet.
        wbufsize = -1

        def do_HEAD(self) -> None:
            self.answer(body=False)

        def do_GET(self) -> None:
            self.answer(body=True)

        def answer(self, body: bool) -> None:
            path = root / self.path.lstrip("/").partition("?")[0]
            if not path.is_file():
                self.send_error(404)
                return
            size = path.stat().st_size
            found = re.match(r"bytes=(\d+)-(\d*)$", self.headers.get("Range", ""))
            first = int(found[1]) if found else 0
            last = min(int(found[2] or size), size - 1) if found else size - 1
            self.send_response(206 if found else 200)
            if found:
                self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("Content-Length", str(last - first + 1))
            self.end_headers()
            if not body:
                return
            self.wfile.flush()
            with path.open("rb") as stream:
                try:
                    self.connection.sendfile(stream, first, last - first + 1)
                except OSError:
                    self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    return ThreadingHTTPServer(("127.0.0.1", 0), Handler)


PASSES = 3


def passes(make: Callable[[], Iterator[Any]]) -> Iterator[Any]:
    """Several epochs one after another: a start is seldom, and shall weigh little."""
    for _ in range(PASSES):
        yield from make()


Rate = tuple[float, float]


def rate(samples: Iterator[Any], use: Callable[[Any], int], count: int) -> Rate:
    """Samples a second over ``count`` samples, start included: of wall, and of CPU time.

    The CPU time is this process's, all threads: on a machine that others use too, its
    ratios hold where those of wall time do not. Worker processes are not in it.
    """
    started, used = time.perf_counter(), time.process_time()
    done = 0
    for sample in samples:
        done += use(sample)
        if done >= count:
            break
    return done / (time.perf_counter() - started), done / (time.process_time() - used)


# The rivals. Each function gives an iterator over one pass.


def shards_of(root: Path) -> list[str]:
    return sorted(str(path) for path in (root / "data").glob("train-*.tar"))


def webdataset_bytes(urls: list[str]) -> Iterator[Any]:
    import webdataset

    return iter(webdataset.WebDataset(urls, shardshuffle=False))


def webdataset_pil(urls: list[str]) -> Iterator[Any]:
    import webdataset

    return iter(webdataset.WebDataset(urls, shardshuffle=False).decode("pil"))


def datasets_stream(urls: list[str], decode: bool) -> Iterator[Any]:
    import datasets

    rows = datasets.load_dataset("webdataset", data_files=urls, split="train", streaming=True)
    return iter(rows if decode else rows.decode(False))


def has_alpha(sample: dict[str, Any]) -> int:
    return bool(sample["alpha.png"])


def to_arrays(sample: dict[str, Any]) -> int:
    foreground = np.asarray(sample["foreground.png"])
    alpha = np.asarray(sample["alpha.png"])
    # webdataset makes RGB of the matte too.
    return int(foreground.dtype == np.uint8 and alpha.shape[:2] == foreground.shape[:2])


def ours_arrays(sample: dict[str, Any]) -> int:
    return int(sample["foreground"].dtype == np.uint8 and sample["alpha"].ndim == 2)


def obvious_training_sample(
    row: dict[str, Any], rng: np.random.Generator, files: list[Path]
) -> dict[str, NDArray[Any]]:
    """What one writes without a library: PIL for pictures, numpy for the rest."""
    from PIL import Image

    foreground = row["foreground.png"].convert("RGB")
    alpha = row["alpha.png"].convert("L")
    matte = np.asarray(alpha)
    ys, xs = np.nonzero((matte > 0) & (matte < 255))
    place = int(rng.integers(len(xs))) if len(xs) else 0
    center = (int(xs[place]), int(ys[place])) if len(xs) else (matte.shape[1] // 2,) * 2
    side = int(512 / np.exp(rng.uniform(np.log(0.8), np.log(1.6))))
    left = min(max(center[0] - side // 2, 0), max(matte.shape[1] - side, 0))
    top = min(max(center[1] - side // 2, 0), max(matte.shape[0] - side, 0))
    box = (left, top, left + side, top + side)
    foreground = foreground.resize((512, 512), Image.Resampling.BILINEAR, box=box)
    alpha = alpha.resize((512, 512), Image.Resampling.BILINEAR, box=box)
    if rng.random() < 0.5:
        foreground = foreground.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        alpha = alpha.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    color = np.asarray(foreground, np.float32) / 255
    color = np.clip(color * rng.uniform(0.8, 1.2), 0, 1)
    weight = np.asarray(alpha, np.float32) / 255
    with Image.open(files[int(rng.integers(len(files)))]) as stored:
        picture = stored.convert("RGB")
        window = min(picture.size)
        x = int(rng.integers(picture.size[0] - window + 1))
        y = int(rng.integers(picture.size[1] - window + 1))
        picture = picture.resize((512, 512), box=(x, y, x + window, y + window))
    background = np.asarray(picture, np.float32) / 255
    image = weight[..., None] * color + (1 - weight[..., None]) * background
    erode, dilate = rng.integers(1, 30, 2)
    trimap = np.full(weight.shape, 0.5, np.float32)
    disc = [
        cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * int(r) + 1,) * 2) for r in (erode, dilate)
    ]
    trimap[cv2.erode((weight == 1).astype(np.uint8), disc[0]) > 0] = 1
    trimap[cv2.erode((weight == 0).astype(np.uint8), disc[1]) > 0] = 0
    return {
        "image": image.transpose(2, 0, 1).copy(),
        "alpha": weight[None],
        "trimap": trimap[None],
        "foreground": color.transpose(2, 0, 1).copy(),
        "background": background.transpose(2, 0, 1).copy(),
    }


class ObviousDataset:
    """The obvious training set over ``datasets``, for a torch DataLoader."""

    def __init__(self, root: Path, backgrounds: Path) -> None:
        from torch.utils.data import IterableDataset

        IterableDataset.register(ObviousDataset)
        self.root = root
        self.files = sorted(backgrounds.iterdir())

    def __iter__(self) -> Iterator[dict[str, NDArray[Any]]]:
        from torch.utils.data import get_worker_info

        info = get_worker_info()
        urls = shards_of(self.root)
        if info is not None:
            urls = urls[info.id :: info.num_workers]
        rng = np.random.default_rng(info.id if info else 0)
        for row in datasets_stream(urls, decode=True):
            yield obvious_training_sample(row, rng, self.files)


class Report:
    """Prints and keeps medians and ratios."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def race(
        self, title: str, runners: dict[str, Callable[[], Rate]], rounds: int, target: str = ""
    ) -> None:
        rates: dict[str, list[Rate]] = {name: [] for name in runners}
        for number in range(rounds):
            # Every other round backwards: what comes first is not favoured.
            order = list(runners) if number % 2 == 0 else list(runners)[::-1]
            for name in order:
                rates[name].append(runners[name]())
        first = next(iter(runners))
        print(f"\n{title}{f'   target: {target}' if target else ''}")
        for name in runners:
            wall, cpu = (statistics.median(r[k] for r in rates[name]) for k in (0, 1))
            pairs = list(zip(rates[first], rates[name], strict=True))
            ratios = [ours[0] / theirs[0] for ours, theirs in pairs]
            ratio = statistics.median(ratios)
            ratio_cpu = statistics.median(ours[1] / theirs[1] for ours, theirs in pairs)
            text = "" if name == first else (
                f"  ours {ratio:5.2f} times ({min(ratios):.2f}..{max(ratios):.2f}), "
                f"by CPU time {ratio_cpu:5.2f}"
            )  # fmt: skip
            print(f"  {name:44s} {wall:8.1f}/s, {cpu:8.1f}/CPU s{text}", flush=True)
            self.rows.append(
                {"title": title, "name": name, "rate": wall, "ratio": ratio, "cpu_rate": cpu,
                 "cpu_ratio": ratio_cpu}
            )  # fmt: skip


def bench_bytes(report: Report, root: Path, rounds: int, count: int) -> None:
    urls = shards_of(root)

    def ours(**options: Any) -> Rate:
        stream = PortraitStream(root, decode=False, **options)
        return rate(passes(lambda: iter(stream)), lambda s: bool(s.alpha), PASSES * count)

    report.race(
        "(a) bytes only, local",
        {
            "PortraitStream": lambda: rate(
                iter(PortraitStream(root, decode=False)), lambda s: bool(s.alpha), count
            ),
            "PortraitStream, checksums": lambda: rate(
                iter(PortraitStream(root, decode=False, check=True)), lambda s: bool(s.alpha), count
            ),
            "PortraitStream, shuffled": lambda: rate(
                iter(PortraitStream(root, decode=False, shuffle=True)), lambda s: bool(s.alpha),
                count,
            ),
            "webdataset": lambda: rate(
                webdataset_bytes(urls), lambda s: bool(s["alpha.png"]), count
            ),
            "datasets, decode off": lambda: rate(
                datasets_stream(urls, False), lambda s: bool(s["alpha.png"]), count
            ),
        },
        rounds,
        "3 times webdataset",
    )  # fmt: skip


def bench_http(report: Report, root: Path, rounds: int, count: int) -> None:
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(root)], stdout=subprocess.PIPE, text=True
    )
    assert server.stdout
    base = f"http://127.0.0.1:{server.stdout.readline().strip()}"
    urls = [f"{base}/data/{Path(path).name}" for path in shards_of(root)]

    def ours(**options: Any) -> Rate:
        stream = PortraitStream(base, decode=False, **options)
        return rate(passes(lambda: iter(stream)), lambda s: bool(s.alpha), PASSES * count)

    def receive() -> Rate:
        """The ceiling: the same bytes received into one buffer, nothing done with them."""
        address = base.removeprefix("http://")
        connection = http.client.HTTPConnection(address)
        buffer = memoryview(bytearray(2**23))
        started, used = time.perf_counter(), time.process_time()
        for url in urls * PASSES:
            connection.request("GET", url.removeprefix(base))
            response = connection.getresponse()
            while response.readinto(buffer):
                pass
        total = PASSES * count
        return total / (time.perf_counter() - started), total / (time.process_time() - used)

    try:
        report.race(
            "(b) bytes only, HTTP on loopback",
            {
                "PortraitStream (checksums, as by default)": ours,
                "PortraitStream, no checksums": lambda: ours(check=False),
                "PortraitStream, shuffled": lambda: ours(shuffle=True),
                "webdataset": lambda: rate(
                    webdataset_bytes([f"pipe:curl -s {u}" for u in urls]),
                    lambda s: bool(s["alpha.png"]), count,
                ),
                "datasets, decode off": lambda: rate(
                    datasets_stream(urls, False), lambda s: bool(s["alpha.png"]), count
                ),
            },
            rounds,
            "8 times datasets",
        )  # fmt: skip
    finally:
        server.kill()


def bench_decoded(report: Report, root: Path, rounds: int, count: int) -> None:
    urls = shards_of(root)
    report.race(
        f"(c) decoded to uint8 ({codec.decoders()['png']})",
        {
            "PortraitStream": lambda: rate(iter(PortraitStream(root)), ours_arrays, count),
            "PortraitStream, shuffled": lambda: rate(
                iter(PortraitStream(root, shuffle=True)), ours_arrays, count
            ),
            "datasets": lambda: rate(datasets_stream(urls, True), to_arrays, count),
            'webdataset, decode("pil")': lambda: rate(webdataset_pil(urls), to_arrays, count),
        },
        rounds,
        "2.4 times either",
    )


def bench_training(report: Report, root: Path, backgrounds: Path, rounds: int, count: int) -> None:
    from torch.utils.data import DataLoader

    def ours(workers: int, cache: int = 2**28, **options: Any) -> Rate:
        pictures = PictureBackgrounds(backgrounds, cache_bytes=cache)
        transform = training_transform(pictures, 512, **options)
        stream = PortraitStream(root, shuffle=True, batch_size=8, transform=transform)
        loader = PortraitLoader(stream, num_workers=workers)
        return rate(iter(loader), lambda b: len(b["image"]), count)

    def theirs(workers: int) -> Rate:
        dataset: Any = ObviousDataset(root, backgrounds)
        loader: DataLoader[Any] = DataLoader(dataset, batch_size=8, num_workers=workers)
        return rate(iter(loader), lambda b: len(b["image"]), count)

    for workers in (0, 2):
        report.race(
            f"(d) training samples: 512 crop, background, trimap; {workers or 'no'} workers",
            {
                "PortraitLoader": lambda w=workers: ours(w),  # type: ignore[misc]
                "PortraitLoader, backgrounds not kept": lambda w=workers: ours(w, cache=0),  # type: ignore[misc]
                "PortraitLoader, uint8 tensors": lambda w=workers: ours(w, dtype="uint8"),  # type: ignore[misc]
                "datasets + PIL + numpy": lambda w=workers: theirs(w),  # type: ignore[misc]
            },
            rounds,
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
    parser.add_argument("--only", default="a,b,c,d,e,f")
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
            bench_http(report, root, options.rounds, total)
        if "c" in chosen:
            bench_decoded(report, root, options.rounds, decoded)
        if "d" in chosen:
            bench_training(report, root, backgrounds, options.rounds, min(total, 2 * decoded))
        if "e" in chosen:
            report.rows += bench_resume(root, options.rounds)
        if "f" in chosen:
            report.rows += bench_memory(root)
        if options.json:
            options.json.write_text(json.dumps(report.rows, indent=1))


if __name__ == "__main__":
    main()
