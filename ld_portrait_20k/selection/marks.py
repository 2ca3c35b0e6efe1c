"""The file in which somebody who looked at samples said which are good and which are bad.

A line of ``marks.jsonl`` is ``{"id": "ldp-0000042", "mark": "bad", "note": "an ear is cut off"}``;
either of mark and note may be absent. The viewer writes it, ``python -m builder filter --marks``
reads it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ld_portrait_20k.common.printable import printable
from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.format import json_text, schema

FILE_NAME: Final = "marks.jsonl"
MARKS: Final = ("good", "bad")
MAX_NOTE: Final = 2000
"""Characters; a note is a few sentences."""
MAX_BYTES: Final = 256 * 2**20
"""A larger file is refused; a mark has about 60 bytes, and a dataset at most ten million."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What a reader said of a sample.

    Attributes:
        mark: One of :data:`MARKS`, or None for a note alone.
        note: Text, may be empty.
    """

    mark: str | None
    note: str = ""

    def to_dict(self) -> dict[str, str]:
        """As it is saved, without the id."""
        found = {"mark": self.mark} if self.mark else {}
        return {**found, "note": self.note} if self.note else found

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> Mark | None:
        """Check and read what :meth:`to_dict` gave; None where it says nothing.

        Raises:
            ValueError: It is something else.
        """
        mark, note = body.get("mark"), body.get("note") or ""
        if mark is not None and mark not in MARKS:
            raise ValueError(f"the mark {mark!r} is neither {' nor '.join(MARKS)}")
        if not isinstance(note, str):
            raise ValueError("the note is not text")
        if len(note) > MAX_NOTE:
            raise ValueError(
                f"the note has {len(note):,} characters, at most {MAX_NOTE:,} are read"
            )
        return cls(mark, note) if mark or note else None


@dataclass(frozen=True, slots=True)
class MarksFile:
    """What a file of marks says.

    Attributes:
        path: The file.
        sha256: Of its bytes, in hex.
        marks: Id of a sample to what is said of it; a later line of the same id replaces an
            earlier one.
    """

    path: Path
    sha256: str
    marks: dict[str, Mark]


def read_marks(path: Path, *, may_be_absent: bool = False) -> MarksFile:
    """Read a file of marks.

    A line with neither mark nor note takes the id's mark away. Empty lines and other keys are
    passed over.

    Args:
        path: The file.
        may_be_absent: Take a file that is not there for an empty one.

    Raises:
        PortraitError: The file cannot be read, or a line of it is something else.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as problem:
        if not (may_be_absent and isinstance(problem, FileNotFoundError)):
            raise PortraitError(
                f"{path}: cannot be read ({problem.strerror}); try: the {FILE_NAME} that the "
                "viewer wrote beside the dataset, or another --marks FILE"
            ) from problem
        content = b""
    if len(content) > MAX_BYTES:
        raise PortraitError(f"{path}: more than {MAX_BYTES} bytes; try: another --marks FILE")
    marks: dict[str, Mark] = {}
    for number, line in enumerate(content.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            key, mark = _line(json_text.parse(line))
        except ValueError as problem:
            raise PortraitError(
                f"{path}, line {number}: {printable(problem)}; try: another --marks FILE, with "
                'lines such as {"id": "ldp-0000042", "mark": "bad", "note": "why"}'
            ) from problem
        marks.pop(key, None)
        if mark is not None:
            marks[key] = mark
    return MarksFile(path, hashlib.sha256(content).hexdigest(), marks)


def _line(item: Any) -> tuple[str, Mark | None]:
    if not isinstance(item, dict):
        raise ValueError("not a JSON object")
    key = item.get("id")
    if not isinstance(key, str) or not schema.is_sample_id(key):
        raise ValueError(f"the id {key!r} is no sample's id")
    return key, Mark.from_dict(item)
