"""What the Hub holds where a dataset is to be published, and preparing that place.

How an interrupted publication stays harmless
---------------------------------------------
Shards are committed to a *staging branch* of the same repository, ``incomplete-main`` for
``main``. The published revision is touched twice at most: a new repository first gets a
README that says "upload in progress" and declares no data, and at the very end one commit
puts in the pointers of all shards, deletes those no longer wanted, and replaces card,
manifest and pictures. A commit is all or nothing, so at every moment the revision is the
old dataset, whole; or the placeholder, which loads nothing and says why; or the new
dataset, whole. A revision that did not exist is created as a branch only at its last commit.

Three other ways were considered and not taken. Committing shards to the revision itself leaves a
mixture whenever old and new shards differ, since the card's globs match both. New shard
names for every publication double the storage of an unchanged shard's history and make the
names mean nothing. A pull request can be merged by anybody at any time, half-filled. The
staging branch costs one more commit; no byte is sent again, since objects are stored once
for all branches. It also keeps uploaded objects referenced, so that the Hub does not tidy
them away during an upload of days, and tells a resumed run what is there already.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from builder.hub.client import Account, HubClient, RemoteFile
from builder.hub.commits import Addition, Committer
from builder.hub.connection import MissingError
from builder.hub.errors import ForeignContentError, HubError, MovedError, NoRightError, NoTokenError
from builder.hub.names import STAGING_PREFIX, check_names, check_repo_id
from builder.hub.retry import log
from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.format import schema
from ld_portrait_20k.format.manifest import FILE_NAME as MANIFEST_NAME
from ld_portrait_20k.format.manifest import Manifest

MARK = "<!-- ld-portrait-20k: incomplete -->"
CARD_NAME = "README.md"
_HARMLESS = frozenset({".gitattributes", ".gitignore", "LICENSE", "LICENSE.md", "LICENSE.txt"})

ABSENT, EMPTY, INCOMPLETE, PUBLISHED, FOREIGN = (
    *("absent", "empty", "incomplete", "published", "foreign"),
)
"""States of a revision: absent, empty, our placeholder, our dataset, somebody else's content."""


@dataclass(frozen=True)
class PublishTarget:
    """A place on the Hub, as it was when looked at.

    Attributes:
        repo_id: ``namespace/name``.
        revision: The branch to publish to.
        private: Whether the repository is private; None if it does not exist.
        state: One of the five words above, of the revision.
        head: The revision's commit; None if it does not exist.
        tree: The revision's files.
        manifest: The published dataset's manifest, if there is one.
        staging_head: The staging branch's commit; None if there is no such branch.
        staging_tree: Its files.
        tags: Tag to commit.
        branches: Branch to commit.
    """

    repo_id: str
    revision: str
    private: bool | None = None
    state: str = ABSENT
    head: str | None = None
    tree: Mapping[str, RemoteFile] = field(default_factory=dict)
    manifest: Manifest | None = None
    staging_head: str | None = None
    staging_tree: Mapping[str, RemoteFile] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    branches: Mapping[str, str] = field(default_factory=dict)

    @property
    def exists(self) -> bool:
        """Whether the repository exists."""
        return self.private is not None

    @property
    def staging(self) -> str:
        """Name of the staging branch."""
        return f"{STAGING_PREFIX}{self.revision}"

    def stored(self) -> dict[str, int]:
        """sha256 to size of every LFS object that the two branches refer to."""
        files = [*self.tree.values(), *self.staging_tree.values()]
        return {file.sha256: file.size for file in files if file.sha256 is not None}


def shard_folders() -> tuple[str, ...]:
    """Folders whose tar files belong to the dataset alone."""
    return tuple(f"{folder}/" for folder in schema.SUBSETS.values())


def name_repo(account: Account, repo_id: str | None) -> str:
    """The repository to use: the one named, or the user's own ``ld-portrait-20k``.

    Raises:
        NoRightError: The token is of the role ``read``, or of an organisation's reader.
        HubError: The id is malformed.
    """
    repo_id = check_repo_id(repo_id or f"{account.name}/{schema.NAME}")
    owner = repo_id.split("/")[0]
    if account.role == "read":
        raise NoRightError(
            f"the token of {account.name} can only read; try: one with the role 'write'"
        )
    if owner != account.name and account.orgs.get(owner) == "read":
        raise NoRightError(f"{account.name} may only read in {owner}; try: ask its admins")
    return repo_id


def named_repo(repo_id: str | None) -> str:
    """The repository that a rehearsal without a token looks at.

    Raises:
        NoTokenError: None is named, so it would be that of a user who is not known.
        HubError: The id is malformed.
    """
    if repo_id is None or "/" not in repo_id:
        raise NoTokenError(
            "without a token nobody knows whose repository is meant; "
            f"try: --repo-id NAME/{schema.NAME}, hf auth login, or set HF_TOKEN"
        )
    return check_repo_id(repo_id)


def sign_in(client: HubClient) -> Account:
    """Who publishes.

    Raises:
        NoTokenError: There is no token, or the Hub does not know it.
    """
    if not client.token:
        raise NoTokenError("publishing needs a token; try: hf auth login, or set HF_TOKEN")
    return client.whoami()


def look(client: HubClient, repo_id: str, revision: str) -> PublishTarget:
    """Look at what is there, without changing anything.

    Raises:
        HubError: The Hub cannot be asked.
    """
    private = client.is_private(repo_id)
    if private is None:
        return PublishTarget(repo_id, revision)
    refs = client.refs(repo_id)
    target = PublishTarget(repo_id, revision, private, tags=refs.tags, branches=refs.branches)
    staging_head = refs.branches.get(target.staging)
    if staging_head is not None:
        staging_tree = client.tree(repo_id, staging_head)
        target = replace(target, staging_head=staging_head, staging_tree=staging_tree)
    # A tag or a commit can be looked at too, though not published to.
    head = refs.branches.get(revision) or refs.tags.get(revision)
    if head is None:
        try:
            head = client.head(repo_id, revision)
        except MissingError:
            return target
    tree = client.tree(repo_id, head)
    state, manifest = _classify(client, repo_id, head, tree)
    return replace(target, head=head, tree=tree, state=state, manifest=manifest)


def _classify(
    client: HubClient, repo_id: str, head: str, tree: Mapping[str, RemoteFile]
) -> tuple[str, Manifest | None]:
    if MANIFEST_NAME in tree:
        try:
            text = client.read(repo_id, head, MANIFEST_NAME).decode()
            beside = partial(_read_beside, client, repo_id, head)
            return PUBLISHED, Manifest.from_json(text, f"{repo_id}/{MANIFEST_NAME}", beside)
        except (PortraitError, UnicodeDecodeError) as problem:
            if isinstance(problem, HubError):
                raise
            return FOREIGN, None
    if CARD_NAME in tree:
        card = client.read(repo_id, head, CARD_NAME).decode(errors="replace")
        if MARK in card:
            return INCOMPLETE, None
        # The website's "new dataset" form makes a card of metadata alone.
        body = card.split("---", 2)[-1] if card.startswith("---") else card
        if body.strip():
            return FOREIGN, None
    rest = set(tree) - _HARMLESS - {CARD_NAME}
    return (FOREIGN, None) if rest else (EMPTY, None)


def _read_beside(client: HubClient, repo_id: str, head: str, path: str, limit: int) -> bytes:
    content = client.read(repo_id, head, path)
    if len(content) > limit:
        raise PortraitError(f"{repo_id}/{path}: {len(content)} bytes, the manifest says {limit}")
    return content


def check(target: PublishTarget, *, private: bool, tag: str | None) -> None:
    """Refuse a repository or revision that must not be published to.

    Raises:
        ForeignContentError: It holds something else.
        MovedError: The tag names another commit, or the revision is a tag.
        HubError: It is public, and was asked for as private.
    """
    where = f"{target.repo_id}@{target.revision}"
    check_names(target.repo_id, target.revision, tag)
    if target.state == FOREIGN:
        raise ForeignContentError(
            f"{where} holds something that is not {schema.NAME} "
            f"({', '.join(sorted(set(target.tree) - _HARMLESS)[:3])}); try: another --repo-id"
        )
    if target.head is not None and target.revision not in target.branches:
        raise MovedError(f"{where} is a tag or a commit; try: --revision takes a branch")
    if private and target.private is False:
        raise HubError(f"{target.repo_id} is public; try: another --repo-id, or make it private")
    if tag is not None and tag in target.tags and target.tags[tag] != target.head:
        raise MovedError(f"the tag {tag} of {target.repo_id} is taken; try: another --tag")


def refuse_edited_card(client: HubClient, target: PublishTarget, card: str | None) -> None:
    """Refuse to replace a card that was edited on the website since it was published.

    Args:
        client: Speaks to the Hub.
        target: Where the card is.
        card: The card to publish, if it is known already; the same text is no edit.

    Raises:
        ForeignContentError: It was edited.
    """
    if card_is_edited(client, target, card):
        raise ForeignContentError(
            f"{target.repo_id}@{target.revision}: {CARD_NAME} was edited on the website since it "
            "was published; try: copy what you want to keep, then --overwrite-card replaces it"
        )


def card_is_edited(client: HubClient, target: PublishTarget, card: str | None) -> bool:
    """Whether the card is neither the one that its manifest records nor ``card``."""
    remote = target.tree.get(CARD_NAME)
    recorded = target.manifest.files.get(CARD_NAME) if target.manifest is not None else None
    if remote is None or recorded is None:
        return False
    content = client.read(target.repo_id, str(target.head), CARD_NAME)
    known = {recorded.get("sha256"), hashlib.sha256((card or "").encode()).hexdigest()}
    return hashlib.sha256(content).hexdigest() not in known


def prepare(
    client: HubClient, committer: Committer, target: PublishTarget, private: bool
) -> PublishTarget:
    """Create the repository, the placeholder and the staging branch. It may be called again.

    Raises:
        HubError: See :mod:`builder.hub.errors`.
    """
    repo_id, revision = target.repo_id, target.revision
    if not target.exists:
        client.create(repo_id, private)
        target = look(client, repo_id, revision)
    if target.state == EMPTY and target.head is not None:
        placeholder = _placeholder(target)
        head = committer.commit(revision, "Upload in progress", [placeholder], parent=target.head)
        tree = client.tree(repo_id, head)
        target = replace(target, head=head, tree=tree, state=INCOMPLETE)
    if target.staging_head is None:
        start = target.head or target.branches.get("main") or client.head(repo_id, "main")
        client.create_branch(repo_id, target.staging, start)
        same = start == target.head
        staging_tree = target.tree if same else client.tree(repo_id, start)
        target = replace(target, staging_head=start, staging_tree=staging_tree)
        log.info("%s: shards go to the branch %s", repo_id, target.staging)
    return target


def _placeholder(target: PublishTarget) -> Addition:
    text = (
        f"---\nviewer: false\n---\n{MARK}\n\n# Upload in progress\n\n"
        "This dataset is incomplete: it is being uploaded, and has no data here until the upload "
        f"is done. What has arrived is on the branch `{target.staging}`.\n"
    )
    content = text.encode()
    return Addition(CARD_NAME, hashlib.sha256(content).hexdigest(), len(content), content)
