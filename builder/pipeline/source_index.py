"""Which files of a source folder have not changed since they were planned.

The work folder keeps the size, times and inode of every planned file beside the plan. When the
same output is planned again, to compare, only files that differ in one of these are hashed
again. That is safe: the generator hashes each file once more when it reads it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from builder.files import canonical_json, write_text
from builder.plan import Plan

FILE_NAME = "sources.json"
_Mark = list[int]


def write_index(work_folder: Path, plan: Plan, source: Path) -> None:
    """Note size, times and inode of every planned file.

    Args:
        work_folder: Where the plan is saved.
        plan: A plan whose rows have source files.
        source: The folder that they lie in.
    """
    files = {}
    for row in plan.rows:
        if row.source is not None and (mark := _mark(source / row.source.file)) is not None:
            files[row.source.file] = mark
    write_text(work_folder / FILE_NAME, canonical_json({"folder": _named(source), "files": files}))


def known_hashes(work_folder: Path, saved: Plan, source: Path) -> Mapping[str, str]:
    """Relative path to SHA-256 of the files that did not change since they were planned.

    Args:
        work_folder: Where the plan is saved.
        saved: That plan.
        source: The folder that is planned now; of another folder nothing is known.
    """
    try:
        index = json.loads((work_folder / FILE_NAME).read_text(encoding="utf-8"))
        marks: dict[str, _Mark] = index["files"] if index["folder"] == _named(source) else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    planned = {row.source.file: row.source.sha256 for row in saved.rows if row.source is not None}
    return {
        file: planned[file]
        for file, mark in marks.items()
        if file in planned and mark == _mark(source / file)
    }


def _named(folder: Path) -> str:
    """A folder's path as text that JSON can hold; bytes that are not UTF-8 are escaped."""
    return os.fsencode(folder).decode("utf-8", "backslashreplace")


def _mark(path: Path) -> _Mark | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]
