"""PNG encoders on foregrounds and alphas of 1024 px: CPU time, bytes, and CPU time to decode.

Run from the project's root; pictures of Layer Diffusion come from ``LD_PORTRAIT_SHARED``, else all
are procedural:

    python -m tests.benchmarks.bench_png [--rounds 5]

Rivals take turns in one process; a picture counts with the median of its rounds. The deflaters of
the wheels ``deflate`` (libdeflate) and ``isal`` (igzip) take part where they are installed, with
the rows that our filters leave.
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import kornia_rs.io
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from builder.generation.folder import read_rgba
from builder.generation.procedural import ProceduralGenerator
from builder.generation.protocol import Generated, Request
from builder.plan import PlanRow
from ld_portrait_20k.codec import png_writing
from refinement import refine

Picture = NDArray[np.uint8]
Layers = tuple[Picture, Picture]
SHARED = os.environ.get("LD_PORTRAIT_SHARED")
SIDE = 896
"""Pictures with a shorter side are left out."""


def raw_layers() -> Iterator[Layers]:
    """Real pictures, then procedural ones with damaged alphas."""
    folder = Path(SHARED or "/nowhere") / "data" / "layerdiffuse"
    for path in sorted(folder.glob("*.png")):
        foreground, alpha = read_rgba(path.read_bytes(), path.name)
        if min(alpha.shape) >= SIDE:
            yield foreground, alpha
    attributes: dict[str, str | None] = {"framing": "head and shoulders", "hair_texture": "curly"}
    row = PlanRow("ldp-0000000", "train", "", None, attributes, 0, 1024, 1024)
    for made in ProceduralGenerator(damage=1.0).generate(
        [Request(row, 0, seed) for seed in (0, 1)]
    ):
        assert isinstance(made, Generated)
        yield made.foreground, made.alpha


def all_layers() -> list[Layers]:
    """The raw layers and what refinement makes of them."""
    found = []
    for foreground, alpha in raw_layers():
        refined = refine(np.dstack([foreground, alpha]))
        matte = np.rint(refined.alpha * 255.0).astype(np.uint8)
        found += [(foreground, alpha), (refined.foreground.astype(np.uint8), matte)]
    return found


def with_pillow(level: int = 6, strategy: int = zlib.Z_RLE) -> Callable[[Picture], bytes]:
    """Pillow's encoder; by default as shards were encoded before ``png_writing``."""

    def encode(picture: Picture) -> bytes:
        out = io.BytesIO()
        image = Image.fromarray(picture)
        image.save(out, "PNG", compress_level=level, compress_type=strategy)
        return out.getvalue()

    return encode


def with_cv2(*flags: int) -> Callable[[Picture], bytes]:
    """OpenCV's encoder."""

    def encode(picture: Picture) -> bytes:
        turned = picture if picture.ndim == 2 else picture[..., ::-1]
        return cv2.imencode(".png", turned, list(flags))[1].tobytes()

    return encode


def with_kornia(picture: Picture) -> bytes:
    """kornia_rs writes files only; a file in memory here."""
    folder = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.NamedTemporaryFile(dir=folder, suffix=".png") as file:
        pixels = picture if picture.ndim == 3 else picture[..., None]
        kornia_rs.io.write_image_png_u8(file.name, pixels, "rgb" if picture.ndim == 3 else "mono")
        return Path(file.name).read_bytes()


class OneShot:
    """A deflater of whole buffers behind the interface of :func:`zlib.compressobj`."""

    def __init__(self, compress: Callable[[bytes], bytes]) -> None:
        self._compress = compress
        self._parts: list[bytes] = []

    def compressobj(self, *_: Any) -> OneShot:
        self._parts = []
        return self

    def compress(self, data: Any) -> bytes:
        self._parts.append(bytes(data))
        return b""

    def flush(self) -> bytes:
        return self._compress(b"".join(self._parts))

    crc32 = staticmethod(zlib.crc32)


def ours(library: Any) -> Callable[[Picture], bytes]:
    """Our encoder with another deflater."""

    def encode(picture: Picture) -> bytes:
        found, png_writing.fastest_zlib = png_writing.fastest_zlib, lambda: library
        try:
            return png_writing.encode(picture)
        finally:
            png_writing.fastest_zlib = found

    return encode


def rivals() -> dict[str, Callable[[Picture], bytes]]:
    """Name to encoder."""
    run_lengths = (cv2.IMWRITE_PNG_STRATEGY, zlib.Z_RLE, cv2.IMWRITE_PNG_COMPRESSION, 1)
    found: dict[str, Callable[[Picture], bytes]] = {
        "Pillow, run lengths (before)": with_pillow(),
        "Pillow, level 6": with_pillow(strategy=zlib.Z_DEFAULT_STRATEGY),
        "cv2, default": with_cv2(),
        "cv2, run lengths, all filters": with_cv2(
            *run_lengths, cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_ALL_FILTERS
        ),
        "kornia_rs": with_kornia,
        "ours (now)": png_writing.encode,
        "ours, zlib": ours(zlib),
    }
    if find_spec("deflate"):
        import deflate

        for level in (1, 2, 3):
            library = OneShot(lambda data, level=level: deflate.zlib_compress(data, level))  # type: ignore[misc]
            found[f"our filters, libdeflate {level}"] = ours(library)
    if find_spec("isal"):
        from isal import isal_zlib

        for level in (1, 2, 3):
            library = OneShot(lambda data, level=level: isal_zlib.compress(data, level))  # type: ignore[misc]
            found[f"our filters, igzip {level}"] = ours(library)
    return found


def decoders() -> dict[str, Callable[[bytes, Picture], object]]:
    """Name to a decoder of a file whose picture is known."""
    return {
        "kornia_rs": lambda data, picture: kornia_rs.io.decode_image_png_u8(
            data, picture.shape[:2], "rgb" if picture.ndim == 3 else "mono"
        ),
        "cv2": lambda data, _: cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED),
        "Pillow": lambda data, _: np.asarray(Image.open(io.BytesIO(data))),
    }


def timed(work: Callable[..., Any], *arguments: Any) -> tuple[float, Any]:
    """CPU milliseconds of a call, and what it gave."""
    began = time.process_time()
    result = work(*arguments)
    return 1000.0 * (time.process_time() - began), result


def bench(pictures: list[Picture], rounds: int) -> None:
    """Print a line a rival: means over pictures of the medians over rounds."""
    encoders, readers = rivals(), decoders()
    spent: dict[tuple[str, str], list[float]] = {}
    sizes = dict.fromkeys(encoders, 0)
    for picture in pictures:
        laps: dict[tuple[str, str], list[float]] = {}
        for turn in range(rounds):
            for name, encode in encoders.items():
                taken, data = timed(encode, picture)
                laps.setdefault((name, "encode"), []).append(taken)
                sizes[name] += 0 if turn else len(data)
                for reader, decode in readers.items():
                    laps.setdefault((name, reader), []).append(timed(decode, data, picture)[0])
        for key, values in laps.items():
            spent.setdefault(key, []).append(statistics.median(values))
    print(f"{'encoder':30} {'encode ms':>9} {'kB':>8}  decode ms: {', '.join(readers)}")
    for name in encoders:
        means = [statistics.mean(spent[name, column]) for column in ("encode", *readers)]
        told = " ".join(f"{value:7.2f}" for value in means[1:])
        print(f"{name:30} {means[0]:9.2f} {sizes[name] / len(pictures) / 1000:8.1f}  {told}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    layers = all_layers()
    for kind, place in (("foregrounds", 0), ("alphas", 1)):
        print(f"{len(layers)} {kind}")
        bench([pair[place] for pair in layers], options.rounds)


if __name__ == "__main__":
    main()
