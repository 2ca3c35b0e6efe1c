"""Versions of the libraries that decide bytes, so that a build goes on with the same."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from builder.generation.registry import runs_in_workers

_EVERYWHERE = ("numpy", "opencv-python-headless", "pillow")
_ON_DEVICES = ("torch", "diffusers", "transformers")
UNKNOWN = "unknown"
"""Stands for a library that is not installed here: a plan may be made on a machine that will
not generate, and cv2 may come from another of its wheels."""


def library_versions(generator_spec: Mapping[str, Any]) -> dict[str, str]:
    """The versions on this machine of Python and of what a generator's bytes depend on."""
    libraries: tuple[str, ...] = _EVERYWHERE
    if not runs_in_workers(generator_spec):
        libraries += _ON_DEVICES
    found = {"python": platform.python_version()}
    for name in libraries:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = UNKNOWN
    return found


def first_difference(saved: Mapping[str, str], here: Mapping[str, str]) -> str | None:
    """The first library whose version differs; one that is unknown on a side does not count."""
    for name in sorted({*saved, *here}):
        versions = saved.get(name, UNKNOWN), here.get(name, UNKNOWN)
        if UNKNOWN not in versions and versions[0] != versions[1]:
            return name
    return None
