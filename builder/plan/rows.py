"""The rows of a plan, and the file that they are saved in."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from builder.files import canonical_json
from ld_portrait_20k.format import schema


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that a planned sample comes from.

    Attributes:
        id: The file's stem.
        file: Path relative to the source folder, with forward slashes.
        sha256: Of the file when planned.
    """

    id: str
    file: str
    sha256: str


@dataclass(frozen=True, slots=True)
class PlanRow:
    """One planned sample.

    Attributes:
        id: ``ldp-0000042``.
        split: ``train``, ``validation`` or ``test``.
        prompt: The text that describes the portrait; empty only for a folder without one.
        negative_prompt: What the generator is told to avoid, or None.
        attributes: The attributes that the prompt words; a value is None where it does
            not apply, and the dict is empty where nothing is known.
        seed: The sample's seed, 0..2**63-1.
        width: Planned width in pixels; 0 where the source file decides.
        height: Planned height in pixels; 0 where the source file decides.
        source: The file it comes from, for the ``folder`` generator.
    """

    id: str
    split: str
    prompt: str
    negative_prompt: str | None
    attributes: dict[str, str | None]
    seed: int
    width: int
    height: int
    source: SourceFile | None = None

    @classmethod
    def of_sample(cls, sample_id: str, split: str, metadata: Mapping[str, Any]) -> PlanRow:
        """The row of a finished sample, from the metadata in its shard."""
        source = metadata["source"]
        return cls(
            id=sample_id,
            split=split,
            prompt=metadata["prompt"] or "",
            negative_prompt=metadata["negative_prompt"],
            attributes=metadata["attributes"],
            seed=metadata["seed"],
            width=metadata["width"],
            height=metadata["height"],
            source=SourceFile(**source) if source["id"] is not None else None,
        )


class SavedRows(Sequence[PlanRow]):
    """Rows of a saved plan that are read from its file when they are asked for.

    A row takes about a kilobyte as an object; here it takes nine bytes. The file is opened for
    each reading: a plan that grows replaces it by one that begins with the same rows.

    Args:
        path: The file, a row a line.
        starts: (N,) int64, the byte at which each row begins.
        splits: (N,) int8, the place of each row's split in ``schema.SPLITS``.
    """

    def __init__(self, path: Path, starts: NDArray[np.int64], splits: NDArray[np.int8]) -> None:
        self._path = path
        self._starts = starts
        self._splits = splits

    @classmethod
    def scan(cls, path: Path) -> SavedRows:
        """Find the rows of a file.

        Raises:
            OSError: It cannot be read.
            KeyError, TypeError, ValueError: A line is not a row.
        """
        starts, splits = bytearray(), bytearray()
        place = 0
        with path.open("rb") as lines:
            for line in lines:
                starts += place.to_bytes(8, "little")
                splits.append(schema.SPLITS.index(json.loads(line)["split"]))
                place += len(line)
        return cls(path, np.frombuffer(starts, "<i8"), np.frombuffer(splits, np.int8))

    def lines(self) -> Iterator[bytes]:
        """The lines of the file that hold the rows."""
        with self._path.open("rb") as stream:
            for start in self._starts.tolist():
                stream.seek(start)
                yield stream.readline()

    def of_split(self, split: str) -> SavedRows:
        """The rows of one split, in order."""
        chosen = self._splits == schema.SPLITS.index(split)
        return SavedRows(self._path, self._starts[chosen], self._splits[chosen])

    def __len__(self) -> int:
        return len(self._starts)

    @overload
    def __getitem__(self, place: int) -> PlanRow: ...

    @overload
    def __getitem__(self, place: slice) -> SavedRows: ...

    def __getitem__(self, place: int | slice) -> PlanRow | SavedRows:
        if isinstance(place, slice):
            return SavedRows(self._path, self._starts[place], self._splits[place])
        start = int(self._starts[place])
        with self._path.open("rb") as stream:
            stream.seek(start)
            return decode_row(stream.readline())

    def __iter__(self) -> Iterator[PlanRow]:
        return map(decode_row, self.lines())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(
            mine == theirs for mine, theirs in zip(self, other, strict=True)
        )

    __hash__ = None  # type: ignore[assignment]


def rows_of_split(rows: Sequence[PlanRow], split: str) -> Sequence[PlanRow]:
    """The rows of one split, in order."""
    if isinstance(rows, SavedRows):
        return rows.of_split(split)
    return [row for row in rows if row.split == split]


def encode_rows(rows: Sequence[PlanRow]) -> Iterator[bytes]:
    """Rows as lines of the file; equal rows give equal lines."""
    return rows.lines() if isinstance(rows, SavedRows) else map(_encode_row, rows)


def _encode_row(row: PlanRow) -> bytes:
    # By hand: dataclasses.asdict copies every value and took half of the time of planning.
    fields = {name: getattr(row, name) for name in PlanRow.__slots__}
    if row.source is not None:
        fields["source"] = {name: getattr(row.source, name) for name in SourceFile.__slots__}
    return (canonical_json(fields) + "\n").encode()


def decode_row(line: bytes) -> PlanRow:
    """A row from its line.

    Raises:
        KeyError, TypeError, ValueError: The line is not a row.
    """
    item: dict[str, Any] = json.loads(line)
    source = item.pop("source")
    return PlanRow(**item, source=SourceFile(**source) if source else None)
