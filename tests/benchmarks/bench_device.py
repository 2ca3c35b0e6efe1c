"""Samples for a GPU: how many the loader brings there, and how many ViTMatte-S takes.

    python -m tests.benchmarks.bench_device --data DIR --backgrounds DIR [--workers 4 8]

DIR is a dataset folder of pictures of at least 512 px, and a folder of photographs. Two ways
to the same training sample (512 px crop, background, trimap) run after one another in each of
``--rounds`` rounds, for each number of worker processes, and the best round is printed:

    workers   everything in the workers, tensors moved to the device
    device    workers crop; colour, background and trimap are done on the device

Then ViTMatte-S is trained on one batch again and again (what it could take), and on what the
loader brings (what it gets), in bf16. On a machine without a GPU it runs on the CPU, which
checks the script and says nothing of a GPU.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import torch  # noqa: E402

from ld_portrait_20k import PortraitLoader, PortraitStream  # noqa: E402
from ld_portrait_20k.compositing import PictureBackgrounds, training_transform  # noqa: E402
from ld_portrait_20k.matting.training.config import LossWeights, TrainingConfig  # noqa: E402
from ld_portrait_20k.matting.training.losses import MattingLoss, fix_known  # noqa: E402
from ld_portrait_20k.matting.training.networks import starting_network  # noqa: E402
from ld_portrait_20k.matting.training.optimization import build_optimizer  # noqa: E402
from ld_portrait_20k.streaming.collation import default_collate  # noqa: E402

LAYERS = ("image", "alpha", "trimap", "foreground", "background")
Batch = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Setting:
    """What all measurements share."""

    data: str
    backgrounds: str
    device: torch.device
    size: int
    batch: int


def batches(setting: Setting, way: str, workers: int) -> Iterator[Batch]:
    """Batches on the device, without end."""
    on_device = way == "device"
    transform = training_transform(
        PictureBackgrounds(setting.backgrounds, cache_bytes=2**29),
        setting.size,
        device=str(setting.device) if on_device else None,
    )
    stream = PortraitStream(
        setting.data, shuffle=True, batch_size=setting.batch, transform=transform
    )
    loader = PortraitLoader(
        stream, num_workers=workers, pin_memory=setting.device.type == "cuda", drop_last=True
    )
    while True:
        for batch in loader:
            yield {
                key: value.to(setting.device, non_blocking=True) if key in LAYERS else value
                for key, value in batch.items()
            }


def wait(device: torch.device) -> None:
    """Let the device finish."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def rate(setting: Setting, stream: Iterator[Batch], seconds: float) -> float:
    """Samples a second that arrive on the device, once the workers run."""
    for _ in range(4):
        next(stream)
    wait(setting.device)
    began, count = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        next(stream)
        wait(setting.device)
        count += setting.batch
    return count / (time.perf_counter() - began)


def race(setting: Setting, workers: list[int], rounds: int, seconds: float) -> None:
    """Both ways by number of workers."""
    for number in workers:
        found: dict[str, list[float]] = {"workers": [], "device": []}
        streams = {way: batches(setting, way, number) for way in found}
        for _ in range(rounds):
            for way, stream in streams.items():
                found[way].append(rate(setting, stream, seconds))
        text = "   ".join(f"{way} {max(rates):7.1f}" for way, rates in found.items())
        print(f"  {number:2} worker(s): samples/s {text}", flush=True)


def second_half(setting: Setting, rounds: int) -> None:
    """The device's part of the work alone."""
    transform = training_transform(
        PictureBackgrounds(setting.backgrounds), setting.size, device=str(setting.device)
    )
    halves = transform.halves()
    assert halves is not None
    stream = PortraitStream(setting.data, shuffle=True, batch_size=setting.batch)
    samples = [halves.sample(sample) for sample in itertools.islice(stream, setting.batch)]
    batch = default_collate(samples)
    took = []
    for _ in range(rounds + 2):
        wait(setting.device)
        began = time.perf_counter()
        halves.batch(dict(batch), setting.device)
        wait(setting.device)
        took.append(time.perf_counter() - began)
    spent = statistics.median(took[2:])
    print(
        f"  the device's half alone, batches of {setting.batch}: {1000 * spent:.1f} ms, "
        f"{setting.batch / spent:.0f} samples/s",
        flush=True,
    )


class Trainer:
    """ViTMatte-S with the steps of a training loop."""

    def __init__(self, setting: Setting) -> None:
        config = TrainingConfig("vitmatte-small", (setting.data,), 1000, weight_decay=0.1)
        self.setting = setting
        self.network = starting_network(config)[0].to(setting.device).train()
        self.optimizer = build_optimizer(self.network, config)
        self.criterion = MattingLoss(LossWeights(known=0.0))

    def step(self, batch: Batch) -> None:
        """Forward, backward, AdamW; bf16 where it pays."""
        with torch.no_grad():
            inputs = self.network.prepare(batch["image"], batch["trimap"])
        kind = self.setting.device.type
        with torch.autocast(kind, torch.bfloat16, enabled=kind == "cuda"):
            alpha = self.network(inputs)
        loss, _ = self.criterion(fix_known(alpha.float(), batch["trimap"]), batch)
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)

    def rate(self, following: Callable[[], Batch], steps: int) -> tuple[float, float]:
        """Samples a second, and the share of the time that the loop waited for data."""
        for _ in range(3):
            self.step(following())
        wait(self.setting.device)
        began, waited = time.perf_counter(), 0.0
        for _ in range(steps):
            start = time.perf_counter()
            batch = following()
            waited += time.perf_counter() - start
            self.step(batch)
            wait(self.setting.device)
        total = time.perf_counter() - began
        return steps * self.setting.batch / total, waited / total


def train(setting: Setting, workers: list[int], steps: int) -> None:
    """What ViTMatte-S takes and what it gets."""
    trainer = Trainer(setting)
    one = next(batches(setting, "workers", 0))
    alone, _ = trainer.rate(lambda: one, steps)
    print(f"  ViTMatte-S, one batch again and again: {alone:.1f} samples/s", flush=True)
    for number in workers:
        for way in ("workers", "device"):
            stream = batches(setting, way, number)
            got, waited = trainer.rate(lambda stream=stream: next(stream), steps)  # type: ignore[misc]
            print(
                f"  ViTMatte-S, {way}, {number:2} worker(s): {got:6.1f} samples/s, "
                f"{100 * waited:4.1f} % waited for data",
                flush=True,
            )
    if setting.device.type == "cuda":
        peak = torch.cuda.max_memory_allocated(setting.device) / 2**30
        print(f"  peak {peak:.1f} GiB of the device's memory")


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", required=True)
    parser.add_argument("--backgrounds", required=True)
    parser.add_argument("--workers", type=int, nargs="+", default=[4, 8])
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement")
    parser.add_argument("--steps", type=int, default=15, help="of ViTMatte-S; 0: leave that out")
    options = parser.parse_args()
    cuda = torch.cuda.is_available()
    device = torch.device("cuda", torch.cuda.current_device()) if cuda else torch.device("cpu")
    name = torch.cuda.get_device_name(device) if cuda else "CPU"
    setting = Setting(options.data, options.backgrounds, device, options.size, options.batch)
    print(f"training samples of {setting.size} px on {name}, batches of {setting.batch}")
    second_half(setting, 5)
    race(setting, options.workers, options.rounds, options.seconds)
    if options.steps:
        train(setting, options.workers[-1:], options.steps)


if __name__ == "__main__":
    main()
