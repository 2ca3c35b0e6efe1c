"""Datasets whose places lie in index files beside the manifest, as those of many samples do."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest

from ld_portrait_20k import download
from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.format import sample_index
from ld_portrait_20k.format.integrity import verify
from ld_portrait_20k.format.manifest import FILE_NAME, Manifest
from ld_portrait_20k.streaming.sources import HttpSource
from ld_portrait_20k.streaming.stream import PortraitStream
from tests.ld_portrait_20k.samples import build
from tests.ld_portrait_20k.server import Server

TRAIN = sample_index.index_path("default", "train")


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A dataset with its places in the manifest."""
    build(tmp_path / "small", {"train": (3, 4), "test": (1, 2)}, subsets=("default", "raw"))
    return tmp_path / "small"


@pytest.fixture
def large(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, saved as if it had many samples."""
    monkeypatch.setattr("ld_portrait_20k.format.manifest.INLINE_SAMPLES", 5)
    root = tmp_path / "large"
    shutil.copytree(small, root)
    Manifest.load(root).save(root)
    return root


def contents(source: Any, **options: Any) -> list[tuple[str, bytes]]:
    return [(s.id, s.alpha) for s in PortraitStream(source, decode=False, **options)]


def test_it_reads_like_one_whose_manifest_has_the_places(small: Path, large: Path) -> None:
    body = json.loads((large / FILE_NAME).read_text())
    assert body["format"] == 2
    assert "index" not in json.dumps(body["shards"])
    assert sorted(path for path in body["files"] if path.startswith("index/")) == [
        *("index/default-test.bin", "index/default-train.bin"),
        *("index/raw-test.bin", "index/raw-train.bin"),
    ]
    assert Manifest.load(large).shards == Manifest.load(small).shards
    for options in ({}, {"subset": "raw", "split": "test"}, {"split": None, "shuffle": True}):
        assert contents(large, **options) == contents(small, **options)
    stream = PortraitStream(large, shuffle=True)
    assert stream.identity == PortraitStream(small, shuffle=True).identity
    assert contents(pickle.loads(pickle.dumps(stream.source))) == contents(small)
    report = verify(large, deep=True)
    assert report.ok, report.problems
    assert report.samples == 28


def test_only_the_split_that_is_read_is_loaded(large: Path) -> None:
    for path in (large / "index").iterdir():
        if path != large / TRAIN:
            path.unlink()
    assert len(contents(large)) == 12
    with pytest.raises(PortraitError, match=r"default-test\.bin: cannot be read"):
        PortraitStream(large, split="test")


def test_a_damaged_index_is_named(large: Path) -> None:
    content = bytearray((large / TRAIN).read_bytes())
    content[5] ^= 1
    (large / TRAIN).write_bytes(bytes(content))
    with pytest.raises(PortraitError, match=r"index/default-train\.bin: not the index"):
        PortraitStream(large)
    found = [str(problem) for problem in verify(large).problems]
    assert found[0] == f"{TRAIN}: sha256 differs from the manifest's"
    assert "not the index that the manifest names" in found[1]
    (large / TRAIN).unlink()
    assert "cannot be read" in str(verify(large).problems[0])


@pytest.mark.parametrize("samples", [-1, 1.5, True, 10**9, "4", None, 10**400])
def test_impossible_counts_are_refused(large: Path, samples: object) -> None:
    body = json.loads((large / FILE_NAME).read_text())
    body["shards"]["default"][0]["samples"] = samples
    with pytest.raises(PortraitError, match="not a valid manifest"):
        Manifest.from_json(json.dumps(body), "m", sample_index.local_reader(large))


def test_rows_that_cannot_be_are_refused(large: Path) -> None:
    """Where the manifest has the hash of such an index, too."""
    whole = Manifest.load(large)
    first = whole.shards[0]
    for rows in ([(3, 1, 1, 1), (3, 1, 1, 1)], [(1, 1, 1, 1), (2, 2**32 - 1, 1, 1)]):
        changed = (type(first)(first.path, "default", "train", 1, first.sha256, rows, (1, 2)),)
        Manifest("png", "0" * 64, "test", {"train": 2}, changed * 3).save(large)
        with pytest.raises(PortraitError, match=r"default-train\.bin: .*(do not rise|impossible)"):
            PortraitStream(large)


def test_it_travels_over_http(large: Path, small: Path, tmp_path: Path) -> None:
    """A part that is small again has its places in its manifest."""
    with Server(large) as server:
        assert contents(server.url) == contents(small)
        asked = [path for path, _ in server.requests if "index" in path]
        assert asked == [f"/{TRAIN}"]
        assert contents([f"{server.url}/data/test-00000-of-00001.tar"]) == contents(
            small, split="test"
        )
        source = HttpSource(server.url)
        part = download.download(source, tmp_path / "part", split="test")
        assert not (tmp_path / "part" / "index").exists()
        assert json.loads((tmp_path / "part" / FILE_NAME).read_text())["format"] == 1
        assert part.files == {}
        download.download(source, tmp_path / "part", split="train")
    assert (tmp_path / "part" / TRAIN).is_file()
    assert verify(tmp_path / "part", deep=True).ok
    assert contents(tmp_path / "part", split=None) == contents(small, split=None)


def test_index_files_go_where_they_are_no_longer_needed(
    large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ld_portrait_20k.format.manifest.INLINE_SAMPLES", 1000)
    saved = Manifest.load(large).save(large)
    assert not any(path.startswith("index/") for path in saved.files)
    assert list((large / "index").iterdir()) == []
    assert verify(large, deep=True).ok
