"""``PortraitLoader``: batches from any number of workers; its state fits any other number."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from typing import Any, Final

from ld_portrait_20k.common.arguments import function, whole_number
from ld_portrait_20k.errors import PortraitError, missing_extra
from ld_portrait_20k.streaming import lending
from ld_portrait_20k.streaming.collation import Collate, default_collate, pinned
from ld_portrait_20k.streaming.stream import PortraitStream, register_with_torch
from ld_portrait_20k.streaming.threads import read_in_threads

__all__ = ["PortraitLoader", "default_collate"]

AFTER_BREAK: Final = ("continue", "restart")


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

    A transform that can be cut in two (``halves``: :func:`training_transform`'s, and any other
    that ends with ``ToTensors``) is: workers hand over uint8 tensors in shared memory, a quarter
    of the bytes, and floats are made of the batch here or on the device. The batches are the same.
    With a ``collate`` of your own, which gets finished samples, nothing is cut.

    Args:
        stream: What to load. Its ``batch_size`` is the loader's, and its rank is kept.
        num_workers: Worker processes; 0 loads in this one.
        threads: Worker threads of this process instead. Nothing is copied between processes and
            backgrounds are kept once. OpenCV, Pillow and large numpy steps let other threads run
            meanwhile; kornia_rs, which decodes the portraits, and Python itself do not.
        device: Where a batch's pictures are to be, for transforms that can be cut in two; by
            default the transform's own device, else the CPU.
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
        threads: int = 0,
        device: Any = None,
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
        whole_number("threads", threads, 0)
        if threads and num_workers:
            raise ValueError("num_workers and threads exclude each other; try: one of them")
        whole_number("prefetch", prefetch, 1)
        function("collate", collate, "a list of samples")
        function("on_worker", on_worker, "a worker's number")
        try:
            import torch
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
        self._halves = _halves(stream.transform) if collate is None else None
        if device is not None and self._halves is None:
            raise ValueError(
                f"device={device!r} needs a transform that ends with ToTensors() and no collate; "
                "try: batch[key].to(device) in the loop"
            )
        self._device = device
        where = device or getattr(stream.transform, "device", None) or "cpu"
        self._on_cpu = torch.device(where).type == "cpu"
        first = self._halves.sample if self._halves else None
        if self._halves and self._halves.whole and self._on_cpu and not num_workers:
            # The second half is done by the collation.
            collate, self._halves = self._halves.whole, None
        elif self._halves:
            collate = self._halves.collate
        self._threads = threads
        self._prefetch = prefetch
        self._pin = pin_memory and torch.cuda.is_available()
        self._on_worker = on_worker
        lends = num_workers > 0 and self._halves is not None and not pin_memory
        self._batches = _Batches(stream, collate or default_collate, first, lends)
        self._loader: Any = DataLoader(
            self._batches,  # type: ignore[arg-type]
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
        for batch in self._received():
            if isinstance(batch, PortraitError):
                raise batch
            size = min(self.batch_size, left - self._consumed)
            self._consumed += size
            if batch is None or (self._drop_last and size < self.batch_size):
                continue
            yield batch if self._threads and self._on_cpu else self._finished(batch)
        # Without workers the stream has gone on by itself, and this changes nothing.
        stream.set_epoch(epoch + 1)
        self._consumed = 0

    def _received(self) -> Iterator[Any]:
        """Batches as workers hand them over."""
        if not self._threads:
            yield from self._loader
            return
        threads = read_in_threads(
            lambda: map(self._prepared, self._batches),
            self._threads,
            self._prefetch,
            self._on_worker,
        )
        with closing(threads):
            yield from threads

    def _prepared(self, batch: Any) -> Any:
        """What a thread, unlike a process, can do with a batch for the loop that waits."""
        if batch is None or isinstance(batch, PortraitError):
            return batch
        if self._on_cpu:
            return self._finished(batch)
        return pinned(batch) if self._pin else batch

    def _finished(self, batch: Any) -> Any:
        return self._halves.batch(batch, self._device) if self._halves else batch

    def _leave_break(self) -> None:
        """Move the stream to where an iteration that was broken off stopped receiving."""
        if self._consumed and self._after_break == "continue":
            self.load_state_dict(self.state_dict())
            if self.stream.remaining < (self.batch_size if self._drop_last else 1):
                self.set_epoch(self.epoch + 1)
        self._consumed = 0

    def __repr__(self) -> str:
        workers = f"{self._loader.num_workers} workers"
        if self._threads:
            workers = f"{self._threads} threads"
        return f"PortraitLoader({self.stream!r}, {len(self)} batches, {workers})"

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

    def __init__(
        self, stream: PortraitStream, collate: Collate, transform: Any, lends: bool
    ) -> None:
        from torch.utils.data import IterableDataset

        IterableDataset.register(_Batches)
        self.stream = stream
        self.collate = collate
        self.transform = transform
        self.lends = lends

    def __iter__(self) -> Iterator[Any]:
        lender = lending.begin() if self.lends else None
        try:
            for batch in self.stream.batches(self.collate, self.transform):
                yield lender.lent(batch) if lender and batch is not None else batch
        except PortraitError as problem:
            yield problem


def _halves(transform: Any) -> Any:
    cut = getattr(transform, "halves", None)
    return cut() if callable(cut) else None


def _one_thread(worker: int) -> None:
    """Turn off threads in a worker: the workers are parallel already."""
    import cv2

    # Use 0, not 1: in a forked process OpenCV 5 hangs or crashes when it is asked to shrink
    # its thread pool, because the threads exist only in the parent.
    cv2.setNumThreads(0)
