"""Manifests and metadata from strangers: every wrong value is an error of ours."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ld_portrait_20k import PortraitStream
from ld_portrait_20k.download import download, select
from ld_portrait_20k.errors import PortraitError, ShardError
from ld_portrait_20k.format import schema
from ld_portrait_20k.format.integrity import check_sample, verify
from ld_portrait_20k.format.manifest import FILE_NAME, Manifest
from ld_portrait_20k.format.shards import RawSample
from ld_portrait_20k.streaming.decoding import decode_sample
from ld_portrait_20k.streaming.index import SampleTable
from ld_portrait_20k.streaming.sources import HttpSource
from tests.ld_portrait_20k.samples import build, encoded, metadata
from tests.ld_portrait_20k.server import Server

HUGE = 10**4000
SHARD = ("shards", "default", 0)

WRONG: list[tuple[tuple[str | int, ...], Any]] = [
    (("files",), []),
    (("files",), {"README.md": None}),
    (("files",), {"README.md": 3}),
    (("files",), {"README.md": {"bytes": "3", "sha256": "0" * 64}}),
    (("files",), {"README.md": {"bytes": -3, "sha256": "0" * 64}}),
    (("files",), {"README.md": {"bytes": 3, "sha256": ["0"]}}),
    (("files",), {"a\x00b": {"bytes": 3, "sha256": "0" * 64}}),
    (("about",), []),
    (("about",), [["plan", 1]]),
    (("about",), "text"),
    (("about",), {"plan": []}),
    (("about",), {"plan": None}),
    (("about",), {"plan": {"quality": {"added_rules": "x"}}}),
    (("about",), {"plan": {"quality": {"added_rules": [{"path": 1}]}}}),
    (("about",), {"plan": {"history": [1]}}),
    (("about",), {"planned": "many"}),
    (("about",), {"planned": True}),
    (("about",), {"rejected": ["x"]}),
    (("about",), {"rejected": {"x": "y"}}),
    (("about",), {"fidelity": {"x": []}}),
    (("about",), {"x": "\ud800"}),
    (("generator",), "\udfff"),
    (("generator",), None),
    (("plan_hash",), 7),
    (("name",), {}),
    (("format",), "1"),
    (("format",), None),
    (("format",), HUGE),
    (("foreground_format",), ["png"]),
    (("splits",), {"train": HUGE}),
    (("splits",), {"train": -1}),
    (("splits",), {"train": "2"}),
    (("splits",), {"train": 2.0}),
    (("splits",), {"elsewhere": 1}),
    (("splits",), []),
    (("shards",), []),
    (("shards", "default"), {}),
    ((*SHARD,), None),
    ((*SHARD,), "text"),
    ((*SHARD, "path"), 5),
    ((*SHARD, "path"), "data/\ud800.tar"),
    ((*SHARD, "bytes"), 2**64),
    ((*SHARD, "bytes"), HUGE),
    ((*SHARD, "bytes"), None),
    ((*SHARD, "split"), {}),
    ((*SHARD, "sha256"), 0),
    ((*SHARD, "crc32"), [2**32, 0, 0]),
    ((*SHARD, "crc32"), [-1, 0, 0]),
    ((*SHARD, "crc32"), [HUGE, 0, 0]),
    ((*SHARD, "crc32"), ["1", "2", "3"]),
    ((*SHARD, "crc32"), 5),
    ((*SHARD, "index", 0), [0, HUGE, 1, 1]),
    ((*SHARD, "index", 0), [0, "7", 1, 1]),
    ((*SHARD, "index", 0), [False, 1, 1, 1]),
    ((*SHARD, "index", 0), [0.0, 1, 1, 1]),
    ((*SHARD, "index", 0), "0123"),
    ((*SHARD, "index", 0), 5),
    ((*SHARD, "index"), "text"),
    ((*SHARD, "index"), None),
]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile-data") / "d"
    build(folder, {"train": (1, 3), "test": (1, 2)})
    return folder


def changed(root: Path, place: tuple[str | int, ...], value: Any) -> str:
    body: Any = json.loads((root / FILE_NAME).read_text())
    found = body
    for key in place[:-1]:
        found = found[key]
    found[place[-1]] = value
    sys.set_int_max_str_digits(0)
    try:
        return json.dumps(body)
    finally:
        sys.set_int_max_str_digits(4300)


@pytest.mark.parametrize("number", range(len(WRONG)))
def test_a_wrong_value_of_a_manifest_is_named(root: Path, number: int) -> None:
    with pytest.raises(PortraitError, match=r"m\.json: not a valid manifest \(.+\); try") as caught:
        Manifest.from_json(changed(root, *WRONG[number]), "m.json")
    assert len(str(caught.value)) < 500


def test_values_that_are_right_pass(root: Path) -> None:
    for place, value in (
        (
            ("about",),
            {"plan": {"licence": None, "quality": {}}, "planned": 3, "new": [1, {"a": None}]},
        ),
        (("about",), {}),
        (("files",), {"../odd": {"bytes": 0, "sha256": "0" * 64, "more": 1}}),
        (("shards", "later"), [{"anything": 1}]),
        ((*SHARD, "crc32"), [0, 2**32 - 1, 5]),
    ):
        text = changed(root, place, value)
        manifest = Manifest.from_json(text, "m.json")
        assert Manifest.from_json(manifest.to_json(), "m.json") == manifest
        SampleTable.from_records(manifest.shards)


def test_a_split_that_the_counts_lack(root: Path, tmp_path: Path) -> None:
    for splits in ({}, {"test": 2}):
        with Server(root) as server:
            text = changed(root, ("splits",), splits)
            manifest = Manifest.from_json(text, "m")
            assert select(manifest, split="train")[1].splits == {"train": 3}
            source = HttpSource(server.url)
            source.take_manifest(text, "m")
            folder = tmp_path / str(len(splits))
            download(source, folder, split="test")
            assert download(source, folder).splits == {"train": 3, "test": 2}
        (tmp_path / FILE_NAME).write_text(text)
        assert any("splits say" in problem.problem for problem in verify(tmp_path).problems)


START = '{"name":"ld-portrait-20k","about":{"x":['
BOMBS = {
    "lists": (START, "[],", 6_000_000),
    "objects": (START, "{},", 6_000_000),
    "numbers": (START, "12345,", 5_000_000),
    "larger than the limit": (START, "12345,", 9_000_000),
    "spaces": ("", " ", 2**26),
    "deep": ("", "[", 2**24),
}


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_of_a_manifest_costs_little(tmp_path: Path, name: str) -> None:
    """Local manifests too; the limit includes the interpreter and NumPy, about 50 MB."""
    start, piece, count = BOMBS[name]
    with (tmp_path / FILE_NAME).open("w") as stream:
        stream.write(start)
        for _ in range(100):
            stream.write(piece * (count // 100))
        stream.write("0]}}")
    script = (
        "import re, sys\n"
        "from pathlib import Path\n"
        "from ld_portrait_20k.errors import PortraitError\n"
        "from ld_portrait_20k.format.manifest import Manifest\n"
        "try:\n"
        "    Manifest.load(Path(sys.argv[1]))\n"
        "except PortraitError as problem:\n"
        "    status = Path('/proc/self/status').read_text()\n"
        "    print(len(str(problem)), re.search(r'VmHWM:\\s+(\\d+)', status)[1])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True
    )
    length, kilobytes = map(int, done.stdout.split())
    print(name, kilobytes // 1000, "MB")
    assert length < 500
    assert kilobytes < (500_000 if name == "numbers" else 200_000)


def test_a_manifest_is_not_fetched_beyond_the_limit(root: Path, tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b" " * (2**25 + 1))
    with Server(tmp_path) as server, pytest.raises(PortraitError, match="more than 33554432 bytes"):
        PortraitStream(server.url)


ODD_METADATA: dict[str, dict[str, Any]] = {
    "seed over 64 bits": {"seed": 2**63},
    "seed under 64 bits": {"seed": -(2**63) - 1},
    "seed of 4,000 digits": {"seed": HUGE},
    "width over 32 bits": {"width": 2**31},
    "attempt under 32 bits": {"attempt": -(2**31) - 1},
    "float over 32 bits": {"quality": {"coverage": 1e39}},
    "float of 4,000 digits": {"quality": {"coverage": HUGE}},
    "infinite": {"quality": {"coverage": float("inf")}},
    "no number": {"quality": {"coverage": float("nan")}},
    "surrogate": {"prompt": "a \ud800"},
    "surrogate in a key": {"attributes": {"\udfff": "x"}},
    "prompt of numbers": {"prompt": [1, 2]},
    "attributes of text": {"attributes": "old"},
    "attributes of a list": {"attributes": [["age", "old"]]},
    "models of text": {"generator": {"models": "m"}},
    "models of an object": {"generator": {"models": {"id": "m"}}},
    "models of numbers": {"generator": {"models": [1]}},
    "generator of a number": {"generator": 3},
    "id of a list": {"id": ["ldp-0000003"]},
    "bool for a number": {"seed": True},
    "a thousand keys": {f"key{n}" * 9: n for n in range(1000)},
}


@pytest.mark.parametrize("name", ODD_METADATA)
def test_odd_metadata_is_damage_of_the_sample(name: str) -> None:
    foreground, alpha, _ = encoded(3)
    sys.set_int_max_str_digits(0)
    text = json.dumps({**metadata(3), **ODD_METADATA[name]}).encode()
    sys.set_int_max_str_digits(4300)
    sample = RawSample("ldp-0000003", foreground, alpha, text, "png", "x.tar", 512)
    for read in (sample.declared_metadata, lambda: check_sample(sample)):
        with pytest.raises(ShardError, match=r"x\.tar at byte 512, sample ldp-0000003") as caught:
            read()
        assert len(str(caught.value)) < 600
    try:  # a stream checks what it uses, and that batches can hold the rest
        found = decode_sample(sample, 0, 0)
    except ShardError:
        return
    json.dumps(found["metadata"], ensure_ascii=False).encode()
    assert isinstance(found["prompt"], str)
    if isinstance(found["metadata"]["seed"], int):
        assert -(2**63) <= found["metadata"]["seed"] < 2**63


def test_metadata_in_another_encoding_is_damage() -> None:
    foreground, alpha, text = encoded(3)
    for data in (
        text.decode().encode("utf-16"),
        b"\xef\xbb\xbf" + text,
        text[:-9] + b"\xed\xa0\x80",
    ):
        sample = RawSample("ldp-0000003", foreground, alpha, data, "png", "x.tar", 0)
        with pytest.raises(ShardError):
            _ = sample.metadata


def test_the_largest_values_are_kept() -> None:
    body = {**metadata(3), "seed": 2**63 - 1, "width": 2**31 - 1, "attempt": -(2**31)}
    found = json.loads(schema.encode_metadata(body))
    assert (found["seed"], found["width"], found["attempt"]) == (2**63 - 1, 2**31 - 1, -(2**31))
