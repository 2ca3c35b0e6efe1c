"""The loopback Hub against the real clients."""

from __future__ import annotations

import hashlib
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, HfFileSystem
from huggingface_hub import constants as hub_constants
from huggingface_hub.errors import (
    EntryNotFoundError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from PIL import Image

from ld_portrait_20k.format import schema, ustar
from tests.hub import HubServer, RefusedError, Token
from tests.processes import start_module

REPO = "tester/portraits"


@pytest.fixture
def hub() -> Iterator[HubServer]:
    readers = {
        "hf_reader": Token("reader", "read"),
        "hf_member": Token("member", orgs={"lab": "write"}),
    }
    with HubServer(tokens=readers, page_size=3) as server:
        yield server


@pytest.fixture
def api(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> HfApi:
    monkeypatch.setattr(hub_constants, "HF_HUB_DISABLE_XET", True)
    api = HfApi(endpoint=hub.url, token=hub.token)
    api.create_repo(REPO, repo_type="dataset")
    return api


def put(api: HfApi, path: str, content: bytes, **more: Any) -> str:
    info = api.upload_file(
        path_or_fileobj=content, path_in_repo=path, repo_id=REPO, repo_type="dataset", **more
    )
    return info.oid


def test_who_and_rights(hub: HubServer, api: HfApi) -> None:
    me = api.whoami()
    assert (me["name"], me["auth"]["accessToken"]["role"]) == ("tester", "write")
    with pytest.raises(HfHubHTTPError) as refused:
        api.whoami(token="hf_wrong")
    assert refused.value.response.status_code == 401
    with pytest.raises(HfHubHTTPError) as refused:
        api.create_repo("reader/x", repo_type="dataset", token="hf_reader")
    assert refused.value.response.status_code == 403
    api.create_repo("lab/x", repo_type="dataset", token="hf_member")
    with pytest.raises(HfHubHTTPError) as refused:
        api.create_repo(REPO, repo_type="dataset")
    assert refused.value.response.status_code == 409
    assert api.create_repo(REPO, repo_type="dataset", exist_ok=True).repo_id == REPO
    with pytest.raises(RepositoryNotFoundError):
        api.repo_info("tester/none", repo_type="dataset")


def test_private_is_not_there_for_others(hub: HubServer, api: HfApi) -> None:
    api.create_repo("tester/secret", repo_type="dataset", private=True)
    assert api.repo_info("tester/secret", repo_type="dataset").private
    for token in ("hf_reader", False):
        with pytest.raises(RepositoryNotFoundError):
            api.repo_info("tester/secret", repo_type="dataset", token=token)


def test_regular_and_lfs_files_come_back(hub: HubServer, api: HfApi, tmp_path: Path) -> None:
    big = bytes(range(256)) * 4096
    put(api, "data/a.tar", big)
    put(api, "README.md", b"---\nlicense: cc0-1.0\n---\n# Hello\n")
    for path, wanted in (("data/a.tar", big), ("README.md", hub.read(REPO, "README.md"))):
        local = api.hf_hub_download(REPO, path, repo_type="dataset", cache_dir=tmp_path)
        assert Path(local).read_bytes() == wanted
    listed: dict[str, Any] = {
        item.path: item for item in api.list_repo_tree(REPO, repo_type="dataset", recursive=True)
    }
    assert set(listed) == {".gitattributes", "README.md", "data", "data/a.tar"}
    assert listed["data/a.tar"].lfs.sha256 == hashlib.sha256(big).hexdigest()
    assert listed["data/a.tar"].size == len(big) and listed["README.md"].lfs is None
    info: Any
    (info,) = api.get_paths_info(REPO, ["data/a.tar"], repo_type="dataset", expand=True)
    assert info.lfs.size == len(big) and info.last_commit.oid
    with pytest.raises(EntryNotFoundError):
        api.hf_hub_download(REPO, "none", repo_type="dataset", cache_dir=tmp_path)
    with pytest.raises(RevisionNotFoundError):
        api.hf_hub_download(
            REPO, "README.md", repo_type="dataset", revision="v9", cache_dir=tmp_path
        )


def test_folder_pages_and_nothing_is_sent_twice(hub: HubServer, api: HfApi, tmp_path: Path) -> None:
    for n in range(7):
        (tmp_path / f"s{n}.tar").write_bytes(bytes([n]) * 1000)
    for _ in range(2):
        api.upload_folder(repo_id=REPO, folder_path=tmp_path, repo_type="dataset")
    listing = list(api.list_repo_tree(REPO, repo_type="dataset"))
    assert len(listing) == 8 and hub.traffic()["tree"].requests == 3
    assert hub.traffic()["lfs-put"].bytes_in == 7000 and hub.stored_twice() == 0
    assert hub.traffic()["commit"].requests == 1


def test_multipart(hub: HubServer, api: HfApi) -> None:
    hub.multipart_above, hub.chunk_size = 10_000, 4_000
    content = os.urandom(18_001)
    put(api, "a.tar", content)
    assert hub.read(REPO, "a.tar") == content
    assert hub.traffic()["lfs-part"].requests == 5


def test_branches_tags_parents_and_deletion(hub: HubServer, api: HfApi) -> None:
    first = put(api, "a.txt", b"1")
    api.create_branch(REPO, branch="next", repo_type="dataset")
    api.create_tag(REPO, tag="v1", repo_type="dataset")
    second = put(api, "a.txt", b"2", parent_commit=first)
    with pytest.raises(HfHubHTTPError) as moved:
        put(api, "a.txt", b"3", parent_commit=first)
    assert moved.value.response.status_code == 412
    refs = api.list_repo_refs(REPO, repo_type="dataset")
    assert {b.name: b.target_commit for b in refs.branches} == {"main": second, "next": first}
    assert {t.name: t.target_commit for t in refs.tags} == {"v1": first}
    assert hub.read(REPO, "a.txt", "v1") == b"1" and hub.read(REPO, "a.txt") == b"2"
    with pytest.raises(HfHubHTTPError) as taken:
        api.create_tag(REPO, tag="v1", repo_type="dataset")
    assert taken.value.response.status_code == 409
    api.create_commit(
        REPO, [CommitOperationDelete("a.txt"), CommitOperationAdd("b.txt", b"b")],
        commit_message="rename", repo_type="dataset",
    )  # fmt: skip
    assert set(hub.tree(REPO)) == {".gitattributes", "b.txt"}
    titles = [commit.title for commit in api.list_repo_commits(REPO, repo_type="dataset")]
    assert titles[0] == "rename" and len(titles) == 4
    api.delete_branch(REPO, branch="next", repo_type="dataset")
    with pytest.raises(RefusedError):
        hub.repo(REPO).resolve("next")


def test_commit_of_an_object_never_uploaded_is_refused(hub: HubServer, api: HfApi) -> None:
    lines = [
        {"key": "header", "value": {"summary": "x"}},
        {"key": "lfsFile", "value": {"path": "a", "algo": "sha256", "oid": "0" * 64, "size": 1}},
    ]
    with pytest.raises(RefusedError, match="does not exist"):
        hub.store.commit(hub.repo(REPO), "main", lines, "tester")


def test_filesystem_reads_ranges(hub: HubServer, api: HfApi) -> None:
    content = os.urandom(100_000)
    put(api, "data/a.tar", content)
    fs = HfFileSystem(endpoint=hub.url, token=hub.token, skip_instance_cache=True)
    assert fs.ls(f"datasets/{REPO}/data", detail=False) == [f"datasets/{REPO}/data/a.tar"]
    with fs.open(f"datasets/{REPO}/data/a.tar", block_size=1000) as stream:
        stream.seek(50_000)
        assert stream.read(10) == content[50_000:50_010]
    assert any(r.status == 206 for r in hub.requests)


def test_quota_and_commit_limit(hub: HubServer, api: HfApi) -> None:
    hub.store.quota = hub.store.used() + 100
    with pytest.raises(HfHubHTTPError, match="storage limit"):
        put(api, "a.tar", bytes(200))
    hub.store.commits_per_hour = 1
    put(api, "a.txt", b"1")
    with pytest.raises(HfHubHTTPError) as many:
        put(api, "a.txt", b"2")
    assert many.value.response.status_code == 429


def test_a_bad_card_is_told(hub: HubServer, api: HfApi) -> None:
    with pytest.raises(ValueError, match="Invalid metadata"):
        put(api, "README.md", b"---\nconfigs: 3\n---\n")


def test_faults(hub: HubServer, api: HfApi, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", slept.append)
    busy = hub.add_fault(method="PUT", status=429, retry_after=7, times=1)
    cut = hub.add_fault(path="preupload", cut_request=5, times=1)
    put(api, "a.tar", b"x" * 1000)
    assert busy.fired == cut.fired == 1 and 8.0 in slept
    assert [r.status for r in hub.requests if r.route == "lfs-put"] == [429, 200]
    assert hub.stored_twice() == 0

    lost = hub.add_fault(path="/commit/", drop_answer=True)
    before = hub.repo(REPO).branches["main"]
    with pytest.raises(Exception, match=r"disconnected|reset|closed|EOF"):
        put(api, "b.txt", b"landed all the same")
    assert lost.fired and hub.repo(REPO).branches["main"] != before
    assert hub.read(REPO, "b.txt") == b"landed all the same"
    hub.clear_faults()

    import httpx2

    url = f"{hub.url}/datasets/{REPO}/resolve/main/a.tar"
    hub.add_fault(path="a.tar", cut=400, times=1)
    with pytest.raises(httpx2.TransportError):
        httpx2.get(url)
    hub.add_fault(path="a.tar", corrupt=True, times=1)
    assert httpx2.get(url).content != b"x" * 1000
    assert httpx2.get(url).content == b"x" * 1000
    assert [r.fault for r in hub.requests[-3:]] == [True, True, False]


def test_unsigned_uploads_are_refused(hub: HubServer) -> None:
    import httpx2

    assert httpx2.put(f"{hub.url}/lfs/object/{'0' * 64}", content=b"x").status_code == 403


def test_a_server_on_the_same_folder_goes_on(tmp_path: Path) -> None:
    with HubServer(tmp_path, token="hf_same") as hub:
        api = HfApi(endpoint=hub.url, token="hf_same")
        api.create_repo(REPO, repo_type="dataset")
        hub.commit(REPO, {"a.txt": b"kept"})
    with HubServer(tmp_path, token="hf_same") as hub:
        assert hub.read(REPO, "a.txt") == b"kept"


def shard(first: int, count: int) -> bytes:
    out = io.BytesIO()
    for number in range(first, first + count):
        key = schema.sample_id(number)
        for suffix, mode in (("foreground.png", "RGB"), ("alpha.png", "L")):
            picture = io.BytesIO()
            Image.new(mode, (8, 8), number).save(picture, "PNG")
            out.write(_member(f"{key}.{suffix}", picture.getvalue()))
        out.write(_member(f"{key}.json", schema.encode_metadata({"id": key, "prompt": "a person"})))
    return out.getvalue() + ustar.END


def _member(name: str, content: bytes) -> bytes:
    return ustar.encode_header(name, len(content)) + content + bytes(ustar.padding(len(content)))


def test_a_cdn_sees_no_token(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(hub_constants, "HF_HUB_DISABLE_XET", True)
    with HubServer(cdn=True) as hub:
        api = HfApi(endpoint=hub.url, token=hub.token)
        api.create_repo(REPO, repo_type="dataset", private=True)
        content = os.urandom(5000)
        put(api, "a.tar", content)
        local = api.hf_hub_download(REPO, "a.tar", repo_type="dataset", cache_dir=tmp_path)
        assert Path(local).read_bytes() == content
        fs = HfFileSystem(endpoint=hub.url, token=hub.token, skip_instance_cache=True)
        with fs.open(f"datasets/{REPO}/a.tar", block_size=1000) as stream:
            stream.seek(3000)
            assert stream.read(10) == content[3000:3010]
        fetched = [record for record in hub.requests if record.route == "cdn"]
        assert fetched and not any(record.token for record in fetched)


@pytest.mark.parametrize("streaming", [True, False])
def test_datasets_loads_from_it(hub: HubServer, api: HfApi, streaming: bool) -> None:
    files = {f"data/train-{n:05d}-of-00002.tar": shard(3 * n, 3) for n in range(2)}
    card = {
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": "train", "path": "data/train-*.tar"}],
            }
        ],
        "dataset_info": {"features": schema.feature_yaml("png")},
    }
    files["README.md"] = f"---\n{yaml.safe_dump(card, sort_keys=False)}---\n".encode()
    api.create_commit(
        REPO, [CommitOperationAdd(path, content) for path, content in files.items()],
        commit_message="all", repo_type="dataset",
    )  # fmt: skip
    script = (
        "import json, datasets\n"
        f"rows = datasets.load_dataset({REPO!r}, split='train', streaming={streaming})\n"
        "rows = [[r['json']['id'], r['foreground.png'].getpixel((0, 0))[0]] for r in rows]\n"
        "print(json.dumps(rows))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], env=hub.environment(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout.splitlines()[-1])
    assert rows == [[schema.sample_id(n), n] for n in range(6)]


def test_by_hand() -> None:
    server = start_module("tests.hub", "--port", 0, "--token", "hf_hand", stdout=subprocess.PIPE)
    assert server.stdout is not None
    lines = iter(server.stdout.readline, "")
    told = [next(lines)]
    url = told[0].split()[4].rstrip(",")
    assert HfApi(endpoint=url, token="hf_hand").whoami()["name"] == "tester"
    server.send_signal(signal.SIGINT)
    text = "".join([*told, *lines])
    assert "HF_ENDPOINT=" in text and "whoami" in text and server.wait(timeout=10) == 0
