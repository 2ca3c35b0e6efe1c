"""The examples run as the README shows them, and say that what they show is so."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from ld_portrait_20k.format import schema

from .samples import build

pytest.importorskip("torch")

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "ld_portrait_20k/examples"
IDS = [schema.sample_id(index) for index in range(12)]
EXPECTED: dict[str, dict[str, Any]] = {
    "plain_pytorch": {"samples": 24, "same_order": True, "same_weights": True},
    "lightning_style": {"samples": 12, "same_order": True},
    "accelerate_processes": {
        "ids": IDS,
        "samples_a_process": [6, 6],
        "same_weights": True,
        "same_loader_state": True,
    },
    "webdataset_shards": {"ids": IDS, "shape": [40, 48, 3]},
    "datasets_streaming": {"same_bytes": True, "size": [48, 40], "alpha_mode": "L"},
}
NEEDS = {"accelerate_processes": "accelerate", "webdataset_shards": "webdataset"}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("examples") / schema.NAME
    build(folder, {"train": (3, 4)}, size=(48, 40))
    return folder


def run(name: str, dataset: Path | str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", f"ld_portrait_20k.examples.{name}", str(dataset)],
        capture_output=True,
        text=True,
        timeout=150,
        cwd=ROOT,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
    )


def found(name: str, dataset: Path) -> dict[str, Any]:
    done = run(name, dataset)
    assert done.returncode == 0, done.stderr[-3000:]
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


@pytest.mark.parametrize("name", EXPECTED)
def test_example(name: str, root: Path) -> None:
    pytest.importorskip(NEEDS.get(name, "torch"))
    assert found(name, root) == EXPECTED[name]


def test_trainer_of_transformers(root: Path) -> None:
    pytest.importorskip("transformers")
    pytest.importorskip("accelerate")
    result = found("transformers_trainer", root)
    assert result["steps"] == 4
    assert 0 < result["loss"] < 1


def test_a_missing_dataset_is_named(tmp_path: Path) -> None:
    done = run("lightning_style", tmp_path / "nowhere")
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1


def test_every_example_is_run_and_shown() -> None:
    """A new example needs a test here and a line in the README."""
    names = {path.stem for path in FOLDER.glob("*.py")} - {"__init__", "small_matting"}
    assert names == {*EXPECTED, "transformers_trainer"}
    page = (ROOT / "README.md").read_text()
    for name in (*sorted(names), "tour.ipynb"):
        assert name in page


def test_the_notebook_is_small_and_without_outputs() -> None:
    path = FOLDER / "tour.ipynb"
    assert path.stat().st_size < 20_000
    cells = json.loads(path.read_text())["cells"]
    for cell in cells:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            assert cell["execution_count"] is None


@pytest.mark.skipif(
    find_spec("nbclient") is None or find_spec("ipykernel") is None,
    reason="nbclient and ipykernel are not installed",
)
def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import nbclient
    import nbformat

    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    notebook = nbformat.read(FOLDER / "tour.ipynb", as_version=4)
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=120, resources=resources).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 2
    printed = "".join(output.get("text", "") for output in outputs)
    assert "raw" in printed
    assert "refined" in printed
    assert (tmp_path / "tour-dataset" / "manifest.json").is_file()
