"""Memory over time, frames/s by stage and the overlap of two cores, on a clip made by looping.

    LD_PORTRAIT_SHARED=DIR python tests/benchmarks/bench_video_speed.py
    LD_PORTRAIT_SHARED=DIR python tests/benchmarks/bench_video_speed.py --frames 12 --size 320x180

The clip is the dancer of ``data/video`` over a picture of ``data/backgrounds``, enlarged, played
forwards and backwards in turn, so that motion has no jumps. It is matted twice: one stage after
the other, each on the CPU's clock, then with the stages overlapping as the command has them. Frames
are made in memory, so reading a file is not in the figures. After ``--seconds`` a run ends early;
the figures are of the frames that were done, which are told.
"""

from __future__ import annotations

import argparse
import itertools
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT)]

from ld_portrait_20k.matting.data.pictures import read_colour  # noqa: E402
from ld_portrait_20k.matting.models.protocol import MattingModel  # noqa: E402
from ld_portrait_20k.matting.models.registry import default_model, load  # noqa: E402
from ld_portrait_20k.matting.video.alphas import matte_of, mattes, steady_alphas  # noqa: E402
from ld_portrait_20k.matting.video.chain import Options, matte, segmented  # noqa: E402
from ld_portrait_20k.matting.video.composites import cut_out  # noqa: E402
from ld_portrait_20k.matting.video.encoding import RGBA  # noqa: E402
from ld_portrait_20k.matting.video.frames import ClipInfo, Frame, Pixels  # noqa: E402
from ld_portrait_20k.matting.video.masks import steady, with_motion  # noqa: E402
from ld_portrait_20k.matting.video.segmenters.first_mask import FirstMask  # noqa: E402
from ld_portrait_20k.matting.video.segmenters.protocol import Segmenter  # noqa: E402
from ld_portrait_20k.matting.video.trimaps import trimap_of, trimaps  # noqa: E402
from ld_portrait_20k.matting.video.writing import ClipSink  # noqa: E402
from tests.benchmarks.bench_video import clip  # noqa: E402

T = TypeVar("T")
RATE = Fraction(25)


class Clock:
    """Seconds by stage: those until a stage gives an item, less those of the stage before.

    Args:
        now: What the time is; that of the CPU says the same on a machine that others use too.
    """

    def __init__(self, now: Callable[[], float] = time.process_time) -> None:
        self.inclusive: dict[str, float] = {}
        self.now = now

    def timed(self, name: str, items: Iterable[T]) -> Iterator[T]:
        # At once, not when the first item is wanted: stages are listed in their order.
        self.inclusive[name] = 0.0
        return self._timed(name, iter(items))

    def _timed(self, name: str, iterator: Iterator[T]) -> Iterator[T]:
        while True:
            begin = self.now()
            try:
                item = next(iterator)
            except StopIteration:
                return
            finally:
                self.inclusive[name] += self.now() - begin
            yield item

    def stages(self) -> dict[str, float]:
        found, before = {}, 0.0
        for name, seconds in self.inclusive.items():
            found[name], before = seconds - before, seconds
        return found


class KnownMasks:
    """The true masks, as if somebody had made them: the chain without a segmenter's work."""

    name = "truth"

    def __init__(self, masks: list[Pixels]) -> None:
        self._masks = masks

    def __call__(self, frame: Frame, last: tuple[Frame, Pixels] | None) -> Pixels:
        return self._masks[_place(frame.index, len(self._masks))]


def _place(index: int, count: int) -> int:
    """Forwards and backwards in turn."""
    turn = index % (2 * count - 2)
    return min(turn, 2 * count - 2 - turn)


def looped(pictures: list[Pixels], count: int) -> Iterator[Frame]:
    for index in range(count):
        yield Frame(index, index / RATE, 1 / RATE, pictures[_place(index, len(pictures))])


def until(items: Iterable[T], seconds: float) -> Iterator[T]:
    """Items until the time is over."""
    end = time.perf_counter() + seconds
    return itertools.takewhile(lambda _: time.perf_counter() < end, items)


def resident() -> float:
    """MiB that this process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def staged(
    frames: Iterator[Frame], segmenter: Segmenter, model: MattingModel, sink: ClipSink, every: int
) -> None:
    """One stage after the other, each on the clock."""
    clock = Clock()
    masked = clock.timed("masks", segmented(clock.timed("making frames", frames), segmenter))
    moving = clock.timed("flow", with_motion(masked))
    steadied = clock.timed("steady masks", steady(steady(moving)))
    prepared = clock.timed("trimaps", trimaps(steadied))
    matted = clock.timed("matting", mattes(prepared, model, workers=0))
    alphas = clock.timed("steady alpha", steady_alphas(matted))
    cut = clock.timed("colours", ((one, cut_out(one)) for one in alphas))
    begin, spent, count, memory = time.perf_counter(), time.process_time(), 0, []
    for one, rgba in cut:
        sink.write(one.frame, {RGBA: rgba})
        count += 1
        if count % every == 0:
            memory.append(resident())
    sink.finish(None)
    wall, cpu = time.perf_counter() - begin, time.process_time() - spent
    stages = clock.stages()
    stages["encoding"] = cpu - sum(stages.values())
    print(
        f"\none after the other: {count} frames in {wall:.1f} s, {count / wall:.2f} frames/s, "
        f"{cpu / wall:.2f} cores busy on average"
    )
    print("\n| stage | CPU-s a frame | frames a CPU-s | share |\n|---|---|---|---|")
    for name, seconds in stages.items():
        speed = count / max(seconds, 1e-9)
        print(f"| {name} | {seconds / count:.3f} | {speed:.1f} | {100 * seconds / cpu:.0f} % |")
    tell_memory(memory, every)


def tell_memory(memory: list[float], every: int) -> None:
    print(f"\nresident MiB, every {every} frames: {' '.join(f'{mib:.0f}' for mib in memory)}")


def overlapping(
    frames: Iterator[Frame], segmenter: Segmenter, model: MattingModel, sink: ClipSink, every: int
) -> None:
    """As the command does it."""
    begin, spent, count, memory = time.perf_counter(), time.process_time(), 0, []
    for one in matte(segmented(frames, segmenter), model, Options()):
        sink.write(one.frame, {RGBA: cut_out(one)})
        count += 1
        if count % every == 0:
            memory.append(resident())
    sink.finish(None)
    wall, cpu = time.perf_counter() - begin, time.process_time() - spent
    print(
        f"\noverlapping: {count} frames in {wall:.1f} s, {count / wall:.2f} frames/s, "
        f"{cpu / wall:.2f} cores busy on average"
    )
    tell_memory(memory, every)


RUNS = {"staged": staged, "overlapping": overlapping}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=1000)
    parser.add_argument("--size", default="1920x1080", metavar="WxH")
    parser.add_argument("--model", default=default_model()[0])
    parser.add_argument("--masks", choices=("first-mask", "truth"), default="first-mask")
    parser.add_argument("--background", default="coast_cliff_overcast", help="a stem")
    parser.add_argument("--runs", nargs="+", choices=tuple(RUNS), default=list(RUNS))
    parser.add_argument("--seconds", type=float, default=3600.0, help="at most, for each run")
    options = parser.parse_args()
    named = os.environ.get("LD_PORTRAIT_SHARED")
    if not named:
        parser.error("LD_PORTRAIT_SHARED names no folder of real data")
    width, height = (int(part) for part in options.size.split("x"))
    picture = read_colour(Path(named) / f"data/backgrounds/{options.background}.jpg")
    made, true = clip(Path(named), picture, 24, 0)
    pictures = [np.asarray(cv2.resize(one.colour, (width, height)), np.uint8) for one in made]
    masks = [np.asarray(cv2.resize(one, (width, height)), np.uint8) for one in true]
    model = load(options.model)
    info = ClipInfo("looped", width, height, RATE, Fraction(1, 12800))
    cut_out_once(made[0], true[0])
    torch.set_num_threads(1)  # numba has set it to the number of cores
    matte_of(pictures[0], trimap_of(masks[0]), model)  # compiles the kernels
    print(f"{options.model}, {options.masks}, {width} x {height}, {os.cpu_count()} cores")
    for name in options.runs:
        run = RUNS[name]
        segmenter: Segmenter = FirstMask(masks[0])
        if options.masks == "truth":
            segmenter = KnownMasks(masks)
        frames = until(looped(pictures, options.frames), options.seconds)
        with tempfile.TemporaryDirectory() as folder:
            sink = ClipSink(Path(folder) / "out.webm", RGBA, info, Path(folder) / "work")
            run(frames, segmenter, model, sink, max(1, options.frames // 40))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\npeak resident memory: {peak:.0f} MiB")


def cut_out_once(frame: Frame, alpha: Pixels) -> None:
    """The estimation of colours is compiled at its first call, which is no frame's time."""
    from ld_portrait_20k.matting.video.alphas import Matted

    cut_out(Matted(replace(frame), alpha, alpha))


if __name__ == "__main__":
    main()
