"""Uploading: preupload, LFS in one piece and in parts, and the commit."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import Any
from urllib.parse import quote

from .routes import API, FILES, open_repo, route
from .store import RefusedError
from .wire import Handler, Reply


@route("POST", rf"{API}/preupload/(?P<rev>[^/]+)")
def preupload(request: Handler, kind: str, repo: str, rev: str) -> Reply:
    found = open_repo(request, kind, repo, write=True)
    present = found.resolve(rev).files
    files = request.body.json()["files"]
    if len(files) > 256:
        raise RefusedError(413, "at most 256 files")
    answer = []
    for item in files:
        path, size = item["path"], int(item["size"])
        sample = base64.b64decode(item.get("sample", ""))
        mode = request.hub.store.upload_mode(found, rev, path, size, sample)
        line = {"path": path, "uploadMode": mode, "shouldIgnore": False}
        if path in present:
            line["oid"] = present[path].etag
        answer.append(line)
    return Reply.json({"files": answer, "commitOid": found.resolve(rev).sha})


@route("GET", rf"{API}/xet-(?P<access>read|write)-token/(?P<rev>[^/]+)")
def xet_token(request: Handler, kind: str, repo: str, access: str, rev: str) -> Reply:
    open_repo(request, kind, repo, write=access == "write")
    if request.hub.xet_url is None:
        raise RefusedError(404, "xet is not enabled here")
    return Reply.json(
        {"casUrl": request.hub.xet_url, "exp": 4102444800, "accessToken": "loopback-xet"},
        X_Xet_Cas_Url=request.hub.xet_url,
        X_Xet_Access_Token="loopback-xet",
        X_Xet_Token_Expiration="4102444800",
    )


def _signed(request: Handler, path: str) -> str:
    return f"{request.hub.url}{path}?sig={request.hub.sign(path)}"


@route("POST", rf"{FILES}\.git/info/lfs/objects/batch")
def lfs_batch(request: Handler, kind: str, repo: str) -> Reply:
    open_repo(request, kind, repo, write=True)
    hub, wanted = request.hub, request.body.json()
    multipart = "multipart" in wanted.get("transfers", [])
    missing = [item for item in wanted["objects"] if not hub.store.has_blob(item["oid"])]
    if hub.store.quota is not None:
        asked = sum(int(item["size"]) for item in missing)
        if hub.store.used() + asked > hub.store.quota:
            raise RefusedError(
                403, "Private repository storage limit reached, please upgrade your plan"
            )
    objects = []
    for item in wanted["objects"]:
        oid, size = item["oid"], int(item["size"])
        if not re.fullmatch(r"[0-9a-f]{64}", oid):
            objects.append({**item, "error": {"code": 422, "message": "invalid oid"}})
            continue
        answer: dict[str, Any] = {"oid": oid, "size": size}
        if item in missing:
            prefix = f"/{kind}/{repo}" if kind else f"/{repo}"
            verify = {"href": f"{hub.url}{quote(prefix)}.git/info/lfs/objects/verify"}
            upload = {"href": _signed(request, f"/lfs/object/{oid}"), "header": {}}
            if multipart and size > hub.multipart_above:
                number = hub.next_number()
                count = -(-size // hub.chunk_size)
                parts = {
                    str(n): _signed(request, f"/lfs/part/{oid}/{number}/{n}")
                    for n in range(1, count + 1)
                }
                upload = {
                    "href": _signed(request, f"/lfs/complete/{oid}/{number}"),
                    "header": {"chunk_size": str(hub.chunk_size), **parts},
                }
            answer["actions"] = {"upload": upload, "verify": verify}
        objects.append(answer)
    return Reply.json({"transfer": "multipart" if multipart else "basic", "objects": objects})


@route("PUT", r"/lfs/object/(?P<oid>[0-9a-f]{64})")
def lfs_put(request: Handler, oid: str) -> Reply:
    request.hub.check_signature(request)
    request.record.oid = oid
    part = request.hub.store.incoming(oid)
    try:
        with part.open("wb") as target:
            while piece := request.body.read():
                target.write(piece)
        request.record.again = request.hub.store.has_blob(oid)
        request.hub.store.adopt(part, oid)
        request.record.stored = True
    finally:
        part.unlink(missing_ok=True)
    return Reply(200, headers={"ETag": f'"{oid}"'})


@route("PUT", r"/lfs/part/(?P<oid>[0-9a-f]{64})/(?P<number>\d+)/(?P<part>\d+)")
def lfs_part(request: Handler, oid: str, number: str, part: str) -> Reply:
    request.hub.check_signature(request)
    request.record.oid = oid
    content = request.body.all()
    store = request.hub.store
    request.record.again = store.has_blob(oid)
    (store.folder / "incoming" / f"part.{number}.{part}").write_bytes(content)
    return Reply(200, headers={"ETag": f'"{hashlib.md5(content).hexdigest()}"'})


@route("POST", r"/lfs/complete/(?P<oid>[0-9a-f]{64})/(?P<number>\d+)")
def lfs_complete(request: Handler, oid: str, number: str) -> Reply:
    request.hub.check_signature(request)
    request.record.oid = oid
    listed = request.body.json()["parts"]
    folder = request.hub.store.folder / "incoming"
    parts = [folder / f"part.{number}.{item['partNumber']}" for item in listed]
    if request.hub.store.has_blob(oid):
        return Reply.json({"success": True})
    if missing := [path.name for path in parts if not path.exists()]:
        raise RefusedError(400, f"parts never came: {', '.join(missing)}")
    request.hub.store.join(parts, oid)
    request.record.stored = True
    return Reply.json({"success": True})


@route("POST", rf"{FILES}\.git/info/lfs/objects/verify")
def lfs_verify(request: Handler, kind: str, repo: str) -> Reply:
    open_repo(request, kind, repo, write=True)
    wanted = request.body.json()
    size = request.hub.store.sizes.get(wanted["oid"])
    if size is None:
        raise RefusedError(404, "object not found")
    if size != wanted["size"]:
        raise RefusedError(400, f"object has {size} bytes, not {wanted['size']}")
    return Reply.json({})


@route("POST", rf"{API}/commit/(?P<rev>[^/]+)")
def commit(request: Handler, kind: str, repo: str, rev: str) -> Reply:
    found = open_repo(request, kind, repo, write=True)
    if "create_pr" in request.query:
        raise RefusedError(501, "pull requests are not part of this server")
    lines = [json.loads(line) for line in request.body.all().splitlines() if line.strip()]
    made = request.hub.store.commit(found, rev, lines, request.record.user or "?")
    prefix = "" if kind == "models" else f"{kind}/"
    url = f"{request.hub.url}/{prefix}{repo}/commit/{made.sha}"
    return Reply.json({"success": True, "commitUrl": url, "commitOid": made.sha, "hookOutput": ""})
