"""``PortraitLoader``: batches from any number of workers; its state fits any other number."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import numpy as np

from ld_portrait_20k.arguments import function, whole_number
from ld_portrait_20k.errors import PortraitError, missing_extra
from ld_portrait_20k.streaming.stream import PortraitStream, register_with_torch

Collate = Callable[[list[Any]], Any]

AFTER_BREAK: Final = ("continue", "restart")


def default_collate(samples: list[Any]) -> Any:
    """Stack arrays and numbers, keep everything else as lists.

    Args:
        samples: Samples of one kind; dicts with arrays or tensors of equal shapes, numbers,
            strings and anything else.

    Returns:
        A dict of (B, ...) tensors, (B,) tensors for numbers, and lists. Arrays of different
        shapes stay a list of tensors.
    """
    import torch
    from torch.utils.data import default_collate as stack

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
            # Torch's own knows how to stack straight into shared memory in a worker.
            batch[key] = stack(values) if same else values
        elif all(type(value) in (bool, int, float) for value in values):
            batch[key] = torch.tensor(values)
        else:
            batch[key] = values
    return batch


class PortraitLoader:
    """A loader over a :class:`~ld_portrait_20k.streaming.stream.PortraitStream`.

    The order of the batches is the stream's, whatever the number of workers, and
    :meth:`state_dict` counts what this loop has received, not what workers have read
    ahead: a run resumed from it, with as many or other workers and ranks, continues with
    exactly the next batch. Iterating gives the rest of the current epoch, then stands at
    the next; :meth:`set_epoch` is allowed but not needed. After a ``break`` the next iteration
    continues with the next batch, so ``for batch in islice(loader, 100)`` gives others each
    time. With ``after_break="restart"`` it begins again where the last one began, as a
    validation that takes some batches only wants it.

    It is not a torch ``DataLoader``, so Accelerate's ``prepare`` does not split the samples a
    second time; Lightning accepts it like any iterable.

    Args:
        stream: What to load. Its ``batch_size`` is the loader's, and its rank is kept.
        num_workers: Worker processes; 0 loads in this one.
        collate: Makes a batch of a list of samples; :func:`default_collate` by default.
        pin_memory: As in torch.
        prefetch: Batches that each worker loads ahead.
        drop_last: Leave out a last batch that is smaller than the others.
        after_break: ``"continue"`` or ``"restart"``: what iterating anew does after a ``break``.
        context: Start method of the workers (``"fork"``, ``"spawn"``, ``"forkserver"``).
        on_worker: Called in each worker with its number when it starts.

    Raises:
        ValueError: An argument out of range.
        TypeError: An argument of another kind.
    """

    def __init__(
        self,
        stream: PortraitStream,
        *,
        num_workers: int = 0,
        collate: Collate | None = None,
        pin_memory: bool = False,
        prefetch: int = 2,
        drop_last: bool = False,
        after_break: str = "continue",
        context: str | None = None,
        on_worker: Callable[[int], None] | None = None,
    ) -> None:
        if not isinstance(stream, PortraitStream):
            raise TypeError(f"{stream!r} is no stream; try: PortraitLoader(PortraitStream(...))")
        if after_break not in AFTER_BREAK:
            raise ValueError(f"after_break {after_break!r} is none of {', '.join(AFTER_BREAK)}")
        whole_number("num_workers", num_workers, 0)
        whole_number("prefetch", prefetch, 1)
        function("collate", collate, "a list of samples")
        function("on_worker", on_worker, "a worker's number")
        try:
            from torch.utils.data import DataLoader
        except ImportError as problem:
            raise missing_extra("torch", "torch") from problem
        register_with_torch()
        stream.share_position()
        self.stream = stream
        self.batch_size = stream.batch_size
        self._drop_last = drop_last
        self._after_break = after_break
        self._consumed = 0  # of this rank, since the stream's position, in samples
        self._loader: Any = DataLoader(
            _Batches(stream, collate or default_collate),  # type: ignore[arg-type]
            batch_size=None,
            num_workers=num_workers,
            pin_memory=pin_memory,
            persistent_workers=num_workers > 0,
            prefetch_factor=prefetch if num_workers else None,
            multiprocessing_context=context if num_workers else None,
            worker_init_fn=on_worker or _one_thread,
        )

    def __len__(self) -> int:
        """Batches of a whole epoch."""
        count = len(self.stream)
        return count // self.batch_size if self._drop_last else -(-count // self.batch_size)

    def __iter__(self) -> Iterator[Any]:
        """Batches of the rest of the current epoch.

        Raises:
            PortraitError: What :class:`PortraitStream` raises, from workers as well.
        """
        stream = self.stream
        self._leave_break()
        epoch, left = stream.epoch, stream.remaining
        for batch in self._loader:
            if isinstance(batch, PortraitError):
                raise batch
            size = min(self.batch_size, left - self._consumed)
            self._consumed += size
            if batch is None or (self._drop_last and size < self.batch_size):
                continue
            yield batch
        # Without workers the stream has gone on by itself, and this changes nothing.
        stream.set_epoch(epoch + 1)
        self._consumed = 0

    def _leave_break(self) -> None:
        """Move the stream to where an iteration that was broken off stopped receiving."""
        if self._consumed and self._after_break == "continue":
            self.load_state_dict(self.state_dict())
            if self.stream.remaining < (self.batch_size if self._drop_last else 1):
                self.set_epoch(self.epoch + 1)
        self._consumed = 0

    def __repr__(self) -> str:
        workers = self._loader.num_workers
        return f"PortraitLoader({self.stream!r}, {len(self)} batches, {workers} workers)"

    @property
    def epoch(self) -> int:
        """The current epoch."""
        return self.stream.epoch

    def set_epoch(self, epoch: int) -> None:
        """Go to the beginning of an epoch; within the current one, change nothing."""
        if epoch != self.stream.epoch:
            self.stream.set_epoch(epoch)
            self._consumed = 0

    def state_dict(self) -> dict[str, Any]:
        """The place where the loop stands.

        It fits any number of workers, and any number of ranks if all have received equally.
        """
        return self.stream.state_dict(consumed=self._consumed)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue there with the next iteration.

        Raises:
            PortraitError: A state of another dataset, seed or order.
        """
        self.stream.load_state_dict(state)
        self._consumed = 0


class _Batches:
    """The stream as batches, for a DataLoader with ``batch_size=None``.

    An error is handed over as the last batch, because torch would make a ``RuntimeError`` with
    a traceback of it on the way out of a worker.
    """

    def __init__(self, stream: PortraitStream, collate: Collate) -> None:
        from torch.utils.data import IterableDataset

        IterableDataset.register(_Batches)
        self.stream = stream
        self.collate = collate

    def __iter__(self) -> Iterator[Any]:
        try:
            yield from self.stream.batches(self.collate)
        except PortraitError as problem:
            yield problem


def _one_thread(worker: int) -> None:
    """Turn off threads in a worker: the workers are parallel already."""
    import cv2

    # Use 0, not 1: in a forked process OpenCV 5 hangs or crashes when it is asked to shrink
    # its thread pool, because the threads exist only in the parent.
    cv2.setNumThreads(0)
