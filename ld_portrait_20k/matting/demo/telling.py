"""Problems and results as one line of the page."""

from __future__ import annotations

import html
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from ld_portrait_20k.errors import PortraitError


def good(text: str) -> str:
    """A line on what was done, as HTML."""
    return f'<p class="told" role="status">{html.escape(text)}</p>'


def bad(problem: BaseException, files: Sequence[Path | None] = ()) -> str:
    """One line on a problem, as HTML; what nobody foresaw goes to the terminal in full.

    Args:
        problem: What was raised.
        files: Uploads; their folders on this machine are left out of the line.
    """
    if isinstance(problem, PortraitError):
        text = str(problem)
    elif isinstance(problem, MemoryError):
        text = "not enough memory; try: a smaller picture, or guided-filter"
    else:
        traceback.print_exception(problem, file=sys.stderr)
        text = f"this did not work ({type(problem).__name__}); the terminal says more"
    for path in filter(None, files):
        text = text.replace(str(path), path.name)
    line = " ".join(text.split())
    return f'<p class="told problem" role="alert">{html.escape(line)}</p>'


def bar(done: int, total: int | None) -> str:
    """How far a clip is, as HTML."""
    known = total is not None and done <= total
    extent = f' value="{done}" max="{total}"' if known else ""
    shown = f"frame {done} of {total}" if known else f"frame {done}"
    return f'<p class="told" role="status"><progress{extent}></progress>{shown}</p>'
