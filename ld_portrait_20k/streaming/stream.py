"""``PortraitStream``: samples from shards for a training loop."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ld_portrait_20k.common.arguments import function, whole_number
from ld_portrait_20k.errors import PortraitError, ShardError, UnreadableShardError
from ld_portrait_20k.format import schema
from ld_portrait_20k.streaming.decoding import Sample, decode_sample, finish_sample
from ld_portrait_20k.streaming.http import Patience
from ld_portrait_20k.streaming.index import open_table
from ld_portrait_20k.streaming.order import Share, epoch_order
from ld_portrait_20k.streaming.position import (
    Position,
    Taken,
    distributed_rank,
    in_loader_worker,
    loader_worker,
    place_of,
)
from ld_portrait_20k.streaming.reader import Outcome, read_row, read_rows
from ld_portrait_20k.streaming.resolve import open_source
from ld_portrait_20k.streaming.skips import Skips
from ld_portrait_20k.streaming.sources import DatasetSource

STATE_VERSION: Final = 1
POLICIES: Final = ("raise", "skip")

Transform = Callable[[Sample], Any]


class PortraitStream:
    """Samples in a seeded order, split over ranks and workers, resumable to the sample.

    It is a plain iterable, and counts as a torch ``IterableDataset`` once torch is
    imported. Without a transform it yields dicts:

    =============  ==================================================================
    ``id``         ``ldp-0000042``
    ``foreground`` (H, W, 3) uint8, straight sRGB
    ``alpha``      (H, W) uint8, 0 transparent, 255 opaque
    ``prompt``     str
    ``metadata``   dict, see :data:`ld_portrait_20k.format.schema.METADATA`; its ``seed`` is
                   the generator's
    ``transform_seed``
                   int64, differs by sample, epoch and the stream's seed; transforms
                   draw their random numbers from it
    =============  ==================================================================

    Order: each epoch permutes the shards, then the samples within each group of ``window``
    shards. Ranks take turns in this one global order, and the workers of a rank take turns
    of ``batch_size`` samples, so a ``DataLoader`` with that batch size gives the same order
    for any number of workers.

    State: :meth:`state_dict` is small and exact, and resuming costs the same anywhere in an
    epoch. :class:`~ld_portrait_20k.streaming.loader.PortraitLoader` keeps it with any number
    of workers and ranks.

    Args:
        source: Folder, URL, Hub repository id or the bare name, as for
            :func:`ld_portrait_20k.load_dataset`; or shards: a path, a URL, a glob, a pattern
            such as ``train-{00000..00007}-of-00008.tar``, or a list of these.
        split: ``"train"``, ``"validation"``, ``"test"``, or None for all of them.
        subset: ``"default"``, ``"raw"`` or ``"truth"``.
        shuffle: Whether to permute the samples.
        seed: Determines the order and the seeds of the samples.
        window: Shards mixed at a time when shuffling; 0 for all.
        batch_size: The loader's batch size; see above.
        transform: Called with each decoded sample (or :class:`RawSample` with
            ``decode=False``); what it returns is yielded. Those that crop have foregrounds
            decoded only as far as they need; see :mod:`ld_portrait_20k.deferred`.
        decode: False yields :class:`~ld_portrait_20k.format.shards.RawSample`, pictures encoded.
        check: Compare checksums while reading: True, False, or None for remote sources and
            whenever pictures are decoded, because a damaged JPEG may decode to other pixels.
            Shards listed without their dataset's manifest have none to compare with.
        on_error: A damaged sample is raised (``"raise"``) or left out (``"skip"``, counted
            in :attr:`skipped`). A shard that is absent or cannot be read is raised always.
        rank: Number of this process; by default from ``torch.distributed`` if that is
            initialised, else 0.
        world_size: How many processes there are; by default likewise, else 1.
        remainder: ``"drop"``, ``"pad"`` or ``"uneven"``; see
            :class:`~ld_portrait_20k.streaming.order.Share`.
        revision: Branch, tag or commit on the Hub; pinned when the stream is made.
        token: As in ``huggingface_hub``.
        repo_id: Hub repository to read, whatever ``source`` says.
        cache_dir: Where small files of the Hub are cached.
        connections: Parallel requests of each worker to a remote source.
        read_ahead: Most bytes that each worker reads ahead from a remote source.
        patience: Timeouts and retries of remote sources.

    Raises:
        DatasetNotFoundError: The dataset is nowhere.
        PortraitError: It cannot be read.
        ValueError: An argument out of range.
        TypeError: An argument of another kind.
    """

    def __init__(
        self,
        source: str | Path | Iterable[str | Path] | DatasetSource = schema.NAME,
        *,
        split: str | None = "train",
        subset: str = "default",
        shuffle: bool = False,
        seed: int = 0,
        window: int = 8,
        batch_size: int = 1,
        transform: Transform | None = None,
        decode: bool = True,
        check: bool | None = None,
        on_error: str = "raise",
        rank: int | None = None,
        world_size: int | None = None,
        remainder: str = "drop",
        revision: str | None = None,
        token: bool | str | None = None,
        repo_id: str | None = None,
        cache_dir: str | Path | None = None,
        connections: int = 4,
        read_ahead: int = 64 * 2**20,
        patience: Patience | None = None,
    ) -> None:
        if on_error not in POLICIES:
            raise ValueError(f"on_error {on_error!r} is none of {', '.join(POLICIES)}")
        if (rank is None) != (world_size is None):
            raise ValueError("rank and world_size go together")
        function("transform", transform, "each sample")
        self.seed = whole_number("seed", seed)
        self.window = whole_number("window", window, 0)
        self._connections = whole_number("connections", connections, 1)
        self._read_ahead = whole_number("read_ahead", read_ahead, 1)
        if rank is None or world_size is None:
            rank, world_size = distributed_rank()
        self._share = Share(
            whole_number("rank", rank, 0),
            whole_number("world_size", world_size, 1),
            block=whole_number("batch_size", batch_size, 1),
            remainder=remainder,
        )
        self.source = open_source(
            source, repo_id=repo_id, revision=revision, token=token, cache_dir=cache_dir,
            patience=patience,
        )  # fmt: skip
        self.table, self.identity = open_table(self.source, subset, split)
        self._selection = f"subset={subset!r}, split={split!r}"
        self.shuffle = shuffle
        self.transform = transform
        self.decode = decode
        self.check = self.source.remote or decode if check is None else check
        self._check_decoded = check is not False
        self.on_error = on_error
        self._skips = Skips()
        self._position = Position()
        self._taken = Taken(self._position)
        register_with_torch()

    @property
    def batch_size(self) -> int:
        """Samples that a worker takes in a row."""
        return self._share.block

    @property
    def epoch(self) -> int:
        """The current epoch."""
        return self._position.epoch

    @property
    def skipped(self) -> int:
        """Damaged samples left out, by a loader's workers too, in what they read ahead as well."""
        return self._skips.count

    @property
    def last_error(self) -> ShardError | None:
        """Why the latest of them was left out."""
        return self._skips.last

    def set_epoch(self, epoch: int) -> None:
        """Go to the beginning of an epoch; for the current one, change nothing.

        A loop may therefore call it at the start of each epoch, also right after a resume.
        With a plain DataLoader it must, because there the stream does not see an epoch end.
        """
        if whole_number("epoch", epoch, 0) != self._position.epoch:
            self._position.set(epoch, 0)

    def __repr__(self) -> str:
        share, position = self._share, self._position
        ranks = f", rank {share.rank} of {share.world_size}" if share.world_size > 1 else ""
        return (
            f"PortraitStream({self.source.name!r}, {self._selection}, {self.total} samples, "
            f"epoch {position.epoch}, start {position.start}{ranks})"
        )

    def __len__(self) -> int:
        """Samples that this rank reads in a whole epoch."""
        return self._share.count(len(self.table))

    def order(self, epoch: int | None = None) -> list[str]:
        """The ids of the whole epoch in global order, for inspection and tests."""
        rows = self._order(self.epoch if epoch is None else epoch)
        return [schema.sample_id(int(number)) for number in self.table.number[rows]]

    @property
    def total(self) -> int:
        """Samples that all ranks together read."""
        return len(self.table)

    def sample(self, index: int) -> Sample:
        """One sample by its place in the shards, whatever the order; decoded, not transformed.

        Raises:
            ShardError: It is damaged.
            IndexError: No such place.
        """
        row = range(len(self.table))[index]
        outcome = read_row(self.source, self.table, row, self._check_decoded)
        if isinstance(outcome, ShardError):
            raise outcome
        return decode_sample(outcome, self.seed, self.epoch)

    @property
    def remaining(self) -> int:
        """Samples that this rank gets from where the current epoch (or a resume) began."""
        return self._share.count(len(self.table), self._position.start)

    def share_position(self) -> None:
        """Share position and count of skipped samples with the processes of workers."""
        self._position.share()
        self._skips.share()

    def __iter__(self) -> Iterator[Any]:
        """Yield the rest of the current epoch, then go to the beginning of the next one."""
        share = self._worker_share()
        for outcome, epoch in self._outcomes(share):
            self._taken.add(1)
            sample = self._finish(outcome, epoch, self.transform)
            if sample is not None:
                yield sample
        self._end_epoch()

    def batches(
        self, collate: Callable[[list[Any]], Any], transform: Transform | None = None
    ) -> Iterator[Any]:
        """Yield batches of ``batch_size``; None for a batch whose samples were all skipped.

        Args:
            collate: Makes a batch of a list of samples. If it has a method ``gather(size)``, what
                that returns takes the place of the list, so that samples go in as they come.
            transform: Called with each sample instead of the stream's.
        """
        transform = transform or self.transform
        share = self._worker_share()
        gather: Callable[[int], Any] = getattr(collate, "gather", lambda size: [])
        batch, pending = gather(share.block), 0
        for outcome, epoch in self._outcomes(share):
            pending += 1
            sample = self._finish(outcome, epoch, transform)
            if sample is not None:
                batch.append(sample)
            if pending == share.block:
                self._taken.add(pending)
                yield collate(batch) if len(batch) else None
                batch, pending = gather(share.block), 0
        if pending:
            self._taken.add(pending)
            yield collate(batch) if len(batch) else None
        self._end_epoch()

    def state_dict(self, consumed: int | None = None) -> dict[str, Any]:
        """The place where the stream stands, as a small dict of plain values.

        In the process that iterates, it is exact at every sample. In the main process of
        a plain DataLoader with workers, say how many samples of this rank were consumed
        since the epoch (or the resume) began: ``state_dict(consumed=batches * batch_size)``.
        Every rank's state is the same if all have consumed equally, and it fits any number
        of ranks and workers. In a loader's worker (``StatefulDataLoader``) the state is that
        worker's own and fits the same number of workers and ranks.

        Args:
            consumed: See above; by default what this process has counted.
        """
        state: dict[str, Any] = {
            "version": STATE_VERSION,
            "identity": self.identity,
            "seed": self.seed,
            "shuffle": self.shuffle,
            "window": self.window,
            "epoch": self._position.epoch,
            "start": self._position.start,
        }
        share = self._worker_share()
        if share.workers > 1 and consumed is None:
            state["worker"] = self._worker_state(share)
            return state
        taken = self._taken.count if consumed is None else whole_number("consumed", consumed, 0)
        used = self._position.start + taken * share.world_size
        state["start"] = min(used, len(self.table))
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go to the place that a state names; the next iteration continues there.

        Raises:
            PortraitError: The state belongs to another dataset, seed, order or number of workers.
        """
        epoch, start, worker = place_of(state, self.state_dict(consumed=0), len(self.table))
        self._position.set(epoch, start)
        self._taken.begin(worker["taken"] if worker else 0, worker)

    def _outcomes(self, share: Share) -> Iterator[tuple[Outcome, int]]:
        epoch, start = self._position.epoch, self._position.start
        places = share.places(len(self.table), start)
        resumed = self._taken.worker
        # A number of its own, because threads that load share the stream.
        taken = resumed["taken"] if resumed else 0
        if resumed is not None:
            here = self._worker_state(share)
            if any(resumed[name] != here[name] for name in here if name != "taken"):
                raise PortraitError(
                    f"the state of a worker of {resumed} cannot go on as {here}; "
                    "try: the same numbers, or a PortraitLoader, whose state fits any"
                )
        self._taken.begin(taken, resumed)
        rows = self._order(epoch)[places[taken:]]
        for outcome in read_rows(
            self.source,
            self.table,
            rows,
            check=self.check,
            connections=self._connections,
            ahead_bytes=self._read_ahead,
        ):
            yield outcome, epoch

    def _finish(self, outcome: Outcome, epoch: int, transform: Transform | None) -> Any:
        """Decode and transform; None for a sample that is skipped."""
        result: Any = outcome
        if not isinstance(outcome, ShardError):
            if not self.decode:
                return transform(result) if transform else result
            result = finish_sample(outcome, transform, self.seed, epoch)
        if not isinstance(result, ShardError):
            return result
        if self.on_error == "raise" or isinstance(result, UnreadableShardError):
            raise result
        self._skips.add(loader_worker()[0], result)
        return None

    def _order(self, epoch: int) -> NDArray[np.int64]:
        return epoch_order(
            self.table.shard, self.seed, epoch, shuffle=self.shuffle, window=self.window
        )

    def _worker_share(self) -> Share:
        worker, workers = loader_worker()
        share = self._share
        return Share(share.rank, share.world_size, worker, workers, share.block, share.remainder)

    def _worker_state(self, share: Share) -> dict[str, int]:
        return {
            "taken": self._taken.count,
            "worker": share.worker,
            "workers": share.workers,
            "rank": share.rank,
            "world_size": share.world_size,
            "batch_size": share.block,
        }

    def _end_epoch(self) -> None:
        # Workers share one position; there the loader moves it.
        if not in_loader_worker():
            self.set_epoch(self.epoch + 1)


def register_with_torch() -> None:
    """Let torch see streams as ``IterableDataset``, if torch is imported.

    Registering makes a virtual subclass, so the class itself does not need torch.
    """
    torch = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "utils"):
        from torch.utils.data import IterableDataset

        IterableDataset.register(PortraitStream)
