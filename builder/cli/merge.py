"""``python -m builder merge``: one dataset of several."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

_EPILOG = """\
A sample that several datasets have with equal bytes goes over once. Another sample with the same
id is refused, unless --renumber gives it a new one. A subset goes over if all datasets have it.
The logs of rejected attempts go over too.

example:
  python -m builder merge portraits more-portraits --renumber --output all
"""


def add_parser(commands: Any) -> None:
    """Declare the command."""
    from builder.cli.deriving import AGAIN, add_common

    parser = commands.add_parser(
        "merge",
        help="make one dataset of several",
        description=f"Make a new dataset of the samples of several; each keeps its split. {AGAIN}",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "datasets", type=Path, nargs="+", metavar="DIR", help="two or more dataset folders"
    )
    parser.add_argument(
        "--renumber", action="store_true",
        help="give a sample whose id an earlier dataset has another way a new id",
    )  # fmt: skip
    parser.add_argument(
        "--licence", metavar="ID",
        help="licence of the whole, as the Hub names it, where the datasets state different ones",
    )  # fmt: skip
    parser.add_argument(
        "--origin", metavar="TEXT", help="where the pictures come from, for the card"
    )
    add_common(parser, run)


def run(options: argparse.Namespace) -> int:
    """Plan, write, verify and say what came of it."""
    from builder.cli.deriving import check_shards, write_and_report
    from builder.deriving.planning import plan_merge
    from dataset_card import licence_identifier
    from ld_portrait_20k.errors import PortraitError

    folders = [os.path.realpath(folder) for folder in options.datasets]
    if len(folders) < 2 or len(set(folders)) < len(folders):
        raise PortraitError("merge takes two or more different folders; try: name another one")
    derivation = plan_merge(
        options.datasets,
        shards=check_shards(options),
        renumber=options.renumber,
        licence=licence_identifier(options.licence) if options.licence else None,
        origin=options.origin,
    )
    return write_and_report(derivation, options)
