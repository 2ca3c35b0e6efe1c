from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ld_portrait_20k import PortraitStream, load_dataset
from ld_portrait_20k.compositing import PictureBackgrounds
from ld_portrait_20k.errors import DatasetNotFoundError, PortraitError, UnreadableShardError
from ld_portrait_20k.format import schema
from ld_portrait_20k.format.manifest import Manifest
from ld_portrait_20k.format.shards import read_samples
from ld_portrait_20k.streaming.listing import list_shards
from tests.ld_portrait_20k.samples import build, picture
from tests.ld_portrait_20k.server import Server

POINTER = (
    "version https://git-lfs.github.com/spec/v1\n"
    "oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n"
)
ALL = [schema.sample_id(number) for number in range(12)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    build(tmp_path / "d", {"train": (3, 4)})
    return tmp_path / "d"


def ids(source: Any, **options: Any) -> list[str]:
    return [sample["id"] for sample in PortraitStream(source, **options)]


def test_a_change_of_folder_breaks_no_stream(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from PIL import Image

    (tmp_path / "b").mkdir()
    Image.fromarray(picture(1)[0]).save(tmp_path / "b" / "one.png")
    monkeypatch.chdir(tmp_path)
    streams = [
        PortraitStream(source)
        for source in (
            "d",
            Path("d"),
            ["d/data/" + p.name for p in sorted((root / "data").iterdir())],
        )
    ]
    backgrounds = [PictureBackgrounds("b"), PictureBackgrounds(["b/one.png"])]
    monkeypatch.chdir("/")
    for stream in streams:
        assert [sample["id"] for sample in stream] == ALL
    for source in backgrounds:
        assert source.draw(np.random.default_rng(0), 8, 8).shape == (8, 8, 3)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("{root}/data/train-00001-of-00003.tar", ALL[4:8]),
        ("file://{root}", ALL),
        ("file://localhost{root}/data/train-00001-of-00003.tar", ALL[4:8]),
        ("{root}/data/train-*.tar", ALL),
        ("file://{root}/**/*.tar", ALL),
        ("{root}/data/train-{{00000..00001}}-of-00003.tar", ALL[:8]),
        ("{root}/data/train-0000{{2,0}}-of-*.tar", ALL[8:] + ALL[:4]),
    ],
)
def test_shards_are_named_as_people_name_them(
    root: Path, pattern: str, expected: list[str]
) -> None:
    pattern = pattern.format(root=root)
    assert ids(pattern) == expected
    if not pattern.endswith(str(root)):
        assert ids([pattern]) == expected
    assert ids((root / "data").glob("train-00002*")) == ALL[8:]


def test_a_file_named_like_a_pattern_is_that_file(root: Path) -> None:
    odd = root / "data" / "a{1,2}*.tar"
    (root / "data" / "train-00000-of-00003.tar").rename(odd)
    assert ids(str(odd)) == ids([odd]) == ALL[:4]


def test_braces_in_a_url(root: Path) -> None:
    with Server(root) as server:
        assert ids(server.url + "/data/train-{00000..00002}-of-00003.tar") == ALL
        assert ids(server.url + "/data/train-00002-of-00003.tar") == ALL[8:]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("nothing-*.tar", "matches no file"),
        ("absent.tar", "absent.tar.*No such file"),
        ("{a,b", "braces|not found"),
        ("file://elsewhere/d", "another machine"),
    ],
)
def test_shards_that_are_nowhere(source: str, words: str) -> None:
    with pytest.raises((DatasetNotFoundError, PortraitError), match=words):
        ids([source] if source.startswith("{") else source)


def test_git_lfs_pointers_are_recognised(root: Path) -> None:
    path = root / "data" / "train-00001-of-00003.tar"
    path.write_text(POINTER)
    for on_error in ("raise", "skip"):
        with pytest.raises(UnreadableShardError, match="git lfs pull"):
            ids(root, on_error=on_error, shuffle=True)
        with pytest.raises(UnreadableShardError, match="git lfs pull"):
            next(iter(read_samples(path)))
    (root / "manifest.json").unlink()
    with pytest.raises(UnreadableShardError, match="git lfs pull"):
        PortraitStream([path])
    (root / "manifest.json").write_text(POINTER)
    with pytest.raises(PortraitError, match=r"manifest\.json: is a git-lfs pointer"):
        Manifest.load(root)


def test_a_revision_of_what_has_none_is_refused(root: Path) -> None:
    for source in (root, [root / "data/train-00000-of-00003.tar"], "http://127.0.0.1:9/d"):
        with pytest.raises(PortraitError, match="has no revisions, 'v1' was asked for"):
            PortraitStream(source, revision="v1")
    with pytest.raises(PortraitError, match="has no revisions"):
        load_dataset(root, revision="v1", split="train", streaming=True)


@pytest.mark.parametrize("home", ["/proc/none", "/dev/null", ""])
def test_a_cache_that_cannot_be_written_is_done_without(
    root: Path, monkeypatch: pytest.MonkeyPatch, home: str
) -> None:
    (root / "manifest.json").unlink()
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", home)
    if not home:

        def lost() -> Path:
            raise RuntimeError("Could not determine home directory.")

        monkeypatch.setattr(Path, "home", lost)
    assert ids(root / "data" / "*.tar") == ALL


def test_names_are_listed_once_each_in_order(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    names = list_shards(["data/*.tar", "http://h/{1..2}.tar?token={x}", Path("~/x.tar")])
    assert names[:3] == [str(path) for path in sorted((root / "data").iterdir())]
    assert names[3:5] == ["http://h/1.tar?token={x}", "http://h/2.tar?token={x}"]
    assert names[5] == str(Path("~/x.tar").expanduser())
