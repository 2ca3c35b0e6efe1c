"""Getting a file's bytes into the Hub's storage: xet where it works, else git LFS.

Nothing here changes a revision: a stored object becomes visible only by a commit.
"""

from __future__ import annotations

import functools
import importlib.util
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from builder.hub.client import HubClient
from builder.hub.errors import HubError, LocalError, NoRightError, redact
from builder.hub.retry import TransientError, log
from ld_portrait_20k.format.manifest import file_sha256

PIECE = 1 << 20
SLOWEST = 256 * 1024
"""Bytes a second below which xet is taken for stuck."""

_LFS_JSON = {
    "Accept": "application/vnd.git-lfs+json",
    "Content-Type": "application/vnd.git-lfs+json",
}


class _ExpiredError(Exception):
    """The storage does not take a signed address any more."""


class BlobStore:
    """Uploads objects to one repository; used by several threads at once.

    Args:
        client: Speaks to the Hub.
        repo_id: The repository.
        branch: The branch that the objects will be committed to.
        xet: Whether to use xet if this machine and the server have it.
        xet_patience: Seconds, besides those a slow line needs for the file, after which an
            upload through xet is given up for LFS.
        sent: Called with the number of bytes that went out, piece by piece.
    """

    def __init__(
        self,
        client: HubClient,
        repo_id: str,
        branch: str,
        *,
        xet: bool = True,
        xet_patience: float = 120.0,
        sent: Callable[[int], None] = lambda amount: None,
    ) -> None:
        self._client = client
        self._repo_id = repo_id
        self._branch = branch
        self._sent = sent
        self._xet_patience = xet_patience
        self._xet_lock = threading.Lock()
        self._xet = xet and _xet_installed() and client.has_xet(repo_id, branch)
        log.info("%s: uploading through %s", repo_id, "xet" if self._xet else "git LFS")

    def upload(self, path: Path, sha256: str, size: int) -> bool:
        """Make sure that the server stores a file's content.

        Args:
            path: The local file.
            sha256: What it must hash to.
            size: How many bytes it must have.

        Returns:
            Whether bytes had to be sent.

        Raises:
            LocalError: The file is gone or is not what it should be.
            HubError: The server refused, or the policy's patience ran out.
        """
        verified = False

        def check() -> None:
            nonlocal verified
            if not verified:
                _check_local(path, sha256, size)
                verified = True

        if self._xet:
            check()
            if self._through_xet(path, sha256, size):
                self._sent(size)
                return True
        what = f"uploading {path.name}"
        sent = False

        def attempt() -> bool:
            # Asked before every try: an upload whose answer was lost may be there already,
            # and a signed address expires.
            nonlocal sent
            actions = self._actions(what, sha256, size)
            if actions is None:
                return sent
            check()
            sent = True
            upload = actions["upload"]
            header = upload.get("header") or {}
            try:
                if "chunk_size" in header:
                    self._put_parts(what, path, size, sha256, upload["href"], header)
                else:
                    self._put(what, path, 0, size, upload["href"])
            except _ExpiredError:
                raise TransientError("403 from the storage") from None
            if verify := actions.get("verify"):
                body = {"oid": sha256, "size": size}
                self._client.send(f"verifying {path.name}", "POST", verify["href"], body=body)
            return True

        return self._client.retries.call(what, attempt)

    # -- git LFS ---------------------------------------------------------------------------

    def _actions(self, what: str, sha256: str, size: int) -> Mapping[str, Any] | None:
        """What the server wants done; None if it stores the object already."""
        body = {
            "operation": "upload",
            "transfers": ["basic", "multipart"],
            "objects": [{"oid": sha256, "size": size}],
            "hash_algo": "sha256",
            "ref": {"name": self._branch},
        }
        url = f"/datasets/{self._repo_id}.git/info/lfs/objects/batch"
        response = self._client.once(what, "POST", url, body=body, headers=_LFS_JSON)
        try:
            (answer,) = response.json()["objects"]
            problem = answer.get("error")
            actions = answer.get("actions")
            if actions is not None:
                actions["upload"]["href"]
        except (ValueError, KeyError, TypeError, AttributeError):
            raise TransientError("the answer of the LFS batch is malformed") from None
        if problem:
            raise HubError(f"{what}: {problem.get('code')} {problem.get('message')}")
        return actions

    def _put(self, what: str, path: Path, start: int, size: int, url: str) -> str:
        """PUT a part of a file; returns its ETag."""
        headers = {"Content-Length": str(size), "Content-Type": "application/octet-stream"}
        try:
            pieces = self._pieces(path, start, size)
            response = self._client.once(what, "PUT", url, content=pieces, headers=headers)
        except NoRightError:
            # Storage answers 403 to an address that has expired; the batch gives a fresh one.
            raise _ExpiredError from None
        return str(response.headers.get("ETag", ""))

    def _put_parts(
        self, what: str, path: Path, total: int, sha256: str, url: str, header: Mapping[str, str]
    ) -> None:
        chunk = int(header["chunk_size"])
        addresses = sorted((int(name), href) for name, href in header.items() if name.isdigit())
        if chunk < 1 or len(addresses) != -(-total // chunk):
            raise HubError(f"{what}: the server's plan of {len(addresses)} parts does not fit")
        parts = []
        for number, href in addresses:
            start = (number - 1) * chunk
            size = min(chunk, total - start)
            put = functools.partial(self._put, what, path, start, size, href)
            etag = self._client.retries.call(f"{what}, part {number} of {len(addresses)}", put)
            parts.append({"partNumber": number, "etag": etag})
        body = {"oid": sha256, "parts": parts}
        self._client.send(f"{what}, joining the parts", "POST", url, body=body, headers=_LFS_JSON)

    def _pieces(self, path: Path, start: int, size: int) -> Iterator[bytes]:
        left = size
        try:
            # Between two tries a build may move the file to its final name.
            stream = path.open("rb")
        except OSError as problem:
            raise LocalError(f"{path}: cannot be read ({problem.strerror})") from None
        with stream:
            stream.seek(start)
            while left:
                self._client.retries.check_stop()
                piece = stream.read(min(PIECE, left))
                if not piece:
                    raise LocalError(f"{path}: became shorter while it was uploaded")
                left -= len(piece)
                self._sent(len(piece))
                yield piece

    # -- xet -------------------------------------------------------------------------------

    def _through_xet(self, path: Path, sha256: str, size: int) -> bool:
        """Upload through hf_xet; on failure use LFS from now on, as huggingface_hub does not."""
        # One at a time: hf_xet sends the chunks of a file in parallel by itself, and the first
        # failure must be known before the next file is tried.
        with self._xet_lock:
            if not self._xet:
                return False
            outcome: list[Exception | None] = []
            worker = threading.Thread(
                target=self._call_xet, args=(path, sha256, outcome), name="hub-xet", daemon=True
            )
            worker.start()
            # hf_xet has no bound of its own: a store that is down keeps it trying for minutes.
            deadline = time.monotonic() + self._xet_patience + size / SLOWEST
            while worker.is_alive() and time.monotonic() < deadline:
                self._client.retries.check_stop()
                worker.join(0.1)
            if outcome == [None]:
                return True
            problem = outcome[0] if outcome else TimeoutError("no answer in time")
            log.warning(
                "xet failed (%s: %s); going on through git LFS",
                type(problem).__name__,
                redact(problem, self._client.token)[:200],
            )
            self._xet = False
            return False

    def _call_xet(self, path: Path, sha256: str, outcome: list[Exception | None]) -> None:
        from huggingface_hub import CommitOperationAdd, HfApi

        try:
            operation = CommitOperationAdd(path.name, str(path))
            operation.upload_info.sha256 = bytes.fromhex(sha256)
            # Spares a request that huggingface_hub would retry without our bounds.
            operation._upload_mode = "lfs"
            api = HfApi(endpoint=self._client.endpoint, token=self._client.token)
            with _no_bars():
                api.preupload_lfs_files(
                    self._repo_id, [operation], repo_type="dataset", revision=self._branch
                )
            outcome.append(None)
        except Exception as problem:
            # hf_xet raises builtin errors of many kinds; whichever it is, LFS can do it.
            outcome.append(problem)


def _xet_installed() -> bool:
    from huggingface_hub import constants

    return not constants.HF_HUB_DISABLE_XET and importlib.util.find_spec("hf_xet") is not None


class _no_bars:  # noqa: N801
    """Keep huggingface_hub's own progress bars away; ours is the caller's."""

    def __enter__(self) -> None:
        from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars

        self._were = are_progress_bars_disabled()
        if not self._were:
            disable_progress_bars()

    def __exit__(self, *exc_info: object) -> None:
        from huggingface_hub.utils import enable_progress_bars

        if not self._were:
            enable_progress_bars()


def _check_local(path: Path, sha256: str, size: int) -> None:
    try:
        if path.stat().st_size != size or file_sha256(path) != sha256:
            raise LocalError(
                f"{path}: is not what its manifest says (size or sha256); "
                "try: python -m builder verify, then build it again"
            )
    except OSError as problem:
        raise LocalError(f"{path}: cannot be read ({problem.strerror})") from None
