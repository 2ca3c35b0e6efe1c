"""A Hub that sends a manifest without end: it is refused before it fills the disk."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from huggingface_hub import constants

from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.streaming import hub

LIMIT = 3 * 2**20
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@contextmanager
def endless_hub(monkeypatch: pytest.MonkeyPatch, told: int) -> Iterator[list[int]]:
    """A Hub whose manifest is ``told`` bytes long and never ends; yields the pieces it sent."""
    sent: list[int] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self.answer(("Content-Length", str(told)))

        def do_GET(self) -> None:
            self.answer(("Transfer-Encoding", "chunked"))
            piece = b" " * 2**16
            try:
                while len(sent) < 2**10:  # so that the old code ends too
                    self.wfile.write(b"10000\r\n" + piece + b"\r\n")
                    sent.append(len(piece))
            except OSError:
                return
            self.wfile.write(b"0\r\n\r\n")

        def answer(self, *more: tuple[str, str]) -> None:
            self.send_response(200)
            for name, value in (("X-Repo-Commit", COMMIT), ("ETag", '"abc"'), *more):
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    endpoint = f"http://127.0.0.1:{server.server_port}"
    template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants.ENDPOINT, endpoint)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(hub, "MAX_BYTES", LIMIT)
    try:
        yield sent
    finally:
        server.shutdown()
        server.server_close()


def saved(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_a_manifest_that_is_said_to_be_too_large_is_not_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with endless_hub(monkeypatch, LIMIT + 1):
        with pytest.raises(PortraitError, match=r"manifest\.json is too large.*; try: "):
            hub.hub_source("some/one", token=False, cache_dir=tmp_path)
        assert saved(tmp_path) < 1000  # what huggingface_hub notes of its folder


def test_a_manifest_that_is_longer_than_said_is_not_read_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with endless_hub(monkeypatch, 1000) as sent:
        with pytest.raises(PortraitError, match=r"manifest\.json is too large"):
            hub.hub_source("some/one", token=False, cache_dir=tmp_path)
        assert saved(tmp_path) <= LIMIT
        assert sum(sent) < 2**10 * 2**16
