"""The index of a large dataset: binary files beside ``manifest.json``, one a subset and split.

A row has five little-endian uint32: a sample's number, the sizes in bytes of its foreground, alpha
and JSON members, and its CRC-32. Rows lie in the order of the shards in the manifest. A file is
read when a row of it is first asked for, so whoever needs one split reads no other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.format import schema
from ld_portrait_20k.format.manifest_checks import MAX_SAMPLES
from ld_portrait_20k.format.ustar import MAX_MEMBER_BYTES

FOLDER: Final = "index"
_COLUMNS: Final = 5
_ROW_BYTES: Final = 4 * _COLUMNS

Row = tuple[int, int, int, int]
ReadFile = Callable[[str, int], bytes]
"""A file of the dataset by its path: its bytes, one more than so many at most."""


def index_path(subset: str, split: str) -> str:
    """Where the rows of a subset and split lie, relative to the dataset's root."""
    return f"{FOLDER}/{subset}-{split}.bin"


def every_index_path() -> list[str]:
    """All paths that an index file may have."""
    return [index_path(subset, split) for subset in schema.SUBSETS for split in schema.SPLITS]


def encode_rows(index: Iterable[Row], crc32: Iterable[int]) -> bytes:
    """Rows as an index file holds them."""
    return _as_array(index, crc32).tobytes()


def hold_rows(
    path: str, index: Iterable[Row], crc32: Iterable[int]
) -> tuple[IndexRows, IndexChecksums]:
    """The rows of one shard as small sequences, for who keeps those of many shards.

    Args:
        path: The shard.
        index: As :attr:`ld_portrait_20k.format.manifest.ShardRecord.index`.
        crc32: As there, one a row.
    """
    rows = _as_array(index, crc32)
    held = HeldRows(path, rows)
    return IndexRows(held, 0, len(rows)), IndexChecksums(held, 0, len(rows))


def _as_array(index: Iterable[Row], crc32: Iterable[int]) -> NDArray[np.uint32]:
    if isinstance(index, IndexRows) and isinstance(crc32, IndexChecksums):
        return index.array()
    rows = [(*row, value) for row, value in zip(index, crc32, strict=True)]
    return np.array(rows, "<u4").reshape(-1, _COLUMNS)


def read_local(root: Path, path: str, limit: int) -> bytes:
    """:data:`ReadFile` of a folder.

    Raises:
        PortraitError: It cannot be read.
    """
    try:
        with (root / path).open("rb") as stream:
            return stream.read(limit + 1)
    except OSError as problem:
        raise PortraitError(
            f"{root / path}: cannot be read ({problem.strerror or problem}); it belongs to the "
            "manifest; try: download or build the dataset again"
        ) from problem


def local_reader(root: Path) -> ReadFile:
    """:func:`read_local` of a folder, fit to be pickled."""
    return partial(read_local, root.absolute())


class IndexFile:
    """One index file, read once when it is needed.

    Args:
        path: Its path in the dataset.
        sha256: What the manifest says.
        read: Reads a file of the dataset.
    """

    def __init__(self, path: str, sha256: str, read: ReadFile) -> None:
        self.path = path
        self.samples = 0
        self._sha256 = sha256
        self._read = read
        self._rows: NDArray[np.uint32] | None = None

    def take(self, count: int) -> tuple[IndexRows, IndexChecksums]:
        """The next ``count`` rows, those of the next shard; nothing is read yet."""
        first, self.samples = self.samples, self.samples + count
        return IndexRows(self, first, self.samples), IndexChecksums(self, first, self.samples)

    def rows(self, first: int, stop: int) -> NDArray[np.uint32]:
        """(N, 5) uint32, the rows of a shard.

        Raises:
            PortraitError: The file cannot be read or is not what the manifest says.
        """
        if self._rows is None:
            self._rows = self._load()
        rows = self._rows[first:stop]
        numbers, sizes = rows[:, 0], rows[:, 1:4]
        if (numbers[1:] <= numbers[:-1]).any() or (numbers >= MAX_SAMPLES).any():
            raise PortraitError(f"{self.path}: sample numbers of a shard do not rise")
        if (sizes > MAX_MEMBER_BYTES).any():
            raise PortraitError(f"{self.path}: an impossible member size")
        return rows

    def _load(self) -> NDArray[np.uint32]:
        size = self.samples * _ROW_BYTES
        content = self._read(self.path, size)
        if len(content) != size or hashlib.sha256(content).hexdigest() != self._sha256:
            raise PortraitError(
                f"{self.path}: not the index that the manifest names; "
                "try: download or build the dataset again"
            )
        return np.frombuffer(content, "<u4").reshape(-1, _COLUMNS)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_rows": None}


class HeldRows:
    """Rows in memory: 20 bytes a sample, where a tuple of numbers takes some 250.

    Args:
        path: The shard that they belong to.
        rows: (N, 5) uint32.
    """

    def __init__(self, path: str, rows: NDArray[np.uint32]) -> None:
        self.path = path
        self._rows = rows

    def rows(self, first: int, stop: int) -> NDArray[np.uint32]:
        """(N, 5) uint32, some of the rows."""
        return self._rows[first:stop]


class _Part:
    """Some rows of an index file, as a sequence."""

    def __init__(self, file: IndexFile | HeldRows, first: int, stop: int) -> None:
        self._file = file
        self._first = first
        self._stop = stop

    def __len__(self) -> int:
        return self._stop - self._first

    def array(self) -> NDArray[np.uint32]:
        """(N, 5) uint32."""
        return self._file.rows(self._first, self._stop)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and list(self) == list(other)  # type: ignore[call-overload]

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._file.path!r}, {self._first}, {self._stop})"


class IndexRows(_Part, Sequence[Row]):
    """Number and member sizes of a shard's samples."""

    def __getitem__(self, place: Any) -> Any:
        return tuple(self)[place]

    def __iter__(self) -> Iterator[Row]:
        return map(tuple, self.array()[:, :4].tolist())


class IndexChecksums(_Part, Sequence[int]):
    """CRC-32 of a shard's samples."""

    def __getitem__(self, place: Any) -> Any:
        return tuple(self)[place]

    def __iter__(self) -> Iterator[int]:
        return iter(self.array()[:, 4].tolist())


class IndexFiles:
    """The index files of a dataset whose manifest is being read.

    Args:
        files: What the manifest says of its files: path to bytes and sha256.
        read: Reads a file of the dataset; None where the manifest came without one.
    """

    def __init__(self, files: Mapping[str, Mapping[str, Any]], read: ReadFile | None) -> None:
        self._named = files
        self._read = read or _no_files
        self._files: dict[str, IndexFile] = {}

    def take(self, subset: str, split: str, count: Any) -> tuple[IndexRows, IndexChecksums]:
        """The rows of the next shard of a subset and split.

        Raises:
            KeyError, TypeError, ValueError: The manifest does not name that file, or says
                something impossible of it.
        """
        if type(count) is not int or not 0 <= count < MAX_SAMPLES:
            raise ValueError(f"impossible number of samples {count!r:.40}")
        path = index_path(subset, split)
        if path not in self._files:
            self._files[path] = IndexFile(path, str(self._named[path]["sha256"]), self._read)
        file = self._files[path]
        if file.samples + count > MAX_SAMPLES:
            raise ValueError(f"more than {MAX_SAMPLES} samples in {path}")
        return file.take(count)


def _no_files(path: str, limit: int) -> bytes:
    raise PortraitError(f"{path}: the manifest was read without the files beside it")
