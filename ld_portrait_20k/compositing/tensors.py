"""The last transform of a training pipeline: pictures become tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ld_portrait_20k.compositing.batches import (
    LAYERS,
    Stacking,
    as_floats,
    planes_of,
)
from ld_portrait_20k.compositing.buffers import BUFFERS
from ld_portrait_20k.compositing.transform import Batch, Halves, Sample, Transform
from ld_portrait_20k.errors import missing_extra


class Pick(Transform):
    """Keeps pictures, as they are, and some other keys.

    Args:
        keep: The other keys.
    """

    def __init__(self, keep: Sequence[str]) -> None:
        self.keep = tuple(keep)

    def apply(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """The sample with the keys to keep, then its pictures."""
        return {key: sample[key] for key in (*self.keep, *LAYERS) if key in sample}


class ToTensors(Transform):
    """Turns pictures into tensors and keeps only what collates.

    The result has ``image``, ``foreground``, ``background`` (3, H, W), ``alpha`` and ``trimap``
    (1, H, W), as far as the sample has them, and the ``keep`` keys. Float32 values are in
    0..1, the trimap's 0, 0.5 or 1. Uint8 values are in 0..255, the trimap's 0, 128 or 255.

    Float32 takes four times the bytes, so where this is the last transform of a stream, a
    :class:`~ld_portrait_20k.streaming.loader.PortraitLoader` has its workers hand over uint8
    and makes the floats itself.

    Args:
        dtype: ``"float32"`` or ``"uint8"``.
        keep: Keys passed on as they are.
        numpy: Return arrays instead of tensors.
        channels_last: Leave pictures in memory as rows of pixels; shapes stay the same, batches
            are in torch's ``channels_last`` format.
    """

    def __init__(
        self,
        dtype: str = "float32",
        keep: Sequence[str] = ("id", "prompt"),
        numpy: bool = False,
        channels_last: bool = False,
    ) -> None:
        if dtype not in ("float32", "uint8"):
            raise ValueError(f"dtype {dtype!r} is neither float32 nor uint8")
        if isinstance(keep, str):
            raise TypeError(f"keep is a list of keys, not {keep!r}; try: keep=({keep!r},)")
        self.dtype = dtype
        self.keep = tuple(keep)
        self.numpy = numpy
        self.channels_last = channels_last

    def apply(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """The sample as tensors."""
        result: Sample = {key: sample[key] for key in self.keep if key in sample}
        for key in LAYERS:
            if key in sample:
                result[key] = self._convert(key, sample[key])
        return result

    def halves(self) -> Halves | None:
        """Pictures of a sample, uint8 tensors of a batch of them, then floats."""
        if self.numpy or type(self) is not ToTensors:
            return None
        return Halves(
            Pick(self.keep),
            floats if self.dtype == "float32" else moved,
            Stacking("uint8", self.channels_last),
            Stacking(self.dtype, self.channels_last),
        )

    def _convert(self, key: str, picture: NDArray[np.uint8]) -> Any:
        planes: NDArray[Any]
        if picture.ndim == 2:
            planes = picture[None].copy()
        elif self.channels_last:
            planes = np.moveaxis(picture.copy(), 2, 0)
        else:
            planes = np.empty((3, *picture.shape[:2]), np.uint8)
            planes_of(picture, planes)
        if self.dtype == "float32":
            planes = _array_of_floats(key, planes)
        if self.numpy:
            return planes
        try:
            import torch
        except ImportError as problem:
            raise missing_extra("torch", "torch") from problem
        return torch.from_numpy(planes)


def floats(batch: Batch, device: Any = None) -> Batch:
    """A batch of uint8 tensors as float32 in 0..1; the trimap as 0, 0.5 and 1.

    Args:
        batch: Its layers are tensors (B, C, H, W), or lists of them where sizes differ.
        device: Where the floats are to be; by default where the tensors are.
    """
    return _each_layer(batch, lambda key, planes: _tensor_of_floats(key, move(planes, device)))


def moved(batch: Batch, device: Any = None) -> Batch:
    """A batch whose layers are on a device."""
    return _each_layer(batch, lambda _, planes: move(planes, device))


def move(tensor: Any, device: Any) -> Any:
    """A tensor on a device, or where it is for None; from pinned memory without waiting."""
    return tensor if device is None else tensor.to(device, non_blocking=True)


def _each_layer(batch: Batch, convert: Any) -> Batch:
    result = dict(batch)
    for key in LAYERS:
        if key in batch:
            value = batch[key]
            several = isinstance(value, list)
            result[key] = [convert(key, x) for x in value] if several else convert(key, value)
    return result


def _array_of_floats(key: str, planes: NDArray[np.uint8]) -> NDArray[np.float32]:
    if planes.flags.c_contiguous:
        # numpy's memory for the result: numpy asks for large pages, torch does not.
        result: NDArray[np.float32] = BUFFERS.take(planes.shape)
        as_floats(key, planes, result)
        return result
    pixels = np.ascontiguousarray(np.moveaxis(planes, -3, -1))
    return np.moveaxis(_array_of_floats(key, pixels), -1, -3)


def _tensor_of_floats(key: str, planes: Any) -> Any:
    import torch

    if planes.device.type == "cpu" and planes.dtype == torch.uint8:
        return torch.from_numpy(_array_of_floats(key, planes.numpy()))
    result = torch.mul(planes, 1 / 256 if key == "trimap" else 1 / 255)
    return result.masked_fill_(planes == 255, 1.0) if key == "trimap" else result
