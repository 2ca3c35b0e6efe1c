"""Publishing a dataset folder: shards, then everything else in one commit, then a tag."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from builder.hub.client import HubClient, RemoteFile
from builder.hub.commits import Addition
from builder.hub.connection import ConflictError, find_token
from builder.hub.errors import IncompleteError, MovedError
from builder.hub.folder import DatasetFolder, note_viewer
from builder.hub.names import check_names
from builder.hub.retry import Retries, RetryPolicy, log
from builder.hub.state import Progress
from builder.hub.target import (
    PublishTarget,
    card_is_edited,
    check,
    look,
    name_repo,
    named_repo,
    shard_folders,
    sign_in,
)
from builder.hub.uploader import Uploader
from ld_portrait_20k.format.manifest import Manifest


@dataclass(frozen=True)
class PublishReport:
    """What a publication did, or would do.

    Attributes:
        repo_id: The repository.
        revision: The branch.
        url: Address of the published revision.
        commit: The revision's commit in the end; None for a dry run.
        tag: The tag that names it, if one was asked for.
        dry_run: Whether this only tells what would be done.
        changed: Whether the revision was (or would be) changed.
        shards: Shards of the dataset.
        bytes: Their bytes.
        bytes_to_send: Bytes of shards that the server did not hold when it began.
        bytes_sent: Bytes that went out, failed tries included.
        files: Paths besides the shards.
        deleted: Paths that the last commit removes.
        commits: Commits made, or about how many it would take.
        failures: Requests that failed and were tried again.
        problems: What they failed of, and how often.
        rights_known: Whether the token was asked for its rights; False for a dry run without one.
        card_edited: Whether the card was edited on the website, so that publishing replaces it
            only with ``overwrite_card``; told by a dry run.
        seconds: How long it took.
    """

    repo_id: str
    revision: str
    url: str
    commit: str | None
    tag: str | None
    dry_run: bool
    changed: bool
    shards: int
    bytes: int
    bytes_to_send: int
    bytes_sent: int = 0
    files: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    commits: int = 0
    failures: int = 0
    problems: Mapping[str, int] = field(default_factory=dict)
    card_edited: bool = False
    rights_known: bool = True
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """The report as plain values, for ``--json``."""
        return asdict(self)


def publish(
    root: Path,
    repo_id: str | None = None,
    *,
    private: bool = False,
    revision: str = "main",
    tag: str | None = None,
    overwrite_card: bool = False,
    commit_every: int = 8,
    viewer: str | None = None,
    dry_run: bool = False,
    token: str | None = None,
    endpoint: str | None = None,
    policy: RetryPolicy | None = None,
    progress: Progress | None = None,
) -> PublishReport:
    """Publish a built dataset; run again after any interruption, it goes on where it stood.

    The order: shards to the staging branch, several a commit; a check that the server holds
    every shard (size and sha256); one commit to the revision with the pointers of all
    shards, card, manifest, pictures and whatever else the folder has; a check that the revision
    has all that and no shard besides; the tag; the staging branch is deleted. See
    :mod:`builder.hub.target` for why nothing is ever half-published.

    Args:
        root: The dataset's folder, with ``manifest.json`` and ``README.md``.
        repo_id: ``namespace/name``; ``<user>/ld-portrait-20k`` if None.
        private: Create the repository as private; one that is public is then refused.
        revision: The branch; created if it does not exist.
        tag: A tag for the result, such as ``v1.0``.
        overwrite_card: Replace a card that was edited on the website; it is refused otherwise.
        commit_every: Shards a commit.
        viewer: Address of a static copy of the viewer for the card's gallery to link to; it is
            noted in the folder's card, so that later publications keep it.
        dry_run: Only ask the Hub and tell what would be done. Without a token it takes a private
            repository for an absent one, and does not know who may write.
        token: Access token; that of the environment or the login if None.
        endpoint: The Hub's URL; that of the environment if None.
        policy: How failures are retried.
        progress: Called with the :class:`~builder.hub.state.UploadState` after changes.

    Raises:
        LocalError: The folder is not a complete dataset, or not what its manifest says.
        PortraitError: ``viewer`` is no address to link to.
        HubError: See :mod:`builder.hub.errors`.
    """
    check_names(repo_id, revision, tag)
    if viewer is not None and not dry_run:
        note_viewer(root, viewer)
    folder = DatasetFolder.open(root)
    if dry_run:
        retries = Retries(
            (policy or RetryPolicy()).brief(), threading.Event(), (find_token(token),)
        )
        client = HubClient(endpoint, find_token(token), retries)
        name = name_repo(sign_in(client), repo_id) if client.token else named_repo(repo_id)
        with tempfile.TemporaryDirectory(prefix="ld-portrait-") as place:
            named = folder.named(name, Path(place), viewer)
            return _rehearse(
                client, named, name, private, revision, tag, overwrite_card, commit_every
            )
    uploader = Uploader(
        repo_id, private=private, revision=revision, tag=tag, commit_every=commit_every,
        overwrite_card=overwrite_card, token=token, endpoint=endpoint, policy=policy,
        progress=progress,
    )  # fmt: skip
    folder.refuse_token(uploader.client.token)
    try:
        return _finish_publication(folder, uploader.start(folder.card))
    finally:
        uploader.stop()


def finish_publication(root: Path, uploader: Uploader) -> PublishReport:
    """Publish a dataset whose shards were handed to an uploader while it was built.

    Shards that were not handed in, or had moved before their turn came, are sent now.

    Args:
        root: The finished dataset's folder.
        uploader: Started, and not stopped.

    Raises:
        LocalError: The folder is not a complete dataset, or not what its manifest says.
        HubError: See :mod:`builder.hub.errors`.
    """
    return _finish_publication(DatasetFolder.open(root), uploader)


def _finish_publication(folder: DatasetFolder, uploader: Uploader) -> PublishReport:
    with tempfile.TemporaryDirectory(prefix="ld-portrait-") as place:
        return _publish_named(folder.named(uploader.target.repo_id, Path(place)), uploader)


def _publish_named(folder: DatasetFolder, uploader: Uploader) -> PublishReport:
    client, target = uploader.client, uploader.target
    repo_id, revision, tag = target.repo_id, target.revision, uploader.tag
    folder.refuse_token(client.token)
    uploader.check_card(folder.card)
    _send_shards(folder, uploader)
    files = _send_extras(folder, uploader)

    # A revision that does not exist yet is completed on the staging branch and then named.
    # Any other must still be where it was when the upload began, or the commit is refused.
    if target.head is None:
        branch, head = target.staging, client.head(repo_id, target.staging)
        tree: Mapping[str, RemoteFile] = client.tree(repo_id, head)
    else:
        branch, head, tree = revision, target.head, target.tree
    final = {**folder.shards, **files}
    additions = [a for path, a in sorted(final.items()) if not a.is_at(tree.get(path))]
    deleted = _unwanted(tree, set(final), target.manifest)
    if additions or deleted:
        if tag is not None and tag in target.tags:
            raise MovedError(f"the tag {tag} names an earlier dataset; try: another --tag")
        samples = sum(folder.manifest.splits.values())
        title = f"Publish {samples} samples in {len(folder.shards)} shards"
        head = uploader.committer.commit(branch, title, additions, deleted, parent=head)
    _check_published(client, folder, target, final, head)
    if target.head is None:
        client.create_branch(repo_id, revision, head)
        if client.head(repo_id, revision) != head:
            raise MovedError(
                f"{repo_id}@{revision} was created by somebody else meanwhile; "
                "try: see who, then run the same command again"
            )
    if tag is not None:
        _tag(client, repo_id, tag, head)
    client.delete_branch(repo_id, target.staging)
    log.info("%s@%s is complete at %s", repo_id, revision, head[:12])
    state = uploader.snapshot()
    return PublishReport(
        repo_id=repo_id,
        revision=revision,
        url=_url(client, repo_id, tag or revision),
        commit=head,
        tag=tag,
        dry_run=False,
        changed=bool(additions or deleted or target.head is None),
        shards=len(folder.shards),
        bytes=folder.bytes,
        bytes_to_send=_unsent(folder, target),
        bytes_sent=state.bytes_sent,
        files=tuple(files),
        deleted=tuple(deleted),
        commits=state.commits,
        failures=state.failures,
        problems=dict(uploader.retries.by_problem),
        seconds=state.seconds,
    )


def _check_published(
    client: HubClient,
    folder: DatasetFolder,
    target: PublishTarget,
    final: Mapping[str, Addition],
    head: str,
) -> None:
    """Compare the last commit's files with what was meant, before anything names it.

    Raises:
        IncompleteError: The server dropped, changed or kept a file.
    """
    tree = client.tree(target.repo_id, head)
    wrong = [path for path, addition in final.items() if not addition.is_at(tree.get(path))]
    if wrong := sorted([*wrong, *_unwanted(tree, set(final), target.manifest)]):
        raise IncompleteError(
            f"{target.repo_id}@{head[:12]} does not hold what was committed: {len(wrong)} of "
            f"{len(final)} files are missing or others ({wrong[0]}), so it was not tagged; "
            f"try: run the same command again, then python -m builder verify {target.repo_id}"
        )


def _send_shards(folder: DatasetFolder, uploader: Uploader) -> None:
    """Send what was not sent while building, and check that all of it arrived."""
    client, target = uploader.client, uploader.target

    def missing() -> list[Addition]:
        uploader.wait()
        tree = client.tree(target.repo_id, target.staging)
        return [a for path, a in folder.shards.items() if not a.is_at(tree.get(path))]

    for addition in missing():
        uploader.add(addition.path, folder.root / addition.path, addition.sha256, addition.size)
    if lacking := missing():
        if lacking[0].path in uploader.skipped:
            raise uploader.skipped[lacking[0].path]
        raise IncompleteError(
            f"{target.repo_id}@{target.staging} lacks {len(lacking)} shards after the upload "
            f"({lacking[0].path}); try: run the same command again"
        )


def _send_extras(folder: DatasetFolder, uploader: Uploader) -> dict[str, Addition]:
    """Everything but the shards, ready to be committed; pictures are uploaded here."""
    client, target = uploader.client, uploader.target
    samples = []
    for extra in folder.extras.values():
        with extra.local.open("rb") as stream:
            samples.append((extra.path, extra.size, stream.read(512)))
    modes = client.upload_modes(target.repo_id, target.staging, samples)
    stored = target.stored()
    files: dict[str, Addition] = {}
    for path, extra in folder.extras.items():
        content = extra.local.read_bytes() if modes.get(path) == "regular" else None
        if content is None and stored.get(extra.sha256) != extra.size:
            uploader.blobs.upload(extra.local, extra.sha256, extra.size)
        files[path] = Addition(path, extra.sha256, extra.size, content)
    return files


def _unwanted(
    tree: Mapping[str, RemoteFile], final: set[str], before: Manifest | None
) -> list[str]:
    """What of an earlier publication must go: its shards, and files that its manifest names."""
    named = set(before.files) if before is not None else set()
    return [
        path
        for path in sorted(set(tree) - final)
        if path in named or (path.startswith(shard_folders()) and path.endswith(".tar"))
    ]


def _unsent(folder: DatasetFolder, target: PublishTarget) -> int:
    stored = target.stored()
    unsent = {a.sha256: a.size for a in folder.shards.values() if a.sha256 not in stored}
    return sum(unsent.values())


def _tag(client: HubClient, repo_id: str, tag: str, commit: str) -> None:
    """Tag a commit, unless the tag stands there already."""
    if client.refs(repo_id).tags.get(tag) == commit:
        return
    try:
        client.create_tag(repo_id, tag, commit)
    except ConflictError:
        # It may be ours: the answer of an earlier try was lost.
        if client.refs(repo_id).tags.get(tag) != commit:
            raise MovedError(
                f"{repo_id} is published, but the tag {tag} is taken; try: another --tag"
            ) from None


def _url(client: HubClient, repo_id: str, revision: str) -> str:
    return f"{client.endpoint}/datasets/{repo_id}/tree/{revision}"


def _rehearse(
    client: HubClient,
    folder: DatasetFolder,
    repo_id: str,
    private: bool,
    revision: str,
    tag: str | None,
    overwrite_card: bool,
    commit_every: int,
) -> PublishReport:
    """What a publication would do; only asks."""
    begun = time.monotonic()
    target = look(client, repo_id, revision)
    check(target, private=private, tag=tag)
    client.check_card(folder.card)
    folder.refuse_token(client.token)
    shards = folder.shards.items()
    uncommitted = sum(not a.is_at(target.staging_tree.get(path)) for path, a in shards)
    deleted = _unwanted(target.tree, {*folder.shards, *folder.extras}, target.manifest)
    changed = bool(deleted) or target.manifest != folder.manifest
    changed = changed or any(not a.is_at(target.tree.get(path)) for path, a in shards)
    edited = card_is_edited(client, target, folder.card)
    changed = changed or (edited and overwrite_card)
    first = target.state in ("absent", "empty")
    return PublishReport(
        repo_id=repo_id,
        revision=revision,
        url=_url(client, repo_id, tag or revision),
        commit=None,
        tag=tag,
        dry_run=True,
        changed=changed,
        shards=len(folder.shards),
        bytes=folder.bytes,
        bytes_to_send=_unsent(folder, target),
        files=tuple(folder.extras),
        deleted=tuple(deleted),
        commits=-(-uncommitted // commit_every) + changed + first if changed else 0,
        failures=client.retries.counts.failures,
        problems=dict(client.retries.counts.by_problem),
        card_edited=edited,
        rights_known=bool(client.token),
        seconds=time.monotonic() - begun,
    )
