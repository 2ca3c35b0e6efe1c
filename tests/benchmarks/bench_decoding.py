"""How long pictures take to decode, whole and in part, and by which library.

Alternating rounds in one process and one thread. Every figure is the median of milliseconds of
this process's CPU time, which holds on a busy machine. ``--data`` is a dataset folder of PNG
shards; without it one of procedural portraits of 1024x1024 is built first (two minutes).

    python -m tests.benchmarks.bench_decoding --data ld-portrait-20k
    python -m tests.benchmarks.bench_decoding --only crops,samples --rounds 9
"""

from __future__ import annotations

import argparse
import io
import json
import math
import os
import statistics
import struct
import tempfile
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import cv2  # noqa: E402
import numpy as np  # noqa: E402
from numpy.typing import NDArray  # noqa: E402
from PIL import Image  # noqa: E402

from ld_portrait_20k import PortraitStream, codec  # noqa: E402
from ld_portrait_20k.codec.rows import shorten  # noqa: E402
from ld_portrait_20k.compositing import (  # noqa: E402
    ColourBackgrounds,
    RandomCrop,
    training_transform,
    unknown_center,
)
from ld_portrait_20k.deferred import takes_deferred  # noqa: E402
from ld_portrait_20k.format.shards import RawSample  # noqa: E402

BAND = 64
CROP = 512


def race(title: str, runners: dict[str, Callable[[int], object]], rounds: int) -> dict[str, float]:
    """Medians of milliseconds of CPU time over rounds; each runner is given the round's number."""
    times: dict[str, list[float]] = {name: [] for name in runners}
    for number in range(rounds):
        order = list(runners) if number % 2 == 0 else list(runners)[::-1]
        for name in order:
            started = time.process_time()
            runners[name](number)
            times[name].append(1000 * (time.process_time() - started))
    medians = {name: statistics.median(found) for name, found in times.items()}
    first = next(iter(medians.values()))
    print(f"\n{title}")
    for name, median in medians.items():
        print(f"  {name:52s} {median:7.2f} ms  {median / first:5.2f}", flush=True)
    return medians


@dataclass(frozen=True)
class Crop:
    """Rows that a training crop reads of a picture."""

    sample: int
    top: int
    bottom: int


def draw_crops(raws: Sequence[RawSample], count: int) -> list[Crop]:
    """Crops as ``training_transform`` draws them, samples in turn."""
    rng = np.random.default_rng(0)
    alphas = [codec.decode_alpha(raw.alpha) for raw in raws]
    low, high = np.log(RandomCrop(CROP).scale)
    crops = []
    for number in range(count):
        alpha = alphas[number % len(raws)]
        height = len(alpha)
        half = CROP / float(np.exp(rng.uniform(low, high))) / 2
        middle = unknown_center(alpha, rng)[1] + 0.5
        middle = min(max(middle, half), height - half) if 2 * half <= height else height / 2
        top, bottom = math.floor(middle - half) - 2, math.ceil(middle + half) + 4
        crops.append(Crop(number % len(raws), max(0, top), min(height, bottom)))
    return crops


# PNG in bands: what `--foreground-format png-bands` would have written.


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def filtered(rgb: NDArray[np.uint8], band: int) -> Iterator[bytes]:
    """The filtered lines of each band: the filter of least sum of absolute values, line by line.

    The first line of a band has one that does not look at the line above.
    """
    height, width = rgb.shape[:2]
    here = rgb.reshape(height, 3 * width).astype(np.int16)
    left, above = np.zeros_like(here), np.zeros_like(here)
    left[:, 3:], above[1:] = here[:, :-3], here[:-1]
    guesses = (np.zeros_like(here), left, above, (left + above) >> 1)
    lines = np.stack([(here - value).astype(np.uint8) for value in guesses])
    cost = np.abs(lines.view(np.int8).astype(np.int16)).sum(2)
    cost[2:, ::band] = np.iinfo(cost.dtype).max
    best = cost.argmin(0)
    chosen = np.empty((height, 1 + 3 * width), np.uint8)
    chosen[:, 0], chosen[:, 1:] = best, lines[best, np.arange(height)]
    for start in range(0, height, band):
        yield chosen[start : start + band].tobytes()


def encode_bands(rgb: NDArray[np.uint8], band: int) -> tuple[bytes, list[bytes]]:
    """A PNG whose bands are flushed, and its bands: each an IDAT chunk of its own.

    With a chunk a band, no checksum has to be made anew when a band is cut out.
    """
    packer = zlib.compressobj(6, zlib.DEFLATED, zlib.MAX_WBITS, 9, zlib.Z_RLE)
    bands = [packer.compress(part) + packer.flush(zlib.Z_FULL_FLUSH)
             for part in filtered(rgb, band)]  # fmt: skip
    # The two bytes before the first block go into a chunk of their own.
    chunks = [chunk(b"IDAT", part) for part in (bands[0][2:], *bands[1:])]
    head = struct.pack(">IIBBBBB", rgb.shape[1], rgb.shape[0], 8, 2, 0, 0, 0)
    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", bands[0][:2])
    end = chunk(b"IDAT", packer.flush()) + chunk(b"IEND", b"")
    return b"".join((start, *chunks, end)), chunks


def decode_bands(data: bytes, chunks: list[bytes], top: int, bottom: int) -> NDArray[np.uint8]:
    """The bands that hold rows ``top`` to ``bottom``, as a small PNG of their own."""
    height = struct.unpack_from(">I", data, 20)[0]
    first, last = top // BAND, -(-bottom // BAND)
    rows = min(height, last * BAND) - first * BAND
    small = b"".join((data[: 33 + 14], *chunks[first:last], chunk(b"IEND", b"")))
    found: NDArray[np.uint8] = codec.decode_foreground(shorten(small, rows))
    return found


def bench_crops(raws: Sequence[RawSample], rounds: int) -> dict[str, Any]:
    """A: down to the crop's last row. B: the bands of the crop alone."""
    crops = draw_crops(raws, max(rounds * 8, 200))
    heights = [codec.read_header(raw.foreground).height for raw in raws]
    banded = []
    for raw in raws:
        rgb = codec.decode_foreground(raw.foreground)
        banded.append(encode_bands(rgb, BAND))
        found = decode_bands(*banded[-1], 2 * BAND, 5 * BAND)
        assert (found == rgb[2 * BAND : 5 * BAND]).all()
        for other in (codec.decode_foreground(banded[-1][0]), pillow(banded[-1][0])):
            assert (other == rgb).all()
    plain = [len(encode_bands(codec.decode_foreground(raw.foreground), 10**6)[0]) for raw in raws]
    sizes = {
        "stored": sum(len(raw.foreground) for raw in raws) / len(raws),
        "no bands, the same encoder": sum(plain) / len(raws),
        "bands": sum(len(data) for data, _ in banded) / len(raws),
    }
    whole = statistics.mean(heights)
    share = {
        "down to the crop's last row": statistics.mean(crop.bottom for crop in crops) / whole,
        "bands of the crop": statistics.mean(
            -(-crop.bottom // BAND) * BAND - crop.top // BAND * BAND for crop in crops
        ) / whole,
        "crop": statistics.mean(crop.bottom - crop.top for crop in crops) / whole,
    }  # fmt: skip
    print("\nmean size of a foreground:", {name: f"{size:,.0f}" for name, size in sizes.items()})
    print("mean share of rows:", {name: f"{value:.3f}" for name, value in share.items()})

    def each(decode: Callable[[Crop], object]) -> Callable[[int], object]:
        """Eight crops a round; the figures below are for eight."""
        return lambda number: [decode(crop) for crop in crops[8 * number : 8 * number + 8]]

    medians = race(
        f"eight foregrounds for crops of {CROP}, and eight mattes beside them",
        {
            "whole": each(lambda c: codec.decode_foreground(raws[c.sample].foreground)),
            "down to the crop's last row": each(
                lambda c: codec.decode_foreground(raws[c.sample].foreground, rows=c.bottom)
            ),
            "bands of the crop": each(lambda c: decode_bands(*banded[c.sample], c.top, c.bottom)),
            "mattes, whole": each(lambda c: codec.decode_alpha(raws[c.sample].alpha)),
        },
        rounds,
    )
    return {"sizes": sizes, "rows": share, "ms for 8": medians}


def bench_samples(root: Path, rounds: int) -> dict[str, float]:
    """The same transforms in a stream, with and without leave to decode a part."""

    def run(transform: Callable[[Any], Any] | None) -> Callable[[int], object]:
        return lambda _: list(islice(PortraitStream(root, transform=transform), 8))

    def arrays(transform: Callable[[Any], Any]) -> Callable[[Any], Any]:
        return lambda sample: transform(sample)

    @takes_deferred
    def matte(sample: dict[str, Any]) -> Any:
        return sample["alpha"]

    crop = RandomCrop(CROP)
    training = training_transform(ColourBackgrounds(), CROP, dtype="uint8")
    return race(
        "eight samples of a stream, start of the stream included",
        {
            "no transform": run(None),
            "RandomCrop, foregrounds decoded whole": run(arrays(crop)),
            "RandomCrop": run(crop),
            "training_transform, foregrounds decoded whole": run(arrays(training)),
            "training_transform": run(training),
            "mattes alone": run(matte),
        },
        rounds,
    )


def pillow(data: bytes) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(data)) as picture:
        return np.array(picture)


def opencv(data: bytes) -> Any:
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)


def kornia_png(data: bytes) -> Any:
    from kornia_rs.io import decode_image_png_u8

    header = codec.read_header(data)
    return decode_image_png_u8(data, (header.height, header.width), "rgb")


def kornia_jpeg(data: bytes) -> Any:
    from kornia_rs.io import decode_image_jpegturbo

    return decode_image_jpegturbo(data, "rgb")


def shorten_jpeg(data: bytes, rows: int) -> bytes:
    """A baseline JPEG without subsampling whose frame header states fewer rows."""
    place = data.index(b"\xff\xc0") + 5
    return data[:place] + struct.pack(">H", rows) + data[place + 2 :]


def bench_decoders(raws: Sequence[RawSample], rounds: int) -> dict[str, Any]:
    """Each library: the whole, and two thirds of the rows behind a header that says so."""
    png = raws[0].foreground
    jpeg = codec.encode_foreground(codec.decode_foreground(png), "jpeg")
    libraries: dict[str, Callable[[bytes], Any]]
    libraries = {"kornia_rs": kornia_png, "cv2": opencv, "Pillow": pillow}
    return {
        "png": race_decoders("png", png, shorten, libraries, rounds),
        "jpeg": race_decoders(
            "jpeg", jpeg, shorten_jpeg, {**libraries, "kornia_rs": kornia_jpeg}, rounds
        ),
    }


def race_decoders(
    form: str,
    data: bytes,
    cut: Callable[[bytes, int], bytes],
    libraries: dict[str, Callable[[bytes], Any]],
    rounds: int,
) -> dict[str, float]:
    whole = codec.decode_foreground(data)
    rows = len(whole) * 2 // 3
    runners: dict[str, Callable[[int], object]] = {}
    for name, decode in libraries.items():
        runners[f"{name}, whole"] = lambda _, decode=decode: decode(data)  # type: ignore[misc]
        try:
            part = decode(cut(data, rows))
        except Exception as problem:
            print(f"\n{form}, two thirds of the rows by {name}: refused ({problem})")
            continue
        assert (part == whole[:rows]).all(), (form, name)
        runners[f"{name}, two thirds of the rows"] = (
            lambda _, decode=decode: decode(cut(data, rows))  # type: ignore[misc]
        )
    return race(f"one {form} of {whole.shape[1]}x{len(whole)}", runners, rounds)


def bench_threads() -> dict[str, float]:
    """The longest time that another thread of Python had to wait while one picture was decoded."""
    rgb = np.random.default_rng(0).integers(0, 256, (3000, 3000, 3), dtype=np.uint8)
    png, jpeg = codec.encode_foreground(rgb), codec.encode_foreground(rgb, "jpeg")
    runners = {
        "kornia_rs png": lambda: kornia_png(png), "cv2 png": lambda: opencv(png),
        "Pillow png": lambda: pillow(png), "kornia_rs jpeg": lambda: kornia_jpeg(jpeg),
        "cv2 jpeg": lambda: opencv(jpeg), "Pillow jpeg": lambda: pillow(jpeg),
    }  # fmt: skip
    print("\nshare of a decoder's time for which it kept the interpreter's lock at a stretch")
    shares = {}
    for name, decode in runners.items():
        decode()
        measured = sorted(longest_wait(decode) for _ in range(5))
        shares[name] = measured[2]
        print(f"  {name:52s} {measured[2]:5.2f}", flush=True)
    return shares


def longest_wait(decode: Callable[[], object]) -> float:
    """The longest wait of this thread, by the time that decoding takes in another."""
    taken: list[float] = []

    def run() -> None:
        started = time.perf_counter()
        decode()
        taken.append(time.perf_counter() - started)

    thread = threading.Thread(target=run)
    longest, last = 0.0, time.perf_counter()
    thread.start()
    while thread.is_alive():
        now = time.perf_counter()
        longest, last = max(longest, now - last), now
    return max(longest, time.perf_counter() - last) / taken[0]


def build(folder: Path, samples: int) -> Path:
    from builder.api import regenerate

    output = folder / "ld-portrait-20k"
    return regenerate(output, generator="procedural", count=samples, size=1024, shards=1)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="dataset folder with PNG shards")
    parser.add_argument("--samples", type=int, default=24, help="to build without --data")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--only", default="crops,samples,decoders,threads")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as temporary:
        root = options.data or build(Path(temporary), options.samples)
        raws = list(islice(PortraitStream(root, decode=False), 24))
        sections: dict[str, Callable[[], Any]] = {
            "crops": lambda: bench_crops(raws, options.rounds),
            "samples": lambda: bench_samples(root, options.rounds),
            "decoders": lambda: bench_decoders(raws, options.rounds),
            "threads": bench_threads,
        }
        found = {name: run() for name, run in sections.items() if name in options.only.split(",")}
    if options.json:
        options.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
