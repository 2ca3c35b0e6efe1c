"""Exit codes of every command line of the project; the numbers never change their meaning.

``python -m refinement`` stands alone and repeats those it uses; a test compares them.
"""

from __future__ import annotations

from typing import Final

DONE: Final = 0
"""All went well."""

PROBLEM: Final = 1
"""Something failed, or a check found something wrong; it is named on one line."""

USAGE: Final = 2
"""The command line is wrong."""

UNFINISHED: Final = 3
"""``status``: a build is not complete, or a repository is not published."""

HUB: Final = 20
"""Hub errors start here; each kind has a number of its own, see :mod:`builder.hub.errors`."""

INTERRUPTED: Final = 130
"""Stopped by Ctrl-C or, all commands but ``python -m refinement``, by SIGTERM; the same command
goes on where it stood."""

EXPLAINED: Final = (
    "exit codes: 0 done, 1 a problem named on one line, 2 wrong usage, 130 interrupted (run the\n"
    "same command again to go on)"
)
"""What ``--help`` says of them."""
