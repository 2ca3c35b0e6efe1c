"""Web addresses that others wrote: in a redirect, in a list of shards."""

from __future__ import annotations

import functools
import re
from typing import Final
from urllib.parse import SplitResult, quote, urljoin, urlsplit, urlunsplit

MAX_LENGTH: Final = 8192
"""Servers refuse longer addresses; signed ones have about 1,500 characters."""

_UNSENDABLE = re.compile(r"[^\x21-\x7e]")


@functools.lru_cache(maxsize=1024)
def split(url: str) -> SplitResult:
    """The parts of an address that a request can be sent to.

    Raises:
        ValueError: No HTTP, a malformed host or port, too long; the text says which.
    """
    if len(url) > MAX_LENGTH:
        raise ValueError(f"an address of {len(url)} characters")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        raise ValueError(f"{parts.scheme!r} is not HTTP")
    host = parts.hostname
    if not host:
        raise ValueError("no host name")
    if re.search(r"[\x00-\x20\x7f]" if ":" in host else r"[\x00-\x20\x7f%]", host):
        raise ValueError("a malformed host name")
    _ = parts.port  # raises if it is no port
    if ":" not in host:
        host.encode("idna")  # labels that are empty or too long
    return parts._replace(path=_sendable(parts.path) or "/", query=_sendable(parts.query))


def redirected(url: str, location: str) -> str:
    """Where a ``Location`` header sends to.

    Args:
        url: The address that was asked.
        location: The header as ``http.client`` gives it, its bytes read as Latin-1.

    Raises:
        ValueError: See :func:`split`.
    """
    if len(location) > MAX_LENGTH:
        raise ValueError(f"an address of {len(location)} characters")
    return urlunsplit(split(urljoin(url, _sendable(location, "latin-1"))))


def public_url(url: str) -> str:
    """The address without user, password, query or fragment, fit for messages and logs."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return re.sub("//[^/]*@", "//", re.split("[?#]", url)[0])
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _sendable(text: str, encoding: str = "utf-8") -> str:
    """Characters that may not stand in a request line, percent-encoded."""
    return _UNSENDABLE.sub(
        lambda found: quote(found[0].encode(encoding, "surrogatepass"), safe=""), text
    )
