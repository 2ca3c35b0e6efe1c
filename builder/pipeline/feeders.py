"""Submit tasks to the workers: whole rows, or pictures from a device that runs beside them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from builder.generation.protocol import Generator, Rejection, Request
from builder.pipeline.sample import log_line, picture_task, request_for, row_task
from builder.plan import PlanRow, Unit
from builder.workers.pool import Pool

LogLines = list[dict[str, Any]]


class Feeder(Protocol):
    """Submits tasks to a pool until every row of every unit has ended."""

    def feed(self, pool: Pool) -> bool:
        """Submit something; False when there is nothing to submit at present."""
        ...

    def ended(self) -> list[tuple[str, LogLines]]:
        """Rows that ended without reaching a worker since the last call, with their log."""
        ...

    def settle(self, sample_id: str, *, rejected: bool) -> bool:
        """Note how an attempt at a row ended; True when the row will be tried again."""
        ...

    @property
    def pending(self) -> bool:
        """Whether more may be submitted, now or after outstanding answers."""
        ...


class RowFeeder:
    """Submits whole rows to workers that generate, and try again, by themselves."""

    def __init__(self, units: Iterator[Unit]) -> None:
        self._rows: Iterator[PlanRow] = (row for unit in units for row in unit.rows)
        self.pending = True

    def feed(self, pool: Pool) -> bool:
        """Submit the next row."""
        row = next(self._rows, None)
        if row is None:
            self.pending = False
            return False
        pool.submit(row.id, row_task(row))
        return True

    def ended(self) -> list[tuple[str, LogLines]]:
        """None: every row reaches a worker."""
        return []

    def settle(self, sample_id: str, *, rejected: bool) -> bool:
        """False: a worker tries again by itself, and its answer is the last."""
        return False


@dataclass
class _Round:
    """One attempt at all rows of a unit that still need one."""

    attempt: int
    open: int
    rejected: list[PlanRow] = field(default_factory=list)


class DeviceFeeder:
    """Runs a device generator batch by batch and submits its pictures to the workers.

    The workers refine and encode one batch while the device makes the next. A batch never
    mixes units or attempts. Which pictures share a batch decides the last bit of their pixels;
    so it follows from the plan alone, and neither timing nor an interruption changes it.

    Args:
        generator: The device's generator.
        units: The units to build.
        attempts: Tries a row, at most.
    """

    def __init__(self, generator: Generator, units: Iterator[Unit], attempts: int) -> None:
        self._generator = generator
        self._units = units
        self._attempts = attempts if generator.repeatable else 1
        self._batches: deque[list[Request]] = deque()
        self._round_of: dict[str, _Round] = {}
        self._row_of: dict[str, PlanRow] = {}
        self._ended: list[tuple[str, LogLines]] = []
        self._exhausted = False

    @property
    def pending(self) -> bool:
        """Whether batches wait, units are left, or outcomes may call for another attempt."""
        return bool(self._batches) or not self._exhausted or bool(self._round_of)

    def feed(self, pool: Pool) -> bool:
        """Generate one batch and submit its pictures."""
        if not self._batches and not self._open_next():
            return False
        for made in self._generator.generate(self._batches.popleft()):
            if isinstance(made, Rejection):
                self._ended.append((made.request.row.id, [log_line(made)]))
            else:
                pool.submit(made.request.row.id, *picture_task(made))
        return True

    def ended(self) -> list[tuple[str, LogLines]]:
        """Rows whose generation itself was refused."""
        ended, self._ended = self._ended, []
        return ended

    def settle(self, sample_id: str, *, rejected: bool) -> bool:
        """Note how an attempt ended; the last one of a round starts the next round."""
        current = self._round_of.pop(sample_id)
        row = self._row_of.pop(sample_id)
        again = rejected and current.attempt + 1 < self._attempts
        if again:
            current.rejected.append(row)
        current.open -= 1
        if not current.open and current.rejected:
            self._start(sorted(current.rejected, key=lambda row: row.id), current.attempt + 1)
        return again

    def _open_next(self) -> bool:
        unit = next(self._units, None)
        if unit is None:
            self._exhausted = True
            return False
        self._start(unit.rows, 0)
        return True

    def _start(self, rows: Sequence[PlanRow], attempt: int) -> None:
        current = _Round(attempt, len(rows))
        for row in rows:
            self._round_of[row.id] = current
            self._row_of[row.id] = row
        size = self._generator.batch_size
        for first in range(0, len(rows), size):
            self._batches.append([request_for(row, attempt) for row in rows[first : first + size]])
