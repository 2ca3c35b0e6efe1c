"""``python -m ld_portrait_20k.matting video evaluate``."""

from __future__ import annotations

import argparse
import json

from ld_portrait_20k.common.printable import say

_DESCRIPTION = """\
Errors of a matted clip against true alpha, in the scales that video matting papers print
(RobustVideoMatting's script): MAD and MSE x 1000, Grad and Conn / 1000, dtSSD x 100, over
whole frames. PRED and TRUTH are clips or folders of frames with as many frames; alpha counts
where there is any, else brightness.

For pictures, trimaps and other regions: evaluate. A clip that is itself called evaluate is
matted as ./evaluate.
"""

_EPILOG = """\
examples:
  python -m ld_portrait_20k.matting video evaluate out/alpha true-alpha
  python -m ld_portrait_20k.matting video evaluate matte.mp4 true.webm --json
"""


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.description = _DESCRIPTION
    parser.epilog = _EPILOG
    parser.add_argument("predicted", metavar="PRED", help="the matted clip or folder")
    parser.add_argument("truth", metavar="TRUTH", help="the true alpha")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    from ld_portrait_20k.common.progress import progress_bar
    from ld_portrait_20k.matting.video.evaluation import evaluate_video

    with progress_bar(None, " frames") as bar:
        figures, frames = evaluate_video(options.predicted, options.truth, bar.update)
    if options.json:
        say(json.dumps({"frames": frames, **figures}))
        return 0
    text = "  ".join(f"{name} {value:.3f}" for name, value in figures.items())
    say(f"{text}  ({frames} frames, whole frames, RobustVideoMatting's scales)")
    return 0
