"""Names that are nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from huggingface_hub import constants

from ld_portrait_20k.common.nearby import near_names
from ld_portrait_20k.errors import DatasetNotFoundError, PortraitError
from ld_portrait_20k.streaming import hub
from ld_portrait_20k.streaming.resolve import resolve
from tests.ld_portrait_20k.samples import build


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    (tmp_path / "hub" / "datasets--someone--ld-portrait-20k").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)


def test_near_folders_and_repositories_are_named(tmp_path: Path) -> None:
    build(tmp_path / "ld-portraits", {"train": (1, 1)})
    (tmp_path / "ld-portraitz").mkdir()  # no dataset
    assert near_names("ld_portrait") == ["ld-portraits", "someone/ld-portrait-20k"]
    assert near_names("someone/ld-portrait-2k") == ["someone/ld-portrait-20k"]
    assert near_names("something else entirely") == []
    with pytest.raises(DatasetNotFoundError) as caught:
        resolve("ld-portrats")
    assert "did you mean 'ld-portraits'" in str(caught.value)
    assert "regenerate" not in str(caught.value)


def test_only_the_bare_name_is_offered_to_be_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "user_name", lambda token: None)
    monkeypatch.delenv("LD_PORTRAIT_20K_REPO", raising=False)
    with pytest.raises(DatasetNotFoundError, match="regenerate --output ld-portrait-20k"):
        resolve("ld-portrait-20k")
    for name in ("./my data", "/nowhere/at all"):
        with pytest.raises(PortraitError) as caught:
            resolve(name)
        assert "regenerate" not in str(caught.value)


class AnswerError(Exception):
    def __init__(self, status: int) -> None:
        self.response = type("Response", (), {"status_code": status})()


@pytest.mark.parametrize(
    ("status", "token", "says"),
    [
        (401, False, "or it is private"),
        (401, True, "does not accept the token"),
        (403, True, "private; this token may not read it"),
        (404, True, "or none that this token may read"),
        (404, False, "no such dataset repository; try: check the name"),
    ],
)
def test_private_and_absent_are_told_apart_where_the_server_does(
    status: int, token: bool, says: str
) -> None:
    assert says in hub._absent_or_private(AnswerError(status), token)
