"""The local server: the page's files and the answers that it asks for.

It answers only requests whose ``Host`` is this machine, so that no page of another site can read
the dataset through a name that points here, and it takes marks only from its own page.
"""

from __future__ import annotations

import ipaddress
import json
import re
import socket
import sys
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any, Final
from urllib.parse import urlsplit

from ld_portrait_20k.common.printable import MAX_MESSAGE, printable, say
from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.format import json_text
from ld_portrait_20k.selection.text import SelectionError
from ld_portrait_20k.version import __version__
from ld_portrait_20k.viewer.pictures import media_type
from ld_portrait_20k.viewer.queries import QueryError, parse
from ld_portrait_20k.viewer.viewer import Viewer

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_MAX_BODY: Final = 64 * 1024
_IDLE: Final = 60.0  # seconds after which a connection that asks nothing is closed
_FOREVER: Final = "private, max-age=86400, immutable"  # the address names the contents


def page_files() -> dict[str, bytes]:
    """The page's files by name."""
    folder = files("ld_portrait_20k.viewer").joinpath("page")
    return {
        entry.name: entry.read_bytes()
        for entry in folder.iterdir()
        if entry.name.endswith(tuple(_TYPES))
    }


class Server(ThreadingHTTPServer):
    """Serves one viewer.

    Args:
        viewer: Answers.
        host: Address to listen on.
        port: 0 for any that is free.

    Raises:
        PortraitError: It cannot listen there.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, viewer: Viewer, host: str = "127.0.0.1", port: int = 0) -> None:
        self.viewer = viewer
        self.host = host
        self.pages = page_files()
        try:
            family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            self.address_family = family
            super().__init__((str(address[0]), int(address[1])), _Handler)
        except OSError as problem:
            raise PortraitError(
                f"cannot listen on {host}, port {port}: {problem.strerror or problem}; "
                "try: another --port, or --host 127.0.0.1"
            ) from problem

    def server_bind(self) -> None:
        """Bind without asking a name server for this machine's name."""
        socket.socket.setsockopt(self.socket, socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = self.host, self.server_address[1]

    @property
    def address(self) -> str:
        """The page's address."""
        shown = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{shown}:{self.server_port}/"

    def is_ours(self, host: str) -> bool:
        """Whether a ``Host`` header names this machine, by number or by the name it listens on.

        The port may be another one: tunnels change it.
        """
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if name in (self.host.lower(), "localhost"):
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        return address.is_loopback or not is_loopback(self.host)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Name what went wrong; a browser that closes its connection is no problem."""
        problem = sys.exception()
        if problem is not None and not isinstance(problem, (ConnectionError, TimeoutError)):
            text = printable(f"{type(problem).__name__}: {problem}", MAX_MESSAGE)
            say(f"error while answering: {text}", error=True)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = f"ld-portrait-view/{__version__}"
    sys_version = ""
    disable_nagle_algorithm = True
    timeout = _IDLE
    server: Server

    def do_GET(self) -> None:
        """Answer with a file, a picture or JSON."""
        self._answer(self._get)

    def do_POST(self) -> None:
        """Take a mark."""
        self._answer(self._post)

    def _answer(self, answer: Callable[[], None]) -> None:
        try:
            if not self.server.is_ours(self.headers.get("Host", "")):
                self.close_connection = True  # a body that was sent along stays unread
                self._refuse(403, "this address is not served here")
            else:
                answer()
        except SelectionError as problem:
            self._json({"error": str(problem), "part": "where", "column": problem.column}, 400)
        except QueryError as problem:
            self._refuse(400, str(problem))
        except KeyError:
            self._refuse(404, "no such sample")
        except PortraitError as problem:
            self._refuse(422, str(problem))
        except ConnectionError:
            self.close_connection = True

    def _get(self) -> None:
        parts = urlsplit(self.path)
        viewer = self.server.viewer
        match parts.path.split("/")[1:]:
            case [""]:
                self._file("index.html")
            case ["static", name] if name in self.server.pages:
                self._file(name)
            case ["api", "dataset"]:
                self._json(viewer.about())
            case ["api", "samples"]:
                self._json(viewer.page(*parse(parts.query)))
            case ["api", "place"]:
                self._json(viewer.place(*parse(parts.query)))
            case ["api", "facets"]:
                self._json(viewer.answers.facets(parse(parts.query)[0]))
            case ["api", "sample", key]:
                self._json(viewer.sample(key))
            case ["api", "thumb", _, subset, key]:
                self._send(viewer.pictures.thumbnail(subset, key), "image/webp", cache=_FOREVER)
            case ["api", "picture", _, subset, key, "foreground" | "alpha" as member]:
                content = getattr(viewer.pictures.sample(subset, key), member)
                self._send(content, media_type(content), cache=_FOREVER)
            case _:
                self._refuse(404, "no such page")

    def _post(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not re.fullmatch(r"\d{1,9}", length, re.ASCII) or int(length) > _MAX_BODY:
            self.close_connection = True
            self._refuse(413, f"a body of at most {_MAX_BODY} bytes")
            return
        body = self.rfile.read(int(length))
        origin = self.headers.get("Origin")
        own = origin is None or urlsplit(origin).netloc == self.headers.get("Host")
        if not own or self.headers.get("Content-Type") != "application/json":
            self._refuse(403, "marks are taken from this page alone")
        elif self.path != "/api/marks":
            self._refuse(404, "no such page")
        else:
            try:
                value = json_text.parse(body)
            except ValueError as problem:
                raise QueryError(f"no JSON: {problem}") from None
            self._json(self.server.viewer.mark(value))

    def _file(self, name: str) -> None:
        kind = _TYPES[name[name.rindex(".") :]]
        self._send(self.server.pages[name], kind)

    def _json(self, body: Any, status: int = 200) -> None:
        content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
        self._send(content, "application/json", status)

    def _refuse(self, status: int, problem: str) -> None:
        self._json({"error": problem}, status)

    def _send(
        self, content: bytes, kind: str, status: int = 200, *, cache: str = "no-store"
    ) -> None:
        self.send_response(status)
        for name, value in {
            "Content-Type": kind,
            "Content-Length": str(len(content)),
            "Cache-Control": cache,
            "Content-Security-Policy": POLICY,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Resource-Policy": "same-origin",
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002
        """Nothing: the terminal shows the address and progress."""
