"""Servers that mean harm: what one read costs is bounded by what has arrived."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Iterable, Iterator

import pytest

from ld_portrait_20k import PortraitStream
from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.streaming.addresses import public_url
from ld_portrait_20k.streaming.http import HttpClient, Patience, RemoteError
from tests.ld_portrait_20k.raw_server import RawServer

QUICK = Patience(timeout=0.4, attempts=3, pause=0.005, longest_pause=0.05, longest_wait=3.0)
MEGABYTE = b"x" * 2**20


def endless(start: bytes, piece: bytes = MEGABYTE) -> Iterator[bytes]:
    yield start
    yield from itertools.repeat(piece, 2000)


def chunked(piece: bytes = MEGABYTE) -> bytes:
    return b"%x\r\n%s\r\n" % (len(piece), piece)


def head(status: str, *headers: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *headers, "", ""]).encode("latin-1")


def test_a_chunked_200_to_a_range_is_not_read_to_its_end() -> None:
    start = head("200 OK", "Transfer-Encoding: chunked")
    with RawServer(lambda _: endless(start, chunked())) as server:
        client = HttpClient(patience=QUICK)
        began = time.monotonic()
        assert bytes(client.read(server.url, 2**21, 1000)) == b"x" * 1000
        with pytest.raises(RemoteError, match="more than 100 bytes"):
            client.get(server.url, 100)
        assert time.monotonic() - began < 20
        assert server.sent < 40 * 2**20


@pytest.mark.parametrize("coding", ["Transfer-Encoding: chunked", "Content-Length: 999999999", ""])
def test_the_body_of_a_redirect_is_not_read(coding: str) -> None:
    headers = ["Location: /next{}", coding] if coding else ["Location: /next{}"]
    numbers = itertools.count()

    def answer(_: str) -> Iterable[bytes]:
        start = head("302 Found", *headers).replace(b"{}", b"%d" % next(numbers))
        return endless(start, chunked() if "chunked" in coding else MEGABYTE)

    with RawServer(answer) as server:
        began = time.monotonic()
        with pytest.raises(RemoteError, match="too often"):
            HttpClient(patience=QUICK).read(server.url, 0, 10)
        assert time.monotonic() - began < 20
        assert server.requests == 6
        assert server.sent < 100 * 2**20


@pytest.mark.parametrize(
    "start",
    [
        b"HTTP/1.1 100 Continue\r\n\r\n" * 1000,
        head("200 OK", "Transfer-Encoding: chunked") + chunked(b"y") + b"0\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"A: " + b"b" * 60_000 + b"\r\n",
    ],
    ids=["interim answers", "trailers", "headers"],
)
def test_framing_without_end_ends(start: bytes) -> None:
    piece = start if start.endswith(b"\r\n\r\n") and b"100" in start else b"T: x\r\n" * 20_000
    with RawServer(lambda _: endless(start, piece)) as server:
        began = time.monotonic()
        with pytest.raises(RemoteError, match=r"more headers than content|more than 100 headers"):
            HttpClient(patience=QUICK).read(server.url, 0, 10)
        assert time.monotonic() - began < 20
        assert server.requests == QUICK.attempts


def test_a_byte_and_a_cut_again_and_again_ends() -> None:
    def answer(request: str) -> Iterable[bytes]:
        found = re.search(r"bytes=(\d+)-", request)
        first = int(found[1]) if found else 0
        return [head("206 Partial Content", f"Content-Range: bytes {first}-99999/100000") + b"x"]

    with RawServer(answer) as server:
        with pytest.raises(RemoteError, match="given up after"):
            HttpClient(patience=QUICK).read(server.url, 0, 100_000)
        assert server.requests <= 4 * QUICK.attempts


def test_slow_pauses_add_up_to_a_bound() -> None:
    patience = Patience(timeout=5, attempts=50, pause=0.2, longest_pause=0.3, longest_wait=1.0)
    with RawServer(lambda _: [head("503 Busy", "Retry-After: " + "9" * 5000)]) as server:
        with pytest.raises(RemoteError, match="HTTP 503; given up after"):
            HttpClient(patience=patience).read(server.url, 0, 10)
        assert server.requests < 20


def drip(start: bytes, pause: float) -> Iterator[bytes]:
    yield start
    for _ in range(1000):
        time.sleep(pause)
        yield b"x"


@pytest.mark.parametrize("where", ["body", "headers", "redirect"])
def test_a_server_that_drips_is_too_slow(where: str) -> None:
    start = {
        "body": head("200 OK", "Content-Length: 5000"),
        "headers": b"HTTP/1.1 200 OK\r\nA: ",
        "redirect": head("302 Found", "Location: /x", "Content-Length: 5000"),
    }[where]
    patience = Patience(timeout=0.3, attempts=2, pause=0.01, longest_pause=0.01)
    with RawServer(lambda _: drip(start, 0.1)) as server:
        began = time.monotonic()
        with pytest.raises(RemoteError, match=r"slower than 1000 bytes a second|too often"):
            HttpClient(patience=patience).read(server.url, 0, 5000)
        assert time.monotonic() - began < 20


def test_time_in_which_nobody_reads_is_not_the_servers() -> None:
    body = b"z" * 400_000
    patience = Patience(timeout=0.2, attempts=1, pause=0.01)
    with (
        RawServer(lambda _: [head("200 OK", f"Content-Length: {len(body)}"), body]) as server,
        HttpClient(patience=patience).open(server.url) as stream,
    ):
        got = 0
        while part := stream.read(100_000):
            got += len(part)
            time.sleep(0.6)
        assert got == len(body)


HEADERS = {
    "length of 5,000 digits": ["Content-Length: " + "9" * 5000],
    "length of 4,000 digits": ["Content-Length: " + "9" * 4000],
    "length in other digits": ["Content-Length: \xb2\xb3"],
    "negative length": ["Content-Length: -5"],
    "range of 5,000 digits": [f"Content-Range: bytes 0-{'9' * 5000}/*", "Content-Length: 5"],
    "range backwards": ["Content-Range: bytes 0--5/3", "Content-Length: 5"],
    "gigantic chunk": ["Transfer-Encoding: chunked"],
}


@pytest.mark.parametrize("status", ["200 OK", "206 Partial Content", "\x1b[31m", "999 ?", "2 x"])
@pytest.mark.parametrize("name", HEADERS)
def test_headers_from_hell_are_our_errors_or_data(name: str, status: str) -> None:
    body = b"f" * 60_000 + b"\r\nhello" if "chunk" in name else b"hello"
    with RawServer(lambda _: [head(status, *HEADERS[name]) + body]) as server:
        try:
            assert len(HttpClient(patience=QUICK).read(server.url, 0, 5)) == 5
        except RemoteError as problem:
            assert "\x1b" not in str(problem)
            assert len(str(problem)) < 400


LOCATIONS = {
    "http://[::1": "Invalid IPv6",
    "http://[zz]/": "127.0.0.1",
    "http://" + "a" * 64 + ".com/": "label",
    "http://a..b/": "label",
    "http://h:99999999/": "ort",
    "http://h:port/": "ort",
    "http:///x": "too often",
    "http://a b/": "malformed host",
    "http://\x00/": "malformed host",
    "//\x1b[31m/": "127.0.0.1",
    "ftp://h/": "'ftp' is not HTTP",
    "javascript:alert(1)": "not HTTP",
    "/" + "x" * 9000: "9001 characters",
    "/\xe9 \x7f\x1b\u0085": "too often|HTTP 302",
    "http://user:secret@[::1": "Invalid IPv6",
}


@pytest.mark.parametrize("location", LOCATIONS)
def test_a_location_that_is_no_address_is_our_error(location: str) -> None:
    with RawServer(lambda _: [head("302 Found", f"Location: {location}")]) as server:
        with pytest.raises(RemoteError, match=LOCATIONS[location]) as caught:
            HttpClient(patience=QUICK).read(server.url, 0, 5)
        assert "\x1b" not in str(caught.value)
        assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "url", ["http://[::1/d", "http://h:x/d", "http:///d", "http://a..b/d", "https://u:p@[::1/d?k=s"]
)
def test_an_address_of_a_stream_that_is_none(url: str) -> None:
    for source in (url, [url + "/x.tar"]):
        with pytest.raises(PortraitError, match="not an address"):
            PortraitStream(source, patience=QUICK)
    assert "p@" not in public_url(url) and "k=s" not in public_url(url)
