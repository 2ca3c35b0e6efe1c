"""How many samples a stream left out, known to the process that started its workers too."""

from __future__ import annotations

import json
import sys
import time
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ld_portrait_20k.errors import ShardError

_WORKERS: Final = 128
"""Rows of the table, far more than anyone starts workers; a higher number shares a row."""

_TEXT_BYTES: Final = 1024
_FIELD_LENGTHS: Final = (300, 30)
"""Most characters of a path and of a message. One may take twelve bytes, so 30 always fit."""


class Skips:
    """A count of skipped samples and the last error, shared by a stream's processes.

    Each worker writes a row of its own, so that no lock is needed. Without torch there are no
    workers, and the table is a plain array.
    """

    def __init__(self) -> None:
        # A row: count, time of the last one in ns, bytes of its text, the text.
        self._table: Any = np.zeros((_WORKERS, 3 + _TEXT_BYTES // 8), np.int64)
        self.share()

    def share(self) -> None:
        """Move into shared memory, if torch is imported."""
        torch = sys.modules.get("torch")
        if torch is not None and isinstance(self._table, np.ndarray):
            self._table = torch.from_numpy(self._table).share_memory_()

    def add(self, worker: int, problem: ShardError) -> None:
        """Count one more sample that a worker left out, and remember why."""
        numbers, texts = self._tables()
        row = worker % _WORKERS
        text = _encode(problem)
        numbers[row, 1] = 0  # readers pass over the row while its text changes
        texts[row, : len(text)] = np.frombuffer(text, np.uint8)
        numbers[row, 2] = len(text)
        numbers[row, 0] += 1
        numbers[row, 1] = time.monotonic_ns()

    @property
    def count(self) -> int:
        """Samples left out by all processes together."""
        return int(self._tables()[0][:, 0].sum())

    @property
    def last(self) -> ShardError | None:
        """Why the latest of them was left out; None where none was."""
        numbers, texts = self._tables()
        for row in np.argsort(-numbers[:, 1], kind="stable"):
            moment = int(numbers[row, 1])
            if not moment:
                return None
            text = texts[row, : int(numbers[row, 2])].tobytes()
            if int(numbers[row, 1]) == moment:
                shard, words, offset, sample = json.loads(text)
                return ShardError(shard, words, offset=offset, sample=sample)
        return None

    def _tables(self) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        table: NDArray[np.int64] = np.asarray(self._table)
        return table[:, :3], table[:, 3:].view(np.uint8)


def _encode(problem: ShardError) -> bytes:
    for length in _FIELD_LENGTHS:
        shard, words = problem.shard[-length:], problem.problem[:length]
        text = json.dumps([shard, words, problem.offset, problem.sample]).encode()
        if len(text) <= _TEXT_BYTES:
            break
    return text
