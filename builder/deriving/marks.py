"""Marks that somebody gave to samples while looking at them: a JSON object a line."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ld_portrait_20k import json_text, schema
from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.printable import printable
from ld_portrait_20k.viewer.marks import MARKS

MAX_BYTES: Final = 256 * 2**20
"""A larger file is refused; a mark has about 60 bytes, and a dataset at most ten million."""


@dataclass(frozen=True)
class Marks:
    """What a file of marks says.

    Attributes:
        path: The file.
        sha256: Of the file, in hex.
        marks: Id to ``good`` or ``bad``; a later line of the same id replaces an earlier one.
        notes: Id to the note that goes with the mark, where there is one.
    """

    path: Path
    sha256: str
    marks: Mapping[str, str]
    notes: Mapping[str, str]


def read_marks(path: Path) -> Marks:
    """Read marks: ``{"id": "ldp-0000042", "mark": "bad", "note": "an ear is cut off"}`` a line.

    A line whose mark is null takes the id's mark away. Empty lines and other keys are passed
    over.

    Raises:
        PortraitError: The file cannot be read, or a line of it is something else.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as problem:
        raise PortraitError(
            f"{path}: cannot be read ({problem.strerror}); try: the marks.jsonl that the viewer "
            "wrote beside the dataset"
        ) from problem
    if len(content) > MAX_BYTES:
        raise PortraitError(f"{path}: more than {MAX_BYTES} bytes; try: a file of marks")
    marks: dict[str, str] = {}
    notes: dict[str, str] = {}
    for number, line in enumerate(content.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            key, mark, note = _mark(json_text.parse(line))
        except ValueError as problem:
            raise PortraitError(
                f"{path}, line {number}: {printable(problem)}; "
                'try: lines such as {"id": "ldp-0000042", "mark": "bad", "note": "why"}'
            ) from problem
        marks.pop(key, None)
        notes.pop(key, None)
        if mark is not None:
            marks[key] = mark
            if note:
                notes[key] = note
    return Marks(path, hashlib.sha256(content).hexdigest(), marks, notes)


def _mark(item: Any) -> tuple[str, str | None, str]:
    if not isinstance(item, dict):
        raise ValueError("not a JSON object")
    key, mark, note = item.get("id"), item.get("mark"), item.get("note") or ""
    if not isinstance(key, str) or not schema.is_sample_id(key):
        raise ValueError(f"the id {key!r} is no sample's id")
    if mark is not None and mark not in MARKS:
        raise ValueError(f"the mark {mark!r} is neither good nor bad")
    if not isinstance(note, str):
        raise ValueError("the note is not text")
    return key, mark, note
