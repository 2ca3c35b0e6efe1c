"""One run of a build on one machine: units in, finished units out, resumable anywhere."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from builder.generation.registry import open_generator, runs_in_workers
from builder.pipeline.feeders import DeviceFeeder, Feeder, RowFeeder
from builder.pipeline.run_options import RunOptions
from builder.pipeline.work_folder import FinishedSamples, UnitResult, WorkFolder
from builder.plan import Plan, Unit
from builder.workers.pool import Answer, Pool, open_pool

HANDLER_FIELDS = ("generator", "foreground_format", "subsets", "attempts", "reject", "quality")
"""What of a plan's header the workers need."""

MOST_SAVES: Final = 2
"""Units that are saved or wait for it. Where the disk is slower than the workers, they wait for
it, instead of units piling up. Chosen by eye."""


@dataclass
class RunReport:
    """What a run did.

    Attributes:
        built: Units that this run finished.
        found: Units that were already done.
        seconds: Worker time by stage, summed over workers.
    """

    built: int = 0
    found: int = 0
    seconds: dict[str, float] = field(default_factory=dict)


class _UnitUnderWay:
    """Collects a unit's samples until the last of its rows has ended."""

    def __init__(self, unit: Unit, folder: Path) -> None:
        self.unit = unit
        self.samples = FinishedSamples(folder)
        self.open_rows = len(unit.rows)


class UnitBuilder:
    """Builds units with a pool of CPU workers and, where the plan says so, one device.

    Args:
        plan: The frozen plan.
        work: The output's work folder.
        run: How to run.
    """

    def __init__(self, plan: Plan, work: WorkFolder, run: RunOptions) -> None:
        self._plan = plan
        self._work = work
        self._how = run
        self._under_way: dict[str, _UnitUnderWay] = {}
        self.report = RunReport()

    def build(self, units: Sequence[Unit]) -> Iterator[UnitResult]:
        """Build units, giving each as soon as it is on disk.

        Raises:
            PortraitError: A sample that kills its workers, no space, no device.
        """
        if not units:
            return
        header = self._plan.header
        setup = {
            "handler": self._how.handler,
            "options": {
                "plan": {key: header[key] for key in HANDLER_FIELDS},
                "options": self._how.generator_options(),
            },
        }
        opened = self._open(units)
        workers = self._how.worker_count()
        with _Saves(self._work) as saves:
            if runs_in_workers(header["generator"]):
                with open_pool(setup, workers) as pool:
                    yield from self._run(pool, RowFeeder(opened), saves)
                return
            generator = open_generator(header["generator"], self._how.generator_options())
            # A whole batch is handed over at once, and the device begins the next one.
            with open_pool(setup, workers, waiting=generator.batch_size) as pool:
                feeder = DeviceFeeder(generator, opened, int(header["attempts"]))
                yield from self._run(pool, feeder, saves)

    def _open(self, units: Iterable[Unit]) -> Iterator[Unit]:
        for unit in units:
            under_way = _UnitUnderWay(unit, self._work.folder)
            self._under_way.update(dict.fromkeys((row.id for row in unit.rows), under_way))
            yield unit

    def _run(self, pool: Pool, feeder: Feeder, saves: _Saves) -> Iterator[UnitResult]:
        while True:
            fed = feeder.feed(pool)
            for sample_id, lines in feeder.ended():
                self._settle(feeder, saves, sample_id, lines, None)
            answer = pool.answer(wait=not fed and pool.outstanding > 0)
            while answer is not None:
                for stage, seconds in answer.message["seconds"].items():
                    total = self.report.seconds.get(stage, 0.0)
                    self.report.seconds[stage] = total + seconds
                accepted = answer if "metadata" in answer.message else None
                lines = answer.message["rejections"]
                self._settle(feeder, saves, answer.key, lines, accepted)
                answer = pool.answer(wait=False)
            ended = not fed and not pool.outstanding and not feeder.pending
            for unit, result in saves.done(every=ended):
                self.report.built += 1
                self._how.on_unit(result)
                for shard in self._work.final_shards(unit, result):
                    self._how.on_shard(*shard)
                yield result
            if ended:
                return

    def _settle(
        self,
        feeder: Feeder,
        saves: _Saves,
        sample_id: str,
        lines: Sequence[dict[str, Any]],
        answer: Answer | None,
    ) -> None:
        under_way = self._under_way[sample_id]
        under_way.samples.reject(lines)
        if feeder.settle(sample_id, rejected=answer is None):
            return
        del self._under_way[sample_id]
        if answer is not None:
            under_way.samples.accept(sample_id, answer.message["metadata"], answer.blobs)
        under_way.open_rows -= 1
        self._how.on_sample()
        if not under_way.open_rows:
            saves.begin(under_way)


class _Saves:
    """Writes units one by one while the next ones are built: it takes seconds a gigabyte.

    Args:
        work: The work folder.
    """

    def __init__(self, work: WorkFolder) -> None:
        self._work = work
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="save")
        self._under_way: deque[tuple[Unit, Future[UnitResult]]] = deque()

    def begin(self, ended: _UnitUnderWay) -> None:
        """Save a unit whose rows have all ended; waits where the disk is behind."""
        unsaved = [future for _, future in self._under_way if not future.done()]
        if len(unsaved) >= MOST_SAVES:
            wait(unsaved[:1])
        self._under_way.append((ended.unit, self._thread.submit(self._save, ended)))

    def done(self, *, every: bool) -> Iterator[tuple[Unit, UnitResult]]:
        """The units saved since the last call, in the order in which they ended.

        Args:
            every: Whether to wait for all of them.

        Raises:
            OSError: The disk is full or broken.
        """
        while self._under_way and (every or self._under_way[0][1].done()):
            unit, future = self._under_way.popleft()
            yield unit, future.result()

    def _save(self, ended: _UnitUnderWay) -> UnitResult:
        result = self._work.save(ended.unit, ended.samples)
        ended.samples.close()
        return result

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Wait for the one that is being written; drop the others."""
        self._thread.shutdown(cancel_futures=True)
