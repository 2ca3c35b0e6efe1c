"""What can go wrong with the Hub: one clear line and an exit code each, never a token."""

from __future__ import annotations

import re
from typing import ClassVar

from ld_portrait_20k.common.exit_codes import HUB, INTERRUPTED
from ld_portrait_20k.errors import PortraitError

_SECRETS = re.compile(
    r"hf_[A-Za-z0-9]{8,}"  # access tokens
    r"|(?<=[Bb]earer )\S+"  # authorization headers
    r"|(?<=://)[^/\s@]+@"  # user and password in a URL
    r"|(?<=[?&])[^\s'\"]*(?:sig|signature|token|credential)=[^\s'\"]*",  # signed URLs
    re.IGNORECASE,
)


def redact(text: object, *secrets: str | None) -> str:
    """One line of text without tokens, credentials and signed query strings.

    Args:
        text: Anything; its ``str()`` is taken.
        secrets: Strings that must not appear, besides whatever looks like a secret.
    """
    line = " ".join(str(text).split())
    for secret in secrets:
        if secret:
            line = line.replace(secret, "[hidden]")
    return _SECRETS.sub("[hidden]", line)


class HubError(PortraitError):
    """Publishing or reading back failed.

    Args:
        message: One line; whatever looks like a secret in it is hidden.

    Attributes:
        exit_code: What a command exits with, one for each kind of error.
    """

    exit_code: ClassVar[int] = HUB

    def __init__(self, message: str) -> None:
        super().__init__(redact(message))


class NoTokenError(HubError):
    """No token, or one that the Hub does not know."""

    exit_code = HUB + 1


class NoRightError(HubError):
    """The token may not do this."""

    exit_code = HUB + 2


class ForeignContentError(HubError):
    """The repository holds something that this project did not put there."""

    exit_code = HUB + 3


class QuotaError(HubError):
    """The account's storage is full."""

    exit_code = HUB + 4


class MovedError(HubError):
    """Somebody else committed to the revision meanwhile, or the tag is taken."""

    exit_code = HUB + 5


class UnreachableError(HubError):
    """The Hub did not answer, or only with errors, until the patience ran out."""

    exit_code = HUB + 6


class IncompleteError(HubError):
    """The repository does not hold what it should, or there is none."""

    exit_code = HUB + 7


class LocalError(HubError):
    """The folder to publish is not what its manifest says."""

    exit_code = HUB + 8


class StoppedError(HubError):
    """The upload was told to stop before it was done."""

    exit_code = INTERRUPTED
