"""``python -m ld_portrait_20k.matting predict``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from ld_portrait_20k.common.printable import MAX_MESSAGE, printable, say

_DESCRIPTION = """\
Predict the alpha mattes of pictures and of folders of pictures. Each becomes OUTPUT/STEM.png,
8-bit grey. A picture goes with the trimap or mask of its name, whatever the suffix.

In a trimap 0 is background, 255 is foreground, and anything well between is unknown. A mask
may be hard or soft; a trimap is made from it, with an unknown band along its edge (--band).
Models without a trimap take the picture alone.

Pictures over 4096 px are predicted in tiles. What is there already, from the same picture and
the same model, is skipped: a run that was broken off goes on with the same command.
"""

_EPILOG = """\
examples:
  python -m ld_portrait_20k.matting predict photo.jpg --trimap photo-trimap.png --output out
  python -m ld_portrait_20k.matting predict photos --mask masks --output mattes --rgba cutouts
  python -m ld_portrait_20k.matting predict photos --trimap trimaps --output mattes \\
      --model closed-form --composite green on-green

exit codes: 0 all done, 1 some pictures could not be (each is named), 2 wrong usage,
130 interrupted; the same command goes on.
"""


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.description = _DESCRIPTION
    parser.epilog = _EPILOG
    add = parser.add_argument
    add("inputs", nargs="+", metavar="INPUT", help="pictures and folders of pictures")
    add("--output", type=Path, required=True, metavar="DIR", help="where the mattes go")
    guide = parser.add_mutually_exclusive_group()
    guide.add_argument("--trimap", type=Path, metavar="DIR", help="trimaps, or one trimap")
    guide.add_argument("--mask", type=Path, metavar="DIR", help="masks, or one mask")
    add(
        "--band", type=_width, metavar="PX",
        help="with --mask: how far the unknown band reaches to either side of the mask's edge "
        "(default: a 64th of the longer side)",
    )  # fmt: skip
    add(
        "--model", metavar="NAME|DIR|OWNER/NAME",
        help="a name that `models` lists, a folder that `train` wrote, or a repository on the "
        "Hub (default: hint-unet, or closed-form where its weights are not there)",
    )  # fmt: skip
    add("--device", default="auto", help="cpu, cuda, cuda:1 (default: a GPU if there is one)")
    add("--rgba", type=Path, metavar="DIR", help="also RGBA pictures, foreground colour estimated")
    add(
        "--composite", nargs=2, metavar=("COLOUR|PICTURE", "DIR"),
        help="also composites over a colour (green, '#808080') or a picture",
    )  # fmt: skip
    add("--overwrite", action="store_true", help="predict again what is there already")
    add("--json", action="store_true", help="print the summary as JSON")


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    from ld_portrait_20k.common import exit_codes
    from ld_portrait_20k.common.progress import progress_bar
    from ld_portrait_20k.errors import PortraitError
    from ld_portrait_20k.matting.models.registry import choose_device, default_model, load
    from ld_portrait_20k.matting.prediction.folders import plan, predict
    from ld_portrait_20k.matting.prediction.outputs import Background, Outputs

    if options.band is not None and not options.mask:
        raise PortraitError("--band goes with --mask")
    behind, folder = options.composite or (None, None)
    jobs = plan(
        options.inputs,
        options.output,
        trimaps=options.trimap,
        masks=options.mask,
        more_outputs=[Path(one) for one in (options.rgba, folder) if one],
        more_inputs=[Path(behind)] if behind else [],
    )
    outputs = Outputs(
        options.output,
        options.rgba,
        Path(folder) if folder else None,
        Background.open(behind) if behind else None,
    )
    name, why = (options.model, "") if options.model else default_model()
    if why:
        say(why, error=True)
    model = load(name, device=choose_device(name, options.device))
    with progress_bar(len(jobs), " pictures") as bar:
        done = predict(
            jobs,
            outputs,
            model,
            masks=options.mask is not None,
            band=options.band,
            overwrite=options.overwrite,
            progress=bar.update,
        )
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
            "output": str(options.output), "model": name, "written": len(done.written),
            "skipped": len(done.skipped), "kept": done.kept, "failed": done.failed,
        }  # fmt: skip
        say(json.dumps(body, ensure_ascii=False))
    else:
        say(
            f"{len(done.written)} mattes by {name} in {options.output}, "
            f"{len(done.skipped)} there already, {len(done.failed)} failed"
        )
    return exit_codes.PROBLEM if done.failed else exit_codes.DONE


def _width(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value <= 1000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a width in pixels, over 0 up to 1000")
    return value
