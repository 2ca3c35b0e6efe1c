"""Uploading with hf_xet on: to a xet store, to a server without one, and to one that is down.

In processes of their own, since huggingface_hub reads HF_HUB_DISABLE_XET when imported.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.builder.hub.conftest import REPO
from tests.builder.hub.dataset import published_files
from tests.hub import HubServer

pytest.importorskip("hf_xet")


def publish_with_xet(hub: HubServer, dataset: Path) -> tuple[int, str]:
    """Publish in a process with xet on; the bytes sent, and the log."""
    script = (
        "import logging; from pathlib import Path\n"
        "from builder.hub import Uploader, finish_publication\n"
        "logging.basicConfig(level='INFO')\n"
        "with Uploader(tag='v1', xet_patience=5) as uploader:\n"
        f"    print(finish_publication(Path({str(dataset)!r}), uploader).bytes_sent)"
    )
    environment = hub.environment() | {"HF_HUB_DISABLE_XET": "0"}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert hub.token not in done.stdout + done.stderr
    tree = hub.tree(REPO, "v1")
    tree.pop(".gitattributes")
    assert tree == published_files(dataset)
    return int(done.stdout), done.stderr


def test_a_xet_store(dataset: Path, tmp_path: Path) -> None:
    with HubServer(xet_url=f"local://{tmp_path / 'xet store'}") as hub:
        sent, log = publish_with_xet(hub, dataset)
        assert sent > 0 and "through xet" in log
        assert {"lfs-batch", "lfs-put"}.isdisjoint(hub.traffic())
        again, _ = publish_with_xet(hub, dataset)
        assert again == 0


def test_a_xet_store_that_is_down(dataset: Path) -> None:
    with HubServer(xet_url="http://127.0.0.1:9") as hub:
        _, log = publish_with_xet(hub, dataset)
        assert log.count("going on through git LFS") == 1
        assert hub.traffic()["lfs-put"].requests == 9


def test_a_server_without_xet(dataset: Path) -> None:
    with HubServer() as hub:
        _, log = publish_with_xet(hub, dataset)
        assert "through git LFS" in log and hub.traffic()["xet-token"].requests == 1
