"""The endpoints of the Hub that its Python clients call, but for uploading."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode

import yaml

from .store import Commit, Entry, RefusedError, Repo
from .wire import Handler, Reply

Endpoint = Callable[..., Reply]
ROUTES: list[tuple[tuple[str, ...], re.Pattern[str], Endpoint]] = []

KIND = r"(?P<kind>datasets|models|spaces)"
REPO = r"(?P<repo>[^/]+/[^/]+)"
API = rf"/api/{KIND}/{REPO}"
FILES = rf"/(?:(?P<kind>datasets|spaces)/)?{REPO}"


def route(methods: str, pattern: str) -> Callable[[Endpoint], Endpoint]:
    def keep(endpoint: Endpoint) -> Endpoint:
        ROUTES.append((tuple(methods.split()), re.compile(pattern), endpoint))
        return endpoint

    return keep


def kind_name(text: str) -> str:
    return text.removesuffix("s") or "model"


def open_repo(request: Handler, kind: str, repo: str, *, write: bool = False) -> Repo:
    """The repository, if the caller may see it, or write to it."""
    token = request.hub.caller(request)
    request.record.user = token.user if token else None
    try:
        found = request.hub.store.get(kind_name(kind), repo)
    except RefusedError as problem:
        # Without a token the Hub does not tell what is missing from what is private.
        raise problem if token else RefusedError(401, problem.message, problem.code) from None
    member = token is not None and token.may_see(repo)
    if found.private and not member:
        raise RefusedError(404 if token else 401, "Repository not found", "RepoNotFound")
    if write and token is None:
        raise RefusedError(401, "Invalid username or password.")
    if write and (token is None or not token.may_write(repo)):
        raise RefusedError(
            403, f"You don't have the rights to write to {repo} with this token (role: read)"
        )
    return found


def _date(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


# -- account and repositories ------------------------------------------------------------


@route("GET", "/api/whoami-v2")
def whoami(request: Handler) -> Reply:
    token = request.hub.caller(request)
    if token is None:
        raise RefusedError(401, "Invalid username or password.")
    request.record.user = token.user
    return Reply.json(
        {
            "type": "user",
            "id": hashlib.sha1(token.user.encode()).hexdigest()[:24],
            "name": token.user,
            "fullname": token.user,
            "isPro": False,
            "orgs": [{"type": "org", "name": o, "roleInOrg": r} for o, r in token.orgs.items()],
            "auth": {
                "type": "access_token",
                "accessToken": {"displayName": "loopback", "role": token.role},
            },
        }
    )


@route("POST", "/api/repos/create")
def create(request: Handler) -> Reply:
    token = request.hub.caller(request)
    wanted = request.body.json()
    if token is None:
        raise RefusedError(401, "Invalid username or password.")
    request.record.user = token.user
    repo_id = f"{wanted.get('organization') or token.user}/{wanted['name']}"
    if not token.may_write(repo_id):
        raise RefusedError(403, f"You don't have the rights to create {repo_id} with this token")
    kind = wanted.get("type") or "model"
    prefix = "" if kind == "model" else f"{kind}s/"
    url = f"{request.hub.url}/{prefix}{repo_id}"
    private = wanted.get("private") or wanted.get("visibility") == "private"
    try:
        request.hub.store.create(kind, repo_id, bool(private), token.user)
    except RefusedError as problem:
        return Reply.json({"error": problem.message, "url": url}, problem.status)
    return Reply.json({"url": url, "name": repo_id})


BUCKET = r"/api/buckets/(?P<bucket>[^/]+/[^/]+)"


@route("POST", BUCKET)
def create_bucket(request: Handler, bucket: str) -> Reply:
    """Buckets can be made and looked at here; what is in them lies in xet storage."""
    token = request.hub.caller(request)
    if token is None or not token.may_write(bucket):
        raise RefusedError(403, f"You don't have the rights to create {bucket} with this token")
    url = f"{request.hub.url}/buckets/{bucket}"
    if bucket in request.hub.buckets:
        return Reply.json({"error": "You already created this bucket", "url": url}, 409)
    request.hub.buckets[bucket] = str(request.body.json().get("visibility", "public"))
    return Reply.json({"url": url})


@route("GET", BUCKET)
def bucket_info(request: Handler, bucket: str) -> Reply:
    if bucket not in request.hub.buckets:
        raise RefusedError(404, "Bucket not found", "RepoNotFound")
    return Reply.json(
        {
            "id": bucket,
            "private": request.hub.buckets[bucket] == "private",
            "createdAt": _date(0),
            "size": 0,
            "totalFiles": 0,
        }
    )


@route("DELETE", "/api/repos/delete")
def delete(request: Handler) -> Reply:
    wanted = request.body.json()
    token = request.hub.caller(request)
    owner = wanted.get("organization") or (token.user if token else "")
    kind = f"{wanted.get('type') or 'model'}s"
    request.hub.store.delete(open_repo(request, kind, f"{owner}/{wanted['name']}", write=True))
    return Reply.json({})


@route("GET", rf"{API}(?:/revision/(?P<rev>[^/]+))?")
def repo_info(request: Handler, kind: str, repo: str, rev: str) -> Reply:
    found = open_repo(request, kind, repo)
    commit = found.resolve(rev or "main")
    blobs = "blobs" in request.query
    siblings = [
        {"rfilename": path} | (_entry(path, entry, commit) if blobs else {})
        for path, entry in sorted(commit.files.items())
    ]
    return Reply.json(
        {
            "_id": hashlib.sha1(repo.encode()).hexdigest()[:24],
            "id": repo,
            "author": repo.split("/")[0],
            "sha": commit.sha,
            "lastModified": _date(commit.date),
            "createdAt": _date(min(c.date for c in found.commits.values())),
            "private": found.private,
            "gated": False,
            "disabled": False,
            "tags": [],
            "downloads": 0,
            "likes": 0,
            "siblings": siblings,
        }
    )


@route("POST", "/api/validate-yaml")
def validate_yaml(request: Handler) -> Reply:
    content = request.body.json().get("content", "")
    front = re.match(r"\A---\r?\n(.*?)\r?\n---", content, re.DOTALL)
    if front is None:
        return Reply.json({"errors": [], "warnings": [{"message": "empty or missing metadata"}]})
    try:
        card = yaml.safe_load(front[1]) or {}
        if not isinstance(card, dict):
            raise ValueError("metadata is not a mapping")
        if not isinstance(card.get("configs", []), list):
            raise ValueError('"configs" must be an array')
    except (yaml.YAMLError, ValueError) as problem:
        errors = [{"message": " ".join(str(problem).split())}]
        return Reply.json({"error": "invalid metadata", "errors": errors, "warnings": []}, 400)
    return Reply.json({"errors": [], "warnings": []})


# -- refs --------------------------------------------------------------------------------


@route("GET", rf"{API}/refs")
def refs(request: Handler, kind: str, repo: str) -> Reply:
    found = open_repo(request, kind, repo)

    def listing(names: dict[str, str], folder: str) -> list[dict[str, str]]:
        return [
            {"name": name, "ref": f"refs/{folder}/{name}", "targetCommit": sha}
            for name, sha in sorted(names.items())
        ]

    return Reply.json(
        {
            "branches": listing(found.branches, "heads"),
            "tags": listing(found.tags, "tags"),
            "converts": [],
            "pullRequests": [],
        }
    )


@route("GET", rf"{API}/commits/(?P<rev>[^/]+)")
def commits(request: Handler, kind: str, repo: str, rev: str) -> Reply:
    listing = [
        {
            "id": commit.sha,
            "title": commit.title,
            "message": commit.description,
            "authors": [{"user": commit.author}],
            "date": _date(commit.date),
        }
        for commit in open_repo(request, kind, repo).history(rev)
    ]
    return Reply.json(listing)


@route("POST", rf"{API}/branch/(?P<branch>[^/]+)")
def create_branch(request: Handler, kind: str, repo: str, branch: str) -> Reply:
    found = open_repo(request, kind, repo, write=True)
    start = found.resolve(request.body.json().get("startingPoint") or "main")
    request.hub.store.set_ref(found.branches, branch, start.sha)
    return Reply.json({})


@route("DELETE", rf"{API}/branch/(?P<branch>[^/]+)")
def delete_branch(request: Handler, kind: str, repo: str, branch: str) -> Reply:
    found = open_repo(request, kind, repo, write=True)
    if branch == "main":
        raise RefusedError(403, "the default branch cannot be deleted")
    request.hub.store.delete_ref(found.branches, branch)
    return Reply.json({})


@route("POST", rf"{API}/tag/(?P<rev>[^/]+)")
def create_tag(request: Handler, kind: str, repo: str, rev: str) -> Reply:
    found = open_repo(request, kind, repo, write=True)
    target = found.resolve(rev).sha
    request.hub.store.set_ref(found.tags, request.body.json()["tag"], target)
    return Reply.json({})


@route("DELETE", rf"{API}/tag/(?P<tag>[^/]+)")
def delete_tag(request: Handler, kind: str, repo: str, tag: str) -> Reply:
    found = open_repo(request, kind, repo, write=True)
    request.hub.store.delete_ref(found.tags, tag)
    return Reply.json({})


# -- tree --------------------------------------------------------------------------------


def _entry(path: str, entry: Entry, commit: Commit, expand: bool = False) -> dict[str, Any]:
    listed: dict[str, Any] = {"type": "file", "oid": entry.oid, "size": entry.size, "path": path}
    if entry.lfs:
        listed["lfs"] = {"oid": entry.sha256, "sha256": entry.sha256, "size": entry.size}
        listed["lfs"]["pointerSize"] = 120 + len(str(entry.size))
    if expand:
        listed["lastCommit"] = {
            "id": entry.commit,
            "title": commit.title,
            "date": _date(commit.date),
        }
    return listed


def _folder(path: str, expand: bool, commit: Commit) -> dict[str, Any]:
    listed: dict[str, Any] = {"type": "directory", "size": 0, "path": path}
    listed["oid"] = hashlib.sha1(f"tree {path}".encode()).hexdigest()
    if expand:
        date = _date(commit.date)
        listed["lastCommit"] = {"id": commit.sha, "title": commit.title, "date": date}
    return listed


@route("GET", rf"{API}/tree/(?P<rev>[^/]+)(?:/(?P<path>.*))?")
def tree(request: Handler, kind: str, repo: str, rev: str, path: str) -> Reply:
    commit = open_repo(request, kind, repo).resolve(rev)
    recursive = request.query.get("recursive", [""])[0].lower() in ("true", "1")
    expand = request.query.get("expand", [""])[0].lower() in ("true", "1")
    prefix = f"{path.strip('/')}/" if path.strip("/") else ""
    listed: dict[str, dict[str, Any]] = {}
    for name, entry in commit.files.items():
        if not name.startswith(prefix):
            continue
        parts = name[len(prefix) :].split("/")
        for depth in range(1, len(parts) if recursive else min(2, len(parts))):
            folder = prefix + "/".join(parts[:depth])
            listed[folder] = _folder(folder, expand, commit)
        if recursive or len(parts) == 1:
            listed[name] = _entry(name, entry, commit, expand)
    if prefix and not listed:
        raise RefusedError(404, f"{path} does not exist on {rev}", "EntryNotFound")
    start = int(request.query.get("cursor", ["0"])[0])
    names = sorted(listed)
    page = names[start : start + request.hub.page_size]
    reply = Reply.json([listed[name] for name in page])
    if start + len(page) < len(names):
        onward = {k: v[0] for k, v in request.query.items()} | {"cursor": str(start + len(page))}
        reply.headers["Link"] = (
            f'<{request.hub.url}{request.record.path}?{urlencode(onward)}>; rel="next"'
        )
    return reply


@route("POST", rf"{API}/paths-info/(?P<rev>[^/]+)")
def paths_info(request: Handler, kind: str, repo: str, rev: str) -> Reply:
    commit = open_repo(request, kind, repo).resolve(rev)
    if "json" in request.headers.get("Content-Type", ""):
        asked = request.body.json()
        paths, expand = asked["paths"], bool(asked.get("expand"))
    else:
        form = parse_qs(request.body.all().decode())
        paths, expand = form.get("paths", []), form.get("expand", [""])[0].lower() == "true"
    if len(paths) > 1000:
        raise RefusedError(413, "too many parameters")
    found = []
    for path in paths:
        if path in commit.files:
            found.append(_entry(path, commit.files[path], commit, expand))
        elif any(name.startswith(f"{path.rstrip('/')}/") for name in commit.files):
            found.append(_folder(path.rstrip("/"), expand, commit))
    return Reply.json(found)


# -- files -------------------------------------------------------------------------------


@route("GET HEAD", rf"{FILES}/resolve/(?P<rev>[^/]+)/(?P<path>.+)")
def resolve(request: Handler, kind: str, repo: str, rev: str, path: str) -> Reply:
    snapshot = open_repo(request, kind, repo).resolve(rev)
    headers = {"X-Repo-Commit": snapshot.sha, "Accept-Ranges": "bytes"}
    entry = snapshot.files.get(path)
    if entry is None:
        reply = Reply.problem(RefusedError(404, "Entry not found", "EntryNotFound"))
        reply.headers |= headers
        return reply
    headers["ETag"] = f'"{entry.etag}"'
    headers["Content-Type"] = "application/octet-stream"
    if entry.lfs:
        headers["X-Linked-Etag"] = headers["ETag"]
        headers["X-Linked-Size"] = str(entry.size)
    blob = request.hub.store.blob(entry.sha256)
    if not blob.exists():
        raise RefusedError(501, "the content is in xet storage, which this server does not read")
    if entry.lfs and request.hub.cdn_url is not None:
        path = f"/cdn/{entry.sha256}"
        headers["Location"] = f"{request.hub.cdn_url}{path}?sig={request.hub.sign(path)}"
        return Reply(302, headers=headers)
    return _content(request, blob, headers)


@route("GET HEAD", r"/cdn/(?P<sha256>[0-9a-f]{64})")
def cdn(request: Handler, sha256: str) -> Reply:
    request.hub.check_signature(request)
    blob = request.hub.store.blob(sha256)
    return _content(request, blob, {"ETag": f'"{sha256}"', "Accept-Ranges": "bytes"})


def _content(request: Handler, blob: Path, headers: dict[str, str]) -> Reply:
    """A file's bytes, or the range that is asked for."""
    size = blob.stat().st_size
    start, end = 0, size
    asked = re.fullmatch(r"bytes=(\d*)-(\d*)", request.headers.get("Range", "").strip())
    if asked and (asked[1] or asked[2]):
        if asked[1]:
            start = int(asked[1])
            end = min(int(asked[2]) + 1, size) if asked[2] else size
        else:
            start = max(0, size - int(asked[2]))
        if start >= end:
            headers["Content-Range"] = f"bytes */{size}"
            return Reply(416, headers=headers)
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    status = 206 if "Content-Range" in headers else 200
    if request.command == "HEAD":
        headers["Content-Length"] = str(end - start)
    return Reply(status, headers=headers, file=blob, start=start, length=end - start)
