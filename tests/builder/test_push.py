"""Publishing from the command line, against a Hub on loopback.

What it survives is tested in tests/builder/hub/.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants

from builder.cli import main
from tests.hub import HubServer

REPO = "tester/ld-portrait-20k"
TOKEN = "hf_thisisthesecretofthetest"


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with HubServer(
        token=TOKEN, user="tester", multipart_above=200_000, chunk_size=70_000
    ) as server:
        yield server


@pytest.fixture
def in_hub(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> HubServer:
    """The loopback server is the Hub of this very process."""
    for name, value in hub.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(constants, "ENDPOINT", hub.url)  # read from the environment at import
    return hub


def test_from_the_command_line(
    in_hub: HubServer, cutouts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    build = ["--generator", "folder", "--source", str(cutouts), "--count", "6", "--workers", "0"]
    assert main(["regenerate", *build, "--output", str(output)]) == 0
    assert main(["status", REPO]) == 3
    capsys.readouterr()
    assert main(["publish", str(output), "--dry-run"]) == 0
    assert "nothing was sent" in capsys.readouterr().out
    assert main(["publish", str(output), "--tag", "v1", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["repo_id"], report["tag"], report["changed"]) == (REPO, "v1", True)
    assert main(["status", REPO, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["hub"]["samples"] == 6
    assert main(["status", str(output), "--check", "--repo-id", REPO]) == 0
    shown = capsys.readouterr().out
    assert "1 verified" in shown
    assert f"{REPO}@main: published" in shown
    assert main(["verify", f"{REPO}@v1", "--deep"]) == 0
    assert "every byte read: sound" in capsys.readouterr().out
    assert main(["regenerate", *build, "--output", str(output), "--push-to-hub"]) == 0
    assert "0.0 MiB sent" in capsys.readouterr().out


def test_growing_a_published_dataset_sends_the_new_shards_alone(
    in_hub: HubServer, cutouts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    build = ["--generator", "folder", "--source", str(cutouts), "--workers", "0"]
    push = ["--output", str(output), "--push-to-hub", "--json"]
    assert main(["regenerate", *build, "--count", "8", "--shards", "2", *push, "--tag", "v1"]) == 0
    first = json.loads(capsys.readouterr().out)
    assert main(["regenerate", *build, "--count", "16", *push, "--tag", "v2"]) == 0
    second = json.loads(capsys.readouterr().out)
    assert (first["samples"], second["samples"]) == (8, 16)
    assert in_hub.stored_twice() == 0
    assert len(hub_shards(in_hub, "v1")) == 4
    assert hub_shards(in_hub, "v1") < hub_shards(in_hub, "v2")


def hub_shards(hub: HubServer, revision: str) -> set[str]:
    return {value for name, value in hub.tree(REPO, revision).items() if name.endswith(".tar")}


def test_without_a_token_nothing_is_built(
    hub: HubServer, cutouts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "none"))
    began = time.monotonic()
    code = main(
        [
            *("regenerate", "--generator", "folder", "--source", str(cutouts)),
            *("--output", str(tmp_path / "out"), "--push-to-hub"),
        ]
    )
    assert code > 20
    assert time.monotonic() - began < 5
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert len(error.splitlines()) == 1
    assert not (tmp_path / "out").exists()
