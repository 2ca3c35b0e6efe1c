"""A small HTTP server on loopback that serves a folder and misbehaves on demand."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclass
class Trouble:
    """What goes wrong with the next ``times`` requests whose path matches ``path``."""

    path: str = "tar"
    times: int = 1
    skip: int = 0
    status: int | None = None
    retry_after: str | None = None
    cut: int | None = None  # bytes of the body before the connection is cut
    stall: float = 0.0  # seconds of silence before the answer
    change: Callable[[bytes], bytes] | None = None
    location: str | None = None
    drop: bool = False  # close without an answer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        server = self.server
        with server.lock:
            server.requests.append((self.path, self.headers.get("Range")))
            server.tokens.append(self.headers.get("Authorization"))
            trouble = server.next_trouble(self.path)
        if trouble.stall:
            time.sleep(trouble.stall)
        if trouble.drop:
            self.close_connection = True
            return
        if trouble.location:
            self.send_response(302)
            self.send_header("Location", trouble.location)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        path = server.root / self.path.partition("?")[0].lstrip("/")
        status = trouble.status or (200 if path.is_file() else 404)
        if server.token and self.headers.get("Authorization") != f"Bearer {server.token}":
            status = 401
        if status != 200:
            self.send_response(status)
            if trouble.retry_after:
                self.send_header("Retry-After", trouble.retry_after)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        data = path.read_bytes()
        found = re.match(r"bytes=(\d+)-(\d*)$", self.headers.get("Range", ""))
        body, extra = data, {}
        if found and server.ranges:
            first = int(found[1])
            last = min(int(found[2] or len(data)), len(data) - 1)
            if first >= len(data):
                self.send_response(416)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            body, status = data[first : last + 1], 206
            extra["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
        if trouble.change:
            body = trouble.change(body)
        self.send_response(status)
        for name, value in {**extra, "ETag": server.tag, "Content-Length": len(body)}.items():
            self.send_header(name, str(value))
        self.end_headers()
        try:
            self.wfile.write(body if trouble.cut is None else body[: trouble.cut])
        except ConnectionError:
            self.close_connection = True
        if trouble.cut is not None:
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, root: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.root = root
        self.ranges = True
        self.token: str | None = None
        self.tag = '"one"'
        self.lock = threading.Lock()
        self.requests: list[tuple[str, str | None]] = []
        self.tokens: list[str | None] = []
        self.troubles: list[Trouble] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def next_trouble(self, path: str) -> Trouble:
        for trouble in self.troubles:
            if trouble.times and re.search(trouble.path, path):
                if trouble.skip:
                    trouble.skip -= 1
                    continue
                trouble.times -= 1
                return trouble
        return Trouble()

    def handle_error(self, *_: object) -> None:
        pass

    def __enter__(self) -> Server:
        threading.Thread(
            target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()
