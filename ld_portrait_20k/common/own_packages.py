"""Our packages with plain names, and packages of other projects that take their place."""

from __future__ import annotations

from importlib.machinery import PathFinder
from pathlib import Path

DISTRIBUTION = "ld-portrait-20k"
PACKAGES = ("builder", "dataset_card", "refinement")
"""Our packages whose plain names other projects use too."""
MARKER = f'PROJECT = "{DISTRIBUTION}"'
"""The line of ``__init__.py`` by which one of ours is known."""


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
