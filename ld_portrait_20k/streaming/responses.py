"""HTTP responses that can neither be slow for ever nor larger than what they carry."""

from __future__ import annotations

import contextlib
import http.client
import io
import socket
import time
from typing import Any, Final

FRAMING_BYTES: Final = 2**20
"""Headers and chunk sizes of a response may take this many bytes, and eight times its content;
chosen by eye. ``http.client`` by itself reads interim answers and trailers without end."""

_DRAINED_BYTES = 2**16
_DRAINING_SECONDS = 1.0
_PIECE = 2**18


class PaceError(http.client.HTTPException):
    """A server that sends too slowly, or more framing than content."""


class PacedResponse(http.client.HTTPResponse):
    """A response that is read with a least rate and bounded framing.

    Args:
        sock: The connection's socket.
        debuglevel: As in ``http.client``.
        method: As in ``http.client``.
        url: As in ``http.client``.
        least_rate: Bytes a second, on average over ``window`` seconds of waiting. Time in which
            nobody waits for the server does not count.
        window: Seconds.
    """

    def __init__(
        self,
        sock: socket.socket,
        debuglevel: int = 0,
        method: str | None = None,
        url: str | None = None,
        *,
        least_rate: float,
        window: float,
    ) -> None:
        super().__init__(sock, debuglevel, method, url)
        self._socket = sock
        self._paced = _PacedReader(self.fp.detach(), least_rate, window)
        self.fp = io.BufferedReader(self._paced)

    def receive(self, view: memoryview) -> int:
        """Receive once into a buffer, without another copy where the length is known.

        Returns:
            The number of bytes; 0 at the end. What arrived before a cut is kept.
        """
        if self.length is None or self.fp is None:
            data = self.read1(min(len(view), _PIECE))
            count = len(data)
            view[:count] = data
        elif not self.length:
            return 0
        else:
            count = int(self.fp.readinto1(view[: self.length]))
            self.length -= count
        self._paced.allowance += 9 * count
        return count

    def drain(self) -> bool:
        """Read what little may be left, in little time.

        Returns:
            Whether the response is at its end, so that its connection can serve the next one.
        """
        if self.isclosed():
            return not self.will_close
        if self.will_close or (self.length is None and not self.chunked):
            return False
        view = memoryview(bytearray(_DRAINED_BYTES))
        left = len(view)
        deadline = time.monotonic() + _DRAINING_SECONDS
        patience = self._socket.gettimeout()
        with contextlib.suppress(OSError, http.client.HTTPException):
            self._socket.settimeout(_DRAINING_SECONDS)
            while (self.length or 0) <= left and time.monotonic() < deadline:
                count = self.receive(view[:left])
                left -= count
                if not count:
                    break
            if self.length == 0:
                self.read()  # nothing: it notices the end
            self._socket.settimeout(patience)
        return self.isclosed()


class _PacedReader(io.RawIOBase):
    """Bytes of a socket, as long as they come fast enough."""

    def __init__(self, raw: Any, least_rate: float, window: float) -> None:
        self.allowance = FRAMING_BYTES
        self._raw = raw
        self._window = window
        self._least = int(least_rate * window)
        self._waited = 0.0
        self._received = 0

    def readable(self) -> bool:
        return True

    def readinto(self, view: Any) -> int:
        if self.allowance < 0:
            raise PaceError("the server sends more headers than content")
        started = time.monotonic()
        count = int(self._raw.readinto(view) or 0)
        self._waited += time.monotonic() - started
        self._received += count
        self.allowance -= count
        if self._waited > self._window:
            if self._received < self._least:
                raise PaceError(f"slower than {self._least / self._window:.0f} bytes a second")
            self._waited, self._received = 0.0, 0
        return count

    def fileno(self) -> int:
        return int(self._raw.fileno())

    def close(self) -> None:
        self._raw.close()
        super().close()
