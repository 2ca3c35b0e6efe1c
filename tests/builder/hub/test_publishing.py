"""Publishing, updating and resuming against the loopback Hub."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from builder.cli.hub_options import print_published
from builder.hub import (
    ForeignContentError,
    HubError,
    IncompleteError,
    LocalError,
    NoTokenError,
    Uploader,
    UploadState,
    finish_publication,
    publish,
    remote_status,
)
from builder.hub.client import HubClient
from builder.hub.commits import CommitBudget
from ld_portrait_20k.format import schema
from ld_portrait_20k.format.manifest import Manifest
from tests.builder.hub.conftest import QUICK, REPO, python, send, streamed_ids
from tests.builder.hub.dataset import make_dataset, published_files
from tests.hub import HubServer


def on_the_hub(hub: HubServer, revision: str = "main") -> dict[str, str]:
    tree = hub.tree(REPO, revision)
    tree.pop(".gitattributes")
    return tree


def test_a_folder_becomes_a_dataset_that_loads(hub: HubServer, dataset: Path) -> None:
    states: list[UploadState] = []
    report = send(hub, dataset, tag="v1", commit_every=3, progress=states.append)
    assert on_the_hub(hub) == on_the_hub(hub, "v1") == published_files(dataset)
    repo = hub.repo(REPO)
    assert set(repo.branches) == {"main"} and repo.tags == {"v1": report.commit}
    # The revision was touched twice: the placeholder, and everything at once.
    assert [c.title for c in repo.history()][1:] == ["Upload in progress", "initial commit"]
    assert report.repo_id == REPO and report.shards == 8 and report.commits == 1 + 3 + 1
    assert states[-1].committed == states[-1].uploaded == 8
    assert states[-1].bytes_added == report.bytes == report.bytes_to_send
    assert json.loads(json.dumps(report.to_dict()))["tag"] == "v1"
    ids = [schema.sample_id(n) for n in range(12)]
    assert streamed_ids(hub, ("default", "main"), ("raw", "v1")) == [ids, ids]


def test_again_sends_and_commits_nothing(hub: HubServer, dataset: Path) -> None:
    first = send(hub, dataset, tag="v1")
    puts, commits = hub.traffic()["lfs-put"].requests, hub.traffic()["commit"].requests
    again = send(hub, dataset, tag="v1")
    assert (again.changed, again.commit, again.bytes_sent) == (False, first.commit, 0)
    assert again.bytes_to_send == again.commits == 0
    assert hub.traffic()["lfs-put"].requests == puts
    assert hub.traffic()["commit"].requests == commits
    assert set(hub.repo(REPO).branches) == {"main"}


def test_a_dry_run_changes_nothing_and_tells_the_truth(hub: HubServer, dataset: Path) -> None:
    plan = send(hub, dataset, dry_run=True, tag="v1", commit_every=3)
    assert not hub.store.repos and plan.commit is None and plan.changed
    assert {r.method for r in hub.requests} <= {"GET", "POST"}
    done = send(hub, dataset, tag="v1", commit_every=3)
    assert (plan.shards, plan.bytes, plan.bytes_to_send) == (
        done.shards, done.bytes, done.bytes_to_send,
    )  # fmt: skip
    # Uploads that finish at the same time share a commit.
    assert plan.commits - 1 <= done.commits <= plan.commits
    assert set(plan.files) == set(done.files) and plan.url == done.url
    after = send(hub, dataset, dry_run=True)
    assert (after.changed, after.bytes_to_send, after.commits) == (False, 0, 0)


def test_a_dry_run_needs_no_token(hub: HubServer, dataset: Path) -> None:
    asked: dict[str, Any] = {"dry_run": True, "token": None}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("huggingface_hub.get_token", lambda: None)
        fresh = send(hub, dataset, repo_id=REPO, **asked)
        assert fresh.changed and not fresh.rights_known and fresh.bytes_to_send == fresh.bytes > 0
        send(hub, dataset)
        after = send(hub, dataset, repo_id=REPO, **asked)
        assert (after.changed, after.bytes_to_send, after.rights_known) == (False, 0, False)
        with pytest.raises(NoTokenError, match="--repo-id NAME/ld-portrait-20k"):
            send(hub, dataset, **asked)
    assert send(hub, dataset, dry_run=True).rights_known


def record_card(root: Path) -> None:
    """Put the card in the manifest, as a build does."""
    manifest = Manifest.load(root)
    card = (root / "README.md").read_bytes()
    about = {"bytes": len(card), "sha256": hashlib.sha256(card).hexdigest()}
    manifest.files["README.md"] = about
    (root / "manifest.json").write_text(manifest.to_json())


def test_a_card_edited_on_the_website_is_not_replaced_unasked(
    hub: HubServer, dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record_card(dataset)
    send(hub, dataset)
    assert not send(hub, dataset, dry_run=True).card_edited
    edited = (dataset / "README.md").read_bytes() + b"\nThanks to all who helped.\n"
    hub.commit(REPO, {"README.md": edited})
    grown = tmp_path / "grown"
    make_dataset(grown, shards=6, seed=1)
    record_card(grown)
    for root in (dataset, grown):
        plan = send(hub, root, dry_run=True)
        assert plan.card_edited
        print_published(plan)
        assert "--overwrite-card" in capsys.readouterr().out
        with pytest.raises(ForeignContentError, match="--overwrite-card"):
            send(hub, root)
    assert hub.read(REPO, "README.md") == edited
    assert set(hub.repo(REPO).branches) == {"main"}  # refused before anything was sent
    plan = send(hub, dataset, dry_run=True, overwrite_card=True)
    assert plan.changed and send(hub, dataset, overwrite_card=True).changed
    assert on_the_hub(hub) == published_files(dataset)


@pytest.mark.parametrize("revision", ["main", "other"])
def test_a_commit_that_lost_files_is_neither_named_nor_tagged(
    hub: HubServer, dataset: Path, monkeypatch: pytest.MonkeyPatch, revision: str
) -> None:
    real = HubClient.commit_once

    def forgetful(self: HubClient, repo_id: str, branch: str, lines: Any) -> str:
        if any(line["value"].get("path") == "manifest.json" for line in lines):
            lines = [line for line in lines if line["value"].get("path") != "LICENSE"]
        return real(self, repo_id, branch, lines)

    monkeypatch.setattr(HubClient, "commit_once", forgetful)
    with pytest.raises(IncompleteError, match=r"LICENSE.*not tagged"):
        send(hub, dataset, revision=revision, tag="v1")
    repo = hub.repo(REPO)
    assert not repo.tags and f"incomplete-{revision}" in repo.branches
    assert "other" not in repo.branches
    monkeypatch.undo()
    send(hub, dataset, revision=revision, tag="v1")
    assert on_the_hub(hub, "v1") == on_the_hub(hub, revision) == published_files(dataset)


def test_a_tag_that_stands_is_not_posted_again(hub: HubServer, dataset: Path) -> None:
    send(hub, dataset, tag="v1")
    posts = sum(r.method == "POST" and "/tag/" in r.path for r in hub.requests)
    hub.add_fault(method="POST", path="/tag/", status=500)
    assert send(hub, dataset, tag="v1").failures == 0
    assert sum(r.method == "POST" and "/tag/" in r.path for r in hub.requests) == posts == 1


def test_the_old_dataset_stays_whole_until_the_last_commit(
    hub: HubServer, dataset: Path, tmp_path: Path
) -> None:
    send(hub, dataset, tag="v1")
    old = on_the_hub(hub)
    grown = tmp_path / "grown"
    make_dataset(grown, shards=6, seed=1)
    seen = []

    def watch(state: UploadState) -> None:
        seen.append(on_the_hub(hub))

    report = send(hub, grown, tag="v2", commit_every=2, progress=watch)
    assert len(seen) > 10 and all(tree == old for tree in seen)
    assert on_the_hub(hub) == on_the_hub(hub, "v2") == published_files(grown)
    assert on_the_hub(hub, "v1") == old
    assert len(report.deleted) == 8  # the shards "-of-00004", which the globs would match
    now, before = streamed_ids(hub, ("default", "main"), ("default", "v1"))
    assert (len(now), len(before)) == (18, 12)


def test_renamed_shards_are_not_sent_again(hub: HubServer, dataset: Path, tmp_path: Path) -> None:
    send(hub, dataset)
    more = tmp_path / "more"
    make_dataset(more, shards=5)  # the first four have the same samples under new names
    report = send(hub, more)
    sizes = [s.bytes for s in Manifest.load(more).shards if "00004-of" in s.path]
    assert report.bytes_to_send == report.bytes_sent == sum(sizes)
    assert on_the_hub(hub) == published_files(more) and hub.stored_twice() == 0


def test_a_new_revision_appears_whole(hub: HubServer, dataset: Path, tmp_path: Path) -> None:
    send(hub, dataset)
    other = tmp_path / "other"
    make_dataset(other, shards=2, seed=5)
    present = []
    send(
        hub, other, revision="refined-2", commit_every=1, tag="v2",
        progress=lambda state: present.append("refined-2" in hub.repo(REPO).branches),
    )  # fmt: skip
    assert present and not any(present)
    assert on_the_hub(hub, "refined-2") == on_the_hub(hub, "v2") == published_files(other)
    assert on_the_hub(hub) == published_files(dataset)
    assert set(hub.repo(REPO).branches) == {"main", "refined-2"}


def test_an_interrupted_first_upload_says_so(hub: HubServer, dataset: Path) -> None:
    with Uploader(token=hub.token, endpoint=hub.url, policy=QUICK) as uploader:
        for shard in Manifest.load(dataset).shards[:3]:
            uploader.add(shard.path, dataset / shard.path, shard.sha256, shard.bytes)
        uploader.wait()
    assert set(on_the_hub(hub)) == {"README.md"}
    loaded = python(hub, f"import datasets; datasets.load_dataset({REPO!r})")
    assert loaded.returncode != 0 and "doesn't contain any data files" in loaded.stderr
    assert b"Upload in progress" in hub.read(REPO, "README.md")
    status = remote_status(REPO, endpoint=hub.url)
    assert (status.state, status.shards, status.uploading) == ("incomplete", 0, 3)
    sent = hub.traffic()["lfs-put"].bytes_in
    report = send(hub, dataset)
    assert report.bytes_to_send == report.bytes - sum(
        shard.bytes for shard in Manifest.load(dataset).shards[:3]
    )
    assert hub.stored_twice() == 0 and hub.traffic()["lfs-put"].bytes_in > sent
    assert on_the_hub(hub) == published_files(dataset)


def test_shards_go_up_while_others_are_built(hub: HubServer, dataset: Path) -> None:
    manifest = Manifest.load(dataset)
    hidden = dataset.with_name("hidden")
    dataset.rename(hidden)
    dataset.mkdir()
    with Uploader(REPO, token=hub.token, endpoint=hub.url, policy=QUICK, tag="v1") as uploader:
        for n, shard in enumerate(manifest.shards):
            work = dataset / ".work" / f"unit-{n}.tar"
            work.parent.mkdir(exist_ok=True)
            work.write_bytes((hidden / shard.path).read_bytes())
            uploader.add(f"data/unit-{n}.tar", work, shard.sha256, shard.bytes)
            uploader.add(f"data/unit-{n}.tar", work, shard.sha256, shard.bytes)  # no harm
            if n == 5:
                work.unlink()  # moved away before its turn, perhaps
            if n == 6:
                work.write_bytes(b"packed anew, perhaps before its turn")
        uploader.wait()
        assert 6 <= uploader.snapshot().uploaded <= 8 and uploader.error is None
        for path in hidden.rglob("*"):
            target = dataset / path.relative_to(hidden)
            if path.is_file() and ".work" not in path.parts:
                target.parent.mkdir(exist_ok=True)
                target.write_bytes(path.read_bytes())
        report = finish_publication(dataset, uploader)
    # Provisional names do not matter: the content is there, only the pointers are new.
    assert on_the_hub(hub) == published_files(dataset) and hub.stored_twice() == 0
    assert report.tag == "v1" and set(hub.repo(REPO).branches) == {"main"}


def test_a_shard_moves_to_its_final_name_between_two_tries(hub: HubServer, dataset: Path) -> None:
    shard = Manifest.load(dataset).shards[0]
    work = dataset / ".work" / "unit.tar"
    work.parent.mkdir(exist_ok=True)
    work.write_bytes((dataset / shard.path).read_bytes())
    fault = hub.add_fault(method="PUT", path="/lfs/object/", times=1, delay=0.5, status=503)
    with Uploader(REPO, token=hub.token, endpoint=hub.url, policy=QUICK) as uploader:
        uploader.add("data/unit.tar", work, shard.sha256, shard.bytes)
        while not fault.fired:
            time.sleep(0.01)
        work.unlink()
        uploader.wait()
        assert uploader.error is None and list(uploader.skipped) == ["data/unit.tar"]
        finish_publication(dataset, uploader)
    assert on_the_hub(hub) == published_files(dataset)


def test_a_broken_network_does_not_break_the_build(hub: HubServer, dataset: Path) -> None:
    shard = Manifest.load(dataset).shards[0]
    with Uploader(REPO, token=hub.token, endpoint=hub.url, policy=QUICK) as uploader:
        hub.add_fault(status=503)
        uploader.add(shard.path, dataset / shard.path, shard.sha256, shard.bytes)
        with pytest.raises(HubError, match="503"):
            uploader.wait()
        uploader.add(shard.path, dataset / shard.path, shard.sha256, shard.bytes)
        assert isinstance(uploader.error, HubError)


def test_several_machines_share_the_staging_branch(hub: HubServer, dataset: Path) -> None:
    shards = Manifest.load(dataset).shards

    def one() -> Uploader:
        return Uploader(REPO, token=hub.token, endpoint=hub.url, policy=QUICK, commit_every=1)

    with one() as first, one() as second:
        for n, shard in enumerate(shards):
            (first, second)[n % 2].add(
                shard.path, dataset / shard.path, shard.sha256, shard.bytes
            )  # fmt: skip
        first.wait()
        second.wait()
        finish_publication(dataset, first)
    assert on_the_hub(hub) == published_files(dataset) and hub.stored_twice() == 0


def test_commits_grow_near_the_hourly_limit(hub: HubServer, dataset: Path) -> None:
    hub.store.commits_per_hour = 8
    budget = CommitBudget(limit=6, reserve=2)
    with Uploader(
        REPO, token=hub.token, endpoint=hub.url, policy=QUICK, commit_every=1, budget=budget
    ) as uploader:
        for shard in Manifest.load(dataset).shards:
            uploader.add(shard.path, dataset / shard.path, shard.sha256, shard.bytes)
        report = finish_publication(dataset, uploader)
    assert report.commits <= 6 and report.failures == 0
    assert on_the_hub(hub) == published_files(dataset)


def test_commits_of_an_earlier_run_count(hub: HubServer, dataset: Path) -> None:
    send(hub, dataset, commit_every=1)
    commits = HubClient(hub.url, hub.token).recent_commits(REPO, "main")
    budget = CommitBudget(limit=10, reserve=0)
    budget.remember(commits, hub.repo(REPO).history()[0].date)
    assert budget.wait() == 0
    for _ in range(10 - len(commits)):
        budget.count()
    assert 3000 < budget.wait() <= 3600


def test_multipart_and_big_pictures(hub: HubServer, tmp_path: Path) -> None:
    hub.multipart_above, hub.chunk_size = 10_000, 7_000
    make_dataset(tmp_path / "big", side=64, shards=2)
    hub.add_fault(path="/lfs/part/", every=4, status=500)
    hub.add_fault(path="/lfs/complete/", every=2, drop_answer=True)
    send(hub, tmp_path / "big")
    assert on_the_hub(hub) == published_files(tmp_path / "big")
    assert hub.traffic()["lfs-part"].requests > 8


def test_private(hub: HubServer, dataset: Path, tmp_path: Path) -> None:
    send(hub, dataset, private=True)
    assert hub.repo(REPO).private
    send(hub, dataset)  # an existing private repository stays what it is
    assert hub.repo(REPO).private
    send(hub, dataset, repo_id="tester/open")
    with pytest.raises(HubError, match="is public"):
        send(hub, dataset, repo_id="tester/open", private=True)


def damage_truncate(root: Path) -> None:
    path = root / "data" / "train-00001-of-00004.tar"
    path.write_bytes(path.read_bytes()[:-512])


def damage_flip(root: Path) -> None:
    path = root / "data" / "train-00001-of-00004.tar"
    content = bytearray(path.read_bytes())
    content[700] ^= 1
    path.write_bytes(content)


def damage_rejects(root: Path) -> None:
    (root / "rejected.jsonl").write_text("{}\n")


def damage_card(root: Path) -> None:
    (root / "README.md").write_text("---\nconfigs: 3\n---\n")


def damage_no_card(root: Path) -> None:
    (root / "README.md").unlink()


@pytest.mark.parametrize(
    "damage", [damage_truncate, damage_flip, damage_rejects, damage_card, damage_no_card]
)
def test_a_damaged_folder_is_not_published(
    hub: HubServer, dataset: Path, damage: Callable[[Path], None]
) -> None:
    damage(dataset)
    with pytest.raises(HubError) as refused:
        send(hub, dataset)
    assert "\n" not in str(refused.value)
    if damage not in (damage_card,):
        assert isinstance(refused.value, LocalError) and str(dataset) in str(refused.value)
    assert not any("manifest.json" in repo.files() for repo in hub.store.repos.values())


def test_marks_of_the_viewer_stay_at_home(hub: HubServer, dataset: Path) -> None:
    (dataset / "marks.jsonl").write_text('{"id": "ldp-0000000", "mark": "bad"}\n')
    send(hub, dataset)
    assert "marks.jsonl" not in on_the_hub(hub)


def test_a_token_in_a_file_is_found(hub: HubServer, dataset: Path) -> None:
    (dataset / "notes.txt").write_text(f"export HF_TOKEN={hub.token}")
    with pytest.raises(LocalError, match=r"notes\.txt") as refused:
        send(hub, dataset)
    assert hub.token not in str(refused.value) and not hub.store.repos


def test_the_token_of_the_environment(
    hub: HubServer, dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", hub.token)
    assert publish(dataset, endpoint=hub.url, policy=QUICK).repo_id == REPO
