"""How long the five metrics take: ``python -m tests.benchmarks.bench_matting_metrics``.

A portrait-like matte with a soft, hairy border, a tenth of it soft, against a disturbed
copy; seconds of one core, the best of five.
"""

from __future__ import annotations

import argparse
import time
from functools import partial
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ld_portrait_20k.matting import metrics


def mattes(side: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """A predicted and a true matte, (side, side) float64."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:side, :side] / side
    noise = cv2.GaussianBlur(rng.normal(0, 1, (side, side)), (0, 0), side / 300)
    edge = np.hypot((y - 0.75) / 1.3, x - 0.5) + 0.02 * noise / noise.std()
    true = np.clip((0.36 - edge) / 0.09 + 0.5, 0, 1)
    soft = (true > 0) & (true < 1)
    predicted = np.clip(
        cv2.GaussianBlur(true, (0, 0), 2) + rng.normal(0, 0.03, true.shape) * soft, 0, 1
    )
    return predicted, true


def main() -> None:
    """Print seconds for each metric and for all of them over two regions."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--side", type=int, default=1024, help="pixels (1024)")
    side = options.parse_args().side
    cv2.setNumThreads(1)
    predicted, true = mattes(side)
    unknown = (true > 0) & (true < 1)
    print(f"{side} x {side}, {unknown.mean():.1%} unknown; seconds of one core")
    regions = {"mean": None, "unknown": unknown}
    runs = {name: partial(getattr(metrics, name), predicted, true) for name in metrics.METRICS}
    runs["all five, both regions"] = partial(metrics.score, predicted, true, regions)
    for name, run in runs.items():
        seconds = []
        for _ in range(5):
            start = time.process_time()
            run()
            seconds.append(time.process_time() - start)
        print(f"{name:24} {min(seconds):.3f}")


if __name__ == "__main__":
    main()
