"""``ld-portrait``: one command over the command lines of the packages.

Each sub-command is one of theirs, imported when it runs. Help and usage errors name what was
typed: where a package's own text says ``python -m builder regenerate``, it reads
``ld-portrait build``.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec

from ld_portrait_20k.common import exit_codes
from ld_portrait_20k.common.command_line import CommandParser, run_to_exit_code
from ld_portrait_20k.common.own_packages import foreign_package
from ld_portrait_20k.common.printable import say
from ld_portrait_20k.version import __version__

PROGRAM = "ld-portrait"


@dataclass(frozen=True)
class Command:
    """A sub-command.

    Attributes:
        summary: What it does, for ``--help``.
        module: The command line that it belongs to; its ``main`` runs it.
        words: What the arguments of that command line begin with.
    """

    summary: str
    module: str
    words: tuple[str, ...] = ()


COMMANDS = {
    "plan": Command("show what would be built, without building it", "builder.cli", ("plan",)),
    "build": Command("build a dataset, or go on building it", "builder.cli", ("regenerate",)),
    "generators": Command(
        "list the generators and quality rules that are there", "builder.cli", ("generators",)
    ),
    "status": Command("how far a build or a publication is", "builder.cli", ("status",)),
    "verify": Command("check a dataset against its manifest", "builder.cli", ("verify",)),
    "preview": Command("draw a contact sheet of a dataset", "builder.cli", ("preview",)),
    "publish": Command("put a finished dataset on the Hub", "builder.cli", ("publish",)),
    "refine-dataset": Command(
        "make a new version of a dataset by refining its raw subset", "builder.cli", ("refine",)
    ),
    "filter": Command(
        "make a dataset without some of another one's samples", "builder.cli", ("filter",)
    ),
    "merge": Command("make one dataset of several", "builder.cli", ("merge",)),
    "resplit": Command(
        "make a dataset whose samples are dealt to splits anew", "builder.cli", ("resplit",)
    ),
    "refine": Command("refine the mattes of your own RGBA pictures", "refinement.cli"),
    "info": Command("what a dataset consists of", "ld_portrait_20k.cli", ("info",)),
    "view": Command("look at a dataset in a browser", "ld_portrait_20k.cli", ("view",)),
    "download": Command("copy a dataset, or a part", "ld_portrait_20k.cli", ("download",)),
    "export": Command("convert to pictures, Parquet or Lance", "ld_portrait_20k.cli", ("export",)),
    "matting": Command("train, run and judge matting models", "ld_portrait_20k.matting.cli"),
    "video": Command(
        "cut the person out of a clip; video evaluate judges the result",
        "ld_portrait_20k.matting.cli",
        ("video",),
    ),
}

_TYPED = {
    "python -m builder regenerate": "build",
    "python -m builder refine": "refine-dataset",
    "python -m builder": "",
    "python -m refinement": "refine",
    "python -m ld_portrait_20k.matting video": "video",
    "python -m ld_portrait_20k.matting": "matting",
    "python -m ld_portrait_20k": "",
}
"""What the packages' own help says, to the words after ``ld-portrait``; longer forms first."""

_EPILOG = """\
typical ways in:
  ld-portrait build                             48 procedural portraits, no weights
  ld-portrait build --generator folder --source DIR --prompts FILE.json
  ld-portrait refine cutouts/ --output refined
  ld-portrait info OWNER/ld-portrait-20k
  ld-portrait COMMAND --help                    options and examples of one command

The same commands without the script: python -m builder, python -m refinement,
python -m ld_portrait_20k and python -m ld_portrait_20k.matting.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``ld-portrait``.

    Args:
        arguments: Without the program's name; ``sys.argv`` by default.

    Returns:
        The exit code of the command: 0 when done, 2 for wrong usage.
    """
    return run_to_exit_code(lambda: _run(arguments))


def _run(arguments: Sequence[str] | None) -> int:
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    name = _parser().parse_args(arguments[:1]).command
    command = COMMANDS[name]
    problem = foreign_package()
    if problem is None and find_spec(command.module) is None:
        problem = (
            f"'{PROGRAM} {name}' is not part of version {__version__}; "
            "try: install a newer version of this project"
        )
    if problem is not None:
        say(f"error: {problem}", error=True)
        return exit_codes.PROBLEM
    run = import_module(command.module).main
    return int(run([*command.words, *arguments[1:]], adapt=name_as_typed))


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser(
        prog=PROGRAM,
        description="Build, refine, publish, fetch and use synthetic portrait mattes.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, command in COMMANDS.items():
        commands.add_parser(name, help=command.summary, add_help=False)
    return parser


def name_as_typed(parser: argparse.ArgumentParser) -> None:
    """Make a package's parser, and those of its commands, say ``ld-portrait``.

    Args:
        parser: Changed in place: its program name, description, epilog and help texts.
    """
    parser.prog = typed(parser.prog)
    parser.description = parser.description and typed(parser.description)
    parser.epilog = parser.epilog and typed(parser.epilog)
    for action in parser._actions:  # argparse has no public way to the sub-parsers
        action.help = action.help and typed(action.help)
        if isinstance(action, argparse._SubParsersAction):
            for one in action.choices.values():
                name_as_typed(one)


def typed(text: str) -> str:
    """A text in which ``python -m PACKAGE COMMAND`` reads as ``ld-portrait COMMAND``."""
    for long, short in _TYPED.items():
        text = re.sub(rf"{re.escape(long)}(?![\w.])", f"{PROGRAM} {short}".strip(), text)
    return text
