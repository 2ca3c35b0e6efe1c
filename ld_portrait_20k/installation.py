"""How this project is installed: pip's command for an extra, and packages that hide ours."""

from __future__ import annotations

import json
from importlib.machinery import PathFinder
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

DISTRIBUTION = "ld-portrait-20k"
PACKAGES = ("builder", "dataset_card", "refinement")
"""Our packages whose plain names other projects use too."""
MARKER = f'PROJECT = "{DISTRIBUTION}"'
"""The line of ``__init__.py`` by which one of ours is known."""


def install_command(extra: str) -> str:
    """The pip command that adds an extra to this installation.

    It names the checkout, the archive or the repository that this project was installed
    from, as pip recorded it (PEP 610), and the bare name only where it came from an index.

    Args:
        extra: An extra of the project, such as ``torch``.

    Returns:
        A command line for a shell.
    """
    checkout = Path(__file__).resolve().parents[1]
    try:
        found = distribution(DISTRIBUTION)
    except PackageNotFoundError:
        return f"pip install '{checkout}[{extra}]'"  # run from a checkout by PYTHONPATH
    origin = _origin(found)
    if origin is None:
        return f"pip install '{DISTRIBUTION}[{extra}]'"
    url = str(origin["url"])
    if "dir_info" in origin:
        editable = "-e " if origin["dir_info"].get("editable") else ""
        return f"pip install {editable}'{_path(url)}[{extra}]'"
    if "vcs_info" in origin:
        vcs = origin["vcs_info"]
        url = f"{vcs['vcs']}+{url}@{vcs.get('requested_revision') or vcs['commit_id']}"
    return f"pip install '{DISTRIBUTION}[{extra}] @ {url}'"


def _origin(found: Distribution) -> dict[str, Any] | None:
    """What ``direct_url.json`` says of where a distribution came from; None: an index."""
    text = found.read_text("direct_url.json")
    return json.loads(text) if text else None


def _path(url: str) -> str:
    from urllib.parse import unquote, urlsplit

    return unquote(urlsplit(url).path)


def foreign_package() -> str | None:
    """Say whether all of ``builder``, ``dataset_card`` and ``refinement`` are this project's.

    An index has other projects with these names. One that is installed later overwrites our
    files, and one that stands earlier on the path hides them. The modules are found and
    read, not imported: a foreign package may do anything when it is imported.

    Returns:
        A line that names a foreign package, its place and what to try; None where all is well.
    """
    for package in PACKAGES:
        spec = PathFinder.find_spec(package)
        if spec is None:  # an editable install may find it by a hook, then it is ours
            continue
        init = Path(spec.origin) if spec.origin else None
        if init is None or not _is_ours(init):
            folders = list(spec.submodule_search_locations or [])
            place = folders[0] if folders else spec.origin
            return (
                f"{place}: this package '{package}' belongs to another project and hides or has "
                f"overwritten that of {DISTRIBUTION}; try: pip uninstall {package}, then install "
                f"{DISTRIBUTION} again, in an environment of its own"
            )
    return None


def _is_ours(init: Path) -> bool:
    try:
        return MARKER in init.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
