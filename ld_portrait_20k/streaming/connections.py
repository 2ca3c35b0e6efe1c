"""Opening connections to HTTP servers, how long to try, and the errors that can occur."""

from __future__ import annotations

import base64
import contextlib
import functools
import http.client
import socket
import ssl
import time
import urllib.request
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from urllib.parse import unquote, urlsplit

from ld_portrait_20k.common.printable import printable
from ld_portrait_20k.errors import PortraitError
from ld_portrait_20k.streaming.addresses import public_url
from ld_portrait_20k.streaming.responses import PacedResponse


class RemoteError(PortraitError):
    """The server cannot be reached, refuses, or sends something else than asked for.

    Attributes:
        problem: What is wrong, without the address.
        status: The HTTP status, or None where there was no answer.
    """

    def __init__(self, url: str, problem: str, status: int | None = None) -> None:
        super().__init__(f"{public_url(url)}: {problem}")
        self.problem = problem
        self.status = status
        self._arguments = (url, problem, status)

    def __reduce__(self) -> tuple[object, ...]:
        return RemoteError, self._arguments


@dataclass(frozen=True, slots=True)
class Patience:
    """Timeouts and retries; the defaults are chosen by eye.

    Attributes:
        timeout: Seconds without a byte after which a connection counts as stalled.
        attempts: Tries in a row without any progress before giving up.
        pause: Seconds before the second try; doubled each time, with jitter.
        longest_pause: No pause is longer, whatever ``Retry-After`` says.
        least_rate: Bytes a second. A connection that is slower over twice ``timeout`` counts as
            stalled.
        longest_wait: Seconds of waiting, pauses included, that one read may take beyond the time
            that its bytes take at ``least_rate``.
    """

    timeout: float = 20.0
    attempts: int = 8
    pause: float = 0.5
    longest_pause: float = 60.0
    least_rate: float = 1000.0
    longest_wait: float = 900.0

    def tries(self, received: int) -> int:
        """Failures that one read may have in all after so many bytes.

        A server may send a byte and cut, again and again, so progress alone is no reason to go on.
        """
        return 4 * self.attempts + received // 2**16

    def seconds(self, received: int) -> float:
        """Seconds that one read may wait in all for so many bytes."""
        return self.longest_wait + received / self.least_rate


class RetryError(Exception):
    """A try failed and another may help; ``wait`` is the pause that the server asked for."""

    def __init__(self, problem: str, status: int | None = None, wait: float | None = None) -> None:
        super().__init__(problem)
        self.status = status
        self.wait = wait


def new_connection(scheme: str, netloc: str, patience: Patience) -> http.client.HTTPConnection:
    """An unopened connection, through the proxy that the environment names, if any."""
    timeout = patience.timeout
    host = netloc.rpartition("@")[2]
    proxy = urllib.request.getproxies().get(scheme)
    if proxy and urllib.request.proxy_bypass(host.partition(":")[0]):
        proxy = None
    first = urlsplit(proxy if "//" in proxy else f"//{proxy}").netloc if proxy else host
    first = first.rpartition("@")[2]
    connection: http.client.HTTPConnection
    if scheme == "https":
        connection = http.client.HTTPSConnection(
            first, timeout=patience.timeout, context=_tls_context()
        )
    else:
        connection = http.client.HTTPConnection(first, timeout=patience.timeout)
    connection.response_class = functools.partial(  # type: ignore[assignment]
        PacedResponse, least_rate=patience.least_rate, window=2 * timeout
    )
    if proxy:
        user = unquote(urlsplit(proxy).netloc.rpartition("@")[0])
        basic = base64.b64encode(user.encode()).decode()
        connection.set_tunnel(
            host, headers={"Proxy-Authorization": f"Basic {basic}"} if user else {}
        )
    return connection


@functools.cache
def _tls_context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    with contextlib.suppress(ImportError):
        import certifi

        context.load_verify_locations(certifi.where())
    return context


def retry_after(text: str | None) -> float | None:
    """Seconds that a ``Retry-After`` header asks for, given as a number or as a date."""
    if not text:
        return None
    if text.strip().isdecimal():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None


def words(problem: BaseException) -> str:
    """A few words on what went wrong, for a message."""
    if isinstance(problem, TimeoutError):
        return "no answer in time"
    if isinstance(problem, http.client.IncompleteRead):
        return "the connection was cut"
    if isinstance(problem, socket.gaierror):
        return "the host name cannot be resolved"
    return printable(getattr(problem, "strerror", None) or problem or type(problem).__name__, 200)
