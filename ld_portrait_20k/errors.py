"""Errors that a person can act on: one line that names the thing and what to try."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from urllib.request import url2pathname

from ld_portrait_20k.common.printable import MAX_MESSAGE, printable

_DISTRIBUTION: Final = "ld-portrait-20k"


class PortraitError(Exception):
    """Base of every error this project raises on purpose; ``str()`` is one clear line.

    Whatever others wrote into it (names, metadata, answers of servers) is escaped and shortened.
    """

    def __str__(self) -> str:
        return printable(super().__str__(), MAX_MESSAGE)


class ShardError(PortraitError):
    """A shard that is truncated, altered, malformed or unsafe.

    Args:
        shard: Path or URL of the shard.
        problem: What is wrong, in a few words.
        offset: Byte offset in the shard where it was noticed, if known.
        sample: Id of the sample concerned, if known.
    """

    def __init__(
        self, shard: str, problem: str, *, offset: int | None = None, sample: str | None = None
    ) -> None:
        where = f" at byte {offset}" if offset is not None else ""
        who = f", sample {sample}" if sample else ""
        super().__init__(f"{shard}{where}{who}: {problem}")
        self.shard = shard
        self.problem = problem
        self.offset = offset
        self.sample = sample

    def __reduce__(self) -> tuple[object, ...]:
        fields = (self.shard, self.problem, self.offset, self.sample)
        return _rebuild_shard_error, (type(self), *fields)

    def at(self, offset: int, sample: str) -> ShardError:
        """The same error with a place and a sample, where it does not name them yet."""
        return type(self)(
            self.shard,
            self.problem,
            offset=offset if self.offset is None else self.offset,
            sample=self.sample or sample,
        )


class UnreadableShardError(ShardError):
    """A shard whose bytes cannot be had: absent, no right, too many open files, a failing disk.

    It says nothing about the data, so nothing that passes over damaged samples passes over it.
    """


def _rebuild_shard_error(
    kind: type[ShardError], shard: str, problem: str, offset: int | None, sample: str | None
) -> ShardError:
    return kind(shard, problem, offset=offset, sample=sample)


LFS_POINTER: Final = b"version https://git-lfs.github.com/spec/"
"""How the small file begins that git keeps in place of a large one."""

LFS_ADVICE: Final = "is a git-lfs pointer, not the file itself; try: git lfs pull"


def is_lfs_pointer(start: bytes) -> bool:
    """Whether a file with these first bytes is a pointer of git-lfs."""
    return start.startswith(LFS_POINTER)


class DatasetNotFoundError(PortraitError, FileNotFoundError):
    """The dataset is neither a local folder nor a Hub repository that can be reached."""


def missing_extra(package: str, extra: str) -> PortraitError:
    """The error for an optional dependency that is not installed.

    Args:
        package: What could not be imported.
        extra: The extra of ``ld-portrait-20k`` that brings it.

    Returns:
        An error to raise, whose text is the command that installs it.
    """
    return PortraitError(
        f"this needs {package}, which is not installed; try: {install_command(extra)}"
    )


def install_command(extra: str) -> str:
    """The ``pip`` command that adds an extra to this installation, however it was installed.

    An installation from an index names the project. One from a folder, an archive or a
    repository names that, as ``direct_url.json`` of the installation records it (PEP 610),
    because no index has the project then. A checkout that is only on the path is named too.

    Args:
        extra: One of the project's extras, such as ``torch``.
    """
    import shlex

    requirement, editable = _origin()
    if requirement is None:
        return f"pip install '{_DISTRIBUTION}[{extra}]'"
    if "://" in requirement:
        # An extra goes with a URL only behind the project's name (PEP 508).
        return "pip install " + shlex.quote(f"{_DISTRIBUTION}[{extra}] @ {requirement}")
    return f"pip install {'-e ' * editable}" + shlex.quote(f"{requirement}[{extra}]")


def requirement_elsewhere(*extras: str) -> str | None:
    """What another machine installs to get this version of the project; None if it cannot.

    A project that was installed from a folder of this machine, or is a checkout on the path,
    can be reached from nowhere else.

    Args:
        extras: Of the project, such as ``generate``.
    """
    from ld_portrait_20k.version import __version__

    named = f"{_DISTRIBUTION}[{','.join(extras)}]"
    origin, _ = _origin()
    if origin is None:
        return f"{named}=={__version__}"
    return f"{named} @ {origin}" if "://" in origin else None


def origin_folder() -> Path | None:
    """The folder or file of this machine that the project was installed from, if it was."""
    origin, _ = _origin()
    return None if origin is None or "://" in origin else Path(origin)


def _origin() -> tuple[str | None, bool]:
    """A path or URL that this installation came from, None for an index; and if editable."""
    from importlib import metadata

    try:
        text = metadata.distribution(_DISTRIBUTION).read_text("direct_url.json")
    except metadata.PackageNotFoundError:
        return str(Path(__file__).resolve().parents[1]), True
    if text is None:
        return None, False
    try:
        record = json.loads(text)
        url = str(record["url"])
        editable = bool(record.get("dir_info", {}).get("editable"))
        repository = record.get("vcs_info")
        if repository:
            return f"{repository['vcs']}+{url}@{repository['commit_id']}", False
    except (ValueError, KeyError, TypeError, AttributeError):
        return None, False
    if url.startswith("file://"):
        return url2pathname(urlsplit(url).path), editable
    return url, False
