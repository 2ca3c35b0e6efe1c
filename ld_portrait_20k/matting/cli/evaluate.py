"""``python -m ld_portrait_20k.matting evaluate``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from ld_portrait_20k.common.printable import printable, say

_DESCRIPTION = """\
Errors of predicted mattes against true ones: SAD, MSE, MAD, Grad, Conn, for each picture and
their mean, over the whole picture and, with --trimap, over its unknown region.

Files go together by name, whatever their suffix; sub-folders count. Of an RGBA picture the
alpha counts; 16-bit mattes are read with all their bits.
"""

_EPILOG = """\
Published Grad figures come from scripts that stretch both mattes to 0..1 first: that is the
default (--grad normalised). --grad plain takes the mattes as they are.

examples:
  python -m ld_portrait_20k.matting evaluate --pred mattes --truth truth
  python -m ld_portrait_20k.matting evaluate --pred mattes --truth truth --trimap trimaps \\
      --worst worst --input pictures
  python -m ld_portrait_20k.matting evaluate --pred frames --truth true-frames --video --json
"""


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.description = _DESCRIPTION
    parser.epilog = _EPILOG
    add = parser.add_argument
    add("--pred", type=Path, required=True, metavar="DIR", help="predicted mattes")
    add("--truth", type=Path, required=True, metavar="DIR", help="true mattes, grey or RGBA")
    add("--trimap", type=Path, metavar="DIR", help="trimaps, for figures of the unknown region")
    add(
        "--grad", choices=("normalised", "plain"), default="normalised",
        help="convention of Grad (default: normalised, as published scripts)",
    )  # fmt: skip
    add("--video", action="store_true", help="folders hold frames: dtSSD and MESSDdt too")
    add("--partial", action="store_true", help="judge those predicted, though some are missing")
    add("--worst", type=Path, metavar="DIR", help="write the worst ten as pictures here")
    add("--input", type=Path, metavar="DIR", help="the pictures, to be shown with --worst")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="one JSON object on stdout")
    form.add_argument("--csv", action="store_true", help="CSV: a row a picture and region")
    form.add_argument("--markdown", action="store_true", help="Markdown tables")


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    from ld_portrait_20k.common.progress import progress_bar
    from ld_portrait_20k.errors import PortraitError
    from ld_portrait_20k.matting.metrics import tables
    from ld_portrait_20k.matting.metrics.evaluation import evaluate

    if options.input and not options.worst:
        raise PortraitError("--input goes with --worst DIR")
    with progress_bar(None, " pictures") as bar:
        found = evaluate(
            options.pred,
            options.truth,
            options.trimap,
            convention=options.grad,
            video=options.video,
            partial=options.partial,
            progress=bar.update,
        )
    if found.left_out:
        names = ", ".join(found.left_out[:3]) + (" ..." if len(found.left_out) > 3 else "")
        say(
            f"left out {len(found.left_out)} predictions without truth: {printable(names)}",
            error=True,
        )
    if options.json:
        say(json.dumps(found.to_dict(), ensure_ascii=False))
    elif options.csv:
        say(tables.comma_separated(found))
    else:
        say(tables.markdown(found) if options.markdown else tables.text(found))
    if options.worst:
        from ld_portrait_20k.matting.metrics.worst import save_worst

        written = save_worst(found, options.worst, options.input)
        say(f"the worst {len(written)} in {options.worst}", error=True)
    return 0
