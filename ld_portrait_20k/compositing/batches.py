"""Batches of pictures, each plane written once, where it stays.

A sample has pictures as rows of pixels, a batch has planes: (B, C, H, W). Making planes of each
sample and stacking them took 2 ms of a training sample of 512 px, writing them into the batch
takes 1. Floats come from a table of the 256 values, at the speed of the memory.
"""

from __future__ import annotations

import functools
from math import prod
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from ld_portrait_20k.compositing.buffers import BUFFERS
from ld_portrait_20k.compositing.transform import Batch, Sample
from ld_portrait_20k.streaming.collation import default_collate

LAYERS: Final = ("image", "alpha", "trimap", "foreground", "background")
"""The keys of a sample that hold pictures, in the order that a batch has them."""


def stack_uint8(samples: list[Sample], *, channels_last: bool = False) -> Batch:
    """A batch of samples with their pictures as uint8 tensors.

    In a loader's worker process the tensors are in shared memory.

    Args:
        samples: Their layers are (H, W) or (H, W, 3) uint8 arrays. All else is collated as by
            :func:`~ld_portrait_20k.streaming.collation.default_collate`.
        channels_last: Leave pixels together, in torch's ``channels_last`` format.

    Returns:
        Layers as (B, 1, H, W) or (B, 3, H, W), as a list of tensors where sizes differ.
    """
    return _stacked(samples, np.uint8, channels_last)


def stack_float32(samples: list[Sample], *, channels_last: bool = False) -> Batch:
    """Like :func:`stack_uint8`, as float32 in 0..1; the trimap as 0, 0.5 and 1."""
    return _stacked(samples, np.float32, channels_last)


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


def _stacked(samples: list[Sample], dtype: type[Any], channels_last: bool) -> Batch:
    layers = [key for key in LAYERS if key in samples[0]]
    rest = [{key: x for key, x in sample.items() if key not in LAYERS} for sample in samples]
    batch: Batch = default_collate(rest)
    for key in layers:
        pictures = [sample[key] for sample in samples]
        if all(picture.shape == pictures[0].shape for picture in pictures):
            batch[key] = _layer(key, pictures, dtype, channels_last)
        else:
            batch[key] = [_layer(key, [x], dtype, channels_last)[0] for x in pictures]
    return batch


def _layer(
    key: str, pictures: list[NDArray[np.uint8]], dtype: type[Any], channels_last: bool
) -> Any:

    height, width = pictures[0].shape[:2]
    channels = 1 if pictures[0].ndim == 2 else pictures[0].shape[2]
    by_pixels = channels_last and channels > 1
    size = (height, width, channels) if by_pixels else (channels, height, width)
    tensor = _memory((len(pictures), *size), dtype)
    planes = np.empty(size, np.uint8) if dtype is np.float32 else None
    for picture, place in zip(pictures, tensor.numpy(), strict=True):
        target = place if planes is None else planes
        if by_pixels:
            target[...] = picture
        else:
            planes_of(picture, target)
        if planes is not None:
            as_floats(key, planes, place)
    return tensor.permute(0, 3, 1, 2) if by_pixels else tensor


def _memory(shape: tuple[int, ...], dtype: type[Any]) -> Any:
    """A tensor, shared where another process takes it, else in memory of earlier batches."""
    import torch
    from torch.utils.data import get_worker_info

    if get_worker_info() is None:
        return torch.from_numpy(BUFFERS.take(shape, dtype))
    # As torch's own collation does it: share_memory_() would copy what is not written yet.
    storage = torch.UntypedStorage._new_shared(prod(shape) * np.dtype(dtype).itemsize)
    kind = torch.float32 if dtype is np.float32 else torch.uint8
    return torch.empty(0, dtype=kind).set_(storage).view(shape)
