"""Reading back: how far a publication is, and whether the Hub holds what it should."""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from builder.hub.client import HubClient, RemoteFile, file_url
from builder.hub.connection import find_token
from builder.hub.errors import HubError, IncompleteError, UnreachableError
from builder.hub.names import check_repo_id
from builder.hub.retry import Retries, RetryPolicy, TransientError, log
from builder.hub.target import (
    ABSENT,
    CARD_NAME,
    FOREIGN,
    PUBLISHED,
    PublishTarget,
    look,
    shard_folders,
)
from ld_portrait_20k.errors import PortraitError, ShardError
from ld_portrait_20k.format.manifest import FILE_NAME as MANIFEST_NAME
from ld_portrait_20k.format.manifest import Manifest, ShardRecord
from ld_portrait_20k.format.ustar import END, read_entries


@dataclass(frozen=True)
class RemoteStatus:
    """How far a publication is.

    Attributes:
        repo_id: The repository.
        revision: The branch, tag or commit asked for.
        state: ``absent``, ``empty``, ``incomplete`` (a placeholder stands there),
            ``published`` or ``foreign``.
        commit: The revision's commit.
        private: Whether the repository is private; None if it does not exist.
        shards: Shards of the published manifest; 0 if there is none.
        samples: Samples of the published manifest.
        bytes: Bytes of its shards.
        uploading: Shards on the staging branch, of an upload that is not finished.
        uploading_bytes: Their bytes.
        tags: Tags that name the revision's commit.
    """

    repo_id: str
    revision: str
    state: str
    commit: str | None = None
    private: bool | None = None
    shards: int = 0
    samples: int = 0
    bytes: int = 0
    uploading: int = 0
    uploading_bytes: int = 0
    tags: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The status as plain values, for ``--json``."""
        return asdict(self)


@dataclass
class RemoteVerification:
    """What a check of a published revision found.

    Attributes:
        repo_id: The repository.
        revision: What was asked for.
        commit: The commit that was checked.
        deep: Whether every shard was downloaded.
        shards: Shards of the manifest.
        samples: Samples of the manifest.
        bytes: Bytes of the shards.
        problems: One line each; empty if all is well.
    """

    repo_id: str
    revision: str
    commit: str
    deep: bool
    shards: int = 0
    samples: int = 0
    bytes: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    def to_dict(self) -> dict[str, Any]:
        """The findings as plain values, for ``--json``."""
        return asdict(self) | {"ok": self.ok}


def _client(token: str | None, endpoint: str | None, policy: RetryPolicy | None) -> HubClient:
    token = find_token(token)
    retries = Retries((policy or RetryPolicy()).brief(), threading.Event(), (token,))
    return HubClient(endpoint, token, retries)


def remote_status(
    repo_id: str,
    revision: str = "main",
    *,
    token: str | None = None,
    endpoint: str | None = None,
    policy: RetryPolicy | None = None,
) -> RemoteStatus:
    """How far the publication of a repository is; needs no token for a public one.

    Raises:
        HubError: The Hub cannot be asked. A repository that is not there is no error.
    """
    target = look(_client(token, endpoint, policy), check_repo_id(repo_id), revision)
    published = target.manifest
    # While a new dataset replaces an old one, the staging branch holds the old shards too.
    under_way = {
        path: file
        for path, file in target.staging_tree.items()
        if _is_shard(path) and not _same(target.tree.get(path), file)
    }
    return RemoteStatus(
        repo_id=repo_id,
        revision=revision,
        state=target.state,
        commit=target.head,
        private=target.private,
        shards=len(published.shards) if published else 0,
        samples=sum(published.splits.values()) if published else 0,
        bytes=sum(shard.bytes for shard in published.shards) if published else 0,
        uploading=len(under_way),
        uploading_bytes=sum(file.size for file in under_way.values()),
        tags=tuple(sorted(tag for tag, commit in target.tags.items() if commit == target.head)),
    )


def verify_remote(
    repo_id: str,
    revision: str = "main",
    *,
    deep: bool = False,
    token: str | None = None,
    endpoint: str | None = None,
    policy: RetryPolicy | None = None,
    progress: Callable[[int], object] = lambda amount: None,
) -> RemoteVerification:
    """Check a published revision against its own manifest.

    Sizes and sha256 come from the server's listing; nothing but the manifest, the card and
    small files is downloaded. With ``deep`` every shard is streamed, hashed and compared
    with the manifest's index, member by member, without being stored.

    Args:
        repo_id: ``namespace/name``.
        revision: Branch, tag or commit.
        deep: Whether to download the shards.
        token: Access token; that of the environment or the login if None; a public
            repository needs none.
        endpoint: The Hub's URL; that of the environment if None.
        policy: How failures are retried.
        progress: Called with the number of bytes checked, shard by shard or piece by piece.

    Raises:
        IncompleteError: There is no published dataset at that revision.
        HubError: The Hub cannot be asked.
    """
    client = _client(token, endpoint, policy)
    target = look(client, check_repo_id(repo_id), revision)
    manifest = _published(target)
    commit = str(target.head)
    found = RemoteVerification(
        repo_id, revision, commit, deep, len(manifest.shards), sum(manifest.splits.values()),
        sum(shard.bytes for shard in manifest.shards),
    )  # fmt: skip
    for shard in manifest.shards:
        wrong = _compare(target.tree.get(shard.path), shard.path, shard.bytes, shard.sha256)
        if wrong is None and deep:
            wrong = _check_shard(client, repo_id, commit, shard, manifest, progress)
        elif wrong is None:
            progress(shard.bytes)
        if wrong is not None:
            found.problems.append(wrong)
    found.problems += _check_files(client, target, manifest)
    listed = {shard.path for shard in manifest.shards}
    for path in sorted(set(target.tree) - listed):
        if _is_shard(path):
            found.problems.append(f"{path}: a shard that the manifest does not know")
    return found


def _published(target: PublishTarget) -> Manifest:
    where = f"{target.repo_id}@{target.revision}"
    if target.state == PUBLISHED and target.manifest is not None:
        return target.manifest
    if target.state == ABSENT and not target.exists:
        raise IncompleteError(f"{target.repo_id}: no such dataset on the Hub, or not for you")
    if target.state == ABSENT:
        raise IncompleteError(f"{where}: no such revision")
    if target.state == FOREIGN:
        raise IncompleteError(f"{where}: not a dataset of this project (no valid {MANIFEST_NAME})")
    raise IncompleteError(
        f"{where}: incomplete, its upload has not ended; try: python -m builder publish"
    )


def _is_shard(path: str) -> bool:
    return path.startswith(shard_folders()) and path.endswith(".tar")


def _same(one: RemoteFile | None, other: RemoteFile) -> bool:
    return one is not None and (one.size, one.oid) == (other.size, other.oid)


def _compare(remote: RemoteFile | None, path: str, size: int, sha256: str) -> str | None:
    if remote is None:
        return f"{path}: missing"
    if remote.size != size:
        return f"{path}: {remote.size} bytes, the manifest says {size}"
    if remote.sha256 is not None and remote.sha256 != sha256:
        return f"{path}: sha256 {remote.sha256[:12]}, the manifest says {sha256[:12]}"
    return None


def _check_files(client: HubClient, target: PublishTarget, manifest: Manifest) -> list[str]:
    problems = []
    for path, about in sorted(manifest.files.items()):
        remote = target.tree.get(path)
        size, sha256 = int(about.get("bytes", -1)), str(about.get("sha256"))
        wrong = _compare(remote, path, size, sha256)
        if wrong is None and remote is not None and remote.sha256 is None:
            content = client.read(target.repo_id, str(target.head), path)
            if hashlib.sha256(content).hexdigest() != sha256:
                wrong = f"{path}: its content is not what the manifest says"
        if wrong is not None:
            problems.append(wrong)
    if CARD_NAME not in target.tree:
        problems.append(f"{CARD_NAME}: missing, so the dataset's features are not declared")
    else:
        card = client.read(target.repo_id, str(target.head), CARD_NAME).decode(errors="replace")
        if "configs:" not in card or "dataset_info:" not in card:
            problems.append(f"{CARD_NAME}: declares no configs or no features")
    return problems


def _check_shard(
    client: HubClient,
    repo_id: str,
    commit: str,
    shard: ShardRecord,
    manifest: Manifest,
    progress: Callable[[int], object],
) -> str | None:
    stream = _HashingStream(_download(client, repo_id, commit, shard), progress)
    entries = shard.entries(manifest.foreground_format)
    expected = [entry for _, three in entries for entry in three]
    try:
        found = [entry for entry, _ in read_entries(stream, shard.path)]  # type: ignore[arg-type]
        tail = stream.read()
    except ShardError as problem:
        return str(problem)
    except HubError:
        raise
    except PortraitError as problem:
        return f"{shard.path}: {problem}"
    if tail.strip(b"\0") or len(tail) + 512 < len(END):
        return f"{shard.path}: does not end as a tar does"
    if stream.sha256.hexdigest() != shard.sha256:
        return f"{shard.path}: the downloaded bytes have another sha256"
    if found != expected:
        return f"{shard.path}: its members are not those of the manifest's index"
    return None


def _download(client: HubClient, repo_id: str, commit: str, shard: ShardRecord) -> Iterator[bytes]:
    """A shard's bytes; goes on by Range after a cut, as often as the policy allows."""
    import httpx2
    from huggingface_hub import get_session

    done, idle = 0, 0
    url = client.endpoint + file_url(repo_id, commit, shard.path)

    def connect() -> tuple[Any, Any]:
        headers = {**client.headers, "Accept-Encoding": "account"}
        if done:
            headers["Range"] = f"bytes={done}-"
        manager = get_session().stream("GET", url, headers=headers, timeout=60.0)
        try:
            response = manager.__enter__()
            if response.status_code != (206 if done else 200):
                response.read()
                manager.__exit__(None, None, None)
                raise client.problem(f"downloading {shard.path}", response)
        except httpx2.TransportError as problem:
            raise TransientError(f"connection failed ({type(problem).__name__})") from None
        return manager, response

    while done < shard.bytes:
        manager, response = client.retries.call(f"downloading {shard.path}", connect)
        before = done
        try:
            for piece in response.iter_raw():
                done += len(piece)
                yield piece
        except httpx2.TransportError as problem:
            log.warning("%s: cut after %d bytes (%s)", shard.path, done, type(problem).__name__)
        finally:
            manager.__exit__(None, None, None)
        idle = 0 if done > before else idle + 1
        if idle == client.retries.policy.attempts:
            raise UnreachableError(f"downloading {shard.path}: no byte came, {idle} times")


class _HashingStream(io.RawIOBase):
    """Pieces as a stream that hashes what is read; for :func:`read_entries`."""

    def __init__(self, pieces: Iterator[bytes], progress: Callable[[int], object]) -> None:
        self._pieces = pieces
        self._buffer = b""
        self._progress = progress
        self.sha256 = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        parts, wanted = [], size
        while wanted != 0:
            if not self._buffer:
                self._buffer = next(self._pieces, b"")
                if not self._buffer:
                    break
                self.sha256.update(self._buffer)
                self._progress(len(self._buffer))
            taken = self._buffer if wanted < 0 else self._buffer[:wanted]
            self._buffer = self._buffer[len(taken) :]
            wanted -= len(taken) if wanted > 0 else 0
            parts.append(taken)
        return b"".join(parts)
