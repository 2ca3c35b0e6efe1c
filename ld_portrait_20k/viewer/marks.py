"""The reader's marks: good, bad and notes, in a file that other tools read.

A line of ``marks.jsonl`` is ``{"id": "ldp-0000042", "mark": "bad", "note": "an ear is cut off"}``;
either of mark and note may be absent. ``python -m builder filter --marks`` takes such a file.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from ld_portrait_20k import json_text, schema
from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.files import write_bytes
from ld_portrait_20k.locks import held
from ld_portrait_20k.viewer.columns import TextColumn

FILE_NAME: Final = "marks.jsonl"
MARKS: Final = ("good", "bad")
MAX_NOTE: Final = 2000
"""Characters; a note is a few sentences."""
_MAX_BYTES: Final = 64 * 2**20


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
    def from_dict(cls, body: Any) -> Mark | None:
        """Check and read what :meth:`to_dict` gave; None where it says nothing.

        Raises:
            ValueError: It is something else.
        """
        mark, note = body.get("mark") or None, body.get("note") or ""
        if mark not in (None, *MARKS) or not isinstance(note, str) or len(note) > MAX_NOTE:
            raise ValueError(f"a mark is {' or '.join(MARKS)}, a note has {MAX_NOTE} characters")
        return cls(mark, note) if mark or note else None


class Marks:
    """The marks of a file, or of this process alone.

    Processes may write one file: each change is made to what the file says at that moment, under
    a lock, and the file is replaced as a whole.

    Args:
        path: The file; None to refuse marks.

    Attributes:
        version: Rises with every change.

    Raises:
        PortraitError: The file is there and is no file of marks.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.version = 0
        self._lock = threading.Lock()
        self._marks = _read(path) if path is not None else {}
        self._column: tuple[int, TextColumn] | None = None

    def of(self, key: str) -> Mark | None:
        """What is said of a sample."""
        return self._marks.get(key)

    def set(self, key: str, mark: Mark | None) -> None:
        """Change what is said of a sample, on disk too.

        Raises:
            PortraitError: There is no file, or it cannot be written.
        """
        if self.path is None:
            raise PortraitError("there is no file for marks; try: --marks FILE")
        with self._lock:
            try:
                with held(
                    self.path.with_name(f".{self.path.name}.lock"), str(self.path), wait=True
                ):
                    marks = _read(self.path)
                    marks.pop(key, None)
                    if mark is not None:
                        marks[key] = mark
                    lines = [
                        json.dumps({"id": name, **marks[name].to_dict()}, ensure_ascii=False)
                        for name in sorted(marks)
                    ]
                    write_bytes(self.path, "".join(f"{line}\n" for line in lines).encode())
            except OSError as problem:
                raise PortraitError(
                    f"{self.path}: cannot be written ({problem.strerror}); try: --marks FILE"
                ) from problem
            self._marks = marks
            self.version += 1

    def column(self, keys: Sequence[str]) -> TextColumn:
        """``good``, ``bad``, ``note`` (a note alone) or null of every sample."""
        known = self._column
        if known is not None and known[0] == self.version and len(known[1].codes) == len(keys):
            return known[1]
        version, marks = self.version, self._marks
        values: list[str | None] = [None, *MARKS, "note"]
        codes = np.zeros(len(keys), np.int32)
        if marks:
            for place, key in enumerate(keys):
                found = marks.get(key)
                if found is not None:
                    codes[place] = values.index(found.mark or "note")
        self._column = (version, TextColumn(codes, values))
        return self._column[1]


def _read(path: Path) -> dict[str, Mark]:
    try:
        with path.open("rb") as stream:
            content = stream.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        return {}
    except OSError as problem:
        raise PortraitError(f"{path}: cannot be read ({problem.strerror})") from problem
    if len(content) > _MAX_BYTES:
        raise PortraitError(f"{path}: more than {_MAX_BYTES} bytes; try: another --marks FILE")
    marks: dict[str, Mark] = {}
    for number, line in enumerate(content.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            body = json_text.parse(line)
            key = body["id"]
            if not isinstance(key, str) or not schema.is_sample_id(key):
                raise ValueError(key)
            mark = Mark.from_dict(body)
        except (ValueError, KeyError, TypeError, AttributeError) as problem:
            raise PortraitError(
                f"{path}, line {number}: no mark of a sample; try: another --marks FILE"
            ) from problem
        marks.pop(key, None)
        if mark is not None:
            marks[key] = mark
    return marks
