"""``python -m builder filter``: a dataset without some of another one's samples."""

from __future__ import annotations

import argparse
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ld_portrait_20k.selection.text import Selection

_GRAMMAR = """\
A selection compares fields with =, !=, <, <=, >, >=, in (A, B) or contains TEXT, joined by and,
or, not and round brackets; not binds tighter than and, and tighter than or. Text is in single or
double quotes, numbers and true, false, null are not. Null is neither below nor above anything;
contains disregards case. A field that two parts of the metadata have is written with its part,
such as refinement.version.

examples:
  python -m builder filter DIR --where 'confidence < 0.8' --output DIR2
  python -m builder filter DIR --keep "hair_length = 'long' and split != 'test'" --output DIR2
  python -m builder filter DIR --where "prompt contains 'hat' or doubtful_area > 0.02" --dry-run \\
      --output DIR2
  python -m builder filter DIR --marks marks.jsonl --output DIR2
"""


def add_parser(commands: Any) -> None:
    """Declare the command."""
    from builder.cli.deriving import AGAIN, add_common
    from ld_portrait_20k.selection.tree import FIELDS

    fields = ", ".join(field.short for field in FIELDS.values())
    parser = commands.add_parser(
        "filter",
        help="make a dataset without some of another one's samples",
        description=f"Make a new dataset from DIR without the samples that are marked bad or "
        f"that a selection names; the others keep their ids. {AGAIN}",
        epilog=f"{_GRAMMAR}\nfields:\n"
        + textwrap.fill(fields, 96, initial_indent="  ", subsequent_indent="  "),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("dataset", type=Path, metavar="DIR", help="dataset folder")
    parser.add_argument(
        "--where", metavar="SELECTION", help="leave out the samples that it matches"
    )
    parser.add_argument(
        "--keep", metavar="SELECTION", help="leave out the samples that it does not match"
    )
    parser.add_argument(
        "--marks", type=Path, metavar="FILE",
        help="leave out the samples marked bad: JSON lines of id, mark (good or bad) and note, "
        "as the viewer writes them",
    )  # fmt: skip
    parser.add_argument(
        "--only-good", action="store_true",
        help="with --marks: leave out all samples that are not marked good",
    )  # fmt: skip
    add_common(parser, run)


def run(options: argparse.Namespace) -> int:
    """Plan, write, verify and say what came of it."""
    from builder.cli.deriving import check_shards, write_and_report
    from builder.deriving.choosing import Filter
    from builder.deriving.planning import plan_filter
    from ld_portrait_20k.selection.marks import read_marks

    chosen = Filter(
        leave_out=_selection("--where", options.where),
        keep=_selection("--keep", options.keep),
        marks=None if options.marks is None else read_marks(options.marks),
        only_good=options.only_good,
    )
    derivation = plan_filter(options.dataset, chosen, shards=check_shards(options))
    return write_and_report(derivation, options)


def _selection(option: str, text: str | None) -> Selection | None:
    from ld_portrait_20k.common.printable import printable
    from ld_portrait_20k.errors import PortraitError
    from ld_portrait_20k.selection.text import SelectionError, parse

    if text is None:
        return None
    try:
        return parse(text)
    except SelectionError as problem:
        raise PortraitError(f"{option} {printable(text, 120)}: {problem}") from problem
