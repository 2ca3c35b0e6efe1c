"""``python -m builder resplit``: a dataset whose samples are dealt to splits anew."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

_EPILOG = """\
A sample's split follows from its id alone: the same shares deal a sample that is in two datasets
to the same split, and a build with these --splits would have.

example:
  python -m builder resplit DIR --splits train=0.9,validation=0.1 --output DIR2
"""


def add_parser(commands: Any) -> None:
    """Declare the command."""
    from builder.cli.deriving import AGAIN, add_common

    parser = commands.add_parser(
        "resplit",
        help="make a dataset whose samples are dealt to splits anew",
        description="Make a new dataset of the samples of DIR, dealt to train, validation and "
        f"test anew; ids stay. {AGAIN}",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("dataset", type=Path, metavar="DIR", help="dataset folder")
    parser.add_argument(
        "--splits", required=True, metavar="SPEC",
        help="shares by split, such as train=0.96,validation=0.02,test=0.02",
    )  # fmt: skip
    add_common(parser, run)


def run(options: argparse.Namespace) -> int:
    """Plan, write, verify and say what came of it."""
    from builder.cli.deriving import check_shards, write_and_report
    from builder.config import check_splits, parse_splits
    from builder.deriving.planning import plan_resplit

    splits = parse_splits(options.splits)
    check_splits(splits)
    derivation = plan_resplit(options.dataset, splits, shards=check_shards(options))
    return write_and_report(derivation, options)
