"""Repositories, commits and blobs of the loopback Hub; no HTTP here.

Blobs are files named by their sha256. A commit holds the whole tree as a dict from path to
:class:`Entry`, which is plenty for test repositories and makes every revision immutable.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import threading
import time
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, BinaryIO

GITATTRIBUTES = "\n".join(
    f"{pattern} filter=lfs diff=lfs merge=lfs -text"
    for pattern in (
        *("*.tar", "*.parquet", "*.arrow", "*.zip", "*.gz", "*.zst", "*.bin", "*.safetensors"),
        *("*.npy", "*.npz", "*.png", "*.jpg", "*.jpeg", "*.webp", "*.mp4"),
    )
)
LFS_THRESHOLD = 10 * 2**20
"""A file larger than this is LFS whatever its name."""


class RefusedError(Exception):
    """An answer other than success: status, ``X-Error-Code`` and a message."""

    def __init__(self, status: int, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of a commit; ``oid`` is the git object's sha1 (of the pointer, for LFS)."""

    oid: str
    size: int
    sha256: str
    lfs: bool
    commit: str = ""

    @property
    def etag(self) -> str:
        return self.sha256 if self.lfs else self.oid


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit and its whole tree."""

    sha: str
    parent: str | None
    title: str
    description: str
    author: str
    date: float
    files: dict[str, Entry]


@dataclass(slots=True)
class Repo:
    """A repository: who owns it, and what its refs point to."""

    id: str
    type: str
    private: bool
    commits: dict[str, Commit] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    def resolve(self, revision: str) -> Commit:
        """The commit of a branch, a tag, a full ref or a commit id (or its first 7+ digits)."""
        name = revision.removeprefix("refs/heads/").removeprefix("refs/tags/")
        sha = self.branches.get(name) or self.tags.get(name)
        if sha is None and len(name) >= 7:
            sha = next((known for known in self.commits if known.startswith(name)), None)
        if sha is None:
            raise RefusedError(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return self.commits[sha]

    def files(self, revision: str = "main") -> dict[str, Entry]:
        """The tree of a revision: path to entry, in path order."""
        return dict(sorted(self.resolve(revision).files.items()))

    def history(self, revision: str = "main") -> list[Commit]:
        """The commits of a revision, newest first."""
        found, commit = [], self.resolve(revision)
        while True:
            found.append(commit)
            if commit.parent is None:
                return found
            commit = self.commits[commit.parent]


def git_oid(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def pointer(sha256: str, size: int) -> bytes:
    """The text that git stores in place of an LFS file."""
    return (
        f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n".encode()
    )


class Store:
    """Everything the server knows, kept in a folder and safe to use from many threads.

    Args:
        folder: Where blobs and ``state.json`` live; a server started again on it goes on.
        commits_per_hour: Commits above this answer 429, as the real Hub does.
        quota: Bytes of LFS objects that may be stored in all, None for no limit.
    """

    def __init__(
        self, folder: Path, commits_per_hour: int | None = None, quota: int | None = None
    ) -> None:
        self.folder = folder
        self.lock = threading.RLock()
        self.repos: dict[tuple[str, str], Repo] = {}
        self.commits_per_hour = commits_per_hour
        self.quota = quota
        self.xet_folder: Path | None = None
        self.commit_times: list[float] = []
        self.sizes: dict[str, int] = {}
        for name in ("blobs", "incoming"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        for path in (folder / "blobs").iterdir():
            self.sizes[path.name] = path.stat().st_size
        self._load()

    # -- blobs ---------------------------------------------------------------------------

    def blob(self, sha256: str) -> Path:
        return self.folder / "blobs" / sha256

    def has_blob(self, sha256: str) -> bool:
        with self.lock:
            return sha256 in self.sizes

    def used(self) -> int:
        with self.lock:
            return sum(self.sizes.values())

    def put_bytes(self, content: bytes) -> str:
        sha256 = hashlib.sha256(content).hexdigest()
        part = self.incoming(sha256)
        part.write_bytes(content)
        self._keep(part, sha256, len(content))
        return sha256

    def incoming(self, name: str) -> Path:
        """A fresh temporary path for bytes that are on their way."""
        stem = f"{name[:64]}.{threading.get_ident()}.{time.monotonic_ns()}"
        return self.folder / "incoming" / stem

    def adopt(self, part: Path, sha256: str) -> None:
        """Take a finished upload in, if it is what its name says.

        Raises:
            RefusedError: 400, the content has another sha256.
        """
        with part.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        if found != sha256:
            part.unlink()
            raise RefusedError(400, f"content is {found}, not {sha256}", "ChecksumMismatch")
        self._keep(part, sha256, part.stat().st_size)

    def _keep(self, part: Path, sha256: str, size: int) -> None:
        with self.lock:
            part.replace(self.blob(sha256))
            self.sizes[sha256] = size

    def join(self, parts: list[Path], sha256: str) -> None:
        """Put the parts of a multipart upload together; see :meth:`adopt`."""
        whole = self.incoming(sha256)
        with whole.open("wb") as target:
            for part in parts:
                target.write(part.read_bytes())
        self.adopt(whole, sha256)
        for part in parts:
            part.unlink(missing_ok=True)

    # -- repositories --------------------------------------------------------------------

    def create(self, kind: str, repo_id: str, private: bool, author: str) -> Repo:
        """A new repository with its first commit (``.gitattributes``).

        Raises:
            RefusedError: 409, it exists.
        """
        with self.lock:
            if (kind, repo_id) in self.repos:
                raise RefusedError(409, "You already created this repo")
            repo = Repo(repo_id, kind, private)
            self.repos[kind, repo_id] = repo
            content = (GITATTRIBUTES + "\n").encode()
            entry = Entry(git_oid(content), len(content), self.put_bytes(content), False)
            self._advance(repo, "main", {".gitattributes": entry}, "initial commit", "", author)
            return repo

    def get(self, kind: str, repo_id: str) -> Repo:
        repo = self.repos.get((kind, repo_id))
        if repo is None:
            raise RefusedError(404, "Repository not found", "RepoNotFound")
        return repo

    def upload_mode(self, repo: Repo, revision: str, path: str, size: int, sample: bytes) -> str:
        """Whether a file goes to LFS: by ``.gitattributes``, by size, or as it is binary."""
        attributes = repo.resolve(revision).files.get(".gitattributes")
        lines = self.blob(attributes.sha256).read_text().splitlines() if attributes else []
        patterns = [line.split()[0] for line in lines if "filter=lfs" in line]
        name = path.rsplit("/", 1)[-1]
        matched = any(fnmatch(name, pattern) or fnmatch(path, pattern) for pattern in patterns)
        return "lfs" if matched or size > LFS_THRESHOLD or b"\0" in sample else "regular"

    def commit(self, repo: Repo, branch: str, lines: list[dict[str, Any]], author: str) -> Commit:
        """Apply a commit's ndjson lines to a branch, all or nothing.

        Raises:
            RefusedError: 404 for a branch or a deleted path that is not there, 412 for a
                parent that is no longer the head, 400 for anything malformed or an LFS
                object that was never uploaded, 429 beyond the hourly limit.
        """
        with self.lock:
            self._count_commit()
            head = repo.branches.get(branch)
            if head is None:
                raise RefusedError(404, f"Invalid rev id: {branch}", "RevisionNotFound")
            header: dict[str, Any] = {}
            files = dict(repo.commits[head].files)
            for line in lines:
                key, value = line.get("key"), line.get("value") or {}
                if key == "header":
                    header = value
                elif key == "file":
                    files[_safe(value["path"])] = self._regular(value)
                elif key == "lfsFile":
                    files[_safe(value["path"])] = self._lfs(value)
                elif key == "deletedFile":
                    if files.pop(value["path"], None) is None:
                        raise RefusedError(
                            404, "A file with this name doesn't exist", "EntryNotFound"
                        )
                elif key == "deletedFolder":
                    folder = value["path"].rstrip("/") + "/"
                    gone = [path for path in files if path.startswith(folder)]
                    for path in gone:
                        del files[path]
                else:
                    raise RefusedError(400, f"unknown commit line {key!r}")
            parent = header.get("parentCommit")
            if parent and not head.startswith(parent):
                message = "A commit has happened since. Please refresh and try again."
                raise RefusedError(412, message)
            if not header.get("summary"):
                raise RefusedError(400, "a commit needs a summary")
            self.commit_times.append(time.monotonic())
            return self._advance(
                repo, branch, files, header["summary"], header.get("description", ""), author
            )

    def _count_commit(self) -> None:
        now = time.monotonic()
        self.commit_times = [moment for moment in self.commit_times if now - moment < 3600]
        if self.commits_per_hour is not None and len(self.commit_times) >= self.commits_per_hour:
            raise RefusedError(
                429,
                f"You have exceeded the rate limit for repository commits "
                f"({self.commits_per_hour} per hour). You can retry this action in about 1 hour.",
            )

    def _regular(self, value: dict[str, Any]) -> Entry:
        try:
            content = base64.b64decode(value["content"], validate=True)
        except (binascii.Error, KeyError) as problem:
            raise RefusedError(400, f"bad file content: {problem}") from problem
        return Entry(git_oid(content), len(content), self.put_bytes(content), False)

    def _lfs(self, value: dict[str, Any]) -> Entry:
        sha256, size = value["oid"], self.sizes.get(value["oid"])
        if size is None and self._in_xet(sha256):
            size = int(value["size"])
        if size is None:
            raise RefusedError(
                400, f"LFS pointer points to a file that does not exist: {value['path']}"
            )
        if value.get("size") not in (None, size):
            raise RefusedError(400, f"LFS object has {size} bytes, not {value['size']}")
        return Entry(git_oid(pointer(sha256, size)), size, sha256, True)

    def _in_xet(self, sha256: str) -> bool:
        """Whether hf_xet registered a file of this sha256 in the local xet store.

        Its metadata shards hold the digest as four little-endian words.
        """
        if self.xet_folder is None:
            return False
        digest = bytes.fromhex(sha256)
        stored = b"".join(digest[start : start + 8][::-1] for start in range(0, 32, 8))
        shards = self.xet_folder.rglob("*.mdb")
        return any(stored in path.read_bytes() for path in shards)

    def _advance(
        self, repo: Repo, branch: str, files: dict[str, Entry], title: str, text: str, author: str
    ) -> Commit:
        parent = repo.branches.get(branch)
        listing = [f"{path} {files[path].oid}" for path in sorted(files)]
        digest = hashlib.sha1("\n".join([str(parent), title, text, *listing]).encode())
        sha = digest.hexdigest()
        before = repo.commits[parent].files if parent else {}
        stamped = {
            path: before[path]
            if path in before and before[path].oid == entry.oid
            else Entry(entry.oid, entry.size, entry.sha256, entry.lfs, sha)
            for path, entry in files.items()
        }
        commit = Commit(sha, parent, title, text, author, time.time(), stamped)
        repo.commits[sha] = commit
        repo.branches[branch] = sha
        self.save()
        return commit

    def set_ref(self, refs: dict[str, str], name: str, target: str) -> None:
        """Create a branch or a tag.

        Raises:
            RefusedError: 409, the name is taken.
        """
        with self.lock:
            if name in refs:
                raise RefusedError(409, f"Reference already exists: {name}")
            refs[name] = target
            self.save()

    def delete_ref(self, refs: dict[str, str], name: str) -> None:
        with self.lock:
            if refs.pop(name, None) is None:
                raise RefusedError(404, f"Reference not found: {name}", "RevisionNotFound")
            self.save()

    def delete(self, repo: Repo) -> None:
        with self.lock:
            del self.repos[repo.type, repo.id]
            self.save()

    # -- persistence ---------------------------------------------------------------------

    def save(self) -> None:
        """Write ``state.json``, so that a server started again knows its repositories."""
        with self.lock:
            part = self.folder / "state.json.part"
            part.write_text(json.dumps([asdict(repo) for repo in self.repos.values()]))
            part.replace(self.folder / "state.json")

    def _load(self) -> None:
        path = self.folder / "state.json"
        if not path.exists():
            return
        for item in json.loads(path.read_text()):
            item["commits"] = {
                sha: Commit(**{**commit, "files": _entries(commit["files"])})
                for sha, commit in item["commits"].items()
            }
            self.repos[item["type"], item["id"]] = Repo(**item)


def _entries(files: dict[str, dict[str, Any]]) -> dict[str, Entry]:
    return {path: Entry(**entry) for path, entry in files.items()}


def _safe(path: str) -> str:
    if not path or path.startswith("/") or ".." in path.split("/") or "\0" in path:
        raise RefusedError(400, f"invalid path {path!r}")
    return path


def copy_exactly(source: BinaryIO, target: BinaryIO, size: int) -> int:
    """Copy up to ``size`` bytes; returns how many came."""
    done = 0
    while done < size:
        piece = source.read(min(1 << 20, size - done))
        if not piece:
            break
        target.write(piece)
        done += len(piece)
    return done
