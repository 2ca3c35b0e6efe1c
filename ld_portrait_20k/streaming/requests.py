"""GET requests for byte ranges: one try each, over connections that are kept and reused."""

from __future__ import annotations

import http.client
import os
import re
import threading
from dataclasses import dataclass
from typing import Final, cast
from urllib.parse import urlunsplit

from ld_portrait_20k.common.printable import printable
from ld_portrait_20k.streaming import addresses
from ld_portrait_20k.streaming.addresses import public_url
from ld_portrait_20k.streaming.connections import (
    Patience,
    RemoteError,
    RetryError,
    new_connection,
    retry_after,
    words,
)
from ld_portrait_20k.streaming.responses import PacedResponse

RETRIED: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
"""HTTP statuses after which another try may help."""

BEYOND_THE_END: Final = 416
"""HTTP status for a range that starts after the end of the file."""

_COMPRESSED = frozenset({"gzip", "x-gzip", "deflate", "compress", "br", "zstd"})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAX_REDIRECTS = 5
_KEPT_CONNECTIONS = 16

_OFFSET = "[0-9]{1,18}"  # fits 64 bits
_CONTENT_RANGE = re.compile(rf"bytes ({_OFFSET})-({_OFFSET})/({_OFFSET}|\*)\Z")


@dataclass(slots=True)
class Answer:
    """An answer whose body is still to be read.

    Attributes:
        response: The response, after its headers.
        connection: The connection that it came over.
        key: Scheme and host of the connection.
        position: Byte offset in the file of the body's first byte; -1 where not told.
        total: Size of the whole file, where told.
        tag: What names the file's version on the server, where told.
        remaining: Bytes of the body, where told.
    """

    response: PacedResponse
    connection: http.client.HTTPConnection
    key: tuple[str, str]
    position: int
    total: int | None
    tag: str | None
    remaining: int | None


class Requests:
    """Sends requests, follows redirects, and keeps connections for the next request.

    Threads may share it; a forked or unpickled copy opens connections of its own.

    Args:
        token: Bearer token, sent to ``token_origin`` only.
        token_origin: Scheme and host (``https://huggingface.co``) that the token is for.
        patience: When a connection counts as stalled.
    """

    def __init__(self, token: str | None, token_origin: str | None, patience: Patience) -> None:
        self._token = token
        self._token_origin = token_origin
        self._patience = patience
        self._reset()

    def send(self, url: str, start: int, stop: int | None) -> Answer:
        """Ask once for a part of a file.

        Args:
            url: The file.
            start: First byte.
            stop: Byte after the last; to the end of the file by default.

        Raises:
            RetryError: It failed, and another try may help.
            RemoteError: It failed for good.
        """
        try:
            addresses.split(url)
        except ValueError as problem:
            raise RemoteError(url, f"not an address to read from ({problem})") from None
        target = self._redirects.get(url, url)
        cached = target != url
        for _ in range(_MAX_REDIRECTS + 1):
            answer = self._get(target, start, stop)
            status = answer.response.status
            if status in _REDIRECTS:
                location = answer.response.headers.get("Location")
                self.finish(answer)
                if not location:
                    raise RemoteError(url, f"HTTP {status} without a Location", status)
                try:
                    target = addresses.redirected(target, location)
                except ValueError as problem:
                    raise RemoteError(
                        url,
                        f"redirected to {printable(public_url(location), 100)} ({problem})",
                        status,
                    ) from None
                continue
            if cached and status in (400, 401, 403, 404, 410):
                # A signed address expires; ask the first server for a new one.
                self.finish(answer)
                self._redirects.pop(url, None)
                target, cached = url, False
                continue
            self._check_status(url, answer, start)
            if target != url:
                self._redirects[url] = target
            return answer
        raise RemoteError(url, "redirected too often")

    def _get(self, target: str, start: int, stop: int | None) -> Answer:
        parts = addresses.split(target)
        key = (parts.scheme, parts.netloc)
        headers = {"Accept-Encoding": "identity", "User-Agent": "ld-portrait-20k"}
        if start or stop is not None:
            headers["Range"] = f"bytes={start}-{'' if stop is None else stop - 1}"
        if self._token and f"{parts.scheme}://{parts.netloc}" == self._token_origin:
            headers["Authorization"] = f"Bearer {self._token}"
        path = urlunsplit(("", "", parts.path, parts.query, ""))
        for fresh in (False, True):
            connection = self._connect(parts.scheme, parts.netloc, fresh)
            reused = connection.sock is not None
            try:
                connection.request("GET", path, headers=headers)
                response = cast("PacedResponse", connection.getresponse())
            except (OSError, http.client.HTTPException) as problem:
                connection.close()
                # The server may have closed a kept connection; that does not count as a failure.
                if reused and not isinstance(problem, TimeoutError):
                    continue
                raise RetryError(words(problem)) from problem
            return self._describe(response, connection, key, start)
        raise RetryError("the connection was closed")

    def _describe(
        self,
        response: PacedResponse,
        connection: http.client.HTTPConnection,
        key: tuple[str, str],
        start: int,
    ) -> Answer:
        remaining = _whole(response.headers.get("Content-Length", ""))
        position, total = 0, remaining
        if response.status == 206:
            found = _CONTENT_RANGE.match(response.headers.get("Content-Range", ""))
            position = int(found[1]) if found else -1
            total = int(found[3]) if found and found[3] != "*" else None
            remaining = int(found[2]) + 1 - position if found else None
        headers = response.headers
        tag = headers.get("X-Linked-Etag") or headers.get("ETag") or headers.get("Last-Modified")
        return Answer(response, connection, key, position, total, tag, remaining)

    def _check_status(self, url: str, answer: Answer, start: int) -> None:
        status = answer.response.status
        coding = answer.response.headers.get("Content-Encoding", "").strip().lower()
        if status in (200, 206) and coding in _COMPRESSED:
            self.discard(answer)
            raise RemoteError(
                url,
                f"the server compresses it ({coding}) though asked not to; "
                "try: let it serve files as they are",
                status,
            )
        if status == 200 or (status == 206 and answer.position == start):
            return
        wait = retry_after(answer.response.headers.get("Retry-After"))
        self.discard(answer)
        if status in RETRIED:
            raise RetryError(f"HTTP {status}", status, wait)
        if status == 206:
            raise RemoteError(url, "the server gave another range than asked for", status)
        if status in (401, 403):
            reason = (
                "this token may not read it" if self._token else "try: hf auth login, or token="
            )
            raise RemoteError(url, f"HTTP {status}, access refused ({reason})", status)
        if status in (404, 410):
            raise RemoteError(url, f"not there (HTTP {status})", status)
        if status == BEYOND_THE_END:
            raise RemoteError(url, f"shorter than {start} bytes (HTTP 416)", status)
        raise RemoteError(url, f"HTTP {status}", status)

    def _connect(self, scheme: str, netloc: str, fresh: bool) -> http.client.HTTPConnection:
        if self._pid != os.getpid():
            self._reset()
        if not fresh:
            with self._lock:
                kept = self._kept.get((scheme, netloc))
                if kept:
                    return kept.pop()
        return new_connection(scheme, netloc, self._patience)

    def finish(self, answer: Answer) -> None:
        """Keep the connection if its answer is at its end or nearly so, else drop it."""
        connection = answer.connection
        if not answer.response.drain():
            self.discard(answer)
            return
        with self._lock:
            kept = self._kept.setdefault(answer.key, [])
            if len(kept) < _KEPT_CONNECTIONS:
                kept.append(connection)
                return
        connection.close()

    def discard(self, answer: Answer) -> None:
        """Close an answer's connection."""
        answer.response.close()
        answer.connection.close()

    def _reset(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._kept: dict[tuple[str, str], list[http.client.HTTPConnection]] = {}
        self._redirects: dict[str, str] = {}

    def __getstate__(self) -> dict[str, object]:
        return {
            "_token": self._token,
            "_token_origin": self._token_origin,
            "_patience": self._patience,
        }

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self._reset()


def _whole(text: str) -> int | None:
    """A byte count of a header; None for anything else."""
    return int(text) if re.fullmatch(_OFFSET, text) else None
