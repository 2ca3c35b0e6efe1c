"""How a build is run: all that must not change a byte of the dataset."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builder.config import BuildConfig
from builder.generation import registry
from builder.pipeline.threads import threads_for
from ld_portrait_20k.errors import PortraitError

if TYPE_CHECKING:
    from builder.pipeline.work_folder import UnitResult

_DATA_FIELDS = (
    *("workers", "source", "device", "decode_memory_gib", "model_folders"),
    *("handler", "rank", "world_size"),
)
MAX_WORKERS = 1024


@dataclass(frozen=True)
class RunOptions:
    """How a build is run; none of it changes a byte of the dataset.

    Attributes:
        workers: CPU processes; None for one a core, 0 to work in this process.
        source: The folder that a ``folder`` or ``dataset`` plan was made from.
        device: Where a device generator computes: ``cuda``, ``cuda:1``, ``cpu``; ``auto`` is
            the first CUDA device.
        decode_memory_gib: What decoding on a device may take for activations, in GiB; None
            for a quarter of the device's memory.
        model_folders: ``base_model``, ``weights`` or ``vae`` to the local folder that holds
            it; models of the Hub are not in here.
        handler: What the workers do, ``module:Class``; benchmarks put one with a costless
            generator here.
        rank: This process's number among ``world_size`` that share the output folder; it
            builds every ``world_size``-th shard.
        world_size: How many such processes there are.
        on_begin: Called once before work starts, with how many samples this process has to
            answer for and how many of them lie in units that are already done.
        on_sample: Called for every planned sample that reached its end.
        on_unit: Called with every unit that was finished.
        on_shard: Called with every shard that is done and, as far as can be told, final:
            its path in the repository, its file, its sha256 and its size.
    """

    workers: int | None = None
    source: Path | None = None
    device: str = "auto"
    decode_memory_gib: float | None = None
    model_folders: Mapping[str, str] = field(default_factory=dict)
    handler: str = "builder.pipeline.sample:SampleHandler"
    rank: int = 0
    world_size: int = 1
    on_begin: Callable[[int, int], object] = lambda planned, done: None
    on_sample: Callable[[], object] = lambda: None
    on_unit: Callable[[UnitResult], object] = lambda _: None
    on_shard: Callable[[str, Path, str, int], object] = lambda path, file, sha256, size: None

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            PortraitError: A rank that is not below the world size, or too many workers.
        """
        if not 0 <= self.rank < self.world_size:
            raise PortraitError("--rank is 0 to one less than --world-size")
        if self.workers is not None and not 0 <= self.workers <= MAX_WORKERS:
            raise PortraitError(f"--workers is 0 to {MAX_WORKERS}")

    @classmethod
    def for_config(cls, config: BuildConfig, **options: Any) -> RunOptions:
        """The options of a run, with the places that a configuration names as absolute paths.

        Args:
            config: What is built; its ``source`` and its local model folders are taken.
            options: Other fields.
        """
        source = None if config.source is None else Path(os.path.realpath(config.source))
        return cls(source=source, model_folders=registry.model_folders(config), **options)

    def shown_by(self, bar: Any) -> RunOptions:
        """The same options, with a progress bar (``tqdm``'s) that counts the samples."""

        def begin(planned: int, done: int) -> None:
            bar.reset(total=planned)
            bar.update(done)

        return replace(self, on_begin=begin, on_sample=bar.update)

    def to_dict(self) -> dict[str, Any]:
        """All but the callbacks, as JSON holds it, for another process."""
        values = {name: getattr(self, name) for name in _DATA_FIELDS}
        source = None if self.source is None else str(self.source)
        return {**values, "source": source, "model_folders": dict(self.model_folders)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> RunOptions:
        """Back from :meth:`to_dict`."""
        source = values["source"]
        return cls(**{**values, "source": None if source is None else Path(source)})

    def generator_options(self) -> dict[str, Any]:
        """What a generator needs beside its section of the plan."""
        return {
            "source": None if self.source is None else str(self.source),
            "device": self.device,
            "decode_memory_gib": self.decode_memory_gib,
            **self.model_folders,
        }

    def worker_count(self) -> int:
        """The number of CPU processes."""
        if self.workers is not None:
            return self.workers
        if hasattr(os, "sched_getaffinity"):
            return len(os.sched_getaffinity(0))
        return os.cpu_count() or 1

    def packing_threads(self) -> int:
        """How many threads hash and pack units."""
        return threads_for(self.worker_count())

    def units_twice(self, devices: int = 1) -> int:
        """How many units may lie on disk twice at a time: one a process, or one a thread."""
        return max(self.world_size * devices, self.packing_threads())
