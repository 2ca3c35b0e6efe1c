"""The loopback Hub as a context manager."""

from __future__ import annotations

import hmac
import itertools
import os
import secrets
import shutil
import tempfile
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

from . import wire
from .faults import Fault, Faults
from .store import RefusedError, Repo, Store


@dataclass(frozen=True, slots=True)
class Token:
    """Who a token belongs to and what it may do.

    Attributes:
        user: The user's name.
        role: ``write`` or ``read``.
        orgs: Organisation to role in it (``admin``, ``write`` or ``read``).
    """

    user: str
    role: str = "write"
    orgs: dict[str, str] = field(default_factory=dict)

    def may_see(self, repo_id: str) -> bool:
        owner = repo_id.split("/")[0]
        return owner == self.user or owner in self.orgs

    def may_write(self, repo_id: str) -> bool:
        owner = repo_id.split("/")[0]
        trusted = owner == self.user or self.orgs.get(owner) in ("admin", "write")
        return self.role == "write" and trusted


@dataclass(slots=True)
class Traffic:
    """Requests and bytes of one endpoint."""

    requests: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    failed: int = 0


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no news here."""


class HubServer:
    """A Hub on loopback, speaking what huggingface_hub and datasets speak.

    Args:
        folder: Where it keeps everything; a temporary folder by default. A server started
            again on the same folder goes on with what is there.
        port: 0 for any free one.
        token: The token of ``user`` with the right to write; made up if not given.
        user: Its name.
        tokens: More tokens.
        page_size: Entries of a page of the tree.
        multipart_above: Objects above this many bytes are uploaded in parts.
        chunk_size: Bytes of a part.
        commits_per_hour: See :class:`~tests.hub.store.Store`.
        quota: See :class:`~tests.hub.store.Store`.
        xet_url: If given, xet tokens are handed out that point there. ``local:///FOLDER`` makes
            hf_xet store in that folder, whose files this server then knows by their sha256
            (it can commit them, but not serve their content).
        cdn: Whether LFS files are served by redirection to another origin, as the Hub does.

    Attributes:
        url: The endpoint, for ``HF_ENDPOINT`` or ``HfApi(endpoint=...)``.
        token: The token with the right to write.
        requests: A record of every request, in order of arrival.
        buckets: Bucket to its visibility.
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        port: int = 0,
        token: str | None = None,
        user: str = "tester",
        tokens: dict[str, Token] | None = None,
        page_size: int = 1000,
        multipart_above: int = 50 * 10**6,
        chunk_size: int = 8 * 10**6,
        commits_per_hour: int | None = None,
        quota: int | None = None,
        xet_url: str | None = None,
        cdn: bool = False,
    ) -> None:
        self._temporary = folder is None
        self.folder = Path(tempfile.mkdtemp(prefix="loopback-hub-")) if folder is None else folder
        self.store = Store(self.folder, commits_per_hour, quota)
        if xet_url is not None and xet_url.startswith("local://"):
            self.store.xet_folder = Path(xet_url.removeprefix("local://"))
        self.token = token or f"hf_{secrets.token_hex(17)}"
        self.user = user
        self.tokens = {self.token: Token(user), **(tokens or {})}
        self.page_size = page_size
        self.multipart_above = multipart_above
        self.chunk_size = chunk_size
        self.xet_url = xet_url
        self.secret = secrets.token_bytes(16)
        self.faults = Faults()
        self.requests: list[wire.RequestRecord] = []
        self.buckets: dict[str, str] = {}
        self.started_at = time.monotonic()
        self._numbers = itertools.count(time.monotonic_ns())
        handler = type("Handler", (wire.Handler,), {"hub": self})
        self._server = _Server(("127.0.0.1", port), handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        # Another port is another origin, to which no client may send the token.
        self._cdn = _Server(("127.0.0.1", 0), handler) if cdn else None
        self.cdn_url = f"http://127.0.0.1:{self._cdn.server_address[1]}" if self._cdn else None
        self._threads: list[threading.Thread] = []

    # -- life ------------------------------------------------------------------------------

    def start(self) -> HubServer:
        """Serve from a thread of its own."""
        for server in filter(None, (self._server, self._cdn)):
            thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
            thread.start()
            self._threads.append(thread)
        return self

    def stop(self) -> None:
        """Stop serving; a temporary folder is removed."""
        for server in filter(None, (self._server, self._cdn)):
            if self._threads:
                server.shutdown()
            server.server_close()
        for thread in self._threads:
            thread.join()
        if self._temporary:
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> HubServer:
        return self.start()

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    # -- for tests -------------------------------------------------------------------------

    def add_fault(self, **rule: Any) -> Fault:
        """Inject a fault; the arguments are the fields of :class:`~tests.hub.faults.Fault`."""
        return self.faults.add(Fault(**rule))

    def clear_faults(self) -> None:
        self.faults.clear()

    def repo(self, repo_id: str, kind: str = "dataset") -> Repo:
        """A repository as the server sees it.

        Raises:
            RefusedError: There is none of this name.
        """
        return self.store.get(kind, repo_id)

    def read(self, repo_id: str, path: str, revision: str = "main") -> bytes:
        """A file's content at a revision, straight from the store."""
        return self.store.blob(self.repo(repo_id).files(revision)[path].sha256).read_bytes()

    def tree(self, repo_id: str, revision: str = "main") -> dict[str, str]:
        """Path to sha256 of every file of a revision."""
        return {path: e.sha256 for path, e in self.repo(repo_id).files(revision).items()}

    def commit(self, repo_id: str, files: dict[str, bytes], branch: str = "main") -> str:
        """Commit as somebody else would, in the middle of what a test does."""
        import base64

        lines: list[dict[str, Any]] = [{"key": "header", "value": {"summary": "by another hand"}}]
        for path, content in files.items():
            text = base64.b64encode(content).decode()
            lines.append({"key": "file", "value": {"path": path, "content": text}})
        return self.store.commit(self.repo(repo_id), branch, lines, "another").sha

    def traffic(self) -> dict[str, Traffic]:
        """Requests and bytes by endpoint."""
        total: dict[str, Traffic] = defaultdict(Traffic)
        for record in list(self.requests):
            row = total[record.route]
            row.requests += 1
            row.bytes_in += record.bytes_in
            row.bytes_out += record.bytes_out
            row.failed += record.status == 0 or record.status >= 400
        return dict(total)

    def stored_twice(self) -> int:
        """Bytes of LFS uploads that the server had already: 0 if nothing was sent for nothing."""
        return sum(record.bytes_in for record in list(self.requests) if record.again)

    def environment(self) -> dict[str, str]:
        """The environment in which a fresh process takes this server for the Hub."""
        return {
            **os.environ,
            "HF_ENDPOINT": self.url,
            "HF_TOKEN": self.token,
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HOME": str(self.folder / "client"),
        }

    # -- for the endpoints -----------------------------------------------------------------

    def caller(self, request: wire.Handler) -> Token | None:
        """The caller's token, None for an anonymous one.

        Raises:
            RefusedError: 401, a token that this server does not know.
        """
        given = request.headers.get("Authorization", "").removeprefix("Bearer ").strip()
        if not given:
            return None
        token = self.tokens.get(given)
        if token is None:
            raise RefusedError(401, "Invalid credentials in Authorization header")
        return token

    def sign(self, path: str) -> str:
        """The signature without which a storage path is not served."""
        return hmac.new(self.secret, path.encode(), "sha256").hexdigest()[:32]

    def check_signature(self, request: wire.Handler) -> None:
        """Refuse a request to the storage whose address was not handed out.

        Raises:
            RefusedError: 403.
        """
        given = request.query.get("sig", [""])[0]
        if not hmac.compare_digest(given, self.sign(request.record.path)):
            raise RefusedError(403, "SignatureDoesNotMatch")

    def next_number(self) -> int:
        return next(self._numbers)
