"""Fixtures of the pipeline's tests."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.builder.pictures import save_cutouts

Digest = dict[str, str]


@pytest.fixture(scope="session")
def cutouts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 22 good cut-outs, with prompts.json beside it."""
    return save_cutouts(tmp_path_factory.mktemp("cutouts") / "people", 22)


@pytest.fixture(scope="session")
def digest() -> Callable[[Path], Digest]:
    """What a dataset folder publishes: every file but the work folder's, to its sha256."""

    def of(root: Path) -> Digest:
        return {
            path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(root.rglob("*"))
            if path.is_file() and path.relative_to(root).parts[0] != ".work"
        }

    return of
