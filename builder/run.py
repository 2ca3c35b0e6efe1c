"""One run of a build on one machine: units in, finished units out, resumable anywhere."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from builder.engines.pool import Answer, InlinePool, WorkerPool, open_pool
from builder.generation.protocol import Generator, Rejection, Request
from builder.generation.sources import open_generator, runs_in_workers
from builder.plan import Plan, PlanRow, Unit
from builder.samples import log_line, picture_task, request_for, row_task
from builder.units import FinishedSamples, UnitResult, WorkFolder


@dataclass
class RunOptions:
    """How a build is run; none of it changes a byte of the dataset.

    Attributes:
        workers: CPU processes; None for one a core, 0 to work in this process.
        source: The folder that a ``folder`` plan was made from.
        device: Where a device generator runs (``cuda:0``, ``cpu``).
        batch_size: Pictures that a device generator makes at a time.
        extra: Further options of a device generator.
        on_sample: Called for every planned sample that reached its end.
        on_unit: Called with every unit that was finished.
    """

    workers: int | None = None
    source: Path | None = None
    device: str | None = None
    batch_size: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    on_sample: Callable[[], object] = lambda: None
    on_unit: Callable[[UnitResult], None] = lambda _: None

    def generator_options(self) -> dict[str, Any]:
        """What a generator needs beside its identity in the plan."""
        return {
            "source": str(self.source) if self.source else None,
            "device": self.device,
            "batch_size": self.batch_size,
            **self.extra,
        }

    def worker_count(self) -> int:
        """The number of CPU processes."""
        if self.workers is not None:
            return self.workers
        if hasattr(os, "sched_getaffinity"):
            return len(os.sched_getaffinity(0))
        return os.cpu_count() or 1


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
        options: How to run.
    """

    def __init__(self, plan: Plan, work: WorkFolder, options: RunOptions) -> None:
        self._plan = plan
        self._work = work
        self._options = options
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
            "handler": "builder.samples:SampleHandler",
            "options": {
                "plan": {
                    key: header[key]
                    for key in ("generator", "foreground_format", "subsets", "attempts")
                },
                "options": self._options.generator_options(),
            },
        }
        with open_pool(setup, self._options.worker_count()) as pool:
            if runs_in_workers(header["generator"]["name"]):
                yield from self._run(pool, _RowFeeder(self._rows(units)))
            else:
                generator = open_generator(header["generator"], self._options.generator_options())
                attempts = int(header["attempts"])
                yield from self._run(pool, _DeviceFeeder(generator, self._rows(units), attempts))

    def _rows(self, units: Iterable[Unit]) -> Iterator[PlanRow]:
        for unit in units:
            under_way = _UnitUnderWay(unit, self._work.folder)
            for row in unit.rows:
                self._under_way[row.id] = under_way
                yield row

    def _run(
        self, pool: WorkerPool | InlinePool, feeder: _RowFeeder | _DeviceFeeder
    ) -> Iterator[UnitResult]:
        while True:
            fed = feeder.feed(pool)
            for identity, lines in feeder.ended():
                yield from self._end_row(identity, lines, None)
            answer = pool.answer(wait=not fed and pool.outstanding > 0)
            while answer is not None:
                for stage, seconds in answer.message["seconds"].items():
                    total = self.report.seconds.get(stage, 0.0)
                    self.report.seconds[stage] = total + seconds
                lines = answer.message["rejections"]
                accepted = "metadata" in answer.message
                if not accepted and feeder.again(answer.key, lines):
                    self._under_way[answer.key].samples.reject(lines)
                else:
                    yield from self._end_row(answer.key, lines, answer if accepted else None)
                answer = pool.answer(wait=False)
            if not fed and not pool.outstanding and not feeder.pending:
                return

    def _end_row(
        self, identity: str, lines: Sequence[dict[str, Any]], answer: Answer | None
    ) -> Iterator[UnitResult]:
        under_way = self._under_way.pop(identity)
        under_way.samples.reject(lines)
        if answer is not None:
            under_way.samples.accept(identity, answer.message["metadata"], answer.blobs)
        under_way.open_rows -= 1
        self._options.on_sample()
        if not under_way.open_rows:
            result = self._work.save(under_way.unit, under_way.samples)
            under_way.samples.close()
            self.report.built += 1
            self._options.on_unit(result)
            yield result


class _RowFeeder:
    """Feeds whole rows to workers that generate by themselves."""

    def __init__(self, rows: Iterator[PlanRow]) -> None:
        self._rows = rows
        self.pending = True

    def feed(self, pool: WorkerPool | InlinePool) -> bool:
        """Submit one row; False when there is none left."""
        row = next(self._rows, None)
        if row is None:
            self.pending = False
            return False
        pool.submit(row.id, row_task(row))
        return True

    def ended(self) -> list[tuple[str, list[dict[str, Any]]]]:
        """Rows that ended without reaching a worker: none here."""
        return []

    def again(self, identity: str, lines: Sequence[dict[str, Any]]) -> bool:
        """Workers try again by themselves, so never."""
        return False


class _DeviceFeeder:
    """Runs a device generator batch by batch and feeds its pictures to the workers.

    The workers refine and encode one batch while the device makes the next.
    """

    def __init__(self, generator: Generator, rows: Iterator[PlanRow], attempts: int) -> None:
        self._generator = generator
        self._rows = rows
        self._attempts = attempts if generator.repeatable else 1
        self._retries: deque[Request] = deque()
        self._requests: dict[str, Request] = {}
        self._ended: list[tuple[str, list[dict[str, Any]]]] = []
        self._exhausted = False

    @property
    def pending(self) -> bool:
        """Whether there is anything left to generate."""
        return bool(self._retries) or not self._exhausted

    def feed(self, pool: WorkerPool | InlinePool) -> bool:
        """Generate one batch and submit its pictures; False when there is nothing to do."""
        batch: list[Request] = []
        while len(batch) < self._generator.batch_size:
            if self._retries:
                batch.append(self._retries.popleft())
                continue
            row = next(self._rows, None)
            if row is None:
                self._exhausted = True
                break
            batch.append(request_for(row, 0))
        if not batch:
            return False
        for made in self._generator.generate(batch):
            identity = made.request.row.id
            self._requests[identity] = made.request
            if isinstance(made, Rejection):
                lines = [log_line(made)]
                self._ended.append((identity, lines))
            else:
                pool.submit(identity, *picture_task(made))
        return True

    def ended(self) -> list[tuple[str, list[dict[str, Any]]]]:
        """Rows whose generation itself was refused."""
        ended, self._ended = self._ended, []
        return ended

    def again(self, identity: str, lines: Sequence[dict[str, Any]]) -> bool:
        """Queue a rejected sample's next attempt, if it has one."""
        request = self._requests.pop(identity)
        if request.attempt + 1 >= self._attempts:
            return False
        self._retries.append(request_for(request.row, request.attempt + 1))
        return True
