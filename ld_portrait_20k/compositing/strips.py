"""Pictures treated in strips of rows, so that what one step leaves is in the cache for the next."""

from __future__ import annotations


def strip_rows(height: int, width: int, pixels: int) -> int:
    """How many rows of a picture make a strip of up to so many pixels; a row at least."""
    return max(1, min(height, pixels // max(1, width)))
