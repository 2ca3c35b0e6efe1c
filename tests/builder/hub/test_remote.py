"""Reading back: status and verification of what is on the Hub."""

from __future__ import annotations

import json
import zlib
from dataclasses import replace
from pathlib import Path

import pytest

from builder.hub import HubError, remote_status, verify_remote
from builder.hub.connection import HubConnection
from ld_portrait_20k.format.manifest import Manifest
from ld_portrait_20k.format.shard_reader import ShardReader
from tests.builder.hub.conftest import QUICK, REPO, send
from tests.hub import HubServer

SHARD = "data/train-00001-of-00004.tar"


def delete(hub: HubServer, path: str) -> None:
    lines = [
        {"key": "header", "value": {"summary": "by another hand"}},
        {"key": "deletedFile", "value": {"path": path}},
    ]
    hub.store.commit(hub.repo(REPO), "main", lines, "another")


def problems(hub: HubServer, *, deep: bool = False) -> list[str]:
    return verify_remote(REPO, deep=deep, endpoint=hub.url, policy=QUICK).problems


def test_a_sound_dataset_without_a_token(hub: HubServer, dataset: Path) -> None:
    report = send(hub, dataset, tag="v1")
    hub.requests.clear()
    seen: list[int] = []
    found = verify_remote(REPO, "v1", endpoint=hub.url, policy=QUICK, progress=seen.append)
    assert found.ok and found.commit == report.commit and not found.deep
    assert (found.shards, found.samples, found.bytes) == (8, 12, report.bytes)
    assert sum(seen) == report.bytes
    assert hub.traffic()["resolve"].bytes_out < report.bytes / 5
    seen.clear()
    assert verify_remote(
        REPO, str(report.commit), deep=True, endpoint=hub.url, progress=seen.append
    ).ok  # fmt: skip
    assert sum(seen) == report.bytes
    assert json.loads(json.dumps(found.to_dict()))["ok"] is True
    status = remote_status(REPO, endpoint=hub.url)
    assert (status.state, status.shards, status.samples) == ("published", 8, 12)
    assert status.tags == ("v1",) and status.uploading == 0
    assert json.loads(json.dumps(status.to_dict()))["bytes"] == report.bytes


def test_what_is_wrong_is_named(hub: HubServer, dataset: Path) -> None:
    send(hub, dataset)
    delete(hub, SHARD)
    hub.commit(REPO, {"data/train-00000-of-00004.tar": b"short"})
    hub.commit(REPO, {"data/train-00009-of-00010.tar": b"what is this?"})
    hub.commit(REPO, {"rejected.jsonl": b"{}\n"})
    hub.commit(REPO, {"README.md": b"# nothing\n"})
    found = problems(hub)
    assert [line.split(": ")[0] for line in found] == [
        "data/train-00000-of-00004.tar", SHARD, "rejected.jsonl", "README.md",
        "data/train-00009-of-00010.tar",
    ]  # fmt: skip
    assert "5 bytes" in found[0] and "missing" in found[1]


def test_same_size_other_content(hub: HubServer, dataset: Path) -> None:
    send(hub, dataset)
    rejects = hub.read(REPO, "rejected.jsonl")
    hub.commit(REPO, {"rejected.jsonl": rejects.replace(b"empty", b"happy")})
    assert problems(hub) == ["rejected.jsonl: its content is not what the manifest says"]


def damaged_on_the_way(hub: HubServer, path: str) -> bytes:
    content = bytearray(hub.read(REPO, path))
    content[1000] ^= 1
    return bytes(content)


def test_deep_finds_what_the_listing_hides(hub: HubServer, dataset: Path) -> None:
    send(hub, dataset)
    entry = hub.repo(REPO).files()[SHARD]
    hub.store.blob(entry.sha256).write_bytes(damaged_on_the_way(hub, SHARD))  # rotten storage
    assert problems(hub) == []
    assert problems(hub, deep=True) == [f"{SHARD}: the downloaded bytes have another sha256"]
    blob = hub.store.blob(entry.sha256)
    content = bytearray(blob.read_bytes())
    content[5] ^= 1
    blob.write_bytes(content)
    (told,) = problems(hub, deep=True)
    assert told.startswith(SHARD) and "byte 0" in told and "checksum" in told


def test_deep_goes_on_after_cuts(hub: HubServer, dataset: Path) -> None:
    send(hub, dataset)
    hub.add_fault(path=r"\.tar$", cut=5000, every=2)
    hub.add_fault(path=r"\.tar$", status=503, every=3)
    assert problems(hub, deep=True) == []
    assert any(record.status == 206 for record in hub.requests)


def test_deep_through_a_cdn_without_the_token(dataset: Path) -> None:
    with HubServer(cdn=True) as hub:
        send(hub, dataset, private=True)
        hub.add_fault(path="/cdn/", cut=5000, every=2)
        found = verify_remote(REPO, deep=True, endpoint=hub.url, token=hub.token, policy=QUICK)
        assert found.ok
        fetched = [record for record in hub.requests if record.route == "cdn"]
        assert len(fetched) > 8 and not any(record.token for record in fetched)


def test_deep_gives_up_on_a_server_that_sends_nothing(hub: HubServer, dataset: Path) -> None:
    send(hub, dataset)
    hub.add_fault(path=r"\.tar$", cut=0)
    with pytest.raises(HubError, match="no byte came"):
        problems(hub, deep=True)


def test_an_index_that_lies(hub: HubServer, dataset: Path) -> None:
    send(hub, dataset)
    body = json.loads(Manifest.load(dataset).to_json())
    body["shards"]["default"][0]["index"][0][1] -= 1
    hub.commit(REPO, {"manifest.json": json.dumps(body).encode()})
    assert problems(hub, deep=True) == [
        "data/train-00000-of-00004.tar: its members are not those of the manifest's index"
    ]


def test_a_listing_over_many_pages(hub: HubServer, dataset: Path) -> None:
    hub.page_size = 1
    send(hub, dataset)
    assert hub.traffic()["tree"].requests > len(hub.tree(REPO))
    assert problems(hub) == []


def test_status_of_nothing(hub: HubServer) -> None:
    assert remote_status("tester/none", endpoint=hub.url).state == "absent"
    with pytest.raises(HubError, match="not a repository id"):
        remote_status("none", endpoint=hub.url)
    hub.store.create("dataset", REPO, True, "tester")
    assert remote_status(REPO, endpoint=hub.url).state == "absent"  # private, and no token
    hub.add_fault(path="/api/datasets", status=401, times=1)  # the Hub may say just that
    assert remote_status("tester/none", endpoint=hub.url).state == "absent"
    seen = remote_status(REPO, endpoint=hub.url, token=hub.token)
    assert (seen.state, seen.private) == ("empty", True)
    assert remote_status(REPO, "v3", endpoint=hub.url, token=hub.token).state == "absent"


def test_the_token_goes_to_the_endpoint_only(hub: HubServer) -> None:
    with HubServer(token="hf_foreignforeign") as other:
        client = HubConnection(hub.url, "hf_otherother")
        assert client.json("x", "GET", "/api/whoami-v2")["name"] == "other"
        with pytest.raises(HubError):
            client.json("x", "GET", f"{other.url}/api/whoami-v2")
        assert [record.user for record in other.requests] == [None]
        # A mirror hands out links of the Hub itself.
        assert client.json("x", "GET", "https://huggingface.co/api/whoami-v2")["name"] == "other"


def test_a_dataset_with_index_files_is_published_and_verified(
    hub: HubServer, dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Places of many samples lie beside the manifest; here 24 are many."""
    monkeypatch.setattr("ld_portrait_20k.format.manifest.INLINE_SAMPLES", 20)
    whole = Manifest.load(dataset)
    records = []
    for shard in whole.shards:
        with ShardReader(dataset / shard.path, shard, whole.foreground_format) as reader:
            sums = tuple(zlib.crc32(reader.block(key)) for key in shard.ids())
        records.append(replace(shard, crc32=sums))
    replace(whole, shards=tuple(records)).save(dataset)
    send(hub, dataset)
    assert {"index/default-train.bin", "index/raw-train.bin"} <= set(hub.repo(REPO).files())
    assert problems(hub, deep=True) == []
    hub.commit(REPO, {"index/raw-train.bin": b"\0" * 240})
    assert [line.split(": ")[0] for line in problems(hub)] == ["index/raw-train.bin"]
