"""A chain of transforms whose costly part is done for whole batches on a device."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ld_portrait_20k.compositing.batches import LAYERS, Stacking
from ld_portrait_20k.compositing.tensors import Pick, ToTensors, floats, move
from ld_portrait_20k.compositing.transform import (
    Batch,
    BatchTransform,
    Compose,
    Halves,
    Sample,
    Transform,
)
from ld_portrait_20k.deferred import takes_deferred

_DRAWN = "drawn"


class _Draw(Transform):
    """The random numbers of a transform that is done later, in batches."""

    def __init__(self, step: BatchTransform) -> None:
        self.step = step

    @takes_deferred
    def apply(self, sample: Sample, rng: np.random.Generator) -> Sample:
        return {**sample, _DRAWN: [*sample.get(_DRAWN, ()), self.step.draw(rng)]}


def _drawing(step: Any) -> Any:
    return _Draw(step) if isinstance(step, BatchTransform) else step


# Pixels stay together, which saves the worker a pass.
_collate = Stacking(channels_last=True)


class OnDevice(Compose):
    """Like :class:`Compose`, with all from the first ``BatchTransform`` on done on a device.

    A :class:`~ld_portrait_20k.streaming.loader.PortraitLoader` does the second half by itself, in
    the process that trains: its batches are as those of :class:`Compose`, but on the device. The
    random numbers are drawn in the first half and are the same. Crop, alpha, background, trimap
    and a composite in sRGB come out the same to the bit. Colour, blur, noise and blending in
    linear light may differ by one step of 8 bits, because OpenCV rounds in between. JPEG is
    computed from the standard's formulas and differs a little more, see
    :mod:`ld_portrait_20k.compositing.device.jpeg`.

    Called with one sample it does both halves.

    Args:
        transforms: The steps. After the first :class:`BatchTransform` only others of that kind
            may come, :class:`RandomBackground`, and last of all :class:`ToTensors`.
        device: A torch device or its name.

    Raises:
        ValueError: Steps in an order that cannot be cut in two.
    """

    def __init__(
        self, transforms: Sequence[Transform | Callable[[Sample], Any]], device: Any
    ) -> None:
        super().__init__(transforms)
        if not isinstance(self.transforms[-1], ToTensors) or self.transforms[-1].numpy:
            raise ValueError("the last step is ToTensors(), without numpy")
        self.device = device
        later = [isinstance(step, BatchTransform) for step in self.transforms]
        first = later.index(True) if True in later else len(later)
        for step in self.transforms[first:-1]:
            if not isinstance(step, BatchTransform) and not getattr(step, "only_adds", False):
                raise ValueError(f"{step!r} comes after a step that is done in batches")

        pick = Pick([*self._last.keep, _DRAWN])
        self._first_half = Compose([*map(_drawing, self.transforms[:-1]), pick])

    def __call__(self, sample: Sample, place: int = 0) -> Any:
        """The sample after all steps; its tensors are on the device."""
        early = self._first_half(sample, place)
        batch = self._finish(_collate([early]), self.device)
        return {key: value[0] for key, value in batch.items()}

    def halves(self) -> Halves:
        """Crops and random numbers of a sample, then everything else for a batch."""
        return Halves(self._first_half, self._finish, _collate)

    def _finish(self, batch: Batch, device: Any) -> Batch:
        import torch

        target = torch.device(self.device if device is None else device)
        batch = dict(batch)
        drawn = batch.pop(_DRAWN, [])
        for key in LAYERS:
            if key in batch:
                batch[key] = move(batch[key], target)
        steps = (step for step in self.transforms if isinstance(step, BatchTransform))
        # Half precision would round colours to whole steps of 8 bits, or coarser.
        with torch.no_grad(), torch.autocast(target.type, enabled=False):
            for number, step in enumerate(steps):
                batch = step.perform_batch(batch, [one[number] for one in drawn])
            return self._output(batch)

    @property
    def _last(self) -> ToTensors:
        last = self.transforms[-1]
        assert isinstance(last, ToTensors)
        return last

    def _output(self, batch: Batch) -> Batch:
        import torch

        form = torch.channels_last if self._last.channels_last else torch.contiguous_format
        if self._last.dtype == "float32":
            batch = floats(batch)
        for key in LAYERS:
            if key in batch:
                planes = batch[key]
                dtype = getattr(torch, self._last.dtype)
                batch[key] = planes.to(dtype=dtype).contiguous(memory_format=form)
        # The order of the keys is that of the worker-side form.
        order = [*self._last.keep, *LAYERS]
        return {key: batch[key] for key in sorted(batch, key=order.index)}

    def __repr__(self) -> str:
        return f"OnDevice({super().__repr__()[8:-1]}, device={self.device!r})"
