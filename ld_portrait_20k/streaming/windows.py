"""Parts of files, read from front to back without copying them more than once."""

from __future__ import annotations

import os
from pathlib import Path

from ld_portrait_20k.codec.zlib_library import fastest_zlib
from ld_portrait_20k.errors import UnreadableShardError

# zlib-ng takes an eighth of the time: 0.04 ms for a sample of 700 KB.
crc32 = fastest_zlib().crc32


class Window:
    """A part of a file, read from front to back and copied only once.

    It must be used at once: its bytes may lie in a buffer that the source overwrites.

    Args:
        data: The bytes.
    """

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self.length = len(data)
        self.position = 0
        self.checking = False

    def read(self, size: int, /) -> bytes:
        """The next ``size`` bytes, or what is left."""
        part = self._data[self.position : self.position + size]
        self.position += len(part)
        return bytes(part)

    def crc32(self) -> int:
        """The CRC-32 of all its bytes; set ``checking`` before reading."""
        return crc32(self._data)

    def part(self, start: int, length: int) -> Window:
        """A part of this part."""
        return Window(self._data[start : start + length])


class FileWindow(Window):
    """A part of a local file, read when asked for."""

    def __init__(self, file: OpenFile, start: int, length: int) -> None:
        super().__init__(memoryview(b""))
        self._file = file
        self._start = start
        self.length = length
        self._crc32 = 0

    def read(self, size: int, /) -> bytes:
        """The next ``size`` bytes, or what is left; fewer where the file ends before.

        Raises:
            UnreadableShardError: The disk or the mount fails.
        """
        size = min(size, self.length - self.position)
        try:
            part = os.pread(self._file.descriptor, size, self._start + self.position)
        except OSError as problem:
            raise UnreadableShardError(
                self._file.name, f"cannot be read ({problem.strerror})"
            ) from problem
        self.position += len(part)
        if self.checking:
            self._crc32 = crc32(part, self._crc32)
        return part

    def crc32(self) -> int:
        """The CRC-32 of the bytes read so far; set ``checking`` before reading."""
        return self._crc32

    def part(self, start: int, length: int) -> Window:
        """A part of this part."""
        return FileWindow(self._file, self._start + start, length)


class OpenFile:
    """A file descriptor that is closed with the last reference to it."""

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self.descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))

    def __del__(self) -> None:
        if hasattr(self, "descriptor"):
            os.close(self.descriptor)
