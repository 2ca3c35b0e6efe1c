"""Errors that a person can act on: one line that names the thing and the mend."""

from __future__ import annotations


class PortraitError(Exception):
    """Base of every error this project raises on purpose; ``str()`` is one clear line."""


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
        return _rebuild_shard_error, (self.shard, self.problem, self.offset, self.sample)


def _rebuild_shard_error(
    shard: str, problem: str, offset: int | None, sample: str | None
) -> ShardError:
    return ShardError(shard, problem, offset=offset, sample=sample)


class DatasetNotFoundError(PortraitError, FileNotFoundError):
    """The dataset is neither a local folder nor a Hub repository that can be reached."""


def missing_extra(package: str, extra: str) -> PortraitError:
    """The error for an optional dependency that is not installed.

    Args:
        package: What could not be imported.
        extra: The extra of ``ld-portrait-20k`` that brings it.

    Returns:
        An error to raise, whose text is the command that mends it.
    """
    return PortraitError(
        f"this needs {package}, which is not installed: pip install 'ld-portrait-20k[{extra}]'"
    )
