"""From a configuration to batches: sources, what is held out, and the loader.

Which samples a step sees follows from the seed and the step alone, so a run that goes on
needs no state of the data.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import torch
from torch.utils.data import DataLoader, Dataset, default_collate

from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.matting.data.backgrounds import open_backgrounds
from ld_portrait_20k.matting.data.sample import MattingSample, MattingSource
from ld_portrait_20k.matting.data.sources import open_source, weight_of
from ld_portrait_20k.matting.models.torch_threads import usable_cores
from ld_portrait_20k.matting.training.config import TrainingConfig
from ld_portrait_20k.matting.training.crops import CropDataset, CropOptions

VALIDATION_SEED: Final = 20_000
"""The same for every run, so that runs of different seeds are judged on the same crops."""

Batch = dict[str, Any]


@dataclass(slots=True)
class Part:
    """Some of a source's samples: itself a source."""

    source: MattingSource
    indices: range
    name: str

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> MattingSample:
        return self.source[self.indices[index]]


@dataclass(frozen=True, slots=True)
class TrainingData:
    """What a run trains and validates on.

    Attributes:
        training: Endless crops by number.
        validation: Crops of samples that are not trained on.
        backgrounds: What foregrounds are composited over, a sentence.
        lines: What it consists of, for the log and the model's card.
    """

    training: CropDataset
    validation: CropDataset
    lines: tuple[str, ...]
    backgrounds: str


def open_data(config: TrainingConfig, processes: int = 1) -> TrainingData:
    """Open the sources of a configuration.

    Args:
        config: What to open.
        processes: That train side by side.

    Raises:
        PortraitError: A source is no folder of a known layout, or holds nothing; or no
            backgrounds are where they should be.
    """
    opened = [open_source(text) for text in config.data]
    weights = [weight_of(text) for text in config.data]
    if config.validation:
        training, validation = opened, [open_source(text) for text in config.validation]
        lines = _lines(training, config.data)
        lines += [f"to validate: {line}" for line in _lines(validation, config.validation)]
    else:
        parts = [_hold_out(source) for source in opened]
        training, validation = [kept for kept, _ in parts], [held for _, held in parts]
        lines = [
            f"{line}, {len(held)} held out to validate"
            for line, held in zip(_lines(training, config.data), validation, strict=True)
        ]
    backgrounds, sentence = open_backgrounds(config.backgrounds)
    workers = max(1, choose_workers(config, processes))
    room = {"cache_bytes": CropOptions().cache_bytes // workers}
    options = CropOptions(size=config.crop, **{**room, **config.crops})
    return TrainingData(
        CropDataset(
            list(zip(training, weights, strict=True)), backgrounds,
            seed=config.seed, options=options,
        ),
        # Every crop of a sample that was held out, none that is drawn from scratch.
        CropDataset(
            [(source, 1.0) for source in validation], backgrounds,
            seed=VALIDATION_SEED, options=replace(options, structures=0.0),
        ),
        tuple(lines),
        sentence,
    )  # fmt: skip


def _lines(sources: Sequence[MattingSource], texts: Sequence[str]) -> list[str]:
    return [f"{len(source)} samples of {text}" for source, text in zip(sources, texts, strict=True)]


class Positions(Sequence[list[int]]):
    """The numbers of the crops of each step, for one of several processes.

    Crop ``n`` of step ``s`` has the number ``s * total + n``: as many processes as there may
    be, together they draw what one with as large a batch would.

    Args:
        first: Step to begin with.
        steps: Steps in all.
        batch: Crops a step and process.
        rank: This process.
        processes: How many there are.
    """

    def __init__(
        self, first: int, steps: int, batch: int, rank: int = 0, processes: int = 1
    ) -> None:
        self.first, self.steps, self.batch = first, steps, batch
        self.rank, self.processes = rank, processes

    def __len__(self) -> int:
        return self.steps - self.first

    def __getitem__(self, index: Any) -> Any:
        if not 0 <= index < len(self):
            raise IndexError(index)
        start = ((self.first + index) * self.processes + self.rank) * self.batch
        return list(range(start, start + self.batch))


def batches(
    dataset: CropDataset, positions: Sequence[list[int]], workers: int, *, pin: bool
) -> Iterator[Batch]:
    """Batches of the crops at ``positions``, prepared ahead by ``workers`` processes.

    Raises:
        PortraitError: A sample cannot be read; its file is named.
    """
    loader = DataLoader(
        _Caught(dataset),
        batch_sampler=positions,
        num_workers=workers,
        collate_fn=_collate,
        pin_memory=pin,
        worker_init_fn=_quiet_worker if workers else None,
        prefetch_factor=4 if workers else None,
    )
    for batch in loader:
        if isinstance(batch, PortraitError):
            raise batch
        yield batch


def choose_workers(config: TrainingConfig, processes: int) -> int:
    """As many as the configuration says; else a process for each core that is left, up to 8."""
    if config.workers is not None:
        return config.workers
    return max(1, min(8, usable_cores() // processes - 1))


class _Caught(Dataset[Any]):
    """Gives the error as an item: raised in a worker, it would come back as a traceback."""

    def __init__(self, dataset: CropDataset) -> None:
        self.dataset = dataset

    def __getitem__(self, index: int) -> Any:
        try:
            return self.dataset[index]
        except PortraitError as problem:
            return problem


def _collate(items: list[Any]) -> Any:
    for item in items:
        if isinstance(item, PortraitError):
            return item
    return default_collate(items)


def _quiet_worker(_: int) -> None:
    """One thread a worker, and Ctrl-C is the training process's business."""
    import signal

    import cv2

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    cv2.setNumThreads(0)
    torch.set_num_threads(1)


def _hold_out(source: MattingSource) -> tuple[MattingSource, MattingSource]:
    """The last twentieth of a source, 1 to 32 samples; of a single one, that one in both."""
    count = len(source)
    if count == 1:
        return source, source
    kept = count - min(32, max(1, count // 20))
    return Part(source, range(kept), source.name), Part(source, range(kept, count), source.name)
