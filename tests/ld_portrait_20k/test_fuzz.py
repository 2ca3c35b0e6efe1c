"""Fuzzers of all that reads what others made: shards, pictures, manifest, metadata, card, HTTP.

Nothing but success or an error of ours, in bounded time. CONTRIBUTING says how to run them longer.
"""

from __future__ import annotations

import contextlib
import io
import json
import random
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ld_portrait_20k import PortraitStream, codec
from ld_portrait_20k.compositing import RandomCrop
from ld_portrait_20k.dataset_builder import to_row
from ld_portrait_20k.download import download, select
from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.format import schema
from ld_portrait_20k.format.card_fitting import fit_card
from ld_portrait_20k.format.integrity import check_sample, verify
from ld_portrait_20k.format.manifest import FILE_NAME, Manifest
from ld_portrait_20k.format.shards import RawSample, index_shard, read_samples
from ld_portrait_20k.streaming.connections import retry_after
from ld_portrait_20k.streaming.decoding import decode_sample
from ld_portrait_20k.streaming.http import HttpClient, Patience
from ld_portrait_20k.streaming.index import SampleTable
from ld_portrait_20k.streaming.sources import HttpSource

from .fuzzing import check_message, mutate_bytes, mutate_json
from .raw_server import RawServer
from .samples import build, card, encoded, metadata, picture

QUICK = Patience(
    timeout=0.5, attempts=2, pause=0.001, longest_pause=0.002, longest_wait=2.0, least_rate=1.0
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fuzz") / "d"
    build(folder, {"train": (2, 3), "test": (1, 2)}, subsets=("default", "raw"))
    return folder


def test_shards(root: Path, tmp_path: Path, fuzz: Any) -> None:
    whole = (root / "data/train-00000-of-00002.tar").read_bytes()
    path = tmp_path / "x.tar"

    def case(chance: random.Random) -> None:
        data = mutate_bytes(chance, whole)
        read = None
        with contextlib.suppress(PortraitError):
            read = [sample.id for sample in read_samples(io.BytesIO(data), "x")]
        path.write_bytes(data)
        with contextlib.suppress(PortraitError):
            index_shard(path)
        stream = PortraitStream([path], on_error="skip") if read else ()
        for sample in stream:
            assert sample["foreground"].shape[:2] == sample["alpha"].shape
        crops = PortraitStream([path], on_error="skip", transform=RandomCrop(8)) if read else ()
        for sample in crops:
            assert sample["foreground"].shape == (8, 8, 3)
        for sample in read_samples(io.BytesIO(data), "x"):
            check_sample(sample)

    fuzz(150).run(case)


@pytest.mark.parametrize("form", ["png", "jpeg", "progressive", "alpha"])
def test_pictures(form: str, fuzz: Any) -> None:
    rgb, alpha = picture(3, 40, 30)
    if form == "progressive":
        from PIL import Image

        out = io.BytesIO()
        Image.fromarray(rgb).save(out, "JPEG", progressive=True)
        whole = out.getvalue()
    else:
        whole = codec.encode_alpha(alpha) if form == "alpha" else codec.encode_foreground(rgb, form)

    def case(chance: random.Random) -> None:
        data = mutate_bytes(chance, whole)
        header = codec.read_header(data)
        decode = codec.decode_alpha if form == "alpha" else codec.decode_foreground
        found = decode(data, max_pixels=10**6)
        assert found.shape[:2] == (header.height, header.width)

    fuzz(800).run(case)


ABOUT = {
    "plan": {"quality": {"thresholds": {"a": 1.5}, "added_rules": [{"path": "x"}]},
             "stages": [[3, 1]],
             "history": [{"plan_hash": "0", "refinement_version": "1", "samples": 3}]},
    "planned": 9, "rejected": {"dull": 1}, "retried": {}, "fidelity": {"raw_sad": 0.5},
}  # fmt: skip


def test_manifest(root: Path, tmp_path: Path, fuzz: Any) -> None:
    known = Manifest.load(root)
    files = {"README.md": {"bytes": 3, "sha256": "0" * 64}}
    body = json.loads(replace(known, files=files, about=ABOUT).to_json())
    for name in ("data", "raw"):
        (tmp_path / name).mkdir()

    def case(chance: random.Random) -> None:
        (tmp_path / FILE_NAME).write_bytes(mutate_json(chance, body))
        for problem in verify(tmp_path).problems:
            check_message(str(problem))
        manifest = Manifest.load(tmp_path)
        assert Manifest.from_json(manifest.to_json(), "again") == manifest
        SampleTable.from_records(manifest.shards)
        for subset in schema.SUBSETS:
            for split in (None, *schema.SPLITS):
                with contextlib.suppress(PortraitError):
                    select(manifest, subset, split, 2)
        int(manifest.about.get("planned") or 0)
        plan = manifest.about.get("plan", {})
        [rule["path"] for rule in plan.get("quality", {}).get("added_rules", []) if "path" in rule]
        with contextlib.suppress(PortraitError):
            for subset in manifest.subsets():
                list(PortraitStream(tmp_path, subset=subset, split="train", on_error="skip"))

    fuzz(400).run(case)


def test_metadata(fuzz: Any) -> None:
    pytest.importorskip("pyarrow")
    import pyarrow

    from ld_portrait_20k.dataset_builder import features

    body = schema.complete(metadata(3))
    foreground, alpha, _ = encoded(3)
    columns = features().arrow_schema

    def case(chance: random.Random) -> None:
        text = mutate_json(chance, body)
        sample = RawSample("ldp-0000003", foreground, alpha, text, "png", "x.tar", 0)
        for read in (sample.declared_metadata, lambda: check_sample(sample)):
            with contextlib.suppress(PortraitError):
                read()
        with contextlib.suppress(PortraitError):
            found = decode_sample(sample, 0, 0)
            json.dumps(found["metadata"], ensure_ascii=False).encode()
            found["prompt"].encode()
        pyarrow.RecordBatch.from_pylist([to_row(sample)], columns)

    fuzz(400).run(case)


def test_card(root: Path, fuzz: Any) -> None:
    whole = Manifest.load(root)
    _, part = select(whole, "default", "test")
    text = card(whole).encode()
    tokens = (
        b"<<: *id001", b"&id001 ", b"*id001", b"2025-13-45", b"!!timestamp ", b"!!python/name:os ",
        b"- ", b"[", b"{", b"? ", b"|", b'"\\ud800"', b"0x", b"1:2:3", b"---\n", b"!!binary ",
    )  # fmt: skip

    def case(chance: random.Random) -> None:
        data = mutate_bytes(chance, text)
        for _ in range(chance.randrange(4)):
            place = chance.randrange(len(data) + 1)
            data = data[:place] + chance.choice(tokens) + data[place:]
        fit_card(data, part)

    fuzz(60).run(case)


def answer_of(chance: random.Random, request: str, files: dict[str, bytes]) -> Iterator[bytes]:
    """An answer that may be honest, altered in its head or its body, or noise."""
    path = request.split(" ", 2)[1].lstrip("/")
    data = files.get(path, b"")
    found = re.search(r"(?i)range: bytes=(\d+)-(\d*)", request)
    first = int(found[1]) if found else 0
    last = min(int(found[2] or len(data)) if found else len(data), len(data)) - 1
    body = data[first : last + 2]
    numbers = ("0", "-1", "9" * 5000, "99999999999999999999", "\xb2", "", "1", str(len(body)))
    status = chance.choice(
        (
            "206 P",
            "200 OK",
            "206 P",
            "302 F",
            "416 N",
            "404 \x1b[31m",
            "503 B",
            "999 x",
            "100 C",
            "-1 x",
        )
    )
    if chance.random() < 0.6:
        status = "206 P" if found else "200 OK"
    lines = [f"HTTP/1.1 {status}"]
    lines.append(f"Content-Length: {len(body)}")
    if found:
        lines.append(f"Content-Range: bytes {first}-{first + len(body) - 1}/{len(data)}")
    hosts = ("http://[::1", "//a..b/", "/x", "http://h:x/", "\x1b", "ftp://x/", "/\xe9 y", "?q", "")
    extra = (
        f"Location: {chance.choice(hosts)}",
        f"Content-Length: {chance.choice(numbers)}",
        f"Content-Range: bytes {chance.choice(numbers)}-{chance.choice(numbers)}/"
        f"{chance.choice(numbers)}",
        "Transfer-Encoding: chunked",
        f"Retry-After: {chance.choice(numbers)}",
        f"ETag: {chance.choice(numbers)}",
        "Content-Encoding: gzip",
        "Connection: close",
        "x" * 70_000,
        ": ",
        "\x1b: \x00",
    )
    for _ in range(chance.choice((0, 0, 1, 1, 2, 4))):
        line = chance.choice(extra)
        same = [n for n, old in enumerate(lines) if old.split(":")[0] == line.split(":")[0]]
        if same and chance.random() < 0.7:
            lines[same[0]] = line
        else:
            lines.insert(chance.randrange(1, len(lines) + 1), line)
    if chance.random() < 0.3:
        body = mutate_bytes(chance, body)
    if any("chunked" in line for line in lines) and chance.random() < 0.7:
        body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    text = "\r\n".join([*lines, "", ""]).encode("latin-1")
    yield mutate_bytes(chance, text) if chance.random() < 0.1 else text
    yield body


def test_http(root: Path, tmp_path: Path, fuzz: Any) -> None:
    files = {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*.*")}
    now = random.Random(0)
    with RawServer(lambda request: answer_of(now, request, files)) as server:

        def case(chance: random.Random) -> None:
            nonlocal now
            now = chance
            kind = chance.randrange(3)
            if kind == 0:
                client = HttpClient(patience=QUICK)
                name = chance.choice(sorted(files))
                start = chance.randrange(len(files[name]))
                length = chance.randrange(1, len(files[name]) - start + 2)
                assert len(client.read(f"{server.url}/{name}", start, length)) == length
            elif kind == 1:
                source = HttpSource(server.url, patience=QUICK)
                source.take_manifest((root / "manifest.json").read_text(), "m")
                stream = PortraitStream(source, on_error="skip", decode=False, connections=1)
                for sample in stream:
                    assert sample.foreground in files["data/" + sample.shard.rpartition("/")[2]]
            else:
                source = HttpSource(server.url, patience=QUICK)
                download(source, tmp_path / str(chance.random()), split="test")

        fuzz(120).run(case)


def test_retry_after(fuzz: Any) -> None:
    days = "Sun, 06 Nov 1994 08:49:37 GMT"

    def case(chance: random.Random) -> None:
        wait = retry_after(mutate_bytes(chance, days.encode()).decode("latin-1"))
        assert wait is None or wait >= 0

    fuzz(2000).run(case)
