"""What users add: generators and quality rules, as entry points or as ``package.module:Name``."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Final

from ld_portrait_20k.errors import PortraitError

GENERATOR_GROUP: Final = "ld_portrait_20k.generators"
"""Entry-point group of generators (see ``builder/generation/README.md``)."""

QUALITY_RULE_GROUP: Final = "ld_portrait_20k.quality_rules"
"""Entry-point group of quality rules."""


def installed(group: str) -> dict[str, str]:
    """The entry points that installed packages declare, name to ``package.module:Name``.

    Args:
        group: :data:`GENERATOR_GROUP` or :data:`QUALITY_RULE_GROUP`.

    Raises:
        PortraitError: Two packages give one name to different things.
    """
    found: dict[str, str] = {}
    for point in sorted(entry_points(group=group), key=lambda point: (point.name, point.value)):
        path = f"{point.module}:{point.attr}"
        if found.setdefault(point.name, path) != path:
            raise PortraitError(
                f"{point.name}: installed as {found[point.name]} and as {path}; "
                "try: uninstall one of the two packages"
            )
    return found


def is_path(name: str) -> bool:
    """Whether ``name`` has the form ``package.module:Name``."""
    module, colon, attribute = name.partition(":")
    parts = [*module.split("."), *attribute.split(".")]
    return bool(colon) and all(part.isidentifier() for part in parts)


def load(path: str, option: str) -> Any:
    """Import what a path names.

    The current folder is searched last, as ``python -m`` does: a file beside the user's
    data is enough for an experiment. Worker processes start in the same folder.

    Args:
        path: ``package.module:Name``.
        option: The command line's option that named it, for messages.

    Raises:
        PortraitError: The module cannot be imported here, or has no such name.
    """
    if not is_path(path):
        raise PortraitError(f"{option} {path!r}: write it as package.module:Name")
    module_name, _, attribute = path.partition(":")
    here = str(Path.cwd())
    if "" not in sys.path and here not in sys.path:
        sys.path.append(here)
    try:
        loaded: Any = import_module(module_name)
    except Exception as problem:
        # A user's module can fail in any way while it is imported.
        raise PortraitError(
            f"{option} {path}: {module_name} cannot be imported "
            f"({type(problem).__name__}: {problem}); try: install its package on every machine "
            "that builds, or run from the folder that holds it"
        ) from problem
    for part in attribute.split("."):
        if not hasattr(loaded, part):
            raise PortraitError(f"{option} {path}: {module_name} has no {attribute}")
        loaded = getattr(loaded, part)
    return loaded
