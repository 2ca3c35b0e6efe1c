"""Every way in which the Hub says no: one line, an exit code, no token, nothing published."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants
from hypothesis import given
from hypothesis import strategies as st

from builder.cli import main
from builder.hub import (
    ForeignContentError,
    HubError,
    IncompleteError,
    MovedError,
    NoRightError,
    NoTokenError,
    QuotaError,
    RetryPolicy,
    UnreachableError,
    Uploader,
    finish_publication,
    publish,
    verify_remote,
)
from builder.hub.errors import redact
from builder.hub.target import MARK
from ld_portrait_20k.format.manifest import Manifest
from tests.builder.hub.conftest import QUICK, REPO, send
from tests.builder.hub.dataset import make_dataset, published_files
from tests.hub import HubServer


def foreign(hub: HubServer) -> dict[str, Any]:
    hub.store.create("dataset", REPO, False, "tester")
    hub.commit(REPO, {"README.md": b"# My recipes\n", "soup.txt": b"water"})
    return {}


def foreign_manifest(hub: HubServer) -> dict[str, Any]:
    hub.store.create("dataset", REPO, False, "tester")
    hub.commit(REPO, {"manifest.json": b'{"name": "another"}'})
    return {}


def quota(hub: HubServer) -> dict[str, Any]:
    hub.store.quota = 30_000
    return {}


def tag_taken(hub: HubServer) -> dict[str, Any]:
    repo = hub.store.create("dataset", REPO, False, "tester")
    repo.tags["v1"] = repo.branches["main"]
    hub.commit(REPO, {"README.md": MARK.encode()})
    return {"tag": "v1"}


def revision_is_a_tag(hub: HubServer) -> dict[str, Any]:
    repo = hub.store.create("dataset", REPO, False, "tester")
    repo.tags["v1"] = repo.branches["main"]
    return {"revision": "v1"}


def gone(hub: HubServer) -> dict[str, Any]:
    hub.add_fault(status=503)
    return {"policy": RetryPolicy(attempts=3, first=0.01)}


def denied_late(hub: HubServer) -> dict[str, Any]:
    hub.add_fault(path="/commit/|/branch/", status=403, message="Forbidden")
    return {}


CASES: dict[str, tuple[Callable[[HubServer], dict[str, Any]], type[HubError], int]] = {
    "no token": (lambda hub: {"token": None}, NoTokenError, 21),
    "unknown token": (lambda hub: {"token": "hf_unknownunknown"}, NoTokenError, 21),
    "reader": (lambda hub: {"token": "hf_readerreader"}, NoRightError, 22),
    "reads in lab": (
        lambda hub: {"token": "hf_membermember", "repo_id": "lab/x"}, NoRightError, 22,
    ),
    "another's name": (lambda hub: {"repo_id": "other/x"}, NoRightError, 22),
    "denied late": (denied_late, NoRightError, 22),
    "foreign": (foreign, ForeignContentError, 23),
    "foreign manifest": (foreign_manifest, ForeignContentError, 23),
    "quota": (quota, QuotaError, 24),
    "tag taken": (tag_taken, MovedError, 25),
    "revision is a tag": (revision_is_a_tag, MovedError, 25),
    "gone": (gone, UnreachableError, 26),
    "bad revision": (lambda hub: {"revision": "refs/heads/x"}, HubError, 20),
    "bad tag": (lambda hub: {"tag": "one two"}, HubError, 20),
    "bad id": (lambda hub: {"repo_id": "a b"}, HubError, 20),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_refusal(
    hub: HubServer, dataset: Path, case: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    arrange, kind, code = CASES[case]
    options = arrange(hub)
    with pytest.raises(HubError) as refused:
        send(hub, dataset, **options)
    assert type(refused.value) is kind and refused.value.exit_code == code
    told = str(refused.value)
    assert "\n" not in told and len(told) < 400
    for token in hub.tokens:
        assert token not in told and token not in caplog.text
    assert not any("manifest.json" in repo.files() and kind is not ForeignContentError
                   for repo in hub.store.repos.values())  # fmt: skip


REFUSED_NAMES = (
    {"repo_id": "tester/a--b"},
    {"repo_id": "tester/a..b"},
    {"repo_id": "tester/x.git"},
    {"repo_id": "tester/x-"},
    {"repo_id": "tester./x"},
    {"repo_id": f"tester/{'x' * 90}"},
    {"tag": "v1.lock"},
    {"tag": "v1."},
    {"tag": "v1..2"},
    {"tag": "HEAD"},
    {"revision": "incomplete-main"},
)


@pytest.mark.parametrize("names", REFUSED_NAMES, ids=str)
@pytest.mark.parametrize("dry_run", [False, True])
def test_names_that_the_hub_or_git_refuses_are_never_sent(
    hub: HubServer, dataset: Path, names: dict[str, str], dry_run: bool
) -> None:
    options: dict[str, Any] = {"repo_id": REPO, **names}
    with pytest.raises(HubError, match=r"not a (repository id|name for)") as refused:
        publish(dataset, dry_run=dry_run, token=hub.token, endpoint=hub.url, **options)
    assert refused.value.exit_code == 20
    assert not hub.requests


def test_no_server_at_all(dataset: Path) -> None:
    with pytest.raises(UnreachableError, match="connection failed"):
        publish(
            dataset, token="hf_somebody", endpoint="http://127.0.0.1:9",
            policy=RetryPolicy(attempts=2, first=0.01),
        )  # fmt: skip


def test_offline_mode(hub: HubServer, dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(HubError, match="HF_HUB_OFFLINE"):
        send(hub, dataset)


def test_the_revision_moves_under_us(hub: HubServer, dataset: Path, tmp_path: Path) -> None:
    send(hub, dataset)
    grown = tmp_path / "grown"
    make_dataset(grown, shards=6)
    with Uploader(REPO, token=hub.token, endpoint=hub.url, policy=QUICK) as uploader:
        theirs = hub.commit(REPO, {"README.md": b"edited on the website"})
        with pytest.raises(MovedError, match=theirs[:12]):
            finish_publication(grown, uploader)
    assert hub.repo(REPO).branches["main"] == theirs
    # The same command again builds on what is there now.
    sent = hub.traffic()["lfs-put"].bytes_in
    send(hub, grown)
    assert hub.tree(REPO)["README.md"] == published_files(grown)["README.md"]
    assert hub.traffic()["lfs-put"].bytes_in == sent


def test_a_taken_tag_is_told_before_the_last_commit(
    hub: HubServer, dataset: Path, tmp_path: Path
) -> None:
    send(hub, dataset, tag="v1")
    grown = tmp_path / "grown"
    make_dataset(grown, shards=6)
    with pytest.raises(MovedError, match="v1"):
        send(hub, grown, tag="v1")
    assert hub.tree(REPO)["README.md"] == published_files(dataset)["README.md"]


def test_a_page_of_metadata_from_the_website_is_not_foreign(hub: HubServer, dataset: Path) -> None:
    hub.store.create("dataset", REPO, False, "tester")
    hub.commit(REPO, {"README.md": b"---\nlicense: cc0-1.0\n---\n"})
    assert send(hub, dataset).changed


def test_verify_refuses_what_is_not_there(hub: HubServer, dataset: Path) -> None:
    with pytest.raises(IncompleteError, match="no such dataset"):
        verify_remote(REPO, endpoint=hub.url)
    send(hub, dataset)
    with pytest.raises(IncompleteError, match="no such revision"):
        verify_remote(REPO, "v9", endpoint=hub.url)
    hub.store.create("dataset", "tester/x", False, "tester")
    with pytest.raises(IncompleteError, match="incomplete"):
        verify_remote("tester/x", endpoint=hub.url)


def test_no_secret_anywhere(hub: HubServer, dataset: Path) -> None:
    """Everything that a process prints at the most talkative level, and every file it leaves."""
    hub.add_fault(every=3, status=429, retry_after=0, message="slow down hf_abcdefghijkl")
    hub.add_fault(every=7, path="/lfs/|commit", drop_answer=True)
    script = (
        "import logging; from pathlib import Path\n"
        "logging.basicConfig(level='DEBUG')\n"
        "from builder.hub import *\n"
        "policy = RetryPolicy(first=0.01, longest=0.05, attempts=30)\n"
        f"root = Path({str(dataset)!r})\n"
        "print(publish(root, tag='v1', policy=policy))\n"
        f"print(verify_remote({REPO!r}, deep=True, policy=policy))\n"
        f"print(remote_status({REPO!r}, policy=policy))\n"
        "print(Uploader(policy=policy).client.__dict__.keys(), Uploader(policy=policy).client)"
    )
    before = published_files(dataset)
    environment = hub.environment() | {"HF_DEBUG": "1"}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True
    )
    text = done.stdout + done.stderr
    assert done.returncode == 0, text
    for secret in (hub.token, "sig=", "hf_abcdefghijkl"):
        assert [line for line in text.splitlines() if secret in line] == []
    assert "trying again" in text and published_files(dataset) == before
    for folder in (dataset, hub.folder):
        for path in folder.rglob("*"):
            assert not path.is_file() or hub.token.encode() not in path.read_bytes()


SECRET = st.from_regex(r"hf_[A-Za-z0-9]{20,40}", fullmatch=True)


@given(SECRET, st.text(max_size=40), st.text(max_size=40))
def test_redaction(secret: str, before: str, after: str) -> None:
    for text in (
        f"{before} {secret} {after}",
        f"{before}Bearer {secret}\n{after}",
        f"{before}https://x.example/a?b=1&X-Amz-Signature={secret}&c=2 {after}",
        f"{before}https://{secret}@x.example/ {after}",
    ):
        told = redact(text)
        assert secret not in told and "\n" not in told
        assert secret not in str(HubError(text))


@given(st.text(min_size=6, max_size=30))
def test_the_given_secret_is_hidden_whatever_it_looks_like(secret: str) -> None:
    line = " ".join(secret.split())
    told = redact(f"a {secret} b", line) if line else ""
    assert not line or line not in told.replace("[hidden]", "")


def test_manifest_of_a_newer_format_is_not_overwritten(hub: HubServer, dataset: Path) -> None:
    send(hub, dataset)
    newer = Manifest.load(dataset).to_json().replace('"format":1', '"format":99')
    hub.commit(REPO, {"manifest.json": newer.encode()})
    with pytest.raises(ForeignContentError):
        send(hub, dataset)
    assert os.environ.get("HF_TOKEN") is None


@pytest.mark.parametrize(("command", "code"), [("status", 3), ("verify", 27)])
def test_a_misspelt_folder_is_told_before_the_hub_is_asked(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    command: str, code: int,
) -> None:  # fmt: skip
    monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    assert main([command, "tester/nowhere"]) == code
    told = capsys.readouterr().err.splitlines()
    assert told[0] == "no folder tester/nowhere here: asking the Hub for tester/nowhere"
