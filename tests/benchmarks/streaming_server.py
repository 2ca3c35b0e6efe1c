"""A file server for streaming benchmarks, in a process of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SERVER = """
import sys
from pathlib import Path
from tests.benchmarks.streaming_server import file_server
server = file_server(Path(sys.argv[1]))
print(server.server_address[1], flush=True)
server.serve_forever()
"""


def file_server(root: Path) -> Any:
    """A plain file server with Range and keep-alive; it sends with ``sendfile``."""
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Buffered: headers leave in one packet.
        wbufsize = -1

        def do_HEAD(self) -> None:
            self.answer(body=False)

        def do_GET(self) -> None:
            self.answer(body=True)

        def answer(self, body: bool) -> None:
            path = root / self.path.lstrip("/").partition("?")[0]
            if not path.is_file():
                self.send_error(404)
                return
            size = path.stat().st_size
            found = re.match(r"bytes=(\d+)-(\d*)$", self.headers.get("Range", ""))
            first = int(found[1]) if found else 0
            last = min(int(found[2] or size), size - 1) if found else size - 1
            self.send_response(206 if found else 200)
            if found:
                self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("Content-Length", str(last - first + 1))
            self.end_headers()
            if not body:
                return
            self.wfile.flush()
            with path.open("rb") as stream:
                try:
                    self.connection.sendfile(stream, first, last - first + 1)
                except OSError:
                    self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            pass  # clients that have enough hang up

    return Server(("127.0.0.1", 0), Handler)


@contextmanager
def served(root: Path) -> Iterator[str]:
    """The URL of a folder, behind a server on loopback."""
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(root)], stdout=subprocess.PIPE, text=True
    )
    assert server.stdout
    try:
        yield f"http://127.0.0.1:{server.stdout.readline().strip()}"
    finally:
        server.kill()
        server.wait()
