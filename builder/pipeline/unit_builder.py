"""One run of a build on one machine: units in, finished units out, resumable anywhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from builder.generation.registry import open_generator, runs_in_workers
from builder.pipeline.feeders import DeviceFeeder, Feeder, RowFeeder
from builder.pipeline.run_options import RunOptions
from builder.pipeline.work_folder import FinishedSamples, UnitResult, WorkFolder
from builder.plan import Plan, Unit
from builder.workers.pool import Answer, Pool, open_pool

HANDLER_FIELDS = ("generator", "foreground_format", "subsets", "attempts", "reject", "quality")
"""What of a plan's header the workers need."""


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
        with open_pool(setup, self._how.worker_count()) as pool:
            if runs_in_workers(header["generator"]):
                yield from self._run(pool, RowFeeder(opened))
            else:
                generator = open_generator(header["generator"], self._how.generator_options())
                yield from self._run(pool, DeviceFeeder(generator, opened, int(header["attempts"])))

    def _open(self, units: Iterable[Unit]) -> Iterator[Unit]:
        for unit in units:
            under_way = _UnitUnderWay(unit, self._work.folder)
            self._under_way.update(dict.fromkeys((row.id for row in unit.rows), under_way))
            yield unit

    def _run(self, pool: Pool, feeder: Feeder) -> Iterator[UnitResult]:
        while True:
            fed = feeder.feed(pool)
            for sample_id, lines in feeder.ended():
                yield from self._settle(feeder, sample_id, lines, None)
            answer = pool.answer(wait=not fed and pool.outstanding > 0)
            while answer is not None:
                for stage, seconds in answer.message["seconds"].items():
                    total = self.report.seconds.get(stage, 0.0)
                    self.report.seconds[stage] = total + seconds
                accepted = answer if "metadata" in answer.message else None
                lines = answer.message["rejections"]
                yield from self._settle(feeder, answer.key, lines, accepted)
                answer = pool.answer(wait=False)
            if not fed and not pool.outstanding and not feeder.pending:
                return

    def _settle(
        self, feeder: Feeder, sample_id: str, lines: Sequence[dict[str, Any]], answer: Answer | None
    ) -> Iterator[UnitResult]:
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
            result = self._work.save(under_way.unit, under_way.samples)
            under_way.samples.close()
            self.report.built += 1
            self._how.on_unit(result)
            for shard in self._work.final_shards(under_way.unit, result):
                self._how.on_shard(*shard)
            yield result
