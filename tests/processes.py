"""Python processes that tests start: they import this checkout, from any folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from builder.workers.children import ROOT, environment, module_command

__all__ = ["ROOT", "clean_environment", "module_command", "run_code", "run_module", "start_module"]


def run_module(module: str, *arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run ``python -m MODULE ARGUMENTS`` to its end; output is kept as text.

    Args:
        module: Of this checkout.
        arguments: Made strings.
        options: As of ``subprocess.run``; ``env`` holds variables to add.
    """
    return _run(module_command(module, *map(str, arguments)), options)


def run_code(code: str, *arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run ``python -c CODE ARGUMENTS``; see :func:`run_module`."""
    return _run([sys.executable, "-c", code, *map(str, arguments)], options)


def start_module(module: str, *arguments: object, **options: Any) -> subprocess.Popen[str]:
    """Start ``python -m MODULE ARGUMENTS``; options as of ``subprocess.Popen``."""
    options["env"] = environment(**options.pop("env", {}))
    return subprocess.Popen(module_command(module, *map(str, arguments)), text=True, **options)


def clean_environment(home: Path) -> dict[str, str]:
    """Variables for a machine that knows no Hub account: a home of its own, nothing set."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "LD_"))}
    return {**kept, "HF_HOME": str(home), "PYTHONPATH": str(ROOT)}


def _run(command: list[str], options: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    given = options.pop("env", {})
    # A whole environment brings its PYTHONPATH; else the variables are added to ours.
    env = given if "PYTHONPATH" in given else environment(**given)
    options = {"capture_output": True, "text": True, "env": env, **options}
    return subprocess.run(command, **options)
