"""Starting Python processes that can import this project, installed or not."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
"""The folder that holds the project's packages."""


def python_path() -> str:
    """``PYTHONPATH`` for a child: the project's root, then what this process was given."""
    return os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])


def environment(**variables: str) -> dict[str, str]:
    """This process's environment for a child, with :func:`python_path`.

    Args:
        variables: Further variables, which override those of this process.
    """
    return {**os.environ, "PYTHONPATH": python_path(), **variables}


def module_command(module: str, *arguments: str) -> list[str]:
    """The command that runs a module of this project with the same Python."""
    return [sys.executable, "-m", module, *arguments]
