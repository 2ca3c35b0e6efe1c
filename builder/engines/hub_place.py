"""The bucket or repository of the Hub that an exchange folder lies in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from ld_portrait_20k.errors import PortraitError

_KINDS: Final = {"buckets": "bucket", "datasets": "dataset", "spaces": "space", "models": "model"}


@dataclass(frozen=True, slots=True)
class HubPlace:
    """A bucket or repository, and a folder in it.

    Attributes:
        kind: ``bucket``, ``dataset``, ``space`` or ``model``.
        name: ``NAMESPACE/NAME``.
        revision: Of a repository.
        folder: The path inside, without slashes at its ends.
    """

    kind: str
    name: str
    revision: str
    folder: str

    def create(self) -> None:
        """Make it, private, unless it is there."""
        from huggingface_hub import HfApi

        if self.kind == "bucket":
            HfApi().create_bucket(self.name, private=True, exist_ok=True)
        else:
            HfApi().create_repo(self.name, private=True, repo_type=self.kind, exist_ok=True)

    def url(self, path: str) -> str:
        """The address that a file of the folder is downloaded from."""
        from huggingface_hub import constants

        prefix = "" if self.kind == "model" else f"{self.kind}s/"
        revision = "" if self.kind == "bucket" else f"{quote(self.revision, safe='')}/"
        inside = "/".join(filter(None, [self.folder, path]))
        return f"{constants.ENDPOINT}/{prefix}{self.name}/resolve/{revision}{quote(inside)}"


def hub_place(exchange: str) -> HubPlace | None:
    """The place that ``hf://buckets/NAME/BUCKET/FOLDER`` names; None for another kind of URL.

    Raises:
        PortraitError: It names no bucket and no repository.
    """
    if not exchange.startswith("hf://"):
        return None
    first, *rest = exchange.removeprefix("hf://").strip("/").split("/")
    parts = rest if first in _KINDS else [first, *rest]
    if len(parts) < 2 or not all(parts):
        raise PortraitError(
            f"--exchange {exchange}: names no bucket; try: --exchange hf://buckets/NAME/BUCKET"
        )
    name, _, revision = parts[1].partition("@")
    return HubPlace(
        _KINDS.get(first, "model"), f"{parts[0]}/{name}", revision or "main", "/".join(parts[2:])
    )


@contextmanager
def reaching(exchange: str) -> Iterator[None]:
    """Turn what libraries raise where an exchange cannot be used into one line.

    Args:
        exchange: Its URL.

    Raises:
        PortraitError: It is not there, not ours to write to, or cannot be reached.
    """
    try:
        yield
    except PortraitError:
        raise
    except Exception as problem:
        said = _explain(problem)
        if said is None:
            raise
        raise PortraitError(f"--exchange {exchange}: {said}") from problem


def _explain(problem: BaseException) -> str | None:
    """What is wrong with the exchange; None where it is something else, a bug of ours."""
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError

    # Filesystem layers wrap the answer of the Hub in errors of their own.
    chain: list[BaseException] = []
    at: BaseException | None = problem
    while at is not None and at not in chain:
        chain.append(at)
        at = at.__cause__ or at.__context__
    for one in chain:
        if isinstance(one, HfHubHTTPError) and one.response is not None:
            return _status(one.response.status_code, one.server_message or "")
        if isinstance(one, LocalTokenNotFoundError):
            return "no token; try: hf auth login"
        if isinstance(one, httpx2.TransportError):
            return (
                f"the Hub cannot be reached ({type(one).__name__}); try: the same command again, "
                "it goes on with what has arrived"
            )
    if isinstance(problem, FileNotFoundError):
        return f"not there ({problem}); try: a bucket of your own, hf://buckets/NAME/BUCKET"
    if isinstance(problem, (OSError, ImportError)) or type(problem) is ValueError:
        return f"cannot be used ({problem}); try: hf://buckets/NAME/BUCKET"
    return None


def _status(status: int, message: str) -> str:
    said = f" ({message.strip():.200})" if message.strip() else ""
    if status == 404:
        return (
            f"no such bucket or repository, or not for you{said}; try: check the name, and "
            "hf auth login with a token that may write there"
        )
    if status in (401, 403):
        return f"no right to write there{said}; try: hf auth login with a token that may"
    if status == 402:
        return f"the account has to be paid for{said}; try: another account's bucket"
    return f"the Hub answers {status}{said}; try: the same command again later"
