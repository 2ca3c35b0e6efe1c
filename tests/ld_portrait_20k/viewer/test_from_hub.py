"""A repository at a revision, from a Hub on loopback."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import HfApi

from ld_portrait_20k.streaming.resolve import resolve
from tests.hub import HubServer
from tests.hub.stand_in import take_for_the_hub

from .conftest import COUNT
from .site import site

REPO = "tester/portraits"


def test_a_repository_at_a_revision(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with HubServer() as server:
        take_for_the_hub(monkeypatch, server)
        api = HfApi(endpoint=server.url, token=server.token)
        api.create_repo(REPO, repo_type="dataset")
        commit = api.upload_folder(repo_id=REPO, repo_type="dataset", folder_path=dataset).oid
        api.create_tag(REPO, tag="v1", repo_type="dataset")
        source = resolve(REPO, revision="v1", cache_dir=tmp_path / "hub")
        with site(source) as one:
            about = one.json("/api/dataset")
            assert about["name"] == REPO and about["samples"] == COUNT and about["marks"] is None
            assert one.ask(f"/api/thumb/{about['identity']}/raw/ldp-0000001")[0] == 200
            sample = one.json("/api/sample/ldp-0000045")
            assert f"revision={commit!r}" in sample["code"] and repr(REPO) in sample["code"]
            names: dict[str, Any] = {}
            exec(sample["code"], names)
            assert names["sample"]["id"] == "ldp-0000045"
            assert server.token not in json.dumps([about, sample])
