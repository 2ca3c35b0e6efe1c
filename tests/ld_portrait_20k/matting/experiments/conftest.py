"""A tiny dataset of ours with raw and exact mattes, built once, and a tiny study of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.processes import run_module

pytest.importorskip("torch")
pytest.importorskip("accelerate")
pytest.importorskip("matplotlib")


@pytest.fixture(scope="session")
def portraits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight procedural portraits of 64 px, damaged and refined."""
    folder = tmp_path_factory.mktemp("portraits") / "data"
    built = run_module(
        "builder", "regenerate", "--preset", "demo", "--count", 8, "--size", 64,
        "--workers", 1, "--no-reject", "--shards", 1, "--output", folder,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    return folder


TINY = (
    "--crop", "32", "--batch-size", "2", "--network", '{"widths": [4, 4, 4, 4]}',
    "--test-samples", "1", "--side", "48", "--hold-out", "0.3", "--devices", "cpu:1",
)  # fmt: skip
"""Options of a study that takes seconds."""
