"""The last transform of a training pipeline: pictures become tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from ld_portrait_20k.compositing.transform import Sample, Transform
from ld_portrait_20k.errors import missing_extra

_LAYERS: Final = ("image", "alpha", "trimap", "foreground", "background")


class ToTensors(Transform):
    """Turns pictures into tensors and keeps only what collates.

    The result has ``image``, ``foreground``, ``background`` (3, H, W), ``alpha`` and ``trimap``
    (1, H, W), as far as the sample has them, and the ``keep`` keys. Float32 values are in
    0..1, the trimap's 0, 0.5 or 1. Uint8 values are in 0..255, the trimap's 0, 128 or 255; they
    take a quarter of the bytes between processes and are to be divided on the GPU.

    Args:
        dtype: ``"float32"`` or ``"uint8"``.
        keep: Keys passed on as they are.
        numpy: Return arrays instead of tensors.
    """

    def __init__(
        self, dtype: str = "float32", keep: Sequence[str] = ("id", "prompt"), numpy: bool = False
    ) -> None:
        if dtype not in ("float32", "uint8"):
            raise ValueError(f"dtype {dtype!r} is neither float32 nor uint8")
        if isinstance(keep, str):
            raise TypeError(f"keep is a list of keys, not {keep!r}; try: keep=({keep!r},)")
        self.dtype = dtype
        self.keep = tuple(keep)
        self.numpy = numpy

    def apply(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """The sample as tensors."""
        result: Sample = {key: sample[key] for key in self.keep if key in sample}
        for key in _LAYERS:
            if key in sample:
                result[key] = self._convert(key, sample[key])
        return result

    def _convert(self, key: str, picture: NDArray[np.uint8]) -> Any:
        planes: NDArray[Any]
        if picture.ndim == 2:
            planes = picture[None]
        else:
            planes = np.empty((3, *picture.shape[:2]), np.uint8)
            cv2.split(picture, [planes[0], planes[1], planes[2]])
        if self.dtype == "float32":
            # 128 is the trimap's 0.5.
            factor = 1 / 256 if key == "trimap" else 1 / 255
            planes = np.multiply(planes, np.float32(factor))
            if key == "trimap":
                planes[planes > 0.75] = 1.0
        elif picture.ndim == 2:
            planes = planes.copy()
        if self.numpy:
            return planes
        try:
            import torch
        except ImportError as problem:
            raise missing_extra("torch", "torch") from problem
        return torch.from_numpy(planes)
