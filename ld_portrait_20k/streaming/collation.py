"""Making batches of samples, in the memory that carries them to the training process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Collate = Callable[[list[Any]], Any]


def default_collate(samples: list[Any]) -> Any:
    """Stack arrays and numbers, keep everything else as lists.

    Args:
        samples: Samples of one kind; dicts with arrays or tensors of equal shapes, numbers,
            strings and anything else.

    Returns:
        A dict of (B, ...) tensors, (B,) tensors for numbers, and lists. Arrays of different
        shapes stay a list of tensors. Pictures (C, H, W) that lie in memory as rows of pixels
        make a batch in torch's ``channels_last`` format.
    """
    import torch

    if not isinstance(samples[0], dict):
        return samples
    batch: dict[str, Any] = {}
    for key in samples[0]:
        values = [sample[key] for sample in samples]
        first = values[0]
        if isinstance(first, np.ndarray):
            values = [torch.from_numpy(np.ascontiguousarray(value)) for value in values]
            first = values[0]
        if isinstance(first, torch.Tensor):
            same = all(value.shape == first.shape for value in values)
            batch[key] = _stacked(values) if same else values
        elif all(type(value) in (bool, int, float) for value in values):
            batch[key] = torch.tensor(values)
        else:
            batch[key] = values
    return batch


def _stacked(tensors: list[Any]) -> Any:
    # Torch's own knows how to stack straight into shared memory in a worker.
    from torch.utils.data import default_collate as stack

    first = tensors[0]
    by_pixels = first.ndim == 3 and not first.is_contiguous()
    if by_pixels and first.permute(1, 2, 0).is_contiguous():
        return stack([tensor.permute(1, 2, 0) for tensor in tensors]).permute(0, 3, 1, 2)
    return stack(tensors)


def pinned(batch: Any) -> Any:
    """A batch with its tensors in pinned memory, from where a GPU copies while others compute."""
    import torch

    if isinstance(batch, torch.Tensor):
        return batch.pin_memory()
    if isinstance(batch, dict):
        return {key: pinned(value) for key, value in batch.items()}
    if isinstance(batch, list):
        return [pinned(value) for value in batch]
    return batch
