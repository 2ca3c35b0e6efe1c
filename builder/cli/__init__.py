"""The command line of the builder: one module a sub-command, imported when it runs."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module

from ld_portrait_20k import exit_codes
from ld_portrait_20k.interruption import terminable
from ld_portrait_20k.version import __version__

COMMANDS = ("plan", "regenerate", "refine", "publish", "status", "verify", "preview", "generators")

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
    root = argparse.ArgumentParser(
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
    from ld_portrait_20k.errors import PortraitError

    arguments = sys.argv[1:] if arguments is None else list(arguments)
    command_line = parser()
    if adapt is not None:
        adapt(command_line)
    options = command_line.parse_args(arguments)
    options.arguments = arguments
    try:
        with terminable():
            code: int = options.run(options)
        sys.stdout.flush()
        return code
    except PortraitError as problem:
        print(f"error: {problem}", file=sys.stderr)
        return int(getattr(problem, "exit_code", exit_codes.PROBLEM))
    except KeyboardInterrupt:
        print("stopped; what is done is kept: run the same command again to go on", file=sys.stderr)
        return exit_codes.INTERRUPTED
    except BrokenPipeError:
        # The reader of our output left (`... | head`): nothing is wrong with us.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exit_codes.DONE
