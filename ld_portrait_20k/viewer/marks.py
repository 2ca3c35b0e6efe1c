"""The marks of one viewer, kept in a file that several viewers may write."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ld_portrait_20k.common.files import write_bytes
from ld_portrait_20k.common.locks import held
from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.selection.marks import MARKS, Mark, read_marks
from ld_portrait_20k.viewer.columns import TextColumn


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
        self._marks = read_marks(path, may_be_absent=True).marks if path is not None else {}
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
                    marks = read_marks(self.path, may_be_absent=True).marks
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
