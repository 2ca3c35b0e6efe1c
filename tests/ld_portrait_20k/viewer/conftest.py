"""A small dataset with varied metadata."""

from __future__ import annotations

from pathlib import Path

import pytest

from .large import write

COUNT = 60


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for caches that no other test has."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 samples in three shards, refined and raw; nobody writes into it."""
    root = tmp_path_factory.mktemp("viewed") / "portraits"
    write(root, COUNT, shards=3, subsets=("default", "raw"))
    return root
