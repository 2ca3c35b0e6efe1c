"""Errors tell people what to try, in a form that works for their installation."""

from __future__ import annotations

import json
import pickle
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from ld_portrait_20k.errors import ShardError, install_command, missing_extra
from tests.processes import ROOT

URL = "https://example.org/ld_portrait_20k-0.1.0-py3-none-any.whl"


class Installed:
    """A distribution whose ``direct_url.json`` is known."""

    def __init__(self, direct_url: str | None) -> None:
        self.direct_url = direct_url

    def read_text(self, name: str) -> str | None:
        assert name == "direct_url.json"
        return self.direct_url


@pytest.mark.parametrize(
    ("direct_url", "command"),
    [
        (None, "pip install 'ld-portrait-20k[torch]'"),
        (
            {"url": "file:///home/me/ld%20portrait", "dir_info": {"editable": True}},
            "pip install -e '/home/me/ld portrait[torch]'",
        ),
        ({"url": "file:///home/me/repo", "dir_info": {}}, "pip install '/home/me/repo[torch]'"),
        (
            {"url": "file:///dist/ld_portrait_20k-0.1.0-py3-none-any.whl", "archive_info": {}},
            "pip install '/dist/ld_portrait_20k-0.1.0-py3-none-any.whl[torch]'",
        ),
        ({"url": URL, "archive_info": {}}, f"pip install 'ld-portrait-20k[torch] @ {URL}'"),
        (
            {
                "url": "https://example.org/me/repo.git",
                "vcs_info": {"vcs": "git", "commit_id": "abc123", "requested_revision": "main"},
            },
            "pip install 'ld-portrait-20k[torch] @ git+https://example.org/me/repo.git@abc123'",
        ),
        ("not json", "pip install 'ld-portrait-20k[torch]'"),
    ],
)
def test_an_extra_is_installed_from_where_the_project_came(
    direct_url: Any, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = json.dumps(direct_url) if isinstance(direct_url, dict) else direct_url
    monkeypatch.setattr(metadata, "distribution", lambda name: Installed(text))
    assert install_command("torch") == command
    told = str(missing_extra("torch", "torch"))
    assert told == f"this needs torch, which is not installed; try: {command}"


def test_a_checkout_on_the_path_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> Installed:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "distribution", absent)
    assert install_command("generate") == f"pip install -e '{ROOT}[generate]'"
    assert (Path(ROOT) / "pyproject.toml").is_file()


def test_a_shard_error_says_where_and_survives_a_process() -> None:
    problem = ShardError("data/a.tar", "truncated", offset=512, sample="ldp-0000001")
    assert str(problem) == "data/a.tar at byte 512, sample ldp-0000001: truncated"
    again = pickle.loads(pickle.dumps(problem))
    assert isinstance(again, ShardError)
    assert (str(again), again.offset, again.sample) == (str(problem), 512, "ldp-0000001")
