"""Reading samples in any order, ahead of their use, checked, in bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ld_portrait_20k.common.daemon_threads import DaemonThreads
from ld_portrait_20k.errors import ShardError, UnreadableShardError
from ld_portrait_20k.format import schema
from ld_portrait_20k.format.shards import RawSample, read_sample
from ld_portrait_20k.streaming.http import RemoteError
from ld_portrait_20k.streaming.index import SampleTable
from ld_portrait_20k.streaming.requests import BEYOND_THE_END
from ld_portrait_20k.streaming.sources import DatasetSource, Window

REQUEST_BYTES: Final = 8 * 2**20
"""Neighbouring samples are fetched in one request up to this size."""

_RETRIES = 2  # for a sample whose bytes arrive wrong; chosen by eye

Outcome = RawSample | ShardError


def read_rows(
    source: DatasetSource,
    table: SampleTable,
    rows: NDArray[np.int64],
    *,
    check: bool,
    connections: int = 4,
    ahead_bytes: int = 64 * 2**20,
) -> Iterator[Outcome]:
    """Read samples in the order given.

    Args:
        source: Where the shards are.
        table: What lies where.
        rows: (M,) rows of the table, in the wanted order.
        check: Compare each sample's checksum where the table has one.
        connections: Parallel requests to a remote source.
        ahead_bytes: Most bytes to read ahead from a remote source.

    Yields:
        One outcome a row: the sample, or the :class:`ShardError` that says what is wrong
        with it (:class:`UnreadableShardError` where its bytes cannot be had). The error is
        not raised, so that the caller may go on with the next rows.

    Raises:
        PortraitError: The source as a whole cannot be read (no server, no access).
    """
    if not source.remote:
        for row in rows:
            yield read_row(source, table, int(row), check)
        return
    pool = DaemonThreads(connections, "portraits")
    waiting: deque[tuple[int, Future[list[Outcome]]]] = deque()
    groups = _groups(table, rows, ahead_bytes // max(1, connections))
    held = 0
    exhausted = False
    try:
        while True:
            while not exhausted and (not waiting or held < ahead_bytes):
                group = next(groups, None)
                if group is None:
                    exhausted = True
                    break
                size = int(table.length[group].sum())
                held += size
                waiting.append((size, pool.submit(_read_group, source, table, group, check)))
            if not waiting:
                return
            size, future = waiting.popleft()
            outcomes = future.result()
            held -= size
            # Each sample is released as it is handed out, so memory falls while it is used.
            outcomes.reverse()
            while outcomes:
                yield outcomes.pop()
    finally:
        pool.close()


def _groups(table: SampleTable, rows: NDArray[np.int64], limit: int) -> Iterator[NDArray[np.int64]]:
    """Split rows into runs that lie one after the other in a shard."""
    limit = min(limit, REQUEST_BYTES)
    first = 0
    size = 0
    for place in range(len(rows)):
        row, before = rows[place], rows[place - 1]
        length = int(table.length[row])
        follows = (
            place > first
            and table.shard[row] == table.shard[before]
            and table.offset[row] == table.offset[before] + table.length[before]
            and size + length <= limit
        )
        if place > first and not follows:
            yield rows[first:place]
            first, size = place, 0
        size += length
    if first < len(rows):
        yield rows[first:]


def _read_group(
    source: DatasetSource, table: SampleTable, group: NDArray[np.int64], check: bool
) -> list[Outcome]:
    if len(group) == 1:
        return [read_row(source, table, int(group[0]), check)]
    path = table.paths[table.shard[group[0]]]
    start = int(table.offset[group[0]])
    try:
        window = source.window(path, start, int(table.length[group].sum()))
    except (ShardError, RemoteError):
        # One of them may lie beyond the end of the file; read the others singly.
        return [read_row(source, table, int(row), check) for row in group]
    outcomes: list[Outcome] = []
    for row in group:
        part = window.part(int(table.offset[row]) - start, int(table.length[row]))
        try:
            outcomes.append(_parse(source, table, int(row), part, check))
        except ShardError:
            outcomes.append(read_row(source, table, int(row), check))
    return outcomes


def read_row(source: DatasetSource, table: SampleTable, row: int, check: bool) -> Outcome:
    """One sample; see :func:`read_rows`."""
    path = table.paths[table.shard[row]]
    for attempt in range(1 + (_RETRIES if source.remote else 0)):
        try:
            part = source.window(path, int(table.offset[row]), int(table.length[row]))
            return _parse(source, table, row, part, check)
        except ShardError as problem:
            # Wrong bytes from a server are worth another try, wrong bytes on disk are not.
            if not source.remote or attempt == _RETRIES:
                return _named(problem, table, row)
        except RemoteError as problem:
            if problem.status not in (404, 410, BEYOND_THE_END):
                raise
            kind = ShardError if problem.status == BEYOND_THE_END else UnreadableShardError
            return _named(kind(source.locate(path), problem.problem), table, row)
    raise AssertionError("unreachable")


def _parse(
    source: DatasetSource, table: SampleTable, row: int, part: Window, check: bool
) -> RawSample:
    path = source.locate(table.paths[table.shard[row]])
    key = schema.sample_id(int(table.number[row]))
    expected = int(table.crc32[row])
    part.checking = check and expected >= 0
    sample = read_sample(part, path, int(table.offset[row]), key)
    if part.checking and part.crc32() != expected:
        raise sample.error("checksum differs from the manifest's")
    return sample


def _named(problem: ShardError, table: SampleTable, row: int) -> ShardError:
    return problem.at(int(table.offset[row]), schema.sample_id(int(table.number[row])))
