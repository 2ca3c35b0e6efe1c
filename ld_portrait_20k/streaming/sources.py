"""Where a dataset's files are read from: a local folder, an HTTP server, listed shards."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol
from urllib.parse import SplitResult, quote

from ld_portrait_20k.errors import (
    LFS_ADVICE,
    LFS_POINTER,
    DatasetNotFoundError,
    PortraitError,
    UnreadableShardError,
    is_lfs_pointer,
)
from ld_portrait_20k.format.manifest import FILE_NAME, Manifest
from ld_portrait_20k.format.manifest_checks import MAX_BYTES
from ld_portrait_20k.format.sample_index import ReadFile
from ld_portrait_20k.streaming import addresses
from ld_portrait_20k.streaming.http import HttpClient, Patience, RemoteError, public_url
from ld_portrait_20k.streaming.listing import is_url, list_shards
from ld_portrait_20k.streaming.windows import FileWindow, OpenFile, Window

__all__ = ["DatasetSource", "HttpSource", "ListedSource", "LocalSource", "Stream", "Window"]

_OPEN_FILES = 64


class Stream(Protocol):
    """A readable byte stream, also a context manager."""

    def read(self, size: int, /) -> bytes:
        """Up to ``size`` bytes; none at the end."""
        ...

    def close(self) -> None:
        """Close it."""
        ...

    def __enter__(self) -> Any: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> Any: ...


class DatasetSource(Protocol):
    """The files of one dataset, by path relative to its root.

    Sources may be shared by threads, forked and pickled.

    Attributes:
        name: The root, for messages.
        remote: Whether reading crosses a network.
    """

    name: str
    remote: bool

    def window(self, path: str, start: int, length: int) -> Window:
        """``length`` bytes of a file from ``start``."""
        ...

    def open(self, path: str) -> Stream:
        """A file as a stream from its start."""
        ...

    def locate(self, path: str) -> str:
        """A file's full path or URL, for messages."""
        ...

    def manifest(self) -> Manifest:
        """The dataset's manifest."""
        ...


class LocalSource:
    """A folder.

    Args:
        root: The folder that holds ``manifest.json``.
    """

    remote = False

    def __init__(self, root: Path | str) -> None:
        # The process may change its folder later, and its workers with it.
        self.root = Path(root).absolute()
        self.name = str(root)
        self._reset()

    def window(self, path: str, start: int, length: int) -> Window:
        """``length`` bytes of a file from ``start``, to be read as they are needed.

        Raises:
            UnreadableShardError: The file cannot be opened.
        """
        try:
            return FileWindow(self._file(path), start, length)
        except OSError as problem:
            raise _unreadable(self.locate(path), problem) from problem

    def open(self, path: str) -> Stream:
        """A file as a stream from its start.

        Raises:
            UnreadableShardError: The file cannot be opened.
        """
        try:
            return (self.root / path).open("rb", buffering=2**20)
        except OSError as problem:
            raise _unreadable(self.locate(path), problem) from problem

    def locate(self, path: str) -> str:
        """A file's full path."""
        return str(self.root / path)

    def manifest(self) -> Manifest:
        """The dataset's manifest.

        Raises:
            PortraitError: Absent or invalid.
        """
        return Manifest.load(self.root)

    def _file(self, path: str) -> OpenFile:
        if self._pid != os.getpid():
            self._reset()
        with self._lock:
            file = self._files.get(path)
            if file is None:
                file = OpenFile(self.root / path)
                if is_lfs_pointer(os.pread(file.descriptor, len(LFS_POINTER), 0)):
                    raise UnreadableShardError(self.locate(path), LFS_ADVICE)
                self._files[path] = file
                if len(self._files) > _OPEN_FILES:
                    self._files.popitem(last=False)
            else:
                self._files.move_to_end(path)
            return file

    def _reset(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._files: OrderedDict[str, OpenFile] = OrderedDict()

    def __getstate__(self) -> dict[str, Any]:
        return {"root": self.root}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["root"])  # type: ignore[misc]

    def __repr__(self) -> str:
        return f"LocalSource({self.name!r})"


class HttpSource:
    """A folder behind an HTTP server, faster if the server answers Range requests.

    Args:
        base: URL of the folder that holds ``manifest.json``.
        token: Bearer token, sent to the base's own host only.
        patience: How long to try.
        identity: Name of this revision of the dataset, such as a commit.
    """

    remote = True

    def __init__(
        self,
        base: str,
        token: str | None = None,
        patience: Patience | None = None,
        identity: str | None = None,
    ) -> None:
        parts = _split(base)
        self.base = base.rstrip("/")
        self.name = public_url(self.base)
        self.identity = identity
        self.client = HttpClient(token, f"{parts.scheme}://{parts.netloc}", patience)
        self._manifest: Manifest | None = None

    def window(self, path: str, start: int, length: int) -> Window:
        """Exactly ``length`` bytes of a file from ``start``, fetched.

        Raises:
            RemoteError: See :class:`~ld_portrait_20k.streaming.http.HttpClient`.
        """
        return Window(self.client.read(self.url(path), start, length))

    def open(self, path: str) -> Stream:
        """A file as a stream from its start; a transfer that is cut goes on where it stood."""
        return self.client.open(self.url(path))

    def locate(self, path: str) -> str:
        """A file's URL, without query."""
        return public_url(self.url(path))

    def manifest(self) -> Manifest:
        """The dataset's manifest, fetched once.

        Raises:
            DatasetNotFoundError: The server has none.
            RemoteError: It cannot be fetched.
            PortraitError: It is invalid.
        """
        if self._manifest is None:
            url = self.url(FILE_NAME)
            try:
                data = self.client.get(url, MAX_BYTES)
            except RemoteError as problem:
                if problem.status in (404, 410):
                    raise DatasetNotFoundError(
                        f"{self.name}: no {FILE_NAME} there; the URL must be the dataset's folder"
                    ) from problem
                raise
            self.take_manifest(data.decode("utf-8", "replace"), public_url(url))
        assert self._manifest is not None
        return self._manifest

    def take_manifest(self, text: str, where: str) -> None:
        """Use this text as the manifest.

        Args:
            text: Of its ``manifest.json``.
            where: Where it is from, for messages.

        Raises:
            PortraitError: It is invalid.
        """
        self._manifest = Manifest.from_json(text, where, _reader(self.client, self.base))

    def url(self, path: str) -> str:
        """A file's URL as it is asked for."""
        return _file_url(self.base, path)

    def __repr__(self) -> str:
        return f"HttpSource({self.name!r})"


class ListedSource:
    """Single shards by path or URL.

    Args:
        paths: Shards, see :func:`~ld_portrait_20k.streaming.listing.list_shards`.
        token: Bearer token, sent to the hosts of the URLs; with one, all must be of the same host.
        patience: How long to try.
    """

    def __init__(
        self,
        paths: Sequence[str | Path],
        token: str | None = None,
        patience: Patience | None = None,
    ) -> None:
        self.paths = tuple(list_shards(paths))
        if not self.paths:
            raise PortraitError("an empty list of shards")
        remote = [_split(path) for path in self.paths if self.is_remote(path)]
        origins = {f"{parts.scheme}://{parts.netloc}" for parts in remote}
        if token and len(origins) > 1:
            raise PortraitError("a token goes with the shards of one host only")
        self.remote = bool(remote)
        self.name = f"{len(self.paths)} shards, {public_url(self.paths[0])} first"
        self.client = HttpClient(token, min(origins, default=None), patience)
        self._local = LocalSource("/")
        self._manifests: dict[str, Manifest | None] = {}

    @staticmethod
    def is_remote(path: str) -> bool:
        """Whether a shard is behind a URL."""
        return is_url(path)

    def window(self, path: str, start: int, length: int) -> Window:
        """``length`` bytes of a shard from ``start``."""
        if self.is_remote(path):
            return Window(self.client.read(path, start, length))
        return self._local.window(path, start, length)

    def open(self, path: str) -> Stream:
        """A shard as a stream from its start."""
        return self.client.open(path) if self.is_remote(path) else self._local.open(path)

    def locate(self, path: str) -> str:
        """The path, or the URL without query."""
        return public_url(path) if self.is_remote(path) else path

    def manifest(self) -> Manifest:
        """Single shards have no common manifest.

        Raises:
            PortraitError: Always.
        """
        raise PortraitError(f"{self.name}: single shards have no manifest")

    def manifest_at(self, root: str) -> Manifest | None:
        """The manifest of the dataset in a folder or at a URL, if there is one."""
        if root not in self._manifests:
            self._manifests[root] = self._find_manifest(root)
        return self._manifests[root]

    def _find_manifest(self, root: str) -> Manifest | None:
        if not self.is_remote(root):
            folder = Path(root)
            return Manifest.load(folder) if (folder / FILE_NAME).exists() else None
        url = f"{root}/{FILE_NAME}"
        try:
            data = self.client.get(url, MAX_BYTES)
        except RemoteError as problem:
            if problem.status in (401, 403, 404, 410):
                return None
            raise
        reader = _reader(self.client, root)
        return Manifest.from_json(data.decode("utf-8", "replace"), public_url(url), reader)


def _reader(client: HttpClient, base: str) -> ReadFile:
    """Reads the files beside a manifest; fit to be pickled."""
    return partial(_read_file, client, base)


def _read_file(client: HttpClient, base: str, path: str, limit: int) -> bytes:
    return client.get(_file_url(base, path), limit)


def _file_url(base: str, path: str) -> str:
    return f"{base}/{quote(path)}"


def _split(url: str) -> SplitResult:
    try:
        return addresses.split(url)
    except ValueError as problem:
        raise PortraitError(f"{public_url(url)}: not an address to read from ({problem})") from None


def _unreadable(shard: str, problem: OSError) -> UnreadableShardError:
    return UnreadableShardError(shard, f"cannot be read ({problem.strerror or problem})")
