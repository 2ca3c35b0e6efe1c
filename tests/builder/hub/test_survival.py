"""A server that fails, answers that get lost, and a publisher that is killed again and again."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from builder.hub import (
    HubError,
    RetryPolicy,
    UnreachableError,
    Uploader,
    finish_publication,
    verify_remote,
)
from ld_portrait_20k.format.manifest import Manifest
from tests.builder.hub.conftest import QUICK, REPO, send, streamed_ids
from tests.builder.hub.dataset import make_dataset, published_files
from tests.hub import HubServer

SHARES: dict[str, dict[str, Any]] = {
    "busy": {"status": 429, "retry_after": 1},
    "broken": {"status": 500},
    "away": {"status": 503},
    "cut request": {"cut_request": 2000},
    "cut answer": {"cut": 10},
    "lost answer": {"drop_answer": True},
}
"""The ways to fail; together a fifth of all requests."""

THREADS = 4
KILLS = int(os.environ.get("LD_PORTRAIT_KILLS", "6"))
"""How often the killed publisher is killed; set the variable for a longer trial."""


def fail_a_fifth(hub: HubServer, seed: int) -> None:
    # The rules are tried in turn, so each has to catch its share of what the others let pass.
    left = 1.0
    for n, how in enumerate(SHARES.values()):
        share = 0.2 / len(SHARES)
        hub.add_fault(probability=share / left, seed=seed * 100 + n, **how)
        left -= share


def check_the_result(hub: HubServer, root: Path, revision: str = "main") -> None:
    tree = hub.tree(REPO, revision)
    tree.pop(".gitattributes")
    assert tree == published_files(root)
    repo = hub.repo(REPO)
    for commit in repo.commits.values():
        if commit.parent is not None:
            before = repo.commits[commit.parent].files
            assert commit.files != before, f"{commit.title}: committed twice"


def check_the_bytes(hub: HubServer, root: Path, interruptions: int) -> None:
    """Nothing that the server had stored was sent again."""
    puts = [record for record in hub.requests if record.route == "lfs-put"]
    done = [record for record in puts if record.stored]
    shards = {s.sha256: s.bytes for s in Manifest.load(root).shards}
    assert hub.stored_twice() == 0
    assert len(done) == len({record.oid for record in done})
    useful = sum(record.bytes_in for record in done if record.oid in shards)
    assert useful == sum(shards.values())
    faults = sum(record.fault for record in puts)
    assert len(puts) - len(done) <= faults + interruptions * THREADS


@pytest.mark.parametrize("seed", range(3))
def test_a_fifth_of_the_requests_fails(hub: HubServer, tmp_path: Path, seed: int) -> None:
    root = tmp_path / "built"
    make_dataset(root, shards=8, seed=seed)
    fail_a_fifth(hub, seed)
    report = send(hub, root, tag="v1", commit_every=3)
    failed = sum(record.fault for record in hub.requests)
    assert failed > 0.1 * len(hub.requests) and report.failures >= 0.5 * failed
    check_the_result(hub, root, "v1")
    check_the_bytes(hub, root, 0)
    found = verify_remote(REPO, "v1", deep=True, endpoint=hub.url, policy=QUICK)
    assert found.ok and found.samples == 24


@pytest.mark.parametrize("path", ["/commit/main", "/commit/incomplete", "/branch/", "/tag/",
                                  "/repos/create", "/lfs/object/"])  # fmt: skip
def test_every_answer_of_a_kind_is_lost(hub: HubServer, dataset: Path, path: str) -> None:
    """Done, every first time, without an answer: then done once all the same."""
    lost = hub.add_fault(path=path, method="POST|PUT|DELETE", drop_answer=True, times=3)
    send(hub, dataset, tag="v1", commit_every=2)
    assert lost.fired >= 1
    check_the_result(hub, dataset, "v1")
    check_the_bytes(hub, dataset, 0)
    assert set(hub.repo(REPO).branches) == {"main"}
    assert len(hub.repo(REPO).history()) == 3


def test_a_commit_that_failed_before_it_landed_is_sent_again(hub: HubServer, dataset: Path) -> None:
    hub.add_fault(path="/commit/", every=2, status=502)
    hub.add_fault(path="/commit/", every=3, cut_request=100)
    send(hub, dataset, commit_every=2)
    check_the_result(hub, dataset)


def test_a_commit_lands_late(hub: HubServer, dataset: Path, tmp_path: Path) -> None:
    """The answer is lost, and when asked the server has not even done it yet."""
    send(hub, dataset)
    grown = tmp_path / "grown"
    make_dataset(grown, shards=5)
    with Uploader(REPO, token=hub.token, endpoint=hub.url, policy=QUICK) as uploader:
        real = uploader.client.commit_once
        calls = []

        def twice(repo_id: str, branch: str, lines: object) -> str:
            calls.append(branch)
            if calls.count("main") == 1 and branch == "main":
                from builder.hub.retry import TransientError

                calls.append("waiting")
                raise TransientError("no answer in time")
            if "waiting" in calls and branch == "main":
                calls.remove("waiting")
                real(repo_id, branch, lines)  # type: ignore[arg-type]
            return real(repo_id, branch, lines)  # type: ignore[arg-type]

        uploader.client.commit_once = twice  # type: ignore[method-assign]
        finish_publication(grown, uploader)
    check_the_result(hub, grown)
    assert len(hub.repo(REPO).history()) == 4


def test_a_long_retry_after_is_capped(hub: HubServer, dataset: Path) -> None:
    hub.add_fault(path="/preupload/", status=429, retry_after=86400, times=1)
    hub.add_fault(path="/commit/", status=429, retry_after=86400, times=1)
    begun = time.monotonic()
    report = send(hub, dataset)
    assert report.failures == 2 and time.monotonic() - begun < 10


def test_a_server_that_stays_away_is_given_up(hub: HubServer, dataset: Path) -> None:
    hub.add_fault(path="/lfs/object/", status=503)
    with pytest.raises(UnreachableError, match="12 times"):
        send(hub, dataset)
    assert set(hub.tree(REPO)) == {".gitattributes", "README.md"}
    hub.clear_faults()
    send(hub, dataset)
    check_the_result(hub, dataset)


def test_expired_addresses_are_renewed(hub: HubServer, dataset: Path, tmp_path: Path) -> None:
    hub.add_fault(path="/objects/verify", status=404, times=1)
    hub.add_fault(path="/lfs/object/", status=403, message="Request has expired", times=2)
    with pytest.raises(HubError, match="verifying"):
        send(hub, dataset)  # stored, but not to be found: told, and mended by the next run
    send(hub, dataset)
    check_the_result(hub, dataset)
    hub.multipart_above, hub.chunk_size = 1000, 1000
    hub.add_fault(path="/lfs/part/", status=403, message="Request has expired", every=30, times=2)
    make_dataset(tmp_path / "parts", seed=9)
    send(hub, tmp_path / "parts")
    check_the_result(hub, tmp_path / "parts")


BRIEF = RetryPolicy(attempts=1)


def outcome(hub: HubServer, old: dict[str, str] | None, new: dict[str, str]) -> str:
    """What main holds; anything but the few allowed states fails."""
    if not hub.store.repos:
        return "absent"
    tree = hub.tree(REPO)
    tree.pop(".gitattributes")
    if old is not None:
        assert tree in (old, new)
        return "new" if tree == new else "old"
    assert tree == new or set(tree) <= {"README.md"}
    return "new" if tree == new else "incomplete" if tree else "empty"


@pytest.mark.parametrize("update", [False, True], ids=["first", "update"])
def test_death_at_every_request(tmp_path: Path, update: bool) -> None:
    """Request n is done, unanswered, and the connection is dead from then on; for every n."""
    first, root = tmp_path / "first", tmp_path / "built"
    make_dataset(first, shards=1, samples=1, raw=False, seed=3)
    make_dataset(root, shards=3, samples=1, raw=False)
    old, new = published_files(first) if update else None, published_files(root)
    seen: list[str] = []
    while "done" not in seen:
        n = len(seen)
        with HubServer() as hub:
            if update:
                send(hub, first)
            hub.add_fault(skip=n, times=1, drop_answer=True)
            hub.add_fault(skip=n, status=503)
            try:
                send(hub, root, tag="v1", commit_every=2, policy=BRIEF)
                seen.append("done")
            except UnreachableError:
                seen.append(outcome(hub, old, new))
            hub.clear_faults()
            send(hub, root, tag="v1")
            assert outcome(hub, old, new) == "new"
            check_the_result(hub, root, "v1")
            check_the_bytes(hub, root, 1)
            assert set(hub.repo(REPO).branches) == {"main"}
    states = ["old"] if update else ["absent", "empty", "incomplete"]
    assert len(seen) > 20 and list(dict.fromkeys(seen)) == [*states, "new", "done"]


SCRIPT = """
import sys
from pathlib import Path
from typing import Any
from builder.hub import Uploader, RetryPolicy, finish_publication
from ld_portrait_20k.format.manifest import Manifest
policy = RetryPolicy(attempts=30, first=0.01, longest=0.05, longest_asked=0.05)
root = Path(sys.argv[1])
with Uploader(policy=policy, tag="v1", commit_every=3, threads=4) as uploader:
    for shard in Manifest.load(root).shards:
        uploader.add(shard.path, root / shard.path, shard.sha256, shard.bytes)
    finish_publication(root, uploader)
"""


def test_killed_again_and_again(hub: HubServer, tmp_path: Path) -> None:
    """SIGKILL after a random number of requests, a fifth of which fail; then left alone."""
    root = tmp_path / "built"
    make_dataset(root, shards=16, samples=2, seed=7)
    fail_a_fifth(hub, 7)
    chance, killed = random.Random(11), 0
    for _ in range(10 * KILLS):
        seen, patience = len(hub.requests), chance.randint(3, 30)
        process = subprocess.Popen([sys.executable, "-c", SCRIPT, str(root)],
                                   env=hub.environment())  # fmt: skip
        while process.poll() is None and len(hub.requests) < seen + patience:
            time.sleep(0.002)
        if process.poll() is None and killed < KILLS:
            process.send_signal(signal.SIGKILL)
            killed += 1
            process.wait()
            # At every such moment the revision is absent, empty, the placeholder, or whole.
            if hub.store.repos:
                present = set(hub.tree(REPO)) - {".gitattributes"}
                assert present in (set(), {"README.md"}, set(published_files(root)))
            continue
        assert process.wait() == 0
        if killed == KILLS or hub.repo(REPO).tags:
            break
    send(hub, root, tag="v1")
    assert killed >= min(KILLS, 4)
    check_the_result(hub, root, "v1")
    check_the_bytes(hub, root, killed)
    hub.clear_faults()  # the stock library gives up at the first 503
    assert (
        streamed_ids(hub, ("default", "v1"), ("raw", "main"))
        == [[f"ldp-{n:07d}" for n in range(32)]] * 2
    )


def test_ctrl_c_ends_at_once(hub: HubServer, dataset: Path) -> None:
    hub.add_fault(path="/lfs/object/", delay=20)
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(dataset)],
        env=hub.environment(), stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while not any(record.route == "lfs-put" for record in hub.requests):
        time.sleep(0.01)
    begun = time.monotonic()
    process.send_signal(signal.SIGINT)
    told = process.communicate(timeout=10)[1]
    assert time.monotonic() - begun < 2 and "KeyboardInterrupt" in told
    hub.clear_faults()
    send(hub, dataset)
    check_the_result(hub, dataset)
