"""A server on loopback whose answers are written byte by byte, as no honest server would."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterable

Answer = Callable[[str], Iterable[bytes]]
"""From the request's head to the pieces that are sent; the connection is closed after them."""


class RawServer:
    """Sends what ``answer`` gives; a context manager.

    Attributes:
        url: Its address.
        requests: How many it got.
        sent: Bytes that clients took.
    """

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.requests = 0
        self.sent = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._open = True
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def _serve(self) -> None:
        while self._open:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(client,), daemon=True).start()

    def _talk(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                part = client.recv(65536)
                if not part:
                    return
                head += part
            self.requests += 1
            for piece in self.answer(head.decode("latin-1")):
                client.sendall(piece)
                self.sent += len(piece)
                if not self._open:
                    return

    def __enter__(self) -> RawServer:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._open = False
        self._socket.close()
