"""The builder's files: whole or absent, and JSON that is the same for equal values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ld_portrait_20k.common.files import replacing, sync_folder, write_bytes

__all__ = [
    "WORK_FOLDER",
    "canonical_json",
    "replacing",
    "sync_folder",
    "write_bytes",
    "write_text",
]

WORK_FOLDER = ".work"
"""Where a build keeps its plan and unfinished work, inside the output folder."""


def write_text(path: Path, content: str) -> None:
    """Write a whole UTF-8 file, or none of it."""
    write_bytes(path, content.encode())


def canonical_json(value: Any) -> str:
    """JSON on one line that is the same for equal values: sorted, compact, UTF-8."""
    return json.dumps(
        value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False
    )
