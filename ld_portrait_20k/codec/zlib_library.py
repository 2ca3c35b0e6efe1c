"""Which zlib is used: zlib-ng gives the same checksums, and the same PNGs, in less time."""

from __future__ import annotations

from typing import Any


def fastest_zlib() -> Any:
    """zlib-ng where it is installed, else the standard library's zlib."""
    try:
        from zlib_ng import zlib_ng
    except ImportError:
        import zlib

        return zlib
    return zlib_ng
