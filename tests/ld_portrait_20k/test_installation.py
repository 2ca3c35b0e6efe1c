"""The pip command that messages name, after the way in which the project was installed."""

from __future__ import annotations

import json
from importlib.metadata import Distribution, PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest

from ld_portrait_20k import installation
from ld_portrait_20k.errors import missing_extra

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("origin", "wanted"),
    [
        (None, "'ld-portrait-20k[torch]'"),
        ({"url": "file:///home/me/a%20b", "dir_info": {}}, "'/home/me/a b[torch]'"),
        ({"url": "file:///src", "dir_info": {"editable": True}}, "-e '/src[torch]'"),
        (
            {"url": "https://host/x.git", "vcs_info": {"vcs": "git", "commit_id": "ab12"}},
            "'ld-portrait-20k[torch] @ git+https://host/x.git@ab12'",
        ),
        (
            {"url": "file:///x-0.1.0-py3-none-any.whl", "archive_info": {}},
            "'ld-portrait-20k[torch] @ file:///x-0.1.0-py3-none-any.whl'",
        ),
    ],
)
def test_the_command_fits_the_installation(
    origin: dict[str, Any] | None, wanted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if origin is not None:
        (tmp_path / "direct_url.json").write_text(json.dumps(origin))
    found = Distribution.at(tmp_path)
    monkeypatch.setattr(installation, "distribution", lambda name: found)
    assert installation.install_command("torch") == f"pip install {wanted}"
    assert str(missing_extra("torch", "torch")).endswith(f"try: pip install {wanted}")


def test_a_checkout_on_the_path_names_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> Distribution:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(installation, "distribution", absent)
    assert installation.install_command("torch") == f"pip install '{ROOT}[torch]'"


def test_our_packages_are_known_as_ours() -> None:
    assert installation.foreign_package() is None
