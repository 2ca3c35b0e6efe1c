"""What a run tells: a bar or a line a minute, ``log.csv``, TensorBoard."""

from __future__ import annotations

import csv
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tqdm import tqdm

from ld_portrait_20k.common.files import write_bytes

LINE_EVERY: Final = 60.0
"""Seconds between lines where standard error is no terminal."""

TRAINING_LOG: Final = "log.csv"
VALIDATION_LOG: Final = "validation.csv"


class Stopwatch:
    """Seconds spent in all and seconds of them spent waiting for data."""

    def __init__(self) -> None:
        self.begun = time.perf_counter()
        self.waited = 0.0

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Counts the block as waiting."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.waited += time.perf_counter() - start

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leaves the block out of the count: validation and checkpoints are no steps."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.begun += time.perf_counter() - start

    @property
    def seconds(self) -> float:
        """Spent in steps so far."""
        return time.perf_counter() - self.begun

    @property
    def share(self) -> float:
        """Part of it spent waiting, 0..1."""
        return self.waited / max(self.seconds, 1e-9)


class Progress:
    """A bar on a terminal, else a line a minute; always on standard error.

    Args:
        first: Steps done before.
        steps: Steps in all.
        shown: Whether this process speaks; of several only one does.
    """

    def __init__(self, first: int, steps: int, *, shown: bool) -> None:
        self.first, self.steps, self.shown = first, steps, shown
        self._begun = self._told = time.perf_counter()
        terminal = shown and sys.stderr.isatty()
        self._bar = tqdm(total=steps, initial=first, unit=" steps", disable=not terminal)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def step(self, done: int, loss: float | None, waiting: float) -> None:
        """After a step; ``done`` counts from the run's beginning."""
        self._bar.update(1)
        if not self._bar.disable and loss is not None:
            self._bar.set_postfix_str(f"loss {loss:.4f}, waiting for data {waiting:.0%}")
        now = time.perf_counter()
        if self._bar.disable and self.shown and now - self._told >= LINE_EVERY:
            self._told = now
            rate = (now - self._begun) / (done - self.first)
            told = "" if loss is None else f"loss {loss:.4f}, "
            self.say(
                f"step {done} of {self.steps}: {told}{rate:.2f} s a step, waiting for data "
                f"{waiting:.0%}, {duration(rate * (self.steps - done))} left"
            )

    def say(self, line: str) -> None:
        """A line of its own, above the bar."""
        if self.shown:
            self._bar.write(line, file=sys.stderr)
            sys.stderr.flush()


class Table:
    """A CSV file whose rows are numbered by ``step``; goes on after a resume.

    Args:
        path: The file.
        done: Steps done; later rows, of a run that was killed after its checkpoint, go.
    """

    def __init__(self, path: Path, done: int) -> None:
        self.path = path
        self.columns: list[str] = []
        self._rows: list[dict[str, str]] = []
        if done and path.is_file():
            with path.open(newline="") as stream:
                self._rows = [row for row in csv.DictReader(stream) if _step(row) <= done]
            if self._rows:
                self.columns = list(self._rows[0])
            lines = [self.columns, *([row[name] for name in self.columns] for row in self._rows)]
            write_bytes(path, "".join(",".join(line) + "\n" for line in lines if line).encode())
        else:
            path.unlink(missing_ok=True)

    def row(self, step: int) -> dict[str, float]:
        """The numbers of a step of the run that goes on; empty if there is no such row."""
        found = [row for row in self._rows if int(row["step"]) == step]
        return {name: float(v) for name, v in found[-1].items() if name != "step"} if found else {}

    def add(self, row: Mapping[str, Any]) -> None:
        """Append a row; the first decides the columns."""
        with self.path.open("a", newline="") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            if not self.columns:
                self.columns = list(row)
                writer.writerow(self.columns)
            writer.writerow([_plain(row.get(name, "")) for name in self.columns])


class TensorBoard:
    """Scalars and pictures for TensorBoard; silent where it is not installed.

    Args:
        folder: Of the event files.
        done: Steps done; TensorBoard hides later ones of a run that was killed.
    """

    def __init__(self, folder: Path, done: int) -> None:
        self._writer: Any = None
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            return
        self._writer = SummaryWriter(str(folder), purge_step=done + 1 if done else None)

    @property
    def available(self) -> bool:
        """Whether anything is written."""
        return self._writer is not None

    def scalars(self, group: str, values: Mapping[str, float], step: int) -> None:
        """Numbers, each under ``group/name``."""
        if self._writer is not None:
            for name, value in values.items():
                self._writer.add_scalar(f"{group}/{name}", value, step)

    def picture(self, name: str, picture: Any, step: int) -> None:
        """A (H, W, 3) uint8 picture."""
        if self._writer is not None:
            self._writer.add_image(name, picture, step, dataformats="HWC")
            self._writer.flush()

    def close(self) -> None:
        """Write out what is held."""
        if self._writer is not None:
            self._writer.close()


def duration(seconds: float) -> str:
    """As a person says it: ``40 s``, ``12 min``, ``3.5 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _step(row: Mapping[str, str]) -> int:
    # A line that a kill cut short has no number, or fewer columns.
    whole = row.get("step", "").isdigit() and None not in row.values()
    return int(row["step"]) if whole else sys.maxsize


def _plain(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
