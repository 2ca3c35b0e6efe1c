"""Reading byte ranges over HTTP from servers and networks that fail now and then.

The client builds on ``http.client``. It keeps and reuses connections, continues a transfer
that was cut at the byte where it stood, and tries again after 408, 425, 429, 5xx, stalls and
refused connections, with growing pauses (``Retry-After`` is honoured up to a limit). Tries,
waiting and framing are bounded by what has arrived, whatever a server sends. A file that changes
on the server during a read raises an error.
"""

from __future__ import annotations

import http.client
import random
import threading
import time

from ld_portrait_20k.streaming.addresses import public_url
from ld_portrait_20k.streaming.connections import (
    Patience,
    RemoteError,
    RetryError,
    words,
)
from ld_portrait_20k.streaming.requests import BEYOND_THE_END, RETRIED, Answer, Requests

__all__ = ["RETRIED", "HttpClient", "HttpStream", "Patience", "RemoteError", "public_url"]

_PIECE = 2**18


class HttpClient:
    """Reads ranges of files from HTTP servers.

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
        self.requests = Requests(token, token_origin, self.patience)
        self._buffers = threading.local()

    def read(self, url: str, start: int, length: int) -> memoryview:
        """Exactly ``length`` bytes from ``start``.

        Returns:
            The bytes, valid until this thread's next ``read``. The buffer is reused, because
            allocating megabytes costs as much as receiving them.

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
                    raise RemoteError(url, f"ends at byte {start + filled}", BEYOND_THE_END)
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
        """A stream from ``start`` on; a transfer that is cut goes on where it stood.

        Args:
            url: What to read.
            start: First byte.
            length: Bytes wanted; to the end by default.

        Raises:
            RemoteError: The file is absent, access is refused, or all tries failed; the
                stream's ``read`` raises it too.
        """
        return HttpStream(self, url, start, length)

    def pause(self, failures: int, wait: float | None) -> None:
        """Sleep before the next try.

        Args:
            failures: Tries that failed in a row.
            wait: Seconds that the server asked for, if it did.
        """
        patience = self.patience
        pause = patience.pause * 2 ** (failures - 1)
        # Jitter keeps many workers from retrying at the same moment; no output depends on it.
        pause *= 0.75 + 0.5 * random.SystemRandom().random()
        time.sleep(min(max(pause, wait or 0.0), patience.longest_pause))

    def __getstate__(self) -> dict[str, object]:
        return {"patience": self.patience, "requests": self.requests}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self.retries = 0
        self._buffers = threading.local()

    def __repr__(self) -> str:
        return f"HttpClient(patience={self.patience})"


class HttpStream:
    """A file, or a part of one, as a stream that continues after cuts. A context manager."""

    def __init__(self, client: HttpClient, url: str, start: int, length: int | None) -> None:
        self._client = client
        self._url = url
        self._position = start
        self._stop = None if length is None else start + length
        self._answer: Answer | None = None
        self._tag: str | None = None
        self._total: int | None = None
        self._promised: int | None = None
        self._failures = 0  # in a row, without progress
        self._tries = 0  # that failed in all
        self._received = 0
        self._waited = 0.0
        self.name = public_url(url)

    def read(self, size: int = 2**20, /) -> bytes:
        """Up to ``size`` bytes; none at the end.

        Raises:
            RemoteError: All tries failed, or the file is gone or has changed.
        """
        buffer = bytearray(min(size, _PIECE))
        count = self.readinto(memoryview(buffer))
        return bytes(memoryview(buffer)[:count])

    def readinto(self, view: memoryview) -> int:
        """Like :meth:`read`, into a buffer; the number of bytes, 0 at the end."""
        if self._stop is not None:
            view = view[: self._stop - self._position]
        while len(view):
            started = time.monotonic()
            try:
                answer = self._answer or self._reopen()
                if answer is None:
                    return 0
                count = answer.response.receive(view)
                self._waited += time.monotonic() - started
            except (OSError, http.client.HTTPException, RetryError) as problem:
                self._waited += time.monotonic() - started
                self._retry(problem)
                continue
            if count:
                self._position += count
                self._received += count
                self._failures = 0
                return count
            if self._promised is not None and self._position < self._promised:
                self._retry(RetryError("the connection was cut"))
                continue
            return 0
        return 0

    @property
    def size(self) -> int | None:
        """Size of the whole file, known after the first read if the server tells it."""
        return self._total

    @property
    def tag(self) -> str | None:
        """The file's version on the server (ETag), known after the first read."""
        return self._tag

    def close(self) -> None:
        """Return the connection for the next request."""
        answer, self._answer = self._answer, None
        if answer is not None:
            self._client.requests.finish(answer)

    def _reopen(self) -> Answer | None:
        if self._total is not None and self._position >= self._total:
            return None
        answer = self._client.requests.send(self._url, self._position, self._stop)
        if self._tag is None and self._total is None:
            self._tag, self._total = answer.tag, answer.total
        elif (answer.tag or self._tag) != self._tag or answer.total != self._total:
            self._client.requests.discard(answer)
            raise RemoteError(self._url, "changed on the server while it was read")
        if answer.position < self._position:
            # The server ignores ranges: it sends the start again, which is dropped.
            self._skip(answer, self._position - answer.position)
        if answer.total is not None:
            # The answer may hold less than was asked for; the rest is asked for anew.
            self._promised = min(answer.total, self._stop or answer.total)
        elif answer.remaining is not None:
            self._promised = answer.position + answer.remaining
        else:
            self._promised = None
        self._answer = answer
        return answer

    def _skip(self, answer: Answer, count: int) -> None:
        buffer = memoryview(bytearray(min(count, _PIECE)))
        try:
            while count:
                received = answer.response.receive(buffer[:count])
                if not received:
                    raise RetryError("the connection was cut")
                count -= received
        except BaseException:
            self._client.requests.discard(answer)
            raise

    def _retry(self, problem: Exception) -> None:
        if self._answer is not None:
            self._client.requests.discard(self._answer)
            self._answer = None
        self._failures += 1
        self._tries += 1
        self._client.retries += 1
        patience = self._client.patience
        if (
            self._failures >= patience.attempts
            or self._tries >= patience.tries(self._received)
            or self._waited > patience.seconds(self._received)
        ):
            raise RemoteError(
                self._url,
                f"{words(problem)}; given up after {self._tries} tries",
                getattr(problem, "status", None),
            ) from None
        started = time.monotonic()
        self._client.pause(self._failures, getattr(problem, "wait", None))
        self._waited += time.monotonic() - started

    def __enter__(self) -> HttpStream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
