"""Opening sources by a line of text."""

from __future__ import annotations

from .sample import MattingSource


def open_source(text: str) -> MattingSource:
    """Open a source.

    Args:
        text: ``DIR`` or ``NAME=DIR[:WEIGHT]``: a dataset folder or Hub name of ours
            (``#raw``, ``#truth`` behind it for the subset), or a folder in a known layout.
    """
    raise NotImplementedError
