"""The environment of the processes that we start: they import this very project."""

from __future__ import annotations

import os
from pathlib import Path

PROJECT_ROOT = Path(__file__).resolve().parents[2]
"""The folder that holds the packages; on the path in case that they are not installed."""


def child_environment(**more: str) -> dict[str, str]:
    """This process's environment with the project on ``PYTHONPATH``.

    Args:
        more: Further variables.
    """
    paths = [str(PROJECT_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), **more}
