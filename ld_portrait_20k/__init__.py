"""LD-Portrait-20K: portrait foregrounds with alpha mattes, to load and to stream.

Importing this package is cheap: ``datasets`` and torch are imported when first needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .version import __version__

if TYPE_CHECKING:
    from .loading import load_dataset
    from .streaming.loader import PortraitLoader
    from .streaming.stream import PortraitStream

__all__ = ["PortraitLoader", "PortraitStream", "__version__", "load_dataset"]

_LAZY = {
    "PortraitLoader": "streaming.loader",
    "PortraitStream": "streaming.stream",
    "load_dataset": "loading",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        from importlib import import_module

        return getattr(import_module(f".{_LAZY[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
