"""How many threads hash and pack."""

from __future__ import annotations

from typing import Final

MOST_THREADS: Final = 4
"""Hashing and copying wait for the disk beyond that, and each thread that packs may hold a unit
twice on it. Chosen by eye."""


def threads_for(workers: int) -> int:
    """How many threads a build of so many workers gives to hashing and packing."""
    return max(1, min(workers, MOST_THREADS))
