"""The command line of the matting rooms: one module a sub-command, imported when it runs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from ld_portrait_20k.common import exit_codes
from ld_portrait_20k.common.command_line import CommandParser, run_to_exit_code
from ld_portrait_20k.version import __version__

COMMANDS = {
    "predict": "alpha mattes of pictures",
    "evaluate": "errors of predicted mattes against true ones",
    "video": "cut the person out of a clip, without flicker",
    "video evaluate": "errors of a matted clip against true alpha, in video papers' scales",
    "train": "train a matting model on one or several data sets",
    "key": "alpha and clean colours of green- or blue-screen footage",
    "shoot": "screen footage of a data set's foregrounds, to test keying",
    "demo": "a local page that cuts people out of pictures and clips",
    "reproduce": "what the data are worth: the paper's tables, by one command",
    "models": "the models by name: size, licence, what is installed",
}
"""Each command's name and summary; its module, of that name with _ for a blank, has ``declare``
and ``run``."""

_EPILOG = f"""\
typical ways in:
  python -m ld_portrait_20k.matting predict photo.jpg --mask masks --output mattes
  python -m ld_portrait_20k.matting evaluate --pred mattes --truth truth --trimap trimaps
  python -m ld_portrait_20k.matting train --data ours=ld-portrait-20k --model hint-unet \\
      --steps 2000 --output my-model
  python -m ld_portrait_20k.matting video talk.mp4 --output talk.webm
  python -m ld_portrait_20k.matting models

{exit_codes.EXPLAINED}; train and video go on with --resume
"""


def parser(command: str | None = None) -> argparse.ArgumentParser:
    """The command line; cheap to build.

    Args:
        command: Declare the options of this command only, so that only its module is
            imported; those of all by default.
    """
    root = CommandParser(
        prog="python -m ld_portrait_20k.matting",
        description="Matting models: predict with them, judge them, train them.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    root.add_argument("--version", action="version", version=__version__)
    commands = root.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, summary in COMMANDS.items():
        one = commands.add_parser(
            name, help=summary, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        if command in (None, name):
            _module(name).declare(one)
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
    return run_to_exit_code(lambda: _run(arguments, adapt))


def _run(
    arguments: Sequence[str] | None, adapt: Callable[[argparse.ArgumentParser], None] | None
) -> int:
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    if " ".join(arguments[:2]) in COMMANDS:  # argparse knows commands of one word
        arguments[:2] = [" ".join(arguments[:2])]
    named = arguments[0] if arguments and arguments[0] in COMMANDS else ""
    command_line = parser(named)
    if adapt is not None:
        adapt(command_line)
    options = command_line.parse_args(arguments)
    options.arguments = arguments[0].split() + arguments[1:]
    return int(_module(options.command).run(options))


def _module(command: str) -> Any:
    return import_module(f"{__name__}.{command.replace(' ', '_')}")
