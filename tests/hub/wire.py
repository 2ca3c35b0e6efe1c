"""HTTP under the loopback Hub: bodies in, replies out, faults, and a record of every request."""

from __future__ import annotations

import functools
import json
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import parse_qs, unquote

from .faults import Fault
from .store import RefusedError

if TYPE_CHECKING:
    from .server import HubServer

MAX_JSON_BYTES = 256 * 2**20


@dataclass(slots=True)
class RequestRecord:
    """What came in and what went out; never the token.

    Attributes:
        method: ``GET``, ``POST``, ...
        path: The path without its query.
        route: Name of the endpoint, such as ``commit`` or ``lfs-put``.
        status: The answer's status; 0 if the connection was cut instead.
        bytes_in: Bytes of the request's body that arrived.
        bytes_out: Bytes of the answer's body that were sent.
        user: Who asked; None without a valid token.
        oid: The LFS object concerned, for uploads.
        token: Whether an access token came with it.
        stored: Whether a whole LFS object was taken in.
        again: Whether that object was stored already, so that it came for nothing.
        fault: Whether an injected fault struck.
        started: Seconds since the server started.
        seconds: How long it took.
    """

    method: str
    path: str
    route: str = "?"
    status: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    user: str | None = None
    oid: str | None = None
    token: bool = False
    stored: bool = False
    again: bool = False
    fault: bool = False
    started: float = 0.0
    seconds: float = 0.0


@dataclass(slots=True)
class Reply:
    """An answer: bytes, or a range of a file."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    file: Path | None = None
    start: int = 0
    length: int = 0

    @classmethod
    def json(cls, value: Any, status: int = 200, **headers: str) -> Reply:
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        return cls(status, json.dumps(value).encode(), {"Content-Type": "application/json"} | named)

    @classmethod
    def problem(cls, problem: RefusedError) -> Reply:
        reply = cls.json({"error": problem.message}, problem.status)
        reply.headers["X-Error-Message"] = problem.message
        if problem.code:
            reply.headers["X-Error-Code"] = problem.code
        return reply


class DisconnectedError(Exception):
    """The client went away in the middle of its request."""


class Body:
    """The request's body as a stream: of known length, or chunked."""

    def __init__(self, stream: BinaryIO, headers: Any, record: RequestRecord) -> None:
        self._stream = stream
        self._record = record
        self._chunked = "chunked" in headers.get("Transfer-Encoding", "").lower()
        self._left = 0 if self._chunked else int(headers.get("Content-Length") or 0)
        self._ended = not self._chunked

    def read(self, size: int = 1 << 20) -> bytes:
        """Up to ``size`` bytes; empty at the end.

        Raises:
            DisconnectedError: The connection ended before the body did.
        """
        if self._left == 0 and not self._ended:
            line = self._stream.readline(100)
            if not line:
                raise DisconnectedError
            self._left = int(line.split(b";")[0].strip() or b"0", 16)
            if self._left == 0:
                self._ended = True
                self._stream.readline(100)
        if self._left == 0:
            return b""
        piece = self._stream.read(min(size, self._left))
        if not piece:
            raise DisconnectedError
        self._left -= len(piece)
        self._record.bytes_in += len(piece)
        if self._left == 0 and self._chunked:
            self._stream.readline(100)
        return piece

    def all(self) -> bytes:
        content = bytearray()
        while piece := self.read():
            content += piece
            if len(content) > MAX_JSON_BYTES:
                raise RefusedError(413, "payload too large")
        return bytes(content)

    def json(self) -> Any:
        try:
            return json.loads(self.all() or b"{}")
        except ValueError as problem:
            raise RefusedError(400, f"not JSON: {problem}") from problem

    def drain(self, limit: int | None = None) -> None:
        while limit is None or limit > 0:
            piece = self.read(1 << 20 if limit is None else min(limit, 1 << 20))
            if not piece:
                return
            limit = None if limit is None else limit - len(piece)


class Handler(BaseHTTPRequestHandler):
    """One connection; hands each request to the endpoint that its path names."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server_version = "LoopbackHub"
    timeout = 120
    hub: HubServer

    def log_message(self, *args: Any) -> None:
        pass

    def _serve(self) -> None:
        hub = self.hub
        raw, _, query = self.path.partition("?")
        record = RequestRecord(self.command, raw, started=time.monotonic() - hub.started_at)
        hub.requests.append(record)
        self.record = record
        self.body = Body(self.rfile, self.headers, record)  # type: ignore[arg-type]
        self.query = parse_qs(query, keep_blank_values=True)
        fault = hub.faults.for_request(self.command, raw) or Fault()
        record.fault = fault.fired > 0
        record.token = "Authorization" in self.headers
        begun = time.monotonic()
        call = self._find(raw)
        try:
            time.sleep(fault.delay)
            if fault.cut_request is not None:
                self.body.drain(fault.cut_request)
                raise DisconnectedError
            reply = self._injected(fault) if fault.status else self._dispatch(call)
            self.body.drain()
            if fault.drop_answer:
                raise DisconnectedError
            self._send(reply, fault)
        except (DisconnectedError, ConnectionError, TimeoutError):
            record.status = 0
            self._cut()
        finally:
            record.seconds = time.monotonic() - begun

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815

    def _injected(self, fault: Fault) -> Reply:
        self.body.drain()
        reply = Reply.problem(RefusedError(fault.status or 500, fault.message, fault.code))
        if fault.retry_after is not None:
            reply.headers["Retry-After"] = f"{fault.retry_after:g}"
        return reply

    def _find(self, raw: str) -> Callable[[], Reply]:
        """The call that answers the request; names its route in the record."""
        from . import uploads  # noqa: F401  (registers its endpoints)
        from .routes import ROUTES

        for method, pattern, endpoint in ROUTES:
            found = pattern.fullmatch(raw)
            if found and self.command in method:
                self.record.route = endpoint.__name__.replace("_", "-")
                groups = {name: unquote(text or "") for name, text in found.groupdict().items()}
                return functools.partial(endpoint, self, **groups)
        return functools.partial(_no_such_endpoint, self.command, raw)

    def _dispatch(self, call: Callable[[], Reply]) -> Reply:
        try:
            return call()
        except RefusedError as problem:
            return Reply.problem(problem)
        except (KeyError, TypeError, ValueError) as problem:
            return Reply.problem(RefusedError(400, f"malformed request: {problem!r}"))

    def _send(self, reply: Reply, fault: Fault) -> None:
        length = reply.length if reply.file else len(reply.body)
        self.record.status = reply.status
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if "Content-Length" not in reply.headers:
            self.send_header("Content-Length", str(length))
        self.send_header("X-Request-Id", f"loopback-{len(self.hub.requests)}")
        self.end_headers()
        if self.command == "HEAD":
            return
        left = length if fault.cut is None else min(fault.cut, length)
        if reply.file is None:
            self._write(reply.body[:left], fault)
        else:
            with reply.file.open("rb") as stream:
                stream.seek(reply.start)
                while left and (piece := stream.read(min(left, 1 << 20))):
                    self._write(piece, fault)
                    left -= len(piece)
        if fault.cut is not None:
            # Not a reset: what was sent shall arrive.
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_WR)

    def _write(self, piece: bytes, fault: Fault) -> None:
        if fault.corrupt and piece:
            middle = len(piece) // 2
            piece = piece[:middle] + bytes([piece[middle] ^ 0xFF]) + piece[middle + 1 :]
        self.wfile.write(piece)
        self.record.bytes_out += len(piece)

    def _cut(self) -> None:
        """End the connection with a reset, as a dying proxy would."""
        self.close_connection = True
        try:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        except OSError:
            pass


def _no_such_endpoint(method: str, path: str) -> Reply:
    raise RefusedError(404, f"no such endpoint: {method} {path}")
