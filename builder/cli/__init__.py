"""The command line of the builder: one module a sub-command, imported when it runs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from importlib import import_module

from ld_portrait_20k.common import exit_codes
from ld_portrait_20k.common.command_line import CommandParser, run_to_exit_code
from ld_portrait_20k.version import __version__

COMMANDS = (
    *("plan", "regenerate", "refine", "filter", "merge", "resplit"),
    *("publish", "status", "verify", "preview", "generators"),
)

_EPILOG = f"""\
typical ways in:
  python -m builder regenerate                         48 procedural portraits, no weights
  python -m builder regenerate --generator folder --source DIR --prompts FILE.json
  python -m builder regenerate --preset ld-portrait-20k --dry-run
  python -m builder verify ld-portrait-20k

{exit_codes.EXPLAINED}
"""


def parser() -> argparse.ArgumentParser:
    """The whole command line; cheap to build, no heavy imports."""
    root = CommandParser(
        prog="python -m builder",
        description="Build LD-Portrait-20K: prompts, portraits, refined mattes, shards, card.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    root.add_argument("--version", action="version", version=__version__)
    commands = root.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name in COMMANDS:
        import_module(f"builder.cli.{name}").add_parser(commands)
    return root


def main(
    arguments: Sequence[str] | None = None,
    adapt: Callable[[argparse.ArgumentParser], None] | None = None,
) -> int:
    """Run a command.

    Args:
        arguments: Of the command line; ``sys.argv`` by default.
        adapt: Changes the parser first, such as to the names that ``ld-portrait`` uses.

    Returns:
        The exit code.
    """
    return run_to_exit_code(lambda: _run(arguments, adapt))


def _run(
    arguments: Sequence[str] | None, adapt: Callable[[argparse.ArgumentParser], None] | None
) -> int:
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    command_line = parser()
    if adapt is not None:
        adapt(command_line)
    options = command_line.parse_args(arguments)
    options.arguments = arguments
    return int(options.run(options))
