from __future__ import annotations

import gzip
import os
import pickle
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ld_portrait_20k import PortraitStream, load_dataset
from ld_portrait_20k.errors import DatasetNotFoundError, ShardError, UnreadableShardError
from ld_portrait_20k.format import schema
from ld_portrait_20k.streaming.connections import retry_after
from ld_portrait_20k.streaming.http import HttpClient, Patience, RemoteError
from tests.ld_portrait_20k.raw_server import RawServer
from tests.ld_portrait_20k.samples import build
from tests.ld_portrait_20k.server import Server, Trouble

Stored = tuple[str, bytes, bytes, bytes]
"""Id, foreground, alpha and JSON of a sample, as they lie in a shard."""
QUICK = Patience(timeout=0.6, attempts=4, pause=0.02, longest_pause=0.3)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Server]:
    build(tmp_path / "d", {"train": (3, 6), "test": (1, 2)})
    with Server(tmp_path / "d") as server:
        yield server


def stream(server: Server, **options: Any) -> PortraitStream:
    return PortraitStream(server.url, patience=QUICK, **options)


def expected(server: Server, **options: Any) -> list[Stored]:
    return [
        (s.id, s.foreground, s.alpha, s.json)
        for s in PortraitStream(server.root, decode=False, **options)
    ]


def received(server: Server, **options: Any) -> list[Stored]:
    return [(s.id, s.foreground, s.alpha, s.json) for s in stream(server, decode=False, **options)]


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("ranges", [False, True])
def test_the_same_samples_as_from_disk(served: Server, shuffle: bool, ranges: bool) -> None:
    served.ranges = ranges
    assert received(served, shuffle=shuffle) == expected(served, shuffle=shuffle)
    if ranges and not shuffle:
        # Neighbours come in one request: manifest and three shards.
        assert len(served.requests) == 4


TROUBLES = {
    "cuts": [Trouble(cut=n, times=1) for n in (0, 1, 511, 5000, 9000, 100)],
    "503": [Trouble(status=503, times=3)],
    "429": [Trouble(status=429, retry_after="0", times=2), Trouble(status=429, retry_after="1")],
    "429-date": [Trouble(status=429, retry_after="Sun, 06 Nov 1994 08:49:37 GMT")],
    "500-manifest": [Trouble(path="manifest", status=500, times=2)],
    "cut-manifest": [Trouble(path="manifest", cut=100)],
    "stall": [Trouble(stall=1.0)],
    "dropped": [Trouble(drop=True, times=3)],
    "wrong-bytes": [Trouble(change=lambda b: b[:4000] + b"?" + b[4001:], times=2)],
    "short-but-honest": [Trouble(change=lambda b: b[:-100])],
    "zeros": [Trouble(change=lambda b: bytes(len(b)))],
}


@pytest.mark.parametrize("name", TROUBLES)
@pytest.mark.parametrize("shuffle", [False, True])
def test_trouble_costs_time_not_data(served: Server, name: str, shuffle: bool) -> None:
    served.troubles = [
        Trouble(**{k: getattr(t, k) for k in Trouble.__dataclass_fields__}) for t in TROUBLES[name]
    ]
    assert received(served, shuffle=shuffle) == expected(served, shuffle=shuffle)
    assert all(t.times == 0 for t in served.troubles)


@pytest.mark.parametrize("coding", ["gzip", "br", "identity", "aws-chunked"])
def test_a_server_that_compresses_is_named_and_no_sample_is_taken_for_damaged(
    tmp_path: Path, coding: str
) -> None:
    build(tmp_path / "d", {"train": (1, 4)})

    def answer(request: str) -> list[bytes]:
        path = request.split()[1]
        data = (tmp_path / "d" / path.lstrip("/")).read_bytes()
        named = path.endswith(".tar")
        data = gzip.compress(data) if coding == "gzip" and named else data
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(data)}\r\n"
        head += f"Content-Encoding: {coding}\r\n" if named else ""
        return [head.encode() + b"\r\n" + data]

    with RawServer(answer) as server:
        rows = PortraitStream(server.url, patience=QUICK, on_error="skip")
        if coding in ("gzip", "br"):
            with pytest.raises(RemoteError, match=f"compresses it .{coding}"):
                list(rows)
        else:
            assert len(list(rows)) == 4


def test_ranges_that_are_answered_in_part_are_asked_for_anew(served: Server) -> None:
    def answer(request: str) -> list[bytes]:
        data = (served.root / request.split()[1].lstrip("/")).read_bytes()
        found = re.search(r"bytes=(\d+)-(\d*)", request)
        if not found:
            return [b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(data) + data]
        first = int(found[1])
        part = data[first : int(found[2] or len(data)) + 1][:5000]
        last = first + len(part) - 1
        head = f"HTTP/1.1 206 Part\r\nContent-Range: bytes {first}-{last}/{len(data)}\r\n\r\n"
        return [head.encode() + part]

    with RawServer(answer) as server:
        rows = PortraitStream(server.url, decode=False, patience=QUICK)
        assert [(s.id, s.foreground, s.alpha, s.json) for s in rows] == expected(served)


def test_a_storm(served: Server) -> None:
    chance = random.Random(5)
    for _ in range(40):
        served.troubles.append(
            chance.choice(
                [
                    Trouble(status=503, skip=chance.randrange(3)),
                    Trouble(cut=chance.randrange(9000), skip=chance.randrange(3)),
                    Trouble(drop=True, skip=chance.randrange(3)),
                    Trouble(change=lambda b: b[:-7] + b"garbage", skip=chance.randrange(3)),
                ]
            )
        )
    patience = Patience(timeout=1, attempts=30, pause=0.005, longest_pause=0.02)
    found = PortraitStream(
        served.url, decode=False, shuffle=True, patience=patience, on_error="skip", connections=2
    )
    samples = {s.id: s for s in found}
    whole = {s.id: s for s in PortraitStream(served.root, decode=False)}
    # Three wrong answers for one sample in a row may leave it out, counted; none is wrong.
    assert len(samples) + found.skipped == len(whole)
    assert all(samples[key].foreground == whole[key].foreground for key in samples)


def test_bytes_that_stay_wrong_are_named_not_used(served: Server) -> None:
    path = served.root / "data/train-00001-of-00003.tar"
    data = bytearray(path.read_bytes())
    data[3000] ^= 1
    path.write_bytes(data)
    with pytest.raises(ShardError, match="ldp-0000006") as caught:
        received(served)
    assert caught.value.shard == f"{served.url}/data/{path.name}"
    found = stream(served, on_error="skip", decode=False)
    assert len(list(found)) == 17 and found.skipped == 1


def test_absent_and_shrunken_shards(served: Server) -> None:
    first, second, _ = sorted((served.root / "data").glob("train*"))
    second.write_bytes(second.read_bytes()[:7000])
    found = stream(served, on_error="skip", decode=False)
    kept = len(list(found))
    assert kept + found.skipped == 18 and 12 <= kept < 15
    assert str(found.last_error).count(second.name) == 1
    first.unlink()
    for policy in ("raise", "skip"):
        with pytest.raises(UnreadableShardError, match="404"):
            list(stream(served, on_error=policy))


def test_a_server_that_is_gone_is_one_error_in_bounded_time(served: Server) -> None:
    # A copy: the connection that is open already would outlive the server here.
    found = pickle.loads(pickle.dumps(stream(served, on_error="skip")))
    served.shutdown()
    served.server_close()
    started = time.monotonic()
    with pytest.raises(RemoteError, match="tries"):
        list(found)
    assert time.monotonic() - started < 5
    with pytest.raises(RemoteError):
        stream(served)


def test_endless_503_ends(served: Server) -> None:
    served.troubles = [Trouble(status=503, times=1000)]
    with pytest.raises(RemoteError, match="HTTP 503; given up after 4 tries"):
        received(served)


def test_no_manifest_there(served: Server) -> None:
    (served.root / "manifest.json").unlink()
    with pytest.raises(DatasetNotFoundError, match="manifest"):
        stream(served)


def test_a_file_that_changes_while_it_is_read_is_no_mixture(served: Server) -> None:
    client = HttpClient(patience=QUICK)
    served.troubles = [Trouble(cut=5000)]
    with client.open(f"{served.url}/data/train-00000-of-00003.tar") as body:
        assert body.read(4000)
        served.tag = '"two"'
        with pytest.raises(RemoteError, match="changed on the server"):
            while body.read(4000):
                pass


def test_tokens_go_to_their_own_host_only(served: Server, tmp_path: Path) -> None:
    served.token = "secret-token"
    with pytest.raises(RemoteError, match="HTTP 401") as caught:
        stream(served)
    assert "hf auth login" in str(caught.value)
    with pytest.raises(RemoteError, match="may not read it") as caught:
        stream(served, token="wrong-token")
    assert "wrong-token" not in str(caught.value) + repr(caught.value)
    build(tmp_path / "cdn", {"train": (3, 6), "test": (1, 2)})
    with Server(tmp_path / "cdn") as other:
        # The way of the Hub: the resolve address sends on to another host.
        for name in ("train-00000", "train-00001", "train-00002"):
            target = f"{other.url}/data/{name}-of-00003.tar?signature=hidden"
            served.troubles.append(Trouble(path=name, location=target, times=99))
        assert [s.id for s in stream(served, token="secret-token", shuffle=True, decode=False)]
        assert set(other.tokens) == {None}
        first = len([r for r in served.requests if "tar" in r[0]])
        # The way there is remembered, and found anew when the signature expires.
        found = stream(served, token="secret-token", decode=False)
        other.troubles = [Trouble(status=403, times=1, skip=1)]
        assert len(list(found)) == 18
        assert len([r for r in served.requests if "tar" in r[0]]) - first <= 4
        other.troubles = [Trouble(change=lambda b: bytes(len(b)), times=99)]
        with pytest.raises(ShardError) as wrong:
            received(served, token="secret-token")
        assert "hidden" not in str(wrong.value)


def test_redirects_end(served: Server) -> None:
    served.troubles = [Trouble(location="/data/x.tar", times=99)]
    with pytest.raises(RemoteError, match="too often"):
        received(served)
    served.troubles = [Trouble(location="file:///etc/passwd", times=99)]
    with pytest.raises(RemoteError, match="redirected to file:///etc/passwd \\('file' is not HTTP"):
        received(served)


def test_connections_are_reused_and_not_shared_with_copies(served: Server) -> None:
    found = stream(served, shuffle=True, decode=False, connections=1)
    list(found)
    copy = pickle.loads(pickle.dumps(found))
    assert [s.id for s in copy] == copy.order(1)
    if hasattr(os, "fork"):
        child = os.fork()
        if not child:
            os._exit(0 if len(list(found)) == 18 else 1)
        assert os.waitpid(child, 0)[1] == 0
    assert len(list(found)) == 18


def test_leaving_early_leaves_no_threads(served: Server) -> None:
    for _ in range(5):
        for _sample in stream(served, shuffle=True):
            break
    deadline = time.monotonic() + 5
    names = ["portraits"]
    while names and time.monotonic() < deadline:
        time.sleep(0.02)
        names = [t.name for t in threading.enumerate() if t.name.startswith("portraits")]
    assert not names


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("iterator", ["stream", "PortraitLoader(stream, threads=2)"])
def test_ctrl_c_ends_a_loop_that_waits_for_a_server(served: Server, iterator: str) -> None:
    """Python waited for the threads that asked, until they gave the server up: minutes."""
    if "threads" in iterator:
        pytest.importorskip("torch")
    served.troubles = [Trouble(path="train", status=503, retry_after="60", times=1000)]
    code = (
        "import sys\nfrom ld_portrait_20k import PortraitLoader, PortraitStream\n"
        f"stream = PortraitStream(sys.argv[1])\nwaiting = iter({iterator})\n"
        "print('begun', flush=True)\nnext(waiting)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, served.url], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout and process.stderr
        assert process.stdout.readline() == b"begun\n"
        while served.troubles[0].times == 1000 and process.poll() is None:
            time.sleep(0.05)  # until the first request for a shard
        started = time.monotonic()
        process.send_signal(signal.SIGINT)
        try:
            process.wait(20)
        finally:
            process.kill()
        assert b"KeyboardInterrupt" in process.stderr.read()
    assert time.monotonic() - started < 10


def test_read_ahead_is_bounded(served: Server) -> None:
    """Requests stay close to what was consumed."""
    size = (served.root / "data/train-00000-of-00003.tar").stat().st_size // 6
    found = iter(stream(served, shuffle=True, decode=False, read_ahead=3 * size, connections=2))
    next(found)
    time.sleep(0.3)
    assert len([r for r in served.requests if "tar" in r[0]]) <= 6


def test_urls_of_shards(served: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    urls = [f"{served.url}/data/train-{i:05d}-of-00003.tar" for i in range(3)]
    found = PortraitStream(urls, shuffle=True, patience=QUICK)
    assert [s["id"] for s in found] == found.order(0)
    assert len(found.table) == 18 and (found.table.crc32 >= 0).all()
    (served.root / "manifest.json").unlink()
    for _ in range(2):
        again = PortraitStream(urls, shuffle=True, patience=QUICK)
        assert [s["id"] for s in again] == found.order(0)
    assert len(list((tmp_path / "cache").rglob("*.json"))) == 3
    mixed: list[str | Path] = [urls[0], served.root / "data/train-00001-of-00003.tar"]
    assert len(list(PortraitStream(mixed, patience=QUICK))) == 12


def test_workers_over_http(served: Server) -> None:
    pytest.importorskip("torch")
    from ld_portrait_20k import PortraitLoader

    found = stream(served, shuffle=True, batch_size=2)
    loader = PortraitLoader(found, num_workers=2)
    for epoch in range(2):
        assert [key for batch in loader for key in batch["id"]] == found.order(epoch)


@pytest.mark.parametrize("streaming", [False, True])
def test_load_dataset_from_a_url(served: Server, tmp_path: Path, streaming: bool) -> None:
    served.troubles = [Trouble(cut=5000), Trouble(status=503)]
    rows = load_dataset(served.url, split="train", streaming=streaming, cache_dir=tmp_path / "c")
    assert [row["metadata"]["id"] for row in rows] == [schema.sample_id(i) for i in range(18)]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("7", 7.0), (None, None), ("soon", None), ("²", None), ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0)],
)
def test_retry_after_is_seconds_or_a_date_or_nothing(
    text: str | None, seconds: float | None
) -> None:
    assert retry_after(text) == seconds
