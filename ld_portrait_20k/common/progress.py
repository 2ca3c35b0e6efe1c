"""Progress on standard error: a bar on a terminal, elsewhere a line a minute."""

from __future__ import annotations

import sys
import time
from typing import Any, Final

EVERY: Final = 60.0
"""Seconds between two lines where standard error is a log."""


def progress_bar(
    total: int | None = None, unit: str = " samples", *, scale: bool = False, about: str = ""
) -> Any:
    """A ``tqdm`` bar on standard error.

    Where that is no terminal, the same object prints a line a minute, and none for what takes
    less.

    Args:
        total: Units in all, if known.
        unit: What is counted, with a blank before it.
        scale: Show large numbers as k, M, G.
        about: What the line begins with.
    """
    from tqdm import tqdm

    class Lines(tqdm):
        """Prints whole lines, seldom."""

        told = time.monotonic()

        def display(self, msg: str | None = None, pos: int | None = None) -> None:
            if time.monotonic() - self.told >= EVERY and msg is None:
                self.told = time.monotonic()
                self.fp.write(f"{str(self).strip()}\n")
                self.fp.flush()

        def clear(self, nolock: bool = False) -> None:
            """Nothing: a line that was printed stays."""

        def moveto(self, n: int) -> None:
            """Nothing: a log has no cursor."""

        def close(self) -> None:
            if not self.disable:
                self.disable = True
                self._decr_instances(self)  # type: ignore[attr-defined]

    options: dict[str, Any] = {
        "total": total, "unit": unit, "unit_scale": scale, "desc": about or None,
        "file": sys.stderr,
    }  # fmt: skip
    if sys.stderr.isatty():
        return tqdm(**options)
    return Lines(**options, mininterval=EVERY, miniters=1, bar_format="{l_bar}{r_bar}")
