"""``python -m ld_portrait_20k.matting key``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from ld_portrait_20k.common.printable import MAX_MESSAGE, printable, say

_DESCRIPTION = """\
Key green- or blue-screen footage: OUTPUT/STEM.png, RGBA with the foreground's own colours
(straight, without the screen's light on it), for each picture and each picture of each
folder. Pictures of 16 bits give PNGs of 16 bits.

The screen may be lit unevenly: what it would look like without the subject is estimated from
what is seen of it, or comes from a picture of the empty screen (--plate). What is there
already, from the same picture and options, is skipped: a run that was broken off goes on
with the same command.
"""

_EPILOG = """\
--plate, --core and --garbage take one file for all pictures (a camera that does not move), or
a folder with one for each, by name.

examples:
  python -m ld_portrait_20k.matting key shot.jpg --output keyed
  python -m ld_portrait_20k.matting key frames --output keyed --screen blue --plate empty.png
  python -m ld_portrait_20k.matting key frames --output keyed --garbage rigging.png
footage to try it on, and what it gets wrong there:
  python -m ld_portrait_20k.matting shoot ld-portrait-20k --samples 20 --output shots
  python -m ld_portrait_20k.matting key shots/footage --plate shots/plate --output keyed
  python -m ld_portrait_20k.matting evaluate --pred keyed --truth shots/truth
"""


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.description = _DESCRIPTION
    parser.epilog = _EPILOG
    add = parser.add_argument
    add("inputs", nargs="+", metavar="IN", help="pictures and folders of pictures")
    add("--output", type=Path, required=True, metavar="DIR", help="where the RGBA PNGs go")
    add(
        "--screen", choices=("auto", "green", "blue"), default="auto",
        help="colour of the screen (default: found in each picture)",
    )  # fmt: skip
    add("--plate", type=Path, metavar="FILE|DIR", help="the empty screen (default: estimated)")
    add("--core", type=Path, metavar="FILE|DIR", help="masks of what is opaque, for green clothes")
    add("--garbage", type=Path, metavar="FILE|DIR", help="masks of what is to go, for rigging")
    add(
        "--despill", type=_share, default=1.0, metavar="X",
        help="share of the screen's light taken out of the colours, 0 to 1 (default: 1)",
    )  # fmt: skip
    add("--overwrite", action="store_true", help="key again what is there already")
    add("--json", action="store_true", help="print the summary as JSON")


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    from ld_portrait_20k.common.progress import progress_bar
    from ld_portrait_20k.errors import PortraitError
    from ld_portrait_20k.matting.keying.folders import Guides, key_pictures
    from ld_portrait_20k.matting.prediction.folders import plan

    for path in (options.plate, options.core, options.garbage):
        if path is not None and not path.exists():
            raise PortraitError(f"{path}: no such file or folder")
    jobs = plan(options.inputs, options.output)
    with progress_bar(len(jobs), " pictures") as bar:
        done = key_pictures(
            jobs,
            options.output,
            None if options.screen == "auto" else options.screen,
            Guides(options.plate, options.core, options.garbage),
            despill=options.despill,
            overwrite=options.overwrite,
            progress=bar.update,
        )
    for warning in done.warnings.values():
        say(f"warning: {printable(warning, MAX_MESSAGE)}", error=True)
    for problem in done.failed.values():
        say(f"error: {printable(problem, MAX_MESSAGE)}", error=True)
    if done.kept:
        say(
            f"{len(done.kept)} files in {options.output} were not made by this command and are "
            f"kept ({printable(', '.join(done.kept[:3]))}); --overwrite replaces them",
            error=True,
        )
    if options.json:
        body = {
            "output": str(options.output), "written": len(done.written),
            "skipped": len(done.skipped), "kept": done.kept, "failed": done.failed,
            "warnings": done.warnings,
        }  # fmt: skip
        say(json.dumps(body, ensure_ascii=False))
    else:
        say(
            f"{len(done.written)} pictures keyed into {options.output}, "
            f"{len(done.skipped)} there already, {len(done.failed)} failed"
        )
    return 1 if done.failed else 0


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a share, 0 to 1")
    return value
