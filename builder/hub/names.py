"""Names of repositories, branches and tags, checked before anything is planned or sent."""

from __future__ import annotations

import re
from typing import Final

from builder.hub.errors import HubError

STAGING_PREFIX: Final = "incomplete-"
"""Of the branches that shards wait on; no branch or tag of a dataset may begin so."""
MAX_REPO_ID: Final = 96
"""Characters of a whole repository id on the Hub."""

_REPO_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*/[A-Za-z0-9][A-Za-z0-9_.-]*")
_REF: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


def check_repo_id(repo_id: str) -> str:
    """Return ``repo_id`` if the Hub can have a repository of that name.

    The rules are those of ``huggingface_hub.utils.validate_repo_id``, and a namespace.

    Raises:
        HubError: It is not ``namespace/name``, or a name that the Hub refuses.
    """
    from huggingface_hub.utils import HFValidationError, validate_repo_id

    example = "try: namespace/name, such as me/data"
    if not _REPO_ID.fullmatch(repo_id):
        raise HubError(f"not a repository id: {repo_id!r}; {example}")
    if len(repo_id) > MAX_REPO_ID:
        raise HubError(
            f"not a repository id: {repo_id!r} has over {MAX_REPO_ID} characters; {example}"
        )
    try:
        validate_repo_id(repo_id)
        validate_repo_id(repo_id.partition("/")[0])
    except HFValidationError:
        raise HubError(
            f"not a repository id: {repo_id!r}; the Hub allows neither -- nor .., no - or . at "
            f"either end, and no .git at the end; {example}"
        ) from None
    return repo_id


def check_ref(name: str) -> str:
    """Return ``name`` if a branch or a tag can be called so.

    The rules are those of ``git check-ref-format``; slashes are left out, because they would
    have to be escaped in every address.

    Raises:
        HubError: Git or the Hub refuses the name, or it is that of a staging branch.
    """
    refused = name.endswith((".lock", ".")) or ".." in name or name == "HEAD"
    if refused or not _REF.fullmatch(name) or name.startswith(STAGING_PREFIX):
        raise HubError(f"not a name for a branch or a tag: {name!r}; try: such as v1.0")
    return name


def check_names(repo_id: str | None, revision: str, tag: str | None) -> None:
    """Check the names of a publication.

    Args:
        repo_id: ``namespace/name``, or None for the user's own.
        revision: The branch.
        tag: The tag, if one is asked for.

    Raises:
        HubError: As :func:`check_repo_id` and :func:`check_ref`.
    """
    if repo_id:
        check_repo_id(repo_id)
    check_ref(revision)
    if tag is not None:
        check_ref(tag)
