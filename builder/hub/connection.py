"""HTTP to the Hub: every request with a timeout, the same policy, and errors of one line.

Why not ``HfApi``: huggingface_hub 2.4.0 sends a commit once and cannot tell a lost answer from
a failed commit, sleeps for as long as any ``Retry-After`` says, has no timeouts, and writes
signed URLs to its log. Its session (proxies, certificates, offline mode) and headers are used.
"""

from __future__ import annotations

import contextlib
import logging
import re
import threading
from collections.abc import Iterable, Mapping
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from builder.hub.errors import (
    HubError,
    IncompleteError,
    NoRightError,
    NoTokenError,
    QuotaError,
    redact,
)
from builder.hub.retry import RETRIED_STATUSES, Retries, RetryPolicy, TransientError

if TYPE_CHECKING:
    import httpx2

HOME = "https://huggingface.co"
_TALKATIVE = (
    *("httpx2", "httpcore2.connection", "httpcore2.http11", "httpcore2.http2"),
    "huggingface_hub.utils._http",
)
"""Loggers that would print whole addresses, signatures included, at INFO or DEBUG."""

_RATE_LIMIT = re.compile(r"\br\s*=\s*0\b\s*;\s*t\s*=\s*(\d+)")
_QUOTA = re.compile(r"storage|quota|payment|upgrade your plan", re.IGNORECASE)


class MissingError(HubError):
    """A repository, revision or file that is not there; ``code`` says which."""

    exit_code = IncompleteError.exit_code

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class ConflictError(HubError):
    """Status 409: it exists already."""


class PreconditionError(HubError):
    """Status 412: the branch is no longer where the commit said."""


def find_token(token: str | None) -> str | None:
    """The token given, or that of the environment or of the login; None without any."""
    from huggingface_hub import get_token

    return token or get_token()


def find_endpoint(endpoint: str | None) -> str:
    """The endpoint given, or that of ``HF_ENDPOINT``, or the Hub."""
    from huggingface_hub import constants

    return (endpoint or constants.ENDPOINT).rstrip("/")


class HubConnection:
    """Speaks to one Hub on behalf of one user.

    Args:
        endpoint: The Hub's URL; found in the environment if None.
        token: The access token; None speaks anonymously.
        retries: How failures are retried.
    """

    def __init__(
        self, endpoint: str | None = None, token: str | None = None, retries: Retries | None = None
    ) -> None:
        from huggingface_hub.utils import build_hf_headers

        for name in _TALKATIVE:
            logging.getLogger(name).addFilter(_redact_record)
        self.endpoint = find_endpoint(endpoint)
        self.token = token
        self.retries = retries or Retries(RetryPolicy(), threading.Event(), (token,))
        self.headers = build_hf_headers(token=token or False, library_name="ld-portrait-20k")
        self.server_time: float | None = None
        """The server's clock at its last answer, in seconds since 1970."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.endpoint!r})"

    # -- requests --------------------------------------------------------------------------

    def once(
        self,
        what: str,
        method: str,
        url: str,
        *,
        body: Any = None,
        content: bytes | Iterable[bytes] | None = None,
        form: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = 60.0,
    ) -> httpx2.Response:
        """Send one request once.

        Args:
            what: What it is for, in a few words, for messages.
            method: The HTTP method.
            url: A path of the endpoint, or a whole URL. The token goes to the endpoint only.
            body: Sent as JSON.
            content: Sent as it is.
            form: Sent form-encoded.
            headers: More headers.
            timeout: Seconds without a byte after which the answer counts as lost.

        Raises:
            TransientError: Trying again may help.
            HubError: It will not; the subclass and the message say why.
        """
        import httpx2
        from huggingface_hub import get_session
        from huggingface_hub.errors import OfflineModeIsEnabled

        url = self._absolute(url)
        own = urlsplit(url)[:2] == urlsplit(self.endpoint)[:2]
        try:
            response = get_session().request(
                method,
                url,
                headers={**(self.headers if own else {}), **(headers or {})},
                json=body,
                content=content,
                data=dict(form) if form is not None else None,
                timeout=httpx2.Timeout(timeout, connect=15.0),
            )
        except httpx2.TimeoutException:
            raise TransientError("no answer in time") from None
        except httpx2.TransportError as problem:
            raise TransientError(f"connection failed ({type(problem).__name__})") from None
        except OfflineModeIsEnabled:
            raise HubError("offline mode is on; try: unset HF_HUB_OFFLINE") from None
        except RuntimeError as problem:
            # huggingface_hub closes the shared client when another thread's connection fails.
            if "closed" in str(problem):
                raise TransientError("the shared connection was closed") from None
            raise
        self._note_time(response)
        if response.status_code >= 400:
            raise self.problem(what, response)
        return response

    def send(self, what: str, method: str, url: str, **more: Any) -> httpx2.Response:
        """Send one request, again and again as the policy allows; see :meth:`once`."""
        return self.retries.call(what, lambda: self.once(what, method, url, **more))

    def json(self, what: str, method: str, url: str, **more: Any) -> Any:
        """Like :meth:`send`, and the answer's JSON."""
        return self.page(what, method, url, **more)[0]

    def page(self, what: str, method: str, url: str, **more: Any) -> tuple[Any, str]:
        """The answer's JSON, and where the next page is (empty: nowhere)."""

        def attempt() -> tuple[Any, str]:
            response = self.once(what, method, url, **more)
            try:
                return response.json(), response.links.get("next", {}).get("url", "")
            except ValueError:
                raise TransientError("the answer is not JSON") from None

        return self.retries.call(what, attempt)

    def _absolute(self, url: str) -> str:
        if url.startswith("/"):
            return self.endpoint + url
        if url.startswith(HOME + "/") and not self.endpoint.startswith(HOME):
            return self.endpoint + url[len(HOME) :]  # a mirror hands out the Hub's own links
        return url

    def _note_time(self, response: httpx2.Response) -> None:
        with contextlib.suppress(KeyError, ValueError, TypeError):
            self.server_time = parsedate_to_datetime(response.headers["Date"]).timestamp()

    def problem(self, what: str, response: httpx2.Response) -> Exception:
        """The exception for an answer that is an error.

        Args:
            what: What the request was for.
            response: The answer, its body read.

        Returns:
            A :class:`TransientError` if trying again may help, else a :class:`HubError`.
        """
        status, code = response.status_code, response.headers.get("X-Error-Code", "")
        told = redact(_message(response), self.token)
        line = f"{what}: {status} {told or response.reason_phrase}"
        if status in RETRIED_STATUSES or (status == 409 and "in progress" in told):
            return TransientError(f"{status} {told}"[:200], _asked_wait(response.headers))
        if status == 402 or status == 507 or (status == 403 and _QUOTA.search(told)):
            return QuotaError(
                f"{line}; try: free or buy storage at {self.endpoint}/settings/billing, then run "
                "the same command again: what is uploaded is not sent again"
            )
        if status == 404 or code in ("RepoNotFound", "RevisionNotFound", "EntryNotFound"):
            return MissingError(line, code)
        if status == 401:
            return NoTokenError(
                f"{what}: the Hub does not accept the token; try: hf auth login, or set HF_TOKEN"
                if self.token
                else f"{what}: a token is needed; try: hf auth login, or set HF_TOKEN"
            )
        if status == 403:
            return NoRightError(
                f"{line}; try: a token with the right to write ({self.endpoint}/settings/tokens)"
            )
        kinds: dict[int, type[HubError]] = {409: ConflictError, 412: PreconditionError}
        return kinds.get(status, HubError)(line)


def _redact_record(record: logging.LogRecord) -> bool:
    record.msg, record.args = redact(record.getMessage()), ()
    return True


def _message(response: httpx2.Response) -> str:
    told = response.headers.get("X-Error-Message")
    if told:
        return str(told)
    try:
        body = response.json()
        errors = [str(error.get("message")) for error in body.get("errors") or []]
        return "; ".join(errors) or str(body.get("error") or "")
    except (ValueError, AttributeError):
        return ""


def _asked_wait(headers: Mapping[str, str]) -> float | None:
    """Seconds that a server asks to wait: ``Retry-After``, or a spent ``RateLimit``."""
    text = headers.get("Retry-After", "").strip()
    try:
        return float(text)
    except ValueError:
        pass
    try:
        now = parsedate_to_datetime(headers["Date"])
        return (parsedate_to_datetime(text) - now).total_seconds()
    except (KeyError, ValueError, TypeError):
        pass
    spent = _RATE_LIMIT.search(headers.get("RateLimit", ""))
    return float(spent[1]) + 1 if spent else None
