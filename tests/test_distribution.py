"""What a wheel and a source archive of this project hold."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_bytes
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("builder", "dataset_card", "ld_portrait_20k", "refinement")
URL = "https://example.org/someone/portraits"
_BUILD = """
import sys
from setuptools import build_meta
output = sys.argv[1]  # setuptools writes its own words into sys.argv
build_meta.build_sdist(output)
build_meta.build_wheel(output)
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a wheel and a source archive, made from a copy of this checkout."""
    # Its version only: importing it fails in a process that has the standard distutils already.
    if int(version("setuptools").partition(".")[0]) < 77:
        pytest.skip("setuptools is older than 77")
    copy = tmp_path_factory.mktemp("dist") / "checkout"
    copy.mkdir()
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if listed.returncode != 0:
        pytest.skip("this is not a git checkout, so its files cannot be told from other files")
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, copy / name)
    output = copy.parent / "dist"
    output.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", _BUILD, str(output)],
        cwd=copy,
        env={**os.environ, "LD_PORTRAIT_REPOSITORY": URL},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return output


def data_files() -> set[str]:
    """Every file of the packages but pictures, which only the pages on the web show."""
    return {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and path.suffix not in (".pyc", ".webp", ".png")
    }


def test_the_wheel_holds_the_packages_and_nothing_else(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        entry = next(name for name in archive.namelist() if name.endswith("entry_points.txt"))
        assert "ld-portrait = ld_portrait_20k.command:main" in archive.read(entry).decode()
    assert names == data_files()


def test_the_readme_for_an_index_has_no_relative_links(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith("METADATA"))
        metadata = message_from_bytes(archive.read(name))
    text = metadata.get_payload()
    assert isinstance(text, str)
    assert f"]({URL}/raw/HEAD/dataset_card/images/portraits.webp)" in text
    assert f"]({URL}/blob/HEAD/refinement/README.md)" in text
    assert metadata["Description-Content-Type"] == "text/markdown"
    links = [part.split(")")[0] for part in text.split("](")[1:]]
    assert [link for link in links if not link.startswith(("https://", "#"))] == []


def test_the_source_archive_can_be_tested(built: Path) -> None:
    """It has the tests, the Makefile and the pinned versions, and no left-overs."""
    (source,) = built.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    for name in ("Makefile", "constraints.txt", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE"):
        assert name in names
    tests = {path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("*.py")}
    assert tests <= names
    assert data_files() <= names
    assert not [name for name in names if name.endswith(".pyc") or "__pycache__" in name]
