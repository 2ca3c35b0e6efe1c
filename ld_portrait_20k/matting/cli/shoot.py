"""``python -m ld_portrait_20k.matting shoot``."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

from ld_portrait_20k.common.printable import say

_DESCRIPTION = """\
Shoot a data set's foregrounds before a green or blue screen: footage whose true alpha is
known, to test a keyer on. OUTPUT/footage has the pictures, OUTPUT/plate the same screens
without subject, OUTPUT/truth the foregrounds (RGBA), by the samples' ids.

The camera works in linear light: an unevenly lit screen, its light on the subject (spill),
lens blur, shot and read noise, halved chroma (4:2:0) and JPEG. --ideal leaves all that out.
"""

_EPILOG = """\
examples:
  python -m ld_portrait_20k.matting shoot ld-portrait-20k --samples 20 --output shots
  python -m ld_portrait_20k.matting shoot cutouts --screen blue --spill 0.1 --output shots
"""

_TUNED = {
    "unevenness": "how much darker the screen's darkest place is, 0 to 1",
    "spill": "the screen's light on the subject's outline, a share of its own",
    "blur": "standard deviation of the lens blur in pixels",
    "shot_noise": "standard deviation of the noise in white, linear light",
    "read_noise": "standard deviation of the noise in black, linear light",
}


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.description = _DESCRIPTION
    parser.epilog = _EPILOG
    add = parser.add_argument
    add("data", metavar="DATA", help="our dataset (folder, Hub name) or a folder of RGBA pictures")
    add("--output", type=Path, required=True, metavar="DIR", help="where the three folders go")
    add(
        "--screen", choices=("auto", "green", "blue"), default="auto",
        help="colour of the screen (default: for each subject the one less like it)",
    )  # fmt: skip
    add("--samples", type=_count, metavar="N", help="shoot the first N (default: all)")
    add("--seed", type=int, default=0, metavar="N", help="of lighting and noise (default: 0)")
    add("--ideal", action="store_true", help="a camera that loses nothing; writes PNGs")
    for name, text in _TUNED.items():
        kind = _share if name == "unevenness" else _amount
        add(f"--{name.replace('_', '-')}", type=kind, metavar="X", help=text)
    add("--chroma", choices=("4:2:0", "4:4:4"), help="subsampling (default: 4:2:0)")
    add("--jpeg", type=_quality, metavar="Q", help="quality, 1 to 100; 0 for PNG (default: 90)")
    add("--json", action="store_true", help="print the summary as JSON")


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    from ld_portrait_20k.common.progress import progress_bar
    from ld_portrait_20k.matting.data.sources import open_source, refuse_inside
    from ld_portrait_20k.matting.keying.camera import Camera
    from ld_portrait_20k.matting.keying.footage import shoot_source

    camera = Camera.ideal() if options.ideal else Camera()
    if options.screen != "auto":
        camera = replace(camera, screen=options.screen)
    given = {name: getattr(options, name) for name in (*_TUNED, "chroma")}
    camera = replace(camera, **{name: value for name, value in given.items() if value is not None})
    if options.jpeg is not None:
        camera = replace(camera, jpeg=options.jpeg or None)
    source = open_source(options.data)
    refuse_inside(options.output, [options.data])
    total = min(len(source), options.samples or len(source))
    with progress_bar(total, " samples") as bar:
        done = shoot_source(
            source,
            options.output,
            camera,
            choose=options.screen == "auto",
            seed=options.seed,
            samples=options.samples,
            progress=bar.update,
        )
    if options.json:
        body = {
            "output": str(options.output),
            "written": len(done.written),
            "skipped": len(done.skipped),
        }
        say(json.dumps(body, ensure_ascii=False))
        return 0
    say(
        f"{len(done.written)} samples shot into {options.output}, {len(done.skipped)} there already"
    )
    return 0


def _amount(text: str) -> float:
    return _number(text, 0, 100, "a number, 0 or more")


def _share(text: str) -> float:
    return _number(text, 0, 1, "a share, 0 to 1")


def _count(text: str) -> int:
    return int(_number(text, 1, 1e9, "a number of samples"))


def _quality(text: str) -> int:
    return int(_number(text, 0, 100, "a JPEG quality, 0 to 100"))


def _number(text: str, low: float, high: float, what: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = low - 1
    if not low <= value <= high:
        raise argparse.ArgumentTypeError(f"{text!r} is not {what}")
    return value
