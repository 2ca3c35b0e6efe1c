"""What a Job installs: the project from where we have it, or a wheel of the checkout.

A Job is a machine that has nothing of ours: it must be able to install this project. From an index
or a repository it installs what we did. A checkout it cannot reach, so a wheel is built of it and
put beside the plan; ``uv``, which sets a Job up, fetches it from there with the Job's token.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from builder.engines.options import ClusterOptions
from builder.workers import children
from ld_portrait_20k.errors import PortraitError, origin_folder, requirement_elsewhere

EXTRAS: Final = ("generate", "cluster")
ADVICE: Final = "try: --package 'ld-portrait-20k[generate,cluster] @ git+https://HOST/REPOSITORY'"
_LEFT_OUT: Final = shutil.ignore_patterns("__pycache__", "*.pyc", "*.egg-info", "build")
_SETUPTOOLS: Final = 77
"""The version that pyproject.toml asks for."""


def given_requirements(options: ClusterOptions) -> list[str] | None:
    """What Jobs install where no wheel is needed: ``--package``, or an index or repository.

    Returns:
        Requirements; None where we have the project from a folder of this machine.
    """
    if options.packages:
        return list(options.packages)
    requirement = requirement_elsewhere(*EXTRAS)
    return None if requirement is None else [requirement]


def source_of_wheel() -> Path:
    """The checkout to build a wheel of, or the wheel that we were installed from.

    Raises:
        PortraitError: Neither is there.
    """
    places = [children.ROOT, origin_folder()]
    for place in filter(None, places):
        if (place / "pyproject.toml").is_file() or (place.suffix == ".whl" and place.is_file()):
            return place
    raise PortraitError(
        "--engine jobs: a Job must be able to install this project, and the folder that it was "
        f"installed from here is gone ({places[-1]}); {ADVICE}"
    )


@contextmanager
def wheel() -> Iterator[Path]:
    """A wheel of :func:`source_of_wheel`, in a folder that goes afterwards.

    Raises:
        PortraitError: It cannot be built.
    """
    source = source_of_wheel()
    if source.is_file():
        yield source
        return
    with tempfile.TemporaryDirectory(prefix="ld-portrait-wheel-") as temporary:
        yield _build(source, Path(temporary))


def _build(source: Path, folder: Path) -> Path:
    """Build a wheel of a copy: setuptools leaves its own files in the tree that it builds."""
    copy = folder / "source"
    copy.mkdir()
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copyfile(source / name, copy / name)
    for package in sorted(source.glob("*/__init__.py")):
        if package.parent.name != "tests":
            shutil.copytree(package.parent, copy / package.parent.name, ignore=_LEFT_OUT)
    if find_spec("pip") is None:
        raise PortraitError(
            f"{source}: no pip in this environment to build a wheel for the Jobs with; {ADVICE}"
        )
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-input"]
    if _has_setuptools():
        command.append("--no-build-isolation")
    done = subprocess.run(
        [*command, "--wheel-dir", str(folder), str(copy)], capture_output=True, text=True
    )
    found = sorted(folder.glob("*.whl"))
    if done.returncode or not found:
        last = (done.stderr.strip().splitlines() or ["no wheel"])[-1]
        raise PortraitError(
            f"{source}: no wheel for the Jobs could be built ({last:.200}); {ADVICE}"
        )
    return found[0]


def _has_setuptools() -> bool:
    try:
        return int(version("setuptools").partition(".")[0]) >= _SETUPTOOLS
    except (PackageNotFoundError, ValueError):
        return False
