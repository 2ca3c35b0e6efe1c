"""Finding a dataset repository on the Hub and pinning it to a commit."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any, Final

from ld_portrait_20k.errors import DatasetNotFoundError, PortraitError
from ld_portrait_20k.format import json_text
from ld_portrait_20k.format.manifest import FILE_NAME
from ld_portrait_20k.format.manifest_checks import MAX_BYTES
from ld_portrait_20k.streaming.caches import spare_cache
from ld_portrait_20k.streaming.http import RETRIED, HttpClient, Patience, RemoteError
from ld_portrait_20k.streaming.sources import HttpSource

LOOK_UP: Final = Patience(timeout=10.0, attempts=4, pause=0.5, longest_pause=10.0)
"""Retries while looking for a repository: a wrong name must not cost minutes."""


_UNWRITABLE = frozenset(
    {
        errno.EACCES,
        errno.EPERM,
        errno.EROFS,
        errno.ENOSPC,
        errno.ENOTDIR,
        errno.ENOENT,
    }
)
"""Errors of a cache folder that cannot be written or made."""


def hub_source(
    repo_id: str,
    revision: str | None = None,
    token: bool | str | None = None,
    cache_dir: Path | str | None = None,
    patience: Patience | None = None,
) -> HttpSource:
    """A dataset repository at the commit that ``revision`` names now.

    The manifest goes through the cache of ``huggingface_hub``: with ``HF_HUB_OFFLINE`` or
    without a network, a repository seen before is still found.

    Raises:
        DatasetNotFoundError: No such repository or revision, nothing built in it, or no
            network and not in the cache.
        PortraitError: No access, or the server cannot be reached.
    """
    from huggingface_hub import constants, hf_hub_url
    from huggingface_hub.utils import HFValidationError, validate_repo_id

    try:
        validate_repo_id(repo_id)
    except HFValidationError as problem:
        raise DatasetNotFoundError(f"{repo_id!r} is not a Hub repository id") from problem
    secret = _token(token)
    path = _manifest_file(repo_id, revision, secret, cache_dir)
    commit = path.parent.name
    endpoint = constants.ENDPOINT
    url = hf_hub_url(repo_id, FILE_NAME, repo_type="dataset", revision=commit, endpoint=endpoint)
    source = HttpSource(url.removesuffix(f"/{FILE_NAME}"), secret, patience, identity=commit)
    source.take_manifest(path.read_text("utf-8", "replace"), f"{repo_id}@{commit[:12]}/{FILE_NAME}")
    return source


def user_name(token: bool | str | None = None) -> str | None:
    """The logged-in user's name, or None without a token.

    Raises:
        PortraitError: Offline, the Hub cannot be reached, or it does not know the token.
    """
    from huggingface_hub import constants

    secret = _token(token)
    if secret is None:
        return None
    if constants.HF_HUB_OFFLINE:
        raise PortraitError("offline (HF_HUB_OFFLINE is set), so the user is not known")
    endpoint = constants.ENDPOINT
    client = HttpClient(secret, _origin(endpoint), LOOK_UP)
    try:
        body: Any = json_text.parse(client.get(f"{endpoint}/api/whoami-v2", 2**20))
        return str(body["name"])
    except RemoteError as problem:
        raise PortraitError(f"the Hub does not say who is logged in ({problem})") from problem
    except (ValueError, KeyError, TypeError) as problem:
        raise PortraitError(f"{endpoint} does not answer like a Hub") from problem


def _manifest_file(
    repo_id: str, revision: str | None, secret: str | None, cache_dir: Path | str | None
) -> Path:
    """The manifest in the Hub's cache, in a folder named by its commit."""
    import time

    from huggingface_hub import constants, hf_hub_download
    from huggingface_hub.errors import (
        EntryNotFoundError,
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    where = f"{repo_id} on {constants.ENDPOINT}" + (f" at {revision}" if revision else "")
    for attempt in range(LOOK_UP.attempts):
        try:
            found = hf_hub_download(
                repo_id,
                FILE_NAME,
                repo_type="dataset",
                revision=revision,
                cache_dir=cache_dir,
                token=secret or False,
                endpoint=constants.ENDPOINT,
                etag_timeout=LOOK_UP.timeout,
                tqdm_class=_bounded_bar(where),
            )
        except GatedRepoError as problem:
            raise PortraitError(
                f"{where} is gated: ask for access on its page, then log in with `hf auth login`"
            ) from problem
        except RepositoryNotFoundError as problem:
            raise DatasetNotFoundError(
                f"{where}: {_absent_or_private(problem, secret is not None)}"
            ) from problem
        except RevisionNotFoundError as problem:
            raise DatasetNotFoundError(f"{where}: no such revision") from problem
        except LocalEntryNotFoundError as problem:
            # huggingface_hub does not retry a busy server, so it is done here.
            status = _status(problem.__cause__)
            if status in RETRIED and attempt + 1 < LOOK_UP.attempts:
                time.sleep(min(LOOK_UP.pause * 2**attempt, LOOK_UP.longest_pause))
                continue
            if status is not None:
                raise PortraitError(f"{where}: the Hub answers {status}") from problem
            raise DatasetNotFoundError(
                f"{where}: the Hub cannot be reached and the dataset is not in the cache"
            ) from problem
        except OfflineModeIsEnabled as problem:
            raise DatasetNotFoundError(f"{where}: offline, and not in the cache") from problem
        except EntryNotFoundError as problem:
            raise DatasetNotFoundError(
                f"{where}: has no {FILE_NAME}; it is not a finished dataset of this kind"
            ) from problem
        except HfHubHTTPError as problem:
            status = _status(problem)
            if status not in RETRIED or attempt + 1 == LOOK_UP.attempts:
                raise PortraitError(f"{where}: the Hub answers {status}") from problem
            time.sleep(min(LOOK_UP.pause * 2**attempt, LOOK_UP.longest_pause))
        except OSError as problem:
            if problem.errno in _UNWRITABLE and cache_dir != spare_cache():
                cache_dir = spare_cache()
                continue
            if attempt + 1 == LOOK_UP.attempts:
                raise PortraitError(f"{where}: the Hub cannot be reached ({problem})") from problem
            time.sleep(min(LOOK_UP.pause * 2**attempt, LOOK_UP.longest_pause))
        else:
            path = Path(found)
            if path.stat().st_size > MAX_BYTES:  # from the cache, where another program put it
                raise _too_large(where)
            return path
    raise AssertionError("unreachable")


def _bounded_bar(where: str) -> type[Any]:
    """A progress bar of huggingface_hub that stops the download of too large a manifest.

    It is told how long the file shall be before the first byte is saved, and of every piece
    before it is, so that a server that says another length is stopped too.
    """
    from huggingface_hub.utils import tqdm

    class Bounded(tqdm):
        def __init__(self, *args: Any, **options: Any) -> None:
            self._came = int(options.get("initial") or 0)
            if max(self._came, options.get("total") or 0) > MAX_BYTES:
                raise _too_large(where)
            super().__init__(*args, **options)

        def update(self, n: float | None = 1) -> bool | None:
            self._came += int(n or 0)
            if self._came > MAX_BYTES:
                raise _too_large(where)
            return super().update(n)

    return Bounded


def _too_large(where: str) -> PortraitError:
    return PortraitError(
        f"{where}: {FILE_NAME} is too large, more than {MAX_BYTES} bytes; "
        "try: another revision, or ask its publisher"
    )


def _absent_or_private(problem: Exception, has_token: bool) -> str:
    """What can be told of a repository that is not shown, and what to try.

    The Hub answers 401 without a token for what is private and for what is not there, and 404
    with one for what is not there and for what the token may not read.
    """
    status = _status(problem)
    if status == 401 and has_token:
        return "the Hub does not accept the token; try: hf auth login, or another HF_TOKEN"
    if status == 401:
        return (
            "no such dataset repository, or it is private, which the Hub tells only with a "
            "token; try: check the name, or log in with `hf auth login`"
        )
    if status == 403:
        return "private; this token may not read it; try: `hf auth login` as one who may"
    if has_token:
        return (
            "no such dataset repository, or none that this token may read; try: check the name, "
            "or log in with `hf auth login` as one who may"
        )
    return "no such dataset repository; try: check the name"


def _status(problem: BaseException | None) -> int | None:
    """The HTTP status behind an error of huggingface_hub, if there was an answer."""
    return getattr(getattr(problem, "response", None), "status_code", None)


def _token(token: bool | str | None) -> str | None:
    if token is False:
        return None
    if isinstance(token, str):
        return token
    from huggingface_hub import get_token

    return get_token()


def _origin(url: str) -> str:
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
