"""``regenerate --push-to-hub``, killed again and again, against a server that fails."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from builder.cli import main
from builder.hub import verify_remote
from dataset_card import name_repository
from tests.builder.hub.conftest import QUICK, REPO, streamed_ids
from tests.builder.hub.test_survival import fail_a_fifth
from tests.hub import HubServer

KILLS = 5
SAMPLES = int(os.environ.get("LD_PORTRAIT_PUSHED", "0"))
"""If set, so many procedural portraits instead of a folder of a few cut-outs."""

# The command as typed, but for the waits between tries, which would be seconds.
SCRIPT = """
import sys
from builder.hub.retry import RetryPolicy
RetryPolicy.__init__.__defaults__ = (30, 60.0, 0.01, 0.05, 0.05)
from builder.cli import main
sys.exit(main(sys.argv[1:]))
"""


def what_to_build(cutouts: Path) -> list[str]:
    if SAMPLES:
        size = ["--count", str(SAMPLES), "--size", "128", "--shards", "16"]
        return ["--generator", "procedural", *size]
    return ["--generator", "folder", "--source", str(cutouts), "--shards", "6"]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_killed_builds_end_with_the_undisturbed_repository(
    hub: HubServer, cutouts: Path, tmp_path: Path, digest: Callable[[Path], dict[str, str]]
) -> None:
    options = what_to_build(cutouts)
    undisturbed = ["regenerate", *options, "--workers", "1", "--output"]
    assert main([*undisturbed, str(tmp_path / "undisturbed")]) == 0
    wanted = digest(tmp_path / "undisturbed")

    fail_a_fifth(hub, 3)
    output = tmp_path / "built"
    command = [
        *(sys.executable, "-c", SCRIPT, "regenerate", *options, "--workers", "2"),
        *("--output", str(output), "--push-to-hub", "--tag", "v1", "--commit-every", "2"),
    ]
    chance, killed, text = random.Random(5), 0, ""
    while True:
        seen = len(hub.requests)
        process = subprocess.Popen(
            command, env=hub.environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, start_new_session=True,
        )  # fmt: skip
        if killed < KILLS:
            # After some requests and then some time, so that building is hit as well.
            patience = chance.randint(4, 20)
            while process.poll() is None and len(hub.requests) < seen + patience:
                time.sleep(0.005)
            time.sleep(chance.random() * (5 if SAMPLES else 0.2))
            if process.poll() is None:
                if killed % 2:
                    os.killpg(process.pid, signal.SIGKILL)
                else:
                    process.kill()  # the parent alone; its workers have to notice
                killed += 1
                text += process.communicate()[0]
                continue
        text += process.communicate()[0]
        assert process.returncode == 0, text
        break

    assert killed >= 3
    assert digest(output) == wanted
    tree = hub.tree(REPO, "v1")
    tree.pop(".gitattributes")
    assert tree == {p: s for p, s in hub.tree(REPO).items() if p != ".gitattributes"}
    # Card and manifest name the repository; all else is as it was built.
    named = ("README.md", "manifest.json")
    assert {p: s for p, s in tree.items() if p not in named} == {
        p: s for p, s in wanted.items() if p not in named
    }
    card = name_repository((output / "README.md").read_text(), REPO)
    assert tree["README.md"] == hashlib.sha256(card.encode()).hexdigest()
    assert f'load_dataset("{REPO}"' in card
    assert set(hub.repo(REPO).branches) == {"main"}
    assert hub.stored_twice() == 0
    unfinished = [r for r in hub.requests if r.route == "lfs-put" and not r.stored]
    faults = sum(record.fault for record in unfinished)
    assert len(unfinished) <= faults + killed * 4
    failed = sum(record.fault for record in hub.requests) / len(hub.requests)
    assert 0.1 < failed < 0.3
    print(
        f"{killed} kills, {len(hub.requests)} requests, {failed:.0%} failed; "
        f"PUT {hub.traffic()['lfs-put'].bytes_in} bytes for "
        f"{sum(r.bytes_in for r in hub.requests if r.stored)} stored, 0 stored twice"
    )

    hub.clear_faults()
    assert verify_remote(REPO, "v1", deep=True, endpoint=hub.url, policy=QUICK).ok
    default, raw = streamed_ids(hub, ("default", "v1"), ("raw", "main"))
    assert default == raw and len(default) > 10
    # A known token, and everything that was printed or left behind.
    assert hub.token not in text
    for path in [*output.rglob("*"), *(hub.folder / "blobs").iterdir()]:
        assert not path.is_file() or hub.token.encode() not in path.read_bytes()
