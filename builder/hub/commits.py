"""Commits that happen exactly once, as often as the Hub allows."""

from __future__ import annotations

import base64
import collections
import hashlib
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from builder.hub.client import HubClient, RemoteFile
from builder.hub.connection import PreconditionError
from builder.hub.errors import HubError, MovedError
from builder.hub.retry import TransientError, log

WINDOW = 3600.0
"""Seconds of the window in which the Hub counts commits."""


@dataclass(frozen=True, slots=True)
class Addition:
    """A file to commit: an object that is stored already, or a small file's content.

    Attributes:
        path: In the repository.
        sha256: Of the content.
        size: In bytes.
        content: The bytes of a file that goes into git itself; None for an LFS object.
    """

    path: str
    sha256: str
    size: int
    content: bytes | None = field(default=None, repr=False)

    def is_at(self, remote: RemoteFile | None) -> bool:
        """Whether the repository's file is this one."""
        if remote is None or remote.size != self.size:
            return False
        if remote.sha256 is not None:
            return remote.sha256 == self.sha256
        return self.content is not None and remote.oid == git_oid(self.content)

    def line(self) -> dict[str, Any]:
        """The commit's line for it."""
        if self.content is not None:
            text = base64.b64encode(self.content).decode()
            value: dict[str, Any] = {"path": self.path, "content": text, "encoding": "base64"}
            return {"key": "file", "value": value}
        value = {"path": self.path, "algo": "sha256", "oid": self.sha256, "size": self.size}
        return {"key": "lfsFile", "value": value}


def git_oid(content: bytes) -> str:
    """The sha1 by which git names a file's content."""
    header = b"blob %d\0" % len(content)
    return hashlib.sha1(header + content, usedforsecurity=False).hexdigest()


class CommitBudget:
    """Counts commits against the Hub's hourly limit.

    The Hub stops an account at 128 commits an hour or so. Commits of earlier runs count as
    well, so a run that was killed and started again does not begin at zero.

    Args:
        limit: Most commits an hour.
        reserve: How many of them are kept for the last commit and for repairs.
    """

    def __init__(self, limit: int = 100, reserve: int = 10) -> None:
        self.limit = limit
        self.reserve = min(reserve, limit - 1)
        self._moments: collections.deque[float] = collections.deque()
        self._lock = threading.Lock()

    def remember(self, dates: Sequence[str], now: float) -> None:
        """Count commits that were made before, by their dates on the server's own clock.

        Args:
            dates: ISO 8601.
            now: The server's time, in seconds since 1970.
        """
        with self._lock:
            for text in dates:
                age = now - datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
                if 0 <= age < WINDOW:
                    self._moments.append(time.monotonic() - age)
            self._moments = collections.deque(sorted(self._moments))

    def count(self) -> None:
        """Count one more commit, sent just now."""
        with self._lock:
            self._moments.append(time.monotonic())

    def wait(self, last: bool = False) -> float:
        """Seconds until one more is allowed; 0 if it is now.

        Args:
            last: Whether the reserve may be used.
        """
        with self._lock:
            now = time.monotonic()
            while self._moments and now - self._moments[0] >= WINDOW:
                self._moments.popleft()
            allowed = self.limit if last else self.limit - self.reserve
            over = len(self._moments) - allowed
            return 0.0 if over < 0 else self._moments[over] + WINDOW - now


class Committer:
    """Commits to one repository.

    Args:
        client: Speaks to the Hub.
        repo_id: The repository.
        budget: The hourly limit.
    """

    def __init__(self, client: HubClient, repo_id: str, budget: CommitBudget) -> None:
        self._client = client
        self._repo_id = repo_id
        self._budget = budget
        self.made = 0

    def commit(
        self,
        branch: str,
        title: str,
        additions: Sequence[Addition],
        deletions: Sequence[str] = (),
        *,
        parent: str,
        shared: bool = False,
    ) -> str:
        """Commit, once, on top of ``parent``.

        A commit whose answer is lost may have landed. So after every failure the server is
        asked: if the branch has not moved the commit is sent again; if it has, and holds
        what was to be committed, it landed; else somebody else was faster. Naming the parent
        makes sure that a copy still under way cannot land as well.

        Args:
            branch: The branch.
            title: First line of the message.
            additions: What to add.
            deletions: Paths to delete.
            parent: The commit that the branch must be at.
            shared: Whether others may commit to the branch too, as several machines do to a
                staging branch: then it is tried again on top of theirs.

        Returns:
            The commit's id.

        Raises:
            MovedError: The branch was moved by somebody else.
            HubError: The server refused, or the policy's patience ran out.
        """
        client, what = self._client, f"committing to {self._repo_id}@{branch}"
        base, lost = parent, False
        while pause := self._budget.wait(last=True):
            log.warning("%s: the hourly limit of commits is reached, waiting %.0f s", what, pause)
            client.retries.sleep(min(pause, 60.0))

        def attempt() -> str:
            nonlocal base, lost
            lines: list[Mapping[str, Any]] = [
                {"key": "header", "value": {"summary": title, "parentCommit": base}},
                *(addition.line() for addition in additions),
                *({"key": "deletedFile", "value": {"path": path}} for path in deletions),
            ]
            try:
                made = client.commit_once(self._repo_id, branch, lines)
            except (TransientError, HubError) as failed:
                # Any refusal may come from an earlier try that landed: deletions of what is
                # gone by then, say.
                if not (isinstance(failed, (TransientError, PreconditionError)) or lost):
                    raise
                lost = True
                head = client.head(self._repo_id, branch)
                if head == base:
                    raise
                if self._holds(head, additions, deletions):
                    log.info("%s: landed as %s, though the answer was lost", what, head[:12])
                    made = head
                elif shared:
                    base = head
                    raise TransientError("the branch moved") from None
                else:
                    raise MovedError(
                        f"{self._repo_id}@{branch} moved from {base[:12]} to {head[:12]} "
                        "meanwhile; try: see who changed it, then run the same command again"
                    ) from None
            self._budget.count()
            self.made += 1
            return made

        return client.retries.call(what, attempt)

    def _holds(self, commit: str, additions: Sequence[Addition], deletions: Sequence[str]) -> bool:
        paths = [*(addition.path for addition in additions), *deletions]
        found = self._client.paths_info(self._repo_id, commit, paths)
        kept = all(addition.is_at(found.get(addition.path)) for addition in additions)
        return kept and not any(path in found for path in deletions)
