from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from dataset_card import Statistics, render

Loaded = tuple[Path, list[dict[str, Any]], str]
"""Folder, metadata of its samples, name of the foreground column."""
SHARDS = {"train": [[0, 1, 2, 3], [4, 5, 6, 7]], "validation": [[8, 9]]}


@pytest.fixture(scope="module", params=["png", "jpeg"])
def folder(
    make: SimpleNamespace, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Loaded:
    root = tmp_path_factory.mktemp("built") / "ld-portrait-20k"
    manifest, items = make.write_dataset(root, SHARDS, request.param)
    text = render(manifest, Statistics.of(items))
    (root / "README.md").write_text(text, encoding="utf-8")
    return root, items, "foreground.png" if request.param == "png" else "foreground.jpg"


@pytest.fixture
def load(folder: Loaded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    import datasets

    monkeypatch.chdir(folder[0].parent)

    def load(*args: Any, **options: Any) -> Any:
        return datasets.load_dataset("ld-portrait-20k", *args, cache_dir=tmp_path, **options)

    return load


@pytest.mark.parametrize("subset", ["default", "raw"])
@pytest.mark.parametrize("streaming", [False, True])
def test_the_stock_library_loads_all_splits_by_name(
    folder: Loaded, load: Callable[..., Any], subset: str, streaming: bool
) -> None:
    _, items, foreground = folder
    found = load(subset, streaming=streaming)
    assert set(found) == set(SHARDS)
    rows = [row for split in SHARDS for row in found[split]]
    assert [row["json"]["id"] for row in rows] == [item["id"] for item in items]
    for row, item in zip(rows, items, strict=True):
        assert set(row) == {"__key__", "__url__", foreground, "alpha.png", "json"}
        assert row[foreground].mode == "RGB" and row["alpha.png"].mode == "L"
        assert np.asarray(row["alpha.png"]).shape == (32, 24)
        assert row["json"]["prompt"] == item["prompt"]
        assert row["json"]["attributes"] == item["attributes"]
        assert row["json"]["truth"]["raw_sad"] == pytest.approx(item["truth"]["raw_sad"])
        assert set(row["json"]) == set(item)


def test_the_declared_features_are_the_loaded_ones(
    folder: Loaded, load: Callable[..., Any]
) -> None:
    import datasets

    _, items, foreground = folder
    features = load(split="train").features
    assert features == load(split="train", streaming=True).features
    assert list(features) == ["__key__", "__url__", foreground, "alpha.png", "json"]
    assert features[foreground] == datasets.Image(mode="RGB")
    assert features["alpha.png"] == datasets.Image(mode="L")
    assert features["json"]["seed"].dtype == "int64"
    assert features["json"]["quality"]["touches_bottom"].dtype == "bool"
    assert set(features["json"]["attributes"]) == set(items[0]["attributes"])


def test_split_sizes_are_declared(folder: Loaded, load: Callable[..., Any]) -> None:
    import datasets

    builder = datasets.load_dataset_builder("ld-portrait-20k")
    assert {name: split.num_examples for name, split in builder.info.splits.items()} == {
        "train": 8,
        "validation": 2,
    }
    on_disk = sum(path.stat().st_size for path in (folder[0] / "data").glob("train-*.tar"))
    assert builder.info.splits["train"].num_bytes == on_disk
