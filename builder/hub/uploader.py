"""Uploading shards in the background while later ones are still being built."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from builder.hub.blobs import BlobStore
from builder.hub.client import HubClient
from builder.hub.commits import Addition, CommitBudget, Committer
from builder.hub.connection import find_token
from builder.hub.errors import HubError, LocalError, StoppedError
from builder.hub.names import check_names
from builder.hub.retry import Retries, RetryCounts, RetryPolicy, log
from builder.hub.state import Progress, Shard, UploadState
from builder.hub.target import (
    PublishTarget,
    check,
    look,
    name_repo,
    prepare,
    refuse_edited_card,
    sign_in,
)
from dataset_card import name_repository


class Uploader:
    """Sends shards to a staging branch from background threads.

    Typical use, beside a build::

        with Uploader("me/ld-portrait-20k") as uploader:    # checks token, rights, contents
            for shard in build():
                uploader.add(shard.path, shard.file, shard.sha256, shard.bytes)
            report = finish_publication(root, uploader)  # waits; then card, manifest, tag

    Leaving the block early stops the threads; what was sent stays on the server, and the
    next run on the same repository and revision goes on from there.

    Args:
        repo_id: ``namespace/name``; the user's own ``ld-portrait-20k`` if None.
        private: Create the repository as private; one that is public is then refused.
        revision: The branch to publish to in the end.
        tag: The tag to set in the end, checked now so that a taken one is told at once.
        overwrite_card: Replace a card that was edited on the website; it is refused otherwise.
        commit_every: Shards a commit.
        commit_after: Seconds after which fewer are committed too.
        token: Access token; that of the environment or the login if None. It is sent to the
            endpoint only, and kept out of logs and errors.
        endpoint: The Hub's URL; ``HF_ENDPOINT`` or huggingface.co if None.
        threads: Shards sent at the same time.
        xet: Whether to use xet where machine and server have it.
        xet_patience: See :class:`~builder.hub.blobs.BlobStore`.
        policy: How failures are retried.
        budget: The hourly limit of commits.
        progress: Called with the state after every change, from any thread.

    Attributes:
        target: What the Hub held at the start.
        error: What stopped the upload, if something did; :meth:`wait` raises it.
        skipped: Path in the repository to the reason, for files that were gone or had changed
            before their turn came.
    """

    def __init__(
        self,
        repo_id: str | None = None,
        *,
        private: bool = False,
        revision: str = "main",
        tag: str | None = None,
        overwrite_card: bool = False,
        commit_every: int = 8,
        commit_after: float = 1800.0,
        token: str | None = None,
        endpoint: str | None = None,
        threads: int = 4,
        xet: bool = True,
        xet_patience: float = 120.0,
        policy: RetryPolicy | None = None,
        budget: CommitBudget | None = None,
        progress: Progress | None = None,
    ) -> None:
        if commit_every < 1 or threads < 1:
            raise HubError("--commit-every and the number of upload threads are at least 1")
        check_names(repo_id, revision, tag)
        token = find_token(token)
        self._stop = threading.Event()
        self._policy = policy or RetryPolicy()
        self._retries = Retries(self._policy.brief(), self._stop, (token,))
        self.client = HubClient(endpoint, token, self._retries)
        self._wanted_repo, self.revision, self._private = repo_id, revision, private
        self.tag = tag
        self._overwrite_card = overwrite_card
        self._commit_every, self._commit_after = commit_every, commit_after
        self._threads, self._xet, self._xet_patience = threads, xet, xet_patience
        self._budget = budget or CommitBudget()
        self._progress = progress
        self._changed = threading.Condition()
        self._waiting: queue.SimpleQueue[Shard | None] = queue.SimpleQueue()
        self._ready: list[Addition] = []
        self._ready_since = 0.0
        self._open = 0  # shards handed in that are neither committed nor given up
        self._flush = False
        self._state = UploadState()
        self._workers: list[threading.Thread] = []
        self._begun = time.monotonic()
        self._staging_head = ""
        self._checked_card: str | None = None
        self._handed: set[tuple[str, str]] = set()
        self.skipped: dict[str, LocalError] = {}
        self.error: HubError | None = None
        self.target: PublishTarget
        self.blobs: BlobStore
        self.committer: Committer

    # -- start and stop --------------------------------------------------------------------

    def start(self, card: str | None = None) -> Uploader:
        """Sign in, check and prepare the repository, and start the threads.

        Args:
            card: The dataset card, if it is known already: what the Hub thinks of it is told
                before anything is changed.

        Raises:
            HubError: See :mod:`builder.hub.errors`; nothing was changed unless the Hub
                itself refused in the middle.
        """
        account = sign_in(self.client)
        repo_id = name_repo(account, self._wanted_repo)
        target = look(self.client, repo_id, self.revision)
        check(target, private=self._private, tag=self.tag)
        if card is not None:
            card = name_repository(card, repo_id)
            self.check_card(card)
        if not self._overwrite_card:
            refuse_edited_card(self.client, target, card)
        self.committer = Committer(self.client, repo_id, self._budget)
        if target.staging_head is not None:
            dates = self.client.recent_commits(repo_id, target.staging)
            self._budget.remember(dates, self.client.server_time or time.time())
        self.target = prepare(self.client, self.committer, target, self._private)
        self._staging_head = self.target.staging_head or ""
        self._stored = self.target.stored()
        self._staged = {f.path: f for f in self.target.staging_tree.values()}
        self.blobs = BlobStore(
            self.client,
            repo_id,
            self.target.staging,
            xet=self._xet,
            xet_patience=self._xet_patience,
            sent=self._count_sent,
        )
        self._retries.policy = self._policy
        self._begun = time.monotonic()
        names = [f"hub-upload-{n}" for n in range(self._threads)]
        self._workers = [
            *(threading.Thread(target=self._guard, args=(self._send,), name=n) for n in names),
            threading.Thread(target=self._guard, args=(self._commit,), name="hub-commit"),
        ]
        for worker in self._workers:
            worker.daemon = True  # an upload under way must not keep a process from ending
            worker.start()
        return self

    def stop(self) -> None:
        """End the threads at once; what is under way is given up and sent again next time."""
        self._stop.set()
        for _ in range(self._threads):
            self._waiting.put(None)
        with self._changed:
            self._changed.notify_all()
        deadline = time.monotonic() + 0.5  # they are daemons; Ctrl-C must not wait
        for worker in self._workers:
            worker.join(timeout=max(0.0, deadline - time.monotonic()))

    def __enter__(self) -> Uploader:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def check_card(self, card: str) -> None:
        """Let the Hub check a dataset card, once.

        Raises:
            HubError: It would not accept the card.
        """
        if card != self._checked_card:
            self.client.check_card(card)
            self._checked_card = card

    # -- feeding ---------------------------------------------------------------------------

    def add(self, path_in_repo: str, local_path: Path, sha256: str, size: int) -> None:
        """Hand in a finished shard; returns at once and never fails.

        A build must not end because the network fails: a failure is logged, kept in
        :attr:`error`, and raised by :meth:`wait`. A file that is renamed or packed again
        before its turn comes is skipped; the publication sends it from its final place.
        Handing in the same shard again does nothing.

        Args:
            path_in_repo: Such as ``data/train-00000-of-00096.tar``.
            local_path: The file; it must not change any more.
            sha256: Of the file.
            size: In bytes.
        """
        shard = Shard(path_in_repo, local_path, sha256, size)
        staged = self._staged.get(path_in_repo)
        held = staged is not None and (staged.sha256, staged.size) == (sha256, size)
        with self._changed:
            if (path_in_repo, sha256) in self._handed:
                return
            self._handed.add((path_in_repo, sha256))
            state = self._state
            self._state = replace(
                state,
                added=state.added + 1,
                bytes_added=state.bytes_added + size,
                uploaded=state.uploaded + held,
                committed=state.committed + held,
                bytes_held=state.bytes_held + held * size,
            )
            self._open += not held
        if not held:
            self._waiting.put(shard)
        self._tell()

    def snapshot(self) -> UploadState:
        """How far the upload is."""
        with self._changed:
            return replace(
                self._state,
                failures=self._retries.counts.failures,
                commits=self.committer.made,
                seconds=time.monotonic() - self._begun,
            )

    @property
    def retries(self) -> RetryCounts:
        """What was retried, and why."""
        return self._retries.counts

    def wait(self) -> None:
        """Wait until every shard handed in is stored and committed to the staging branch.

        Raises:
            HubError: What stopped the upload.
            StoppedError: :meth:`stop` was called.
        """
        with self._changed:
            self._flush = True
            self._changed.notify_all()
            while self._open and self.error is None and not self._stop.is_set():
                # A timeout, so that Ctrl-C gets through on every platform.
                self._changed.wait(0.5)
            self._flush = False
        if self.error is not None:
            raise self.error
        self._retries.check_stop()

    # -- threads ---------------------------------------------------------------------------

    def _guard(self, work: Callable[[], None]) -> None:
        try:
            work()
        except StoppedError:
            pass
        except HubError as problem:
            self._fail(problem)
        except Exception as problem:
            # Whatever it is, the thread that waits must hear of it, in one line.
            self._fail(HubError(f"upload failed: {type(problem).__name__}: {problem}"))

    def _fail(self, problem: HubError) -> None:
        log.error("%s", problem)
        with self._changed:
            self.error = self.error or problem
            self._changed.notify_all()

    def _send(self) -> None:
        while not self._stop.is_set() and self.error is None:
            shard = self._waiting.get()
            if shard is None:
                return
            addition, sent = self._send_one(shard)
            with self._changed:
                if addition is None:
                    self._open -= 1
                    self._handed.discard((shard.path_in_repo, shard.sha256))
                else:
                    if not self._ready:
                        self._ready_since = time.monotonic()
                    self._ready.append(addition)
                    held = 0 if sent else shard.size
                    self._state = replace(
                        self._state,
                        uploaded=self._state.uploaded + 1,
                        bytes_held=self._state.bytes_held + held,
                    )
                self._changed.notify_all()
            self._tell()

    def _send_one(self, shard: Shard) -> tuple[Addition | None, bool]:
        """Upload a shard; None for a file that is not what it was when handed in."""
        if self._stored.get(shard.sha256) == shard.size:
            return Addition(shard.path_in_repo, shard.sha256, shard.size), False
        try:
            # Tars are LFS on every Hub repository, so the server need not be asked for each.
            sent = self.blobs.upload(shard.local, shard.sha256, shard.size)
        except LocalError as problem:
            log.info("%s; left to the publication", problem)
            self.skipped[shard.path_in_repo] = problem
            return None, False
        return Addition(shard.path_in_repo, shard.sha256, shard.size), sent

    def _commit(self) -> None:
        while not self._stop.is_set():
            with self._changed:
                while not self._stop.is_set() and not self._commit_now():
                    self._changed.wait(1.0)
                batch, self._ready = self._ready, []
            if self._stop.is_set():
                return
            batch.sort(key=lambda addition: addition.path)
            count = len(batch)
            title = f"Add {count} shards: {batch[0].path}" + ", ..." * (count > 1)
            self._staging_head = self.committer.commit(
                self.target.staging, title, batch, parent=self._staging_head, shared=True
            )
            log.info("%s@%s: %s", self.target.repo_id, self.target.staging, title)
            with self._changed:
                self._open -= count
                self._state = replace(self._state, committed=self._state.committed + count)
                self._changed.notify_all()
            self._tell()

    def _commit_now(self) -> bool:
        """Whether to commit what is ready; call with the lock held."""
        if not self._ready or self.error is not None:
            return False
        everything = self._flush and len(self._ready) == self._open
        if everything:
            return True
        due = time.monotonic() - self._ready_since >= self._commit_after
        # Near the hourly limit, commits become larger instead of stopping the upload.
        return (len(self._ready) >= self._commit_every or due) and not self._budget.wait()

    def _count_sent(self, amount: int) -> None:
        with self._changed:
            self._state = replace(self._state, bytes_sent=self._state.bytes_sent + amount)
        self._tell()

    def _tell(self) -> None:
        if self._progress is None:
            return
        try:
            self._progress(self.snapshot())
        except Exception:
            # A display that fails must stop neither the upload nor the build that feeds it.
            log.exception("the progress display failed and is switched off")
            self._progress = None
