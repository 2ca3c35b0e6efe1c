"""ViTMatte-S on this machine: one batch overfitted, the time of a step, and the wait for data.

    python -m tests.benchmarks.bench_vitmatte --data DIR [--backgrounds DIR] [--steps 300]

DIR is anything that ``train --data`` takes; procedural portraits do. Times are CPU seconds of
one thread, so other work on the machine changes them little; run it with OMP_NUM_THREADS=1.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from ld_portrait_20k.matting.training.config import TrainingConfig, build

GPU: Final = 20  # how much faster than two of these cores the GPU of the forecast is


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--backgrounds")
    parser.add_argument("--steps", type=int, default=300, help="of the overfitting, at most")
    parser.add_argument("--timed", type=int, default=2, help="steps at 512 px in each precision")
    options = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    base = build({
        "model": "vitmatte-small", "data": [options.data], "backgrounds": options.backgrounds,
        "device": "cpu", "workers": 0, "batch_size": 2, "crop": 96, "steps": 1000,
        "learning_rate": 3e-3, "warmup_steps": 1, "ema_decay": 0.0, "precision": "bf16",
    }, where="bench_vitmatte")  # fmt: skip
    print("| ViTMatte-S | figure |")
    print("|---|---|")
    first, losses, spent = overfit(base, options.steps)
    tenth = losses[-1] <= first / 10
    reached = f"{'a tenth' if tenth else 'no tenth'} after {len(losses) + 1} steps"
    print(f"| 2 crops of 96 px, bf16: loss | {first:.3f} to {min(losses):.3f}, {reached} |")
    print(f"| a step of it | {spent:.1f} CPU-s |")
    large = replace(base, batch_size=1, crop=512)
    step = 0.0
    for precision in ("fp32", "bf16"):
        step, data = timed(replace(large, precision=precision), options.timed)
        print(f"| a step at 512 px, one crop, {precision} | {step:.1f} CPU-s |")
        print(f"| its data | {data:.3f} CPU-s |")
    print(f"| waiting without a worker, bf16 | {data / (data + step):.1%} |")
    busy = data / (step / 2 / GPU)  # two cores share the step, one worker makes the data
    wait = max(0.0, 1 - 1 / busy)
    print(
        f"| one worker beside a GPU of {GPU} times two cores | busy {busy:.0%}, wait {wait:.0%} |"
    )


def overfit(config: TrainingConfig, steps: int) -> tuple[float, list[float], float]:
    """The first loss of one batch, its losses until a tenth of it, and CPU seconds a step."""
    with _run(config) as run:
        batch = next(run.stream(0))
        first = float(run.step(batch)[0])
        began, losses = time.process_time(), []
        for _ in range(steps):
            run.done = 1  # the highest learning rate, the same random numbers
            losses.append(float(run.step(batch)[0]))
            if losses[-1] <= first / 10:
                break
        return first, losses, (time.process_time() - began) / max(1, len(losses))


def timed(config: TrainingConfig, steps: int) -> tuple[float, float]:
    """CPU seconds of a step and of its data, the first left out."""
    with _run(config) as run:
        stream = run.stream(0)
        run.step(next(stream))
        model, data = [], []
        for _ in range(steps):
            spent, batch = _spent(lambda: next(stream))
            data.append(spent)
            model.append(_spent(lambda batch=batch: run.step(batch))[0])  # type: ignore[misc]
    return min(model), sorted(data)[len(data) // 2]


def _spent(call: Callable[[], Any]) -> tuple[float, Any]:
    began = time.process_time()
    result = call()
    return time.process_time() - began, result


def _run(config: TrainingConfig) -> Any:
    from ld_portrait_20k.matting.training.loop import open_run

    return open_run(config, Path(tempfile.mkdtemp()) / "run", resume=False)


if __name__ == "__main__":
    main()
