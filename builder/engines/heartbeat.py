"""A task's heartbeat: a small file whose content keeps changing while the task runs."""

from __future__ import annotations

import json
import os
import platform
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

EVERY: Final = 1.0
"""Seconds between beats."""


class Heartbeat:
    """Writes a counter to a file from a thread, until the task ends.

    A task that ends says so in the file; one that is killed just stops writing. So
    :class:`Watch` tells the two apart.

    Args:
        path: The file; its folder is made if need be.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._beats = 0
        self._samples = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def sample(self) -> None:
        """Count a sample that reached its end."""
        self._samples += 1

    def __enter__(self) -> Self:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._write()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._write()

    def _beat(self) -> None:
        while not self._ended.wait(EVERY):
            self._write()

    def _write(self) -> None:
        self._beats += 1
        body = {
            "beat": self._beats,
            "samples": self._samples,
            "ended": self._ended.is_set(),
            "host": platform.node(),
            "pid": os.getpid(),
        }
        temporary = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        with suppress(OSError):  # of a full disk the build itself complains
            temporary.write_text(json.dumps(body), encoding="utf-8")
            temporary.replace(self._path)


@dataclass(frozen=True)
class Limits:
    """How long tasks may be silent.

    Attributes:
        silent: Seconds without a beat after which a task that began counts as dead.
        begin: Seconds in which, with nothing running, some task has to begin.
        task: Seconds that one task may take; None for any time.
    """

    silent: float = 120.0
    begin: float = 900.0
    task: float | None = None


@dataclass
class _Seen:
    text: str
    began: float
    changed: float
    samples: int = 0
    ended: bool = False


@dataclass
class Watch:
    """Reads the heartbeats of a run and says when it hangs.

    Times are this machine's monotonic ones, taken when a file was seen to change: clocks
    of other machines, and clocks set back, do not matter.

    Attributes:
        folder: Where the heartbeats are.
        limits: How long tasks may be silent.
        clock: Seconds that only grow.
    """

    folder: Path
    limits: Limits
    clock: Callable[[], float] = time.monotonic
    _seen: dict[str, _Seen] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Start the clock."""
        self._last = self.clock()

    @property
    def samples(self) -> int:
        """Samples that the tasks have ended so far."""
        return sum(seen.samples for seen in self._seen.values())

    def look(self) -> str | None:
        """Read the heartbeats once.

        A dead task stops the run only when no other task is at work: the shards under way in
        other tasks are worth more than the slot that the dead one blocks.

        Returns:
            What is wrong, or None while the run goes on.
        """
        now = self.clock()
        for path in self.folder.glob("[0-9]*.json"):
            self._read(path, now)
        running = {name: seen for name, seen in self._seen.items() if not seen.ended}
        if self.limits.task is not None:
            late = [n for n, s in running.items() if now - s.began > self.limits.task]
            if late:
                return f"{_listed(late)} took longer than {self.limits.task:.0f} s"
        quiet = now - self._last
        if running and quiet > self.limits.silent:
            return f"{_listed(running)} gave no sign of life for {quiet:.0f} s"
        if not running and quiet > self.limits.begin:
            return f"no task began for {quiet:.0f} s"
        return None

    def _read(self, path: Path, now: float) -> None:
        try:
            text = path.read_text(encoding="utf-8")
            body = json.loads(text)
        except (OSError, ValueError):
            return
        seen = self._seen.setdefault(path.stem, _Seen("", now, now))
        if text != seen.text:
            seen.text, seen.changed, self._last = text, now, now
            seen.samples, seen.ended = int(body["samples"]), bool(body["ended"])


def _listed(names: object) -> str:
    ranks = sorted(int(name) for name in names)  # type: ignore[attr-defined]
    return f"task {', '.join(map(str, ranks[:8]))}" + (", ..." if len(ranks) > 8 else "")
