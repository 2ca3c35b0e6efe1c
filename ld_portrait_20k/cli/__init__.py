"""``python -m ld_portrait_20k``: what people do with a dataset that is already built.

One module a sub-command; each imports what it needs only when it runs.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from importlib import import_module

from ld_portrait_20k.common import exit_codes
from ld_portrait_20k.common.command_line import CommandParser, run_to_exit_code
from ld_portrait_20k.version import __version__

COMMANDS = ("info", "view", "download", "verify", "export")

_DESCRIPTION = """\
Look at, fetch, check and convert LD-Portrait-20K.

SOURCE is a dataset folder, a URL of one, a Hub repository (owner/name), or the bare name
ld-portrait-20k. The bare name means a folder of that name here, else the repository that
LD_PORTRAIT_20K_REPO names, else the logged-in user's own.
"""

_EPILOG = f"""\
examples:
  python -m ld_portrait_20k info someone/ld-portrait-20k
  python -m ld_portrait_20k view someone/ld-portrait-20k
  python -m ld_portrait_20k download --repo someone/ld-portrait-20k --split test
  python -m ld_portrait_20k verify ld-portrait-20k --deep
  python -m ld_portrait_20k export ld-portrait-20k --to parquet --output parquet

{exit_codes.EXPLAINED}
"""


def parser() -> argparse.ArgumentParser:
    """The whole command line; cheap to build, no heavy imports."""
    root = CommandParser(
        prog="python -m ld_portrait_20k",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    root.add_argument("--version", action="version", version=__version__)
    commands = root.add_subparsers(required=True, metavar="COMMAND")
    for name in COMMANDS:
        import_module(f"ld_portrait_20k.cli.{name}").add_parser(commands)
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
        One of :mod:`ld_portrait_20k.common.exit_codes`.
    """
    return run_to_exit_code(lambda: _run(arguments, adapt), also_problems=(ValueError,))


def _run(
    arguments: Sequence[str] | None, adapt: Callable[[argparse.ArgumentParser], None] | None
) -> int:
    command_line = parser()
    if adapt is not None:
        adapt(command_line)
    options = command_line.parse_args(arguments)
    return int(options.run(options))
