"""Publishing to the Hugging Face Hub, and reading back what is there.

:func:`publish` sends a finished folder. :class:`Uploader` and :func:`finish_publication` do the
same beside a running build. :func:`remote_status` and :func:`verify_remote` look at the result.
Every error is a :class:`HubError` of one line with an ``exit_code`` of its own.
"""

from builder.hub.errors import (
    ForeignContentError,
    HubError,
    IncompleteError,
    LocalError,
    MovedError,
    NoRightError,
    NoTokenError,
    QuotaError,
    StoppedError,
    UnreachableError,
)
from builder.hub.publishing import PublishReport, finish_publication, publish
from builder.hub.remote import RemoteStatus, RemoteVerification, remote_status, verify_remote
from builder.hub.retry import RetryPolicy
from builder.hub.state import UploadState
from builder.hub.uploader import Uploader

__all__ = [
    "ForeignContentError",
    "HubError",
    "IncompleteError",
    "LocalError",
    "MovedError",
    "NoRightError",
    "NoTokenError",
    "PublishReport",
    "QuotaError",
    "RemoteStatus",
    "RemoteVerification",
    "RetryPolicy",
    "StoppedError",
    "UnreachableError",
    "UploadState",
    "Uploader",
    "finish_publication",
    "publish",
    "remote_status",
    "verify_remote",
]
