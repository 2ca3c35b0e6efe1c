"""Reading byte ranges over HTTP so that a bad network costs time, not data.

A small client on ``http.client``: connections are kept and reused, a transfer that is cut
goes on at the byte where it stood, and 408, 425, 429, 5xx, stalls and refused connections
are tried again with growing pauses (``Retry-After`` is honoured up to a cap). A file that
changes on the server between two parts of one read is an error, never a mixture.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import random
import re
import threading
import time
from dataclasses import dataclass
from typing import Final
from urllib.parse import urljoin, urlsplit, urlunsplit

from ld_portrait_20k.streaming.connections import (
    Patience,
    RemoteError,
    RetryError,
    new_connection,
    public_url,
    retry_after,
    words,
)

__all__ = ["RETRIED", "HttpClient", "HttpStream", "Patience", "RemoteError", "public_url"]

RETRIED: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAX_REDIRECTS = 5
_PIECE = 2**18
_BEYOND_THE_END = 416
_KEPT_CONNECTIONS = 16


@dataclass(slots=True)
class _Answer:
    response: http.client.HTTPResponse
    connection: http.client.HTTPConnection
    key: tuple[str, str]
    position: int
    total: int | None
    tag: str | None
    remaining: int | None


class HttpClient:
    """Ranges of files from HTTP servers.

    Threads may share a client; a forked or unpickled copy opens connections of its own.

    Args:
        token: Bearer token, sent to ``token_origin`` only.
        token_origin: Scheme and host (``https://huggingface.co``) that the token is for.
        patience: How long to try.
    """

    def __init__(
        self,
        token: str | None = None,
        token_origin: str | None = None,
        patience: Patience | None = None,
    ) -> None:
        self.patience = patience or Patience()
        self.retries = 0
        self._token = token
        self._token_origin = token_origin
        self._reset()

    def read(self, url: str, start: int, length: int) -> memoryview:
        """Exactly ``length`` bytes from ``start``.

        Returns:
            The bytes, valid until this thread's next ``read``: the buffer is used again,
            because getting and clearing megabytes costs as much as receiving them.

        Raises:
            RemoteError: See :meth:`open`; also a file that ends before.
        """
        buffer = getattr(self._buffers, "buffer", b"")
        if len(buffer) < length:
            buffer = self._buffers.buffer = bytearray(length)
        view = memoryview(buffer)[:length]
        filled = 0
        with self.open(url, start, length) as stream:
            while filled < length:
                count = stream.readinto(view[filled:])
                if not count:
                    raise RemoteError(url, f"ends at byte {start + filled}", _BEYOND_THE_END)
                filled += count
        return view

    def get(self, url: str, limit: int) -> bytes:
        """A whole small file.

        Raises:
            RemoteError: See :meth:`open`; also a file of more than ``limit`` bytes.
        """
        with self.open(url) as stream:
            parts = []
            size = 0
            while part := stream.read(2**16):
                size += len(part)
                if size > limit:
                    raise RemoteError(url, f"more than {limit} bytes")
                parts.append(part)
        return b"".join(parts)

    def open(self, url: str, start: int = 0, length: int | None = None) -> HttpStream:
        """A stream from ``start`` on; it mends itself when cut.

        Args:
            url: What to read.
            start: First byte.
            length: Bytes wanted; to the end by default.

        Raises:
            RemoteError: Not there, not allowed, or not reachable with all patience; also
                raised by the stream's ``read``.
        """
        return HttpStream(self, url, start, length)

    # The rest is for HttpStream.

    def _request(self, url: str, start: int, stop: int | None) -> _Answer:
        """One try. Raises RetryError if another may help, RemoteError if not."""
        target = self._redirects.get(url, url)
        cached = target != url
        for _ in range(_MAX_REDIRECTS + 1):
            answer = self._send(target, start, stop)
            status = answer.response.status
            if status in _REDIRECTS:
                location = answer.response.headers.get("Location")
                self._finish(answer)
                if not location:
                    raise RemoteError(url, f"HTTP {status} without a Location", status)
                target = urljoin(target, location)
                if urlsplit(target).scheme not in ("http", "https"):
                    raise RemoteError(url, f"redirected to {urlsplit(target).scheme!r}", status)
                continue
            if cached and status in (400, 401, 403, 404, 410):
                # A signed address expires; ask the first server for a new one.
                self._finish(answer)
                self._redirects.pop(url, None)
                target, cached = url, False
                continue
            self._check_status(url, answer, start)
            if target != url:
                self._redirects[url] = target
            return answer
        raise RemoteError(url, "redirected too often")

    def _send(self, target: str, start: int, stop: int | None) -> _Answer:
        parts = urlsplit(target)
        key = (parts.scheme, parts.netloc)
        headers = {"Accept-Encoding": "identity", "User-Agent": "ld-portrait-20k"}
        if start or stop is not None:
            headers["Range"] = f"bytes={start}-{'' if stop is None else stop - 1}"
        if self._token and f"{parts.scheme}://{parts.netloc}" == self._token_origin:
            headers["Authorization"] = f"Bearer {self._token}"
        path = urlunsplit(("", "", parts.path or "/", parts.query, ""))
        for fresh in (False, True):
            connection = self._connect(parts.scheme, parts.netloc, fresh)
            reused = connection.sock is not None
            try:
                connection.request("GET", path, headers=headers)
                response = connection.getresponse()
            except (OSError, http.client.HTTPException) as problem:
                connection.close()
                # A kept connection may have been closed meanwhile; that is no failure.
                if reused and not isinstance(problem, TimeoutError):
                    continue
                raise RetryError(words(problem)) from problem
            return self._describe(response, connection, key, start)
        raise RetryError("the connection was closed")

    def _describe(
        self,
        response: http.client.HTTPResponse,
        connection: http.client.HTTPConnection,
        key: tuple[str, str],
        start: int,
    ) -> _Answer:
        length = response.headers.get("Content-Length", "")
        remaining = int(length) if length.isdecimal() else None
        position, total = 0, remaining
        if response.status == 206:
            found = re.match(
                r"bytes (\d+)-(\d+)/(\d+|\*)$", response.headers.get("Content-Range", "")
            )
            position = int(found[1]) if found else -1
            total = int(found[3]) if found and found[3] != "*" else None
            remaining = int(found[2]) + 1 - position if found else None
        headers = response.headers
        tag = headers.get("X-Linked-Etag") or headers.get("ETag") or headers.get("Last-Modified")
        return _Answer(response, connection, key, position, total, tag, remaining)

    def _check_status(self, url: str, answer: _Answer, start: int) -> None:
        status = answer.response.status
        if status == 206 and answer.position == start:
            return
        if status == 200:
            return
        wait = retry_after(answer.response.headers.get("Retry-After"))
        self._discard(answer)
        if status in RETRIED:
            raise RetryError(f"HTTP {status}", status, wait)
        if status == 206:
            raise RemoteError(url, "the server gave another range than asked for", status)
        if status in (401, 403):
            mend = "this token may not read it" if self._token else "mend: hf auth login, or token="
            raise RemoteError(url, f"HTTP {status}, access refused ({mend})", status)
        if status in (404, 410):
            raise RemoteError(url, f"not there (HTTP {status})", status)
        if status == _BEYOND_THE_END:
            raise RemoteError(url, f"shorter than {start} bytes (HTTP 416)", status)
        raise RemoteError(url, f"HTTP {status}", status)

    def _pause(self, failures: int, wait: float | None) -> None:
        patience = self.patience
        pause = patience.pause * 2 ** (failures - 1)
        # Jitter keeps many workers from coming back in step; no output depends on it.
        pause *= 0.75 + 0.5 * random.SystemRandom().random()
        time.sleep(min(max(pause, wait or 0.0), patience.longest_pause))

    def _connect(self, scheme: str, netloc: str, fresh: bool) -> http.client.HTTPConnection:
        if self._pid != os.getpid():
            self._reset()
        if not fresh:
            with self._lock:
                kept = self._kept.get((scheme, netloc))
                if kept:
                    return kept.pop()
        return new_connection(scheme, netloc, self.patience.timeout)

    def _finish(self, answer: _Answer) -> None:
        """Keep the connection if its answer is read to the end, else drop it."""
        response, connection = answer.response, answer.connection
        with contextlib.suppress(OSError, http.client.HTTPException):
            if not response.isclosed() and (response.length or 0) <= 2**16:
                response.read()
        if not response.isclosed() or response.will_close:
            self._discard(answer)
            return
        with self._lock:
            kept = self._kept.setdefault(answer.key, [])
            if len(kept) < _KEPT_CONNECTIONS:
                kept.append(connection)
                return
        connection.close()

    def _discard(self, answer: _Answer) -> None:
        answer.response.close()
        answer.connection.close()

    def _reset(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._buffers = threading.local()
        self._kept: dict[tuple[str, str], list[http.client.HTTPConnection]] = {}
        self._redirects: dict[str, str] = {}

    def __getstate__(self) -> dict[str, object]:
        return {
            "patience": self.patience,
            "_token": self._token,
            "_token_origin": self._token_origin,
        }

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self.retries = 0
        self._reset()

    def __repr__(self) -> str:
        return f"HttpClient(patience={self.patience})"


class HttpStream:
    """A file, or a part of one, as a stream that survives cuts. A context manager."""

    def __init__(self, client: HttpClient, url: str, start: int, length: int | None) -> None:
        self._client = client
        self._url = url
        self._position = start
        self._stop = None if length is None else start + length
        self._answer: _Answer | None = None
        self._tag: str | None = None
        self._total: int | None = None
        self._promised: int | None = None
        self._failures = 0
        self.name = public_url(url)

    def read(self, size: int = 2**20, /) -> bytes:
        """Up to ``size`` bytes; none at the end.

        Raises:
            RemoteError: All patience is used up, or the file is gone or changed.
        """
        buffer = bytearray(min(size, _PIECE))
        count = self.readinto(memoryview(buffer))
        return bytes(memoryview(buffer)[:count])

    def readinto(self, view: memoryview) -> int:
        """Like :meth:`read`, into a buffer; the number of bytes, 0 at the end."""
        if self._stop is not None:
            view = view[: self._stop - self._position]
        while len(view):
            try:
                answer = self._answer or self._reopen()
                if answer is None:
                    return 0
                count = _receive(answer.response, view)
            except (OSError, http.client.HTTPException, RetryError) as problem:
                self._retry(problem)
                continue
            if count:
                self._position += count
                self._failures = 0
                return count
            if self._promised is not None and self._position < self._promised:
                self._retry(RetryError("the connection was cut"))
                continue
            return 0
        return 0

    @property
    def size(self) -> int | None:
        """The whole file's size, once something was read and if the server tells."""
        return self._total

    @property
    def tag(self) -> str | None:
        """What names the file's version on the server, once something was read."""
        return self._tag

    def close(self) -> None:
        """Give the connection back."""
        answer, self._answer = self._answer, None
        if answer is not None:
            self._client._finish(answer)

    def _reopen(self) -> _Answer | None:
        if self._total is not None and self._position >= self._total:
            return None
        answer = self._client._request(self._url, self._position, self._stop)
        if self._tag is None and self._total is None:
            self._tag, self._total = answer.tag, answer.total
        elif (answer.tag or self._tag) != self._tag or answer.total != self._total:
            self._client._discard(answer)
            raise RemoteError(self._url, "changed on the server while it was read")
        if answer.position < self._position:
            # The server does not know ranges: read from the start and drop what we have.
            self._skip(answer, self._position - answer.position)
        self._promised = None if answer.remaining is None else answer.position + answer.remaining
        self._answer = answer
        return answer

    def _skip(self, answer: _Answer, count: int) -> None:
        try:
            while count:
                part = answer.response.read(min(count, 2**20))
                if not part:
                    raise RetryError("the connection was cut")
                count -= len(part)
        except BaseException:
            self._client._discard(answer)
            raise

    def _retry(self, problem: Exception) -> None:
        if self._answer is not None:
            self._client._discard(self._answer)
            self._answer = None
        self._failures += 1
        self._client.retries += 1
        status = getattr(problem, "status", None)
        if self._failures >= self._client.patience.attempts:
            raise RemoteError(
                self._url, f"{words(problem)}; given up after {self._failures} tries", status
            ) from None
        self._client._pause(self._failures, getattr(problem, "wait", None))

    def __enter__(self) -> HttpStream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _receive(response: http.client.HTTPResponse, view: memoryview) -> int:
    """One receive: what has arrived before a cut is not lost, and nothing is copied twice."""
    if response.length is None or response.fp is None:
        data = response.read1(len(view))
        view[: len(data)] = data
        return len(data)
    if not response.length:
        return 0
    count = response.fp.readinto1(view[: response.length])
    response.length -= count
    return int(count)
