"""A Hub on loopback and a small dataset for every test here."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

from builder.hub import PublishReport, RetryPolicy, publish
from tests.builder.hub.dataset import make_dataset
from tests.hub import HubServer, Token

QUICK = RetryPolicy(attempts=12, patience=20, first=0.01, longest=0.05, longest_asked=0.05)
REPO = "tester/ld-portrait-20k"


@pytest.fixture(autouse=True)
def _no_account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No token or endpoint of the person who runs the tests may be used."""
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "none"))
    monkeypatch.setattr(constants, "HF_STORED_TOKENS_PATH", str(tmp_path / "none either"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)


@pytest.fixture
def hub() -> Iterator[HubServer]:
    tokens = {
        "hf_readerreader": Token("reader", "read"),
        "hf_membermember": Token("member", orgs={"lab": "read"}),
        "hf_otherother": Token("other"),
    }
    with HubServer(tokens=tokens, page_size=4) as server:
        yield server


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    root = tmp_path / "built"
    make_dataset(root)
    return root


def send(hub: HubServer, root: Path, **options: Any) -> PublishReport:
    given: dict[str, Any] = {"token": hub.token, "endpoint": hub.url, "policy": QUICK}
    return publish(root, **(given | options))


def python(hub: HubServer, script: str) -> subprocess.CompletedProcess[str]:
    """Run a script in a process for which the loopback server is the Hub."""
    return subprocess.run(
        [sys.executable, "-c", script], env=hub.environment(), capture_output=True, text=True
    )


def streamed_ids(hub: HubServer, *wanted: tuple[str, str]) -> list[list[str]]:
    """The ids that the stock library streams, for each pair of configuration and revision."""
    done = python(
        hub,
        "import datasets, json\n"
        f"for config, revision in {list(wanted)!r}:\n"
        f"    rows = datasets.load_dataset({REPO!r}, config, split='train', streaming=True,"
        " revision=revision)\n"
        "    rows = list(rows)\n"
        "    assert {(r['foreground.png'].mode, r['alpha.png'].mode) for r in rows}"
        " == {('RGB', 'L')}\n"
        "    print(json.dumps([row['json']['id'] for row in rows]))",
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]
