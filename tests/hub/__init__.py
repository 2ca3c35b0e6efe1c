"""A Hugging Face Hub on loopback, for tests and for trying the publishing without an account.

    with HubServer() as hub:
        api = HfApi(endpoint=hub.url, token=hub.token)

or, by hand, ``python -m tests.hub --port 8765``.
"""

from .faults import Fault
from .server import HubServer, Token, Traffic
from .store import RefusedError

__all__ = ["Fault", "HubServer", "RefusedError", "Token", "Traffic"]
