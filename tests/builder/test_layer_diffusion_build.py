"""Layer Diffusion from prompt to loader, on a tiny SDXL whose decoder draws a rough body."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ld_portrait_20k.format.integrity import verify
from ld_portrait_20k.format.manifest import Manifest
from ld_portrait_20k.format.shards import read_samples
from tests.builder.generation.layer_diffusion.tiny import TinyPaths, make_tiny
from tests.processes import ROOT

COUNT = 5


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TinyPaths:
    return make_tiny(tmp_path_factory.mktemp("tiny"))


def command(tiny: TinyPaths, output: Path, *more: str) -> list[str]:
    return [
        *(sys.executable, "-m", "builder", "regenerate", "--generator", "layer-diffusion"),
        *("--base-model", str(tiny.base), "--weights", str(tiny.weights), "--vae", "base"),
        *("--device", "cpu", "--count", str(COUNT), "--size", "64", "--steps", "2"),
        *("--batch-size", "2", "--shards", "2", "--workers", "1"),
        *("--output", str(output), *more),
    ]


def start(arguments: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        arguments,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
    )


def finish(process: subprocess.Popen[str]) -> None:
    _, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors


@pytest.fixture(scope="module")
def built(tiny: TinyPaths, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("built") / "ld-portrait-20k"
    finish(start(command(tiny, output)))
    return output


def test_from_prompt_to_loader(built: Path, tiny: TinyPaths) -> None:
    import ld_portrait_20k

    assert verify(built, deep=True).problems == []
    manifest = Manifest.load(built)
    assert manifest.generator == "layer-diffusion"
    samples = [
        sample.metadata
        for record in manifest.select()
        for sample in read_samples(built / record.path)
    ]
    assert len(samples) == COUNT
    for metadata in samples:
        made = metadata["generator"]
        assert (made["name"], made["steps"], made["guidance"]) == ("layer-diffusion", 2, 7.0)
        assert made["batch_size"] == 2
        assert len(metadata["prompt"]) > 40
        assert "multiple people" in metadata["negative_prompt"]
        roles = {model["role"] for model in made["models"]}
        assert {"unet", "vae"} <= roles
        assert all(len(model["sha256"]) == 64 for model in made["models"])
    rows = ld_portrait_20k.load_dataset(str(built), split="train", streaming=True)
    assert [row["metadata"]["id"] for row in rows] == [metadata["id"] for metadata in samples]


@pytest.mark.slow
def test_killed_midway_and_run_again_gives_the_same_bytes(
    built: Path, tiny: TinyPaths, tmp_path: Path, digest: Callable[[Path], dict[str, str]]
) -> None:
    output = tmp_path / "out"
    process = start(command(tiny, output))
    units = output / ".work" / "units"
    deadline = time.monotonic() + 200
    while not list(units.glob("*.json")) and time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (output / "manifest.json").exists()
    finish(start(command(tiny, output)))
    assert digest(output) == digest(built)


@pytest.mark.slow
def test_two_devices_are_two_processes(
    built: Path, tiny: TinyPaths, tmp_path: Path, digest: Callable[[Path], dict[str, str]]
) -> None:
    output = tmp_path / "out"
    finish(start(command(tiny, output, "--device", "cpu,cpu")))
    assert digest(output) == digest(built)


def test_other_weights_are_another_plan(built: Path, tiny: TinyPaths, tmp_path: Path) -> None:
    process = start(command(make_tiny(tmp_path / "other", seed=3), built))
    _, errors = process.communicate(timeout=100)
    assert process.returncode == 1
    assert "was planned otherwise: generator.models" in errors
    assert len(errors.strip().splitlines()) == 1
