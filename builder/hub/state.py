"""What an upload works on, and how far it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class UploadState:
    """How far an upload is.

    Attributes:
        added: Shards handed in.
        uploaded: Of these, how many the server stores.
        committed: Of these, how many the staging branch refers to.
        bytes_added: Bytes of all shards handed in.
        bytes_held: Bytes that the server had already.
        bytes_sent: Bytes that went out, failed tries included.
        commits: Commits made.
        failures: Requests that failed and were tried again.
        seconds: Since the start.
    """

    added: int = 0
    uploaded: int = 0
    committed: int = 0
    bytes_added: int = 0
    bytes_held: int = 0
    bytes_sent: int = 0
    commits: int = 0
    failures: int = 0
    seconds: float = 0.0


Progress = Callable[[UploadState], None]


@dataclass(frozen=True, slots=True)
class Shard:
    """A shard that was handed in."""

    path_in_repo: str
    local: Path
    sha256: str
    size: int
