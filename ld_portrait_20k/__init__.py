"""Load and stream LD-Portrait-20K: portrait foregrounds with alpha mattes.

Importing this package is cheap: it imports ``datasets`` and torch only when they are needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ld_portrait_20k.version import __version__

if TYPE_CHECKING:
    from ld_portrait_20k.loading import load_dataset
    from ld_portrait_20k.streaming.loader import PortraitLoader
    from ld_portrait_20k.streaming.stream import PortraitStream

__all__ = ["PortraitLoader", "PortraitStream", "__version__", "load_dataset"]

_LAZY = {
    "PortraitLoader": "ld_portrait_20k.streaming.loader",
    "PortraitStream": "ld_portrait_20k.streaming.stream",
    "load_dataset": "ld_portrait_20k.loading",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        from importlib import import_module

        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
