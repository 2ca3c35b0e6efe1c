"""The Hub's endpoints that publishing needs, one method each."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from builder.hub.connection import ConflictError, HubConnection, MissingError
from builder.hub.errors import HubError, NoTokenError
from builder.hub.retry import TransientError


@dataclass(frozen=True, slots=True)
class Account:
    """Who the token belongs to."""

    name: str
    role: str
    orgs: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file of a revision.

    Attributes:
        path: In the repository.
        size: In bytes.
        oid: The git object's sha1.
        sha256: Of the content; None for a file that is not stored as LFS.
    """

    path: str
    size: int
    oid: str
    sha256: str | None


@dataclass(frozen=True, slots=True)
class Refs:
    """Branches and tags of a repository, name to commit."""

    branches: Mapping[str, str]
    tags: Mapping[str, str]


class HubClient(HubConnection):
    """Speaks to one Hub on behalf of one user; see :class:`HubConnection`."""

    # -- account and repository ------------------------------------------------------------

    def whoami(self) -> Account:
        """Who the token belongs to.

        Raises:
            NoTokenError: There is no token, or the Hub does not know it.
        """
        found = self.json("asking who the token belongs to", "GET", "/api/whoami-v2")
        access = (found.get("auth") or {}).get("accessToken") or {}
        orgs = {org["name"]: org.get("roleInOrg") or "" for org in found.get("orgs") or []}
        return Account(found["name"], access.get("role") or "", orgs)

    def create(self, repo_id: str, private: bool) -> None:
        """Create the dataset repository; fine if it exists."""
        space, name = repo_id.split("/")
        wanted = {"name": name, "organization": space, "type": "dataset"}
        wanted["visibility"] = "private" if private else "public"
        with contextlib.suppress(ConflictError):
            self.send(f"creating {repo_id}", "POST", "/api/repos/create", body=wanted)

    def is_private(self, repo_id: str) -> bool | None:
        """Whether the repository is private; None if it does not exist for this user."""
        try:
            found = self.json(f"asking for {repo_id}", "GET", _api(repo_id))
        except MissingError:
            return None
        except NoTokenError:
            if self.token is None:  # what is private and what is missing look the same
                return None
            raise
        return bool(found.get("private"))

    def refs(self, repo_id: str) -> Refs:
        """Branches and tags."""
        found = self.json(f"reading the refs of {repo_id}", "GET", f"{_api(repo_id)}/refs")

        def named(kind: str) -> dict[str, str]:
            return {ref["name"]: ref["targetCommit"] for ref in found.get(kind) or []}

        return Refs(named("branches"), named("tags"))

    def head(self, repo_id: str, revision: str) -> str:
        """The commit that a revision names."""
        url = f"{_api(repo_id)}/revision/{quote(revision, safe='')}"
        return str(self.json(f"asking for {repo_id}@{revision}", "GET", url)["sha"])

    def recent_commits(self, repo_id: str, revision: str) -> list[str]:
        """Dates (ISO 8601) of the newest commits of a revision, at least 200 if there are."""
        url = f"{_api(repo_id)}/commits/{quote(revision, safe='')}"
        dates: list[str] = []
        while url and len(dates) < 200:
            what = f"reading the history of {repo_id}@{revision}"
            found, onward = self.page(what, "GET", url)
            dates += [str(commit["date"]) for commit in found]
            url = _local(onward)
        return dates

    def create_branch(self, repo_id: str, branch: str, start: str) -> None:
        """Create a branch at a commit; fine if the branch exists."""
        url = f"{_api(repo_id)}/branch/{quote(branch, safe='')}"
        what = f"creating the branch {branch} of {repo_id}"
        with contextlib.suppress(ConflictError):
            self.send(what, "POST", url, body={"startingPoint": start})

    def delete_branch(self, repo_id: str, branch: str) -> None:
        """Delete a branch; fine if there is none."""
        url = f"{_api(repo_id)}/branch/{quote(branch, safe='')}"
        with contextlib.suppress(MissingError):
            self.send(f"deleting the branch {branch} of {repo_id}", "DELETE", url)

    def create_tag(self, repo_id: str, tag: str, commit: str) -> None:
        """Tag a commit.

        Raises:
            ConflictError: The tag exists.
        """
        url = f"{_api(repo_id)}/tag/{quote(commit, safe='')}"
        self.send(f"tagging {repo_id} as {tag}", "POST", url, body={"tag": tag})

    # -- files -----------------------------------------------------------------------------

    def tree(self, repo_id: str, revision: str) -> dict[str, RemoteFile]:
        """Every file of a revision, by path."""
        url = f"{_api(repo_id)}/tree/{quote(revision, safe='')}?recursive=true&expand=false"
        name = revision[:12] if len(revision) == 40 else revision
        what = f"listing {repo_id}@{name}"
        found: dict[str, RemoteFile] = {}
        while url:
            listed, onward = self.page(what, "GET", url)
            found.update((file.path, file) for file in _files(listed))
            url = _local(onward)
        return found

    def paths_info(
        self, repo_id: str, revision: str, paths: Sequence[str]
    ) -> dict[str, RemoteFile]:
        """Those of the paths that are files of a revision."""
        url = f"{_api(repo_id)}/paths-info/{quote(revision, safe='')}"
        found: dict[str, RemoteFile] = {}
        for start in range(0, len(paths), 500):
            form = {"paths": list(paths[start : start + 500]), "expand": "false"}
            listed = self.json(f"looking at files of {repo_id}", "POST", url, form=form)
            found.update((file.path, file) for file in _files(listed))
        return found

    def read(self, repo_id: str, revision: str, path: str) -> bytes:
        """A small file's content."""
        return bytes(self.send(f"reading {path}", "GET", file_url(repo_id, revision, path)).content)

    def upload_modes(
        self, repo_id: str, revision: str, files: Sequence[tuple[str, int, bytes]]
    ) -> dict[str, str]:
        """How the server wants files stored: path to ``lfs`` or ``regular``.

        Args:
            repo_id: The repository.
            revision: The branch that they will be committed to.
            files: Path, size and first 512 bytes of each.
        """
        url = f"{_api(repo_id)}/preupload/{quote(revision, safe='')}"
        modes: dict[str, str] = {}
        for start in range(0, len(files), 256):
            lines = [
                {"path": path, "size": size, "sample": base64.b64encode(sample[:512]).decode()}
                for path, size, sample in files[start : start + 256]
            ]
            what = f"announcing files to {repo_id}"
            found = self.json(what, "POST", url, body={"files": lines})["files"]
            # An empty file cannot be LFS: the storage behind it refuses empty objects.
            modes.update((f["path"], f["uploadMode"]) for f in found)
        empty = {path: "regular" for path, size, _ in files if size == 0}
        return modes | empty

    def has_xet(self, repo_id: str, revision: str) -> bool:
        """Whether the server hands out tokens for xet storage."""
        url = f"{_api(repo_id)}/xet-write-token/{quote(revision, safe='')}"
        try:
            self.send("asking for xet", "GET", url)
        except HubError:
            return False
        return True

    def check_card(self, text: str) -> None:
        """Let the Hub check a dataset card's metadata.

        Raises:
            HubError: It would not accept the card.
        """
        body = {"content": text, "repoType": "dataset"}
        self.send("checking the card README.md", "POST", "/api/validate-yaml", body=body)

    def commit_once(self, repo_id: str, branch: str, lines: Sequence[Mapping[str, Any]]) -> str:
        """Send a commit once; its answer may be lost though it landed.

        Returns:
            The commit's id.
        """
        url = f"{_api(repo_id)}/commit/{quote(branch, safe='')}"
        content = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
        headers = {"Content-Type": "application/x-ndjson"}
        what = f"committing to {repo_id}@{branch}"
        response = self.once(what, "POST", url, content=content, headers=headers, timeout=300.0)
        try:
            return str(response.json()["commitOid"])
        except (ValueError, KeyError):
            raise TransientError("the commit's answer is unreadable") from None


def file_url(repo_id: str, revision: str, path: str) -> str:
    """Path of a file's content on the endpoint."""
    return f"/datasets/{repo_id}/resolve/{quote(revision, safe='')}/{quote(path)}"


def _local(link: str) -> str:
    """A link without its host, which is the server's idea of itself; a proxy has another."""
    return urlsplit(link)._replace(scheme="", netloc="").geturl() if link else ""


def _api(repo_id: str) -> str:
    return f"/api/datasets/{repo_id}"


def _files(listed: Iterable[Mapping[str, Any]]) -> Iterator[RemoteFile]:
    for item in listed:
        if item["type"] == "file":
            lfs = item.get("lfs") or {}
            yield RemoteFile(item["path"], item["size"], item["oid"], lfs.get("oid"))
