from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ld_portrait_20k import load_dataset
from ld_portrait_20k.errors import PortraitError, ShardError
from ld_portrait_20k.format import schema
from ld_portrait_20k.format.shards import ShardWriter
from tests.hub.server import HubServer
from tests.processes import clean_environment, run_code

from .samples import build, metadata, picture

COLUMNS = ["foreground", "alpha", "prompt", "attributes", "metadata"]


@pytest.fixture(autouse=True)
def caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.delenv("LD_PORTRAIT_20K_REPO", raising=False)
    return tmp_path / "cache"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    parent = tmp_path / "work"
    parent.mkdir()
    build(parent / schema.NAME, subsets=("default", "raw"))
    monkeypatch.chdir(parent)
    return parent / schema.NAME


def check_row(row: dict[str, Any], index: int) -> None:
    foreground, alpha = picture(index)
    assert list(row) == COLUMNS
    assert (row["foreground"].mode, row["alpha"].mode) == ("RGB", "L")
    assert (np.asarray(row["foreground"]) == foreground).all()
    assert (np.asarray(row["alpha"]) == alpha).all()
    expected = schema.complete(metadata(index))
    assert row["prompt"] == expected.pop("prompt")
    assert row["attributes"] == expected.pop("attributes")
    found = row["metadata"]
    for key in ("id", "seed", "width", "generator", "truth", "source"):
        if key == "generator":
            found[key]["guidance"] = round(found[key]["guidance"], 6)
        assert found[key] == expected[key]
    assert found["quality"]["coverage"] == pytest.approx(1 / 3, rel=1e-5)


def test_bare_name_from_the_parent_folder(folder: Path, caches: Path) -> None:
    splits = load_dataset(cache_dir=caches)
    assert {name: len(rows) for name, rows in splits.items()} == {"train": 6, "test": 2}
    for name, first in (("train", 0), ("test", 6)):
        for place, row in enumerate(splits[name]):
            check_row(row, first + place)
    assert splits["train"].features["metadata"]["seed"].dtype == "int64"
    assert splits["train"].features["attributes"]["age"].dtype == "string"


def test_streaming_gives_the_same_rows(folder: Path) -> None:
    splits = load_dataset(schema.NAME, streaming=True)
    assert list(splits) == ["train", "test"]
    rows = list(splits["train"])
    assert len(rows) == 6
    for index, row in enumerate(rows):
        check_row(row, index)
    train = load_dataset(folder, split="train", streaming=True)
    assert train.num_shards == 2
    assert [r["metadata"]["id"] for r in train.skip(4)] == ["ldp-0000004", "ldp-0000005"]


def test_slices_subsets_and_wrong_names(folder: Path, caches: Path) -> None:
    assert len(load_dataset(split="train[:4]", cache_dir=caches)) == 4
    assert len(load_dataset(split="train+test", cache_dir=caches)) == 8
    assert len(load_dataset(name="raw", split="train", cache_dir=caches)) == 6
    with pytest.raises(ValueError, match="no subset 'truth'; there is default, raw"):
        load_dataset(name="truth", cache_dir=caches)
    with pytest.raises(ValueError, match="nowhere"):
        load_dataset(split="nowhere", streaming=True)
    with pytest.raises(TypeError, match="count"):
        load_dataset(count=3)


def test_the_cache_follows_the_contents(folder: Path, caches: Path, tmp_path: Path) -> None:
    load_dataset(split="test", cache_dir=caches)
    (folder / "data/train-00000-of-00002.tar").rename(tmp_path / "away.tar")
    # Prepared once: the Arrow copy answers.
    assert len(load_dataset(split="train", cache_dir=caches)) == 6
    build(folder, {"train": (1, 2)})
    assert len(load_dataset(split="train", cache_dir=caches)) == 2


def test_stock_library_loads_the_folder_by_its_bare_name(folder: Path, caches: Path) -> None:
    code = (
        "import datasets, sys\n"
        "for s in (False, True):\n"
        "    d = datasets.load_dataset('ld-portrait-20k', streaming=s, cache_dir=sys.argv[1])\n"
        "    rows = list(d['train'])\n"
        "    assert list(d) == ['train', 'test'] and len(rows) == 6\n"
        "    assert rows[0]['foreground.png'].mode == 'RGB' and rows[0]['alpha.png'].mode == 'L'\n"
        "    assert rows[5]['json']['id'] == 'ldp-0000005'\n"
        "    assert rows[0]['json']['generator']['models'] is not None\n"
        "print(len(datasets.load_dataset('ld-portrait-20k', 'raw', split='test', "
        "cache_dir=sys.argv[1])))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(caches)], capture_output=True, text=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1"}, cwd=folder.parent,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "2"


@pytest.mark.parametrize("streaming", [False, True])
def test_damage_names_shard_and_sample(folder: Path, caches: Path, streaming: bool) -> None:
    path = folder / "data/train-00001-of-00002.tar"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(ShardError) as caught:
        list(load_dataset(split="train", streaming=streaming, cache_dir=caches))
    assert path.name in str(caught.value)
    assert caught.value.sample == "ldp-0000004"


def test_metadata_outside_the_schema_is_named(folder: Path) -> None:
    path = folder / "data/test-00000-of-00001.tar"
    with ShardWriter(path) as writer:
        for index in (6, 7):
            writer.add(schema.sample_id(index), b"f", b"a", b'{"surprise":1}')
    from ld_portrait_20k.format.manifest import FILE_NAME, Manifest

    old = Manifest.load(folder)
    shards = tuple(
        writer.record(s.path, s.subset, s.split) if (folder / s.path) == path else s
        for s in old.shards
    )
    new = Manifest("png", old.plan_hash, "test", old.splits, shards)
    (folder / FILE_NAME).write_text(new.to_json())
    with pytest.raises(ShardError, match="surprise"):
        list(load_dataset(split="test", streaming=True))


def test_an_unfinished_folder_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / schema.NAME / "data").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PortraitError, match="unfinished"):
        load_dataset()


@pytest.mark.parametrize("extra", [{}, {"HF_HUB_OFFLINE": "1"}, {"HF_TOKEN": "hf_nothing"}])
def test_nowhere_is_one_clear_error_at_once(tmp_path: Path, extra: dict[str, str]) -> None:
    code = (
        "import time, ld_portrait_20k as l\n"
        "t = time.time()\n"
        "try:\n    l.load_dataset('ld-portrait-20k')\n"
        "except l.errors.DatasetNotFoundError as e:\n    print(e)\n"
        "print(time.time() - t)\n"
    )
    # Nothing listens on the discard port: this is a machine without a Hub.
    environment = {**clean_environment(tmp_path), "HF_ENDPOINT": "http://127.0.0.1:9", **extra}
    done = run_code(code, cwd=tmp_path, env=environment)
    lines = done.stdout.splitlines()
    assert len(lines) == 2, done.stderr + done.stdout
    assert "not found" in lines[0] and "python -m builder" in lines[0]
    assert "hf_nothing" not in done.stdout + done.stderr
    assert float(lines[1]) < 8


# From the Hub: a real server on loopback.

HUB = """
import json, os, sys
import ld_portrait_20k as l
for options, environment in json.loads(sys.argv[1]):
    os.environ.update(environment)
    try:
        rows = l.load_dataset(**options)
        if options.get("split"):
            rows = {options["split"]: rows}
        for name in rows:
            for row in rows[name]:
                print(name, row["metadata"]["id"], row["foreground"].size, row["alpha"].mode)
    except l.errors.PortraitError as problem:
        print(type(problem).__name__, problem)
    for name in environment:
        del os.environ[name]
    print("----")
"""


@dataclass
class PublishedHub:
    """A Hub that holds one repository, published from ``root``."""

    server: HubServer
    api: Any
    repo_id: str
    root: Path


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PublishedHub]:
    root = tmp_path / "built"
    build(root)
    with HubServer(tmp_path / "hub") as server:
        import huggingface_hub

        api = huggingface_hub.HfApi(endpoint=server.url, token=server.token)
        repo_id = f"{server.user}/{schema.NAME}"
        api.create_repo(repo_id, repo_type="dataset")
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_XET", True)
        api.upload_folder(
            repo_id=repo_id, repo_type="dataset", folder_path=root, commit_message="one"
        )
        yield PublishedHub(server, api, repo_id, root)


def from_hub(hub: PublishedHub, tmp_path: Path, *loads: Any, **environment: str) -> list[list[str]]:
    """The lines that each (options) or (options, environment) prints, in one process."""
    pairs = [load if isinstance(load, tuple) else (load, {}) for load in loads]
    done = run_code(
        HUB, json.dumps(pairs), cwd=tmp_path, timeout=120,
        env={
            **clean_environment(tmp_path / "hf-home"), "HF_ENDPOINT": hub.server.url,
            "HF_HUB_DISABLE_XET": "1", **environment,
        },
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert hub.server.token not in done.stdout + done.stderr
    return [part.splitlines() for part in done.stdout.split("----\n")[:-1]]


EVERYTHING = [
    f"{split} {schema.sample_id(i)} (24, 16) L"
    for split, ids in (("train", range(6)), ("test", range(6, 8)))
    for i in ids
]


@pytest.mark.parametrize("streaming", [False, True])
def test_own_repo_repo_id_and_variable(hub: PublishedHub, tmp_path: Path, streaming: bool) -> None:
    options = {"streaming": streaming}
    found = from_hub(
        hub, tmp_path,
        (options, {"HF_TOKEN": hub.server.token}),
        {**options, "repo_id": hub.repo_id},
        {**options, "path": hub.repo_id},
        (options, {"LD_PORTRAIT_20K_REPO": hub.repo_id}),
    )  # fmt: skip
    assert found == [EVERYTHING] * 4


def test_prepared_from_the_hub_it_loads_offline(hub: PublishedHub, tmp_path: Path) -> None:
    options = {"repo_id": hub.repo_id}
    assert from_hub(hub, tmp_path, options) == [EVERYTHING]
    assert from_hub(hub, tmp_path, options, HF_HUB_OFFLINE="1") == [EVERYTHING]


def test_revision_is_pinned(hub: PublishedHub, tmp_path: Path) -> None:
    api = hub.api
    api.create_tag(hub.repo_id, repo_type="dataset", tag="v1")
    build(hub.root, {"train": (1, 2)})
    api.upload_folder(
        repo_id=hub.repo_id, repo_type="dataset", folder_path=hub.root, commit_message="two"
    )
    options = {"repo_id": hub.repo_id, "streaming": True, "split": "train"}
    new, old, nowhere = from_hub(
        hub, tmp_path, options, {**options, "revision": "v1"}, {**options, "revision": "nowhere"}
    )
    assert (len(new), len(old)) == (2, 6)
    assert nowhere[0].startswith("DatasetNotFoundError") and "nowhere" in nowhere[0]


def test_private_and_absent_repositories(hub: PublishedHub, tmp_path: Path) -> None:
    hub.server.repo(hub.repo_id).private = True
    options = {"repo_id": hub.repo_id, "streaming": True}
    started = time.time()
    hidden, seen, absent, malformed = from_hub(
        hub, tmp_path, options, (options, {"HF_TOKEN": hub.server.token}),
        {"repo_id": "no/such"}, {"repo_id": "not an id"},
    )  # fmt: skip
    assert time.time() - started < 30
    assert seen == EVERYTHING
    for lines in (hidden, absent, malformed):
        assert len(lines) == 1 and lines[0].startswith("DatasetNotFoundError")
    assert "hf auth login" in hidden[0]


@pytest.mark.parametrize("streaming", [False, True])
def test_a_troubled_hub_costs_time_not_data(
    hub: PublishedHub, tmp_path: Path, streaming: bool
) -> None:
    for rule in (
        {"path": "/resolve/", "status": 503, "times": 2},
        {"path": "/resolve/.*tar", "status": 429, "retry_after": 1, "skip": 1, "times": 1},
        {"path": "tar|objects|lfs", "method": "GET", "cut": 5000, "times": 3},
    ):
        hub.server.add_fault(**rule)
    options = {"repo_id": hub.repo_id, "streaming": streaming}
    assert from_hub(hub, tmp_path, options) == [EVERYTHING]


def test_regenerate_builds_once_and_loads(
    tmp_path: Path, caches: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("builder.api")
    options: dict[str, Any] = {
        "generator": "procedural",
        "count": 3,
        "size": 128,
        "shards": 1,
        "workers": 1,
    }
    rows = load_dataset(name="regenerate", cache_dir=caches, split="train", **options)
    assert len(rows) == 3 and rows[0]["foreground"].size == (128, 128)
    built = list(caches.rglob("manifest.json"))
    assert len(built) == 1
    told = capsys.readouterr()
    assert f"{built[0].parent}: the dataset is built here" in told.err and not told.out
    stamp = built[0].stat().st_mtime_ns
    again = load_dataset(name="regenerate", cache_dir=caches, streaming=True, **options)
    assert [r["metadata"]["id"] for r in again["train"]] == [r["metadata"]["id"] for r in rows]
    assert built[0].stat().st_mtime_ns == stamp
    with pytest.raises(PortraitError, match="no such builder option"):
        load_dataset(name="regenerate", cache_dir=caches, colour="red")


NO_HOME = {"HOME": "/proc/none", "HF_HOME": "/proc/none/hf"}


def test_streaming_needs_no_cache(folder: Path, tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from ld_portrait_20k import load_dataset\n"
        "from ld_portrait_20k.errors import PortraitError\n"
        "print(len(list(load_dataset(sys.argv[1], split='train', streaming=True))))\n"
        "try:\n"
        "    load_dataset(sys.argv[1], split='train')\n"
        "except PortraitError as problem:\n"
        "    print(problem)\n"
    )
    spare = tmp_path / "spare"
    spare.mkdir()
    done = run_code(
        code, folder, cwd=tmp_path,
        env={**clean_environment(tmp_path / "none"), **NO_HOME, "TMPDIR": str(spare)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    count, told = done.stdout.splitlines()
    assert count == "6" and "the cache cannot be written; try: cache_dir=" in told
    assert not list(spare.glob("ld-portrait*"))


def test_streaming_from_the_hub_needs_no_cache(hub: PublishedHub, tmp_path: Path) -> None:
    options = {"repo_id": hub.repo_id, "streaming": True}
    assert from_hub(hub, tmp_path, options, **NO_HOME) == [EVERYTHING]
