"""Reading the JSON members of all samples by their offsets."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Final

import numpy as np

from ld_portrait_20k.common.daemon_threads import DaemonThreads
from ld_portrait_20k.errors import ShardError
from ld_portrait_20k.format import schema
from ld_portrait_20k.format.ustar import BLOCK, MAX_JSON_BYTES, padding, parse_header
from ld_portrait_20k.streaming.http import RemoteError
from ld_portrait_20k.streaming.index import SampleTable
from ld_portrait_20k.streaming.sources import DatasetSource, Window

_TAIL: Final = 8192
"""Bytes at the end of a sample that are asked for: header and JSON have about 3,000."""

_NEIGHBOURS: Final = 2**20
"""Small samples are read in runs of this many bytes, pictures included."""

_SMALL: Final = 32_768
"""Mean bytes of a sample up to which reading its pictures too costs less than another request."""

_CONNECTIONS: Final = 16  # requests at once to a server; they are small and wait for it


def read_metadata(source: DatasetSource, table: SampleTable) -> Iterator[bytes | None]:
    """The JSON member of every sample, in the order of the table.

    Yields:
        The bytes, not parsed; None where they cannot be found, because the shard is damaged.

    Raises:
        PortraitError: The source as a whole cannot be read.
    """
    runs = _runs(table)
    if not source.remote:
        for first, stop in runs:
            yield from _read_run(source, table, first, stop)
        return
    pool = DaemonThreads(_CONNECTIONS, "metadata")
    waiting: deque[Future[list[bytes | None]]] = deque()
    try:
        for first, stop in runs:
            waiting.append(pool.submit(_read_run, source, table, first, stop))
            if len(waiting) > 2 * _CONNECTIONS:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
    finally:
        pool.close()


def _runs(table: SampleTable) -> Iterator[tuple[int, int]]:
    """Rows that are read in one request: first and stop."""
    count = len(table)
    if not count or table.length.mean() > _SMALL:
        yield from ((row, row + 1) for row in range(count))
        return
    first = 0
    size = 0
    for row in range(count):
        follows = row > first and (
            table.shard[row] == table.shard[row - 1]
            and table.offset[row] == table.offset[row - 1] + table.length[row - 1]
            and size + table.length[row] <= _NEIGHBOURS
        )
        if row > first and not follows:
            yield first, row
            first, size = row, 0
        size += int(table.length[row])
    yield first, count


def _read_run(
    source: DatasetSource, table: SampleTable, first: int, stop: int
) -> list[bytes | None]:
    path = table.paths[table.shard[first]]
    start, end = int(table.offset[first]), int(table.offset[stop - 1] + table.length[stop - 1])
    if stop - first == 1:
        start = max(start, end - _TAIL)
    try:
        content = _content(source.window(path, start, end - start))
    except RemoteError as problem:
        if problem.status not in (404, 410, 416):
            raise
        return [None] * (stop - first)
    except ShardError:
        return [None] * (stop - first)
    found = []
    for row in range(first, stop):
        last = int(table.offset[row] + table.length[row])
        part = content[max(0, int(table.offset[row]) - start) : last - start]
        json = _json_at_end(part, schema.sample_id(int(table.number[row])))
        if json is None and start > table.offset[row]:
            json = _whole(source, table, row)
        found.append(json)
    return found


def _content(window: Window) -> bytes:
    return window.read(window.length)


def _json_at_end(content: bytes, key: str) -> bytes | None:
    """The JSON member that ends a sample, found by its header from the end on."""
    name = f"{key}.{schema.JSON_MEMBER}".encode()
    at = content.rfind(name + b"\0")
    # A header begins at a block, counted from the end, which is one.
    if at < 0 or (len(content) - at) % BLOCK:
        return None
    try:
        entry = parse_header(content[at : at + BLOCK], at or BLOCK, key)
    except ShardError:
        return None
    if entry is None or entry.size > MAX_JSON_BYTES:
        return None
    body = content[at + BLOCK : at + BLOCK + entry.size]
    whole = at + BLOCK + entry.size + padding(entry.size) == len(content)
    return body if whole and len(body) == entry.size else None


def _whole(source: DatasetSource, table: SampleTable, row: int) -> bytes | None:
    """The same from all of a sample's bytes: its JSON is longer than usual."""
    path = table.paths[table.shard[row]]
    start, length = int(table.offset[row]), int(table.length[row])
    reach = min(length, MAX_JSON_BYTES + 2 * BLOCK)
    try:
        content = _content(source.window(path, start + length - reach, reach))
    except (ShardError, RemoteError):
        return None
    return _json_at_end(content, schema.sample_id(int(np.int64(table.number[row]))))
