from __future__ import annotations

import json

import pytest

from ld_portrait_20k import schema
from tests.processes import run_module

from .samples import build

pytest.importorskip("torch")

IDS = [schema.sample_id(i) for i in range(12)]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recipes") / schema.NAME
    build(folder, {"train": (3, 4)}, size=(48, 40))
    return folder


def recipe(name, root):
    done = run_module(
        "tests.ld_portrait_20k.recipes", name, root, timeout=150,
        env={"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_plain_pytorch_resumes_to_the_same_weights(root):
    assert recipe("plain", root) == {"order": True, "weights": True, "count": 24}


def test_lightning_style_loop(root):
    assert recipe("lightning", root) == {"order": True}


def test_accelerate_with_two_processes(root):
    pytest.importorskip("accelerate")
    found = recipe("accelerated", root)
    assert found == {"ids": IDS, "counts": [6, 6], "same_weights": True, "state": True}


def test_webdataset_library(root):
    pytest.importorskip("webdataset")
    assert recipe("webdataset", root) == {"ids": IDS, "shape": [40, 48, 3]}


def test_datasets_streaming_with_renames(root):
    assert recipe("streamed", root) == {"exact": True, "size": [48, 40], "mode": "L"}


def test_trainer_of_transformers(root):
    pytest.importorskip("transformers")
    pytest.importorskip("accelerate")
    found = recipe("trainer", root)
    assert found["steps"] == 4 and 0 < found["loss"] < 1
