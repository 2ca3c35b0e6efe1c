"""The test server in place of the Hub, for this process."""

from __future__ import annotations

import pytest
from huggingface_hub import constants

from tests.hub.server import HubServer


def take_for_the_hub(monkeypatch: pytest.MonkeyPatch, server: HubServer) -> None:
    """Make huggingface_hub ask this server, with a token that may write."""
    monkeypatch.setattr(constants, "ENDPOINT", server.url)
    path = constants.HUGGINGFACE_CO_URL_TEMPLATE.partition("/{repo_id}")
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", server.url + "".join(path[1:]))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setenv("HF_TOKEN", server.token)
