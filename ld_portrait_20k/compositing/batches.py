"""Batches of pictures, each plane written once, where it stays.

A sample has pictures as rows of pixels, a batch has planes: (B, C, H, W). Making planes of each
sample and stacking them later took 2 ms of a training sample of 512 px. Here they are written into
the batch as soon as the sample is there, while the processor's cache still has it, and its
memory serves the next sample. Floats come from a table of the 256 values.
"""

from __future__ import annotations

import functools
from math import prod
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from ld_portrait_20k.compositing.buffers import BUFFERS
from ld_portrait_20k.compositing.strips import strip_rows
from ld_portrait_20k.compositing.transform import Batch, Sample
from ld_portrait_20k.streaming import lending
from ld_portrait_20k.streaming.collation import default_collate

LAYERS: Final = ("image", "alpha", "trimap", "foreground", "background")
"""The keys of a sample that hold pictures, in the order that a batch has them."""

_STRIP: Final = 2**15
"""Pixels made floats at a time: half a megabyte. Twice as many took the same time, eight times as
many 0.4 ms a sample longer, and a quarter as many 0.3 ms (512x512, in turn)."""


class Stacking:
    """Collation of samples whose pictures are arrays.

    All else is collated as by :func:`~ld_portrait_20k.streaming.collation.default_collate`. In a
    loader's worker process the tensors are in shared memory.

    Args:
        dtype: ``"uint8"`` or ``"float32"``; float32 values are in 0..1, the trimap's 0, 0.5 and 1.
        channels_last: Leave pixels together, in torch's ``channels_last`` format.
    """

    def __init__(self, dtype: str = "uint8", channels_last: bool = False) -> None:
        self._dtype: type[Any] = np.float32 if dtype == "float32" else np.uint8
        self._channels_last = channels_last

    def gather(self, size: int) -> PictureBatch:
        """An empty batch of up to so many samples."""
        return PictureBatch(size, self._dtype, self._channels_last)

    def __call__(self, samples: list[Sample] | PictureBatch) -> Batch:
        """The batch of a list of samples, or of what was gathered."""
        if isinstance(samples, PictureBatch):
            return samples.collated()
        batch = self.gather(len(samples))
        for sample in samples:
            batch.append(sample)
        return batch.collated()


class PictureBatch:
    """Samples on their way into one batch.

    Args:
        size: The most samples.
        dtype: Of the batch's pictures, uint8 or float32.
        channels_last: See :class:`Stacking`.
    """

    def __init__(self, size: int, dtype: type[Any], channels_last: bool) -> None:
        self._size = size
        self._dtype = dtype
        self._channels_last = channels_last
        self._rest: list[Sample] = []
        self._layers: dict[str, list[Any]] = {}  # a tensor, or one a sample where sizes differ
        self._places: dict[str, NDArray[Any]] = {}  # the memory of those that are one tensor
        self._pixels: set[str] = set()  # the layers whose pixels stay together
        self._scratch: NDArray[np.float32] = np.empty(0, np.float32)

    def __len__(self) -> int:
        return len(self._rest)

    def append(self, sample: Sample) -> None:
        """Take a sample; its layers are (H, W) or (H, W, 3) uint8 arrays."""
        if not self._rest:
            self._begin(sample)
        for key, layer in self._layers.items():
            picture = sample[key]
            size = self._size_of(key, picture)
            places = self._places.get(key)
            if places is not None and places.shape[1:] != size:
                layer[:] = layer[0][: len(self)]
                places = None
                del self._places[key]
            if places is None:
                layer.append(_memory(size, self._dtype))
            place = layer[-1].numpy() if places is None else places[len(self)]
            self._write(key, picture, place)
        self._rest.append({key: x for key, x in sample.items() if key not in LAYERS})

    def collated(self) -> Batch:
        """The batch; pictures (B, 1, H, W) or (B, 3, H, W), a list of them where sizes differ."""
        batch: Batch = default_collate(self._rest)
        for key, layer in self._layers.items():
            one = key in self._places
            tensors = [layer[0][: len(self)]] if one else layer
            if key in self._pixels:
                tensors = [tensor.movedim(-1, -3) for tensor in tensors]
            batch[key] = tensors[0] if one else tensors
        return batch

    def _begin(self, first: Sample) -> None:
        for key in LAYERS:
            if key in first:
                if self._channels_last and first[key].ndim == 3:
                    self._pixels.add(key)
                size = self._size_of(key, first[key])
                tensor = _memory((self._size, *size), self._dtype)
                self._layers[key], self._places[key] = [tensor], tensor.numpy()

    def _size_of(self, key: str, picture: NDArray[np.uint8]) -> tuple[int, ...]:
        height, width = picture.shape[:2]
        channels = 1 if picture.ndim == 2 else picture.shape[2]
        return (height, width, channels) if key in self._pixels else (channels, height, width)

    def _write(self, key: str, picture: NDArray[np.uint8], place: NDArray[Any]) -> None:
        together = key in self._pixels or picture.ndim == 2
        if self._dtype is np.float32:
            if together:
                as_floats(key, picture, place)
            else:
                self._write_float_planes(key, picture, place)
        elif together:
            place[...] = picture
        else:
            planes_of(picture, place)

    def _write_float_planes(
        self, key: str, picture: NDArray[np.uint8], place: NDArray[np.float32]
    ) -> None:
        """Planes by way of strips of pixels that are floats already.

        OpenCV writes planes past the processor's cache, so the strip stays there, and so does
        what the next sample needs: 12.1 ms a sample instead of 12.6, in turn.
        """
        height, width, channels = picture.shape
        rows = strip_rows(height, width, _STRIP)
        if self._scratch.shape != (rows, width, channels):
            self._scratch = np.empty((rows, width, channels), np.float32)
        for first in range(0, height, rows):
            strip = slice(first, first + rows)
            pixels = self._scratch[: height - first]
            as_floats(key, picture[strip], pixels)
            cv2.split(pixels, [plane[strip] for plane in place])


def planes_of(picture: NDArray[np.uint8], out: NDArray[np.uint8]) -> None:
    """Write a picture (H, W) or (H, W, 3) into planes (C, H, W)."""
    if picture.ndim == 2:
        out[0] = picture
    else:
        cv2.split(picture, list(out))


def as_floats(key: str, values: NDArray[np.uint8], out: NDArray[np.float32]) -> None:
    """Write values of the layer ``key`` as floats; both arrays contiguous, of one shape."""
    rows = values.reshape(-1, values.shape[-1])
    cv2.LUT(rows, _table(key == "trimap"), out.reshape(rows.shape))


@functools.cache
def _table(trimap: bool) -> NDArray[np.float32]:
    table = np.arange(256, dtype=np.float32) * np.float32(1 / 255)
    if trimap:
        table[128] = 0.5
    return table[None]


def _memory(shape: tuple[int, ...], dtype: type[Any]) -> Any:
    """A tensor, shared where another process takes it, else in memory of earlier batches."""
    import torch
    from torch.utils.data import get_worker_info

    if get_worker_info() is None:
        return torch.from_numpy(BUFFERS.take(shape, dtype))
    size = prod(shape) * np.dtype(dtype).itemsize
    if dtype is np.float32 or lending.LENDER is None:
        kind = torch.float32 if dtype is np.float32 else torch.uint8
        return lending.shared_memory(size).view(kind).view(shape)
    return lending.LENDER.take(size).view(shape)
