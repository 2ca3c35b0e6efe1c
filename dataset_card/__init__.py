"""The dataset's README.md: what it is, how it was made, what is in it, how to load it."""

from __future__ import annotations

from .card import render
from .licence import licence_text
from .plots import figures
from .statistics import Statistics

__all__ = ["Statistics", "figures", "licence_text", "render"]
