"""Publishing to the Hugging Face Hub, and reading back what is there.

:func:`publish` sends a finished folder; :class:`Uploader` and :func:`finish` do the same
beside a running build; :func:`remote_status` and :func:`verify_remote` look at the result.
Every error is a :class:`HubError` of one line with an ``exit_code`` of its own.
"""

from .errors import (
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
from .publishing import PublishReport, finish, publish
from .remote import RemoteStatus, RemoteVerification, remote_status, verify_remote
from .retry import RetryPolicy
from .state import UploadState
from .uploader import Uploader

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
    "finish",
    "publish",
    "remote_status",
    "verify_remote",
]
