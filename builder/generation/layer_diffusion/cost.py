"""Operations for a picture, and how long this CPU would take for them."""

from __future__ import annotations

import time
from typing import Final

UNET_TFLOP: Final = 6.76
VAE_TFLOP: Final = 10.47
TRANSPARENT_DECODER_TFLOP: Final = 0.857
"""Tera floating-point operations of one 1024x1024 pass of the published architectures.

Counted with ``torch.utils.flop_counter`` on the meta device; a multiply-add counts two.
"""


def picture_tflop(steps: int = 25, width: int = 1024, height: int = 1024) -> float:
    """Tera floating-point operations of a picture, guidance and all eight views included.

    Scales with the area, which slightly overestimates small pictures, because attention
    grows faster.
    """
    whole = 2 * steps * UNET_TFLOP + VAE_TFLOP + 8 * TRANSPARENT_DECODER_TFLOP
    return whole * width * height / 1024**2


def cpu_hours(steps: int = 25, width: int = 1024, height: int = 1024) -> float:
    """Hours that a picture takes on this CPU, if it convolves as fast as it multiplies.

    Times a float32 matrix product for a few tenths of a second. Convolutions are slower, so
    a picture takes longer than this estimate.
    """
    import numpy as np

    side = 1024
    matrix = np.ones((side, side), dtype=np.float32)
    best = float("inf")
    for _ in range(4):
        start = time.perf_counter()
        matrix @ matrix
        best = min(best, time.perf_counter() - start)
    tflops = 2 * side**3 / best / 1e12
    return picture_tflop(steps, width, height) / tflops / 3600
