"""``python -m ld_portrait_20k.matting video``."""

from __future__ import annotations

import argparse
import json
import shlex
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ld_portrait_20k.common.printable import say
from ld_portrait_20k.matting.video.segmenters.names import SEGMENTERS

if TYPE_CHECKING:
    from ld_portrait_20k.matting.video.job import Summary
    from ld_portrait_20k.matting.video.reading import RawFrames
    from ld_portrait_20k.matting.video.segmenters.registry import Guides

_DESCRIPTION = """\
Cuts the person out of a clip, without flicker: masks from a segmenter, steady trimaps along
optical flow, a matting model, steady alpha, the person's own colours.

CLIP is any file that FFmpeg reads, a folder of frames (f2.png before f10.png), or - for y4m or
the like on standard input, raw frames with --raw. OUT decides what is written:
  a folder    alpha/NNNNN.png and rgba/NNNNN.png (composite/NNNNN.png with --background)
  .mp4        the matte in grey, H.264, full range
  .mov        RGBA as ProRes 4444          .webm  RGBA as VP9 with alpha
  .mkv        RGBA as FFV1, lossless
With --background a clip holds the composite. Sound and time stamps are kept in clips.

A run that was stopped goes on with the same command and --resume, and ends with the same
frames. To judge a result against true alpha: video evaluate.
"""

_EPILOG = (
    "segmenters:\n"
    + "".join(f"  {name:<11} {what}\n" for name, what in SEGMENTERS.items())
    + """
examples:
  python -m ld_portrait_20k.matting video talk.mp4 --output talk.webm
  python -m ld_portrait_20k.matting video talk.mp4 --output on-beach.mp4 --background beach.jpg
  python -m ld_portrait_20k.matting video frames --output out --first-mask mask.png
  ffmpeg -i talk.mp4 -f yuv4mpegpipe - | \\
      python -m ld_portrait_20k.matting video - --output out --masks masks
  python -m ld_portrait_20k.matting video talk.mp4 --output out --first-point 320,200 \\
      --segmenter sam2 --weights facebook/sam2.1-hiera-small
"""
)


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.description = _DESCRIPTION
    parser.epilog = _EPILOG
    add = parser.add_argument
    add("clip", metavar="CLIP", help="a clip, a folder of frames, or - for standard input")
    add("--output", type=Path, required=True, metavar="OUT", help="a clip or a folder")
    guide = parser.add_mutually_exclusive_group()
    guide.add_argument("--masks", type=Path, metavar="DIR|CLIP", help="a mask for each frame")
    guide.add_argument("--first-mask", type=Path, metavar="PICTURE", help="mask of the first frame")
    guide.add_argument(
        "--first-box", type=_box, metavar="X,Y,W,H",
        help="box around the person in the first frame, in pixels",
    )  # fmt: skip
    guide.add_argument(
        "--first-point", type=_point, metavar="X,Y",
        help="a pixel of the person in the first frame, for sam2",
    )  # fmt: skip
    add(
        "--segmenter", default="auto", metavar="NAME",
        help="see below (default: by what is given, else the best that is installed)",
    )  # fmt: skip
    add(
        "--weights", metavar="FILE|DIR|OWNER/NAME",
        help="of the segmenter: mediapipe's tflite file, rvm's ONNX file, SAM's folder or "
        "repository on the Hub (safetensors)",
    )  # fmt: skip
    add("--revision", metavar="REV", help="branch, tag or commit of SAM's repository")
    add(
        "--model", metavar="NAME|DIR|OWNER/NAME",
        help="matting model, as for predict (default: hint-unet, or closed-form where its "
        "weights are not there)",
    )  # fmt: skip
    add("--device", default="auto", help="cpu, cuda, cuda:1 (default: a GPU if there is one)")
    add("--background", metavar="COLOUR|PICTURE|CLIP", help="what to lay the person over")
    add(
        "--people", choices=("largest", "all"), default="largest",
        help="keep one person, who is followed, or all (default: largest)",
    )  # fmt: skip
    add("--start", type=float, default=0.0, metavar="S", help="in-point in seconds")
    add("--end", type=float, metavar="S", help="out-point in seconds")
    add("--rate", type=_rate, default=Fraction(25), metavar="FPS",
        help="frames a second of a folder or of raw frames (default: 25)")  # fmt: skip
    add("--raw", type=_raw, metavar="WxH[:PIXELS]",
        help="standard input is frames without a header, of this size and FFmpeg's pixel format "
        "(default: rgb24), --rate a second")  # fmt: skip
    add("--band", type=float, default=4.0, metavar="PX",
        help="least half width of the unknown band, in pixels at a longer side of 1024 "
        "(default: 4)")  # fmt: skip
    add("--no-steady", action="store_true", help="no averaging in time")
    add("--resume", action="store_true", help="go on with an unfinished run")
    add("--overwrite", action="store_true", help="begin anew, whatever is there")
    add(
        "--json",
        action="store_true",
        help="print the summary as JSON; frames is null where a finished output is left",
    )


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    from ld_portrait_20k.common import exit_codes
    from ld_portrait_20k.common.progress import progress_bar
    from ld_portrait_20k.matting.models.registry import choose_device, default_model, load
    from ld_portrait_20k.matting.video import job
    from ld_portrait_20k.matting.video.chain import Options
    from ld_portrait_20k.matting.video.encoding import KEEPS_ASPECT
    from ld_portrait_20k.matting.video.reading import open_frames
    from ld_portrait_20k.matting.video.segmenters.registry import choose, open_segmenter

    how = Options(options.people, not options.no_steady, options.band)
    source = open_frames(
        options.clip, start=options.start, end=options.end, rate=options.rate, raw=options.raw
    )
    guides = _guides(options, source.info.rate)
    name, which = choose(options.segmenter, guides)
    model_name, why = (options.model, "") if options.model else default_model()
    for line in filter(None, (which, why)):
        say(line, error=True)
    target = job.Target(options.output, options.background)
    segmenter = open_segmenter(name, guides)
    model = load(model_name, device=choose_device(model_name, options.device))
    asked = {**job.source_record(options.clip), **_asked(options, name, model_name)}
    if not job.prepare(
        target,
        asked,
        inputs=_read(options),
        resume=options.resume,
        overwrite=options.overwrite,
    ):
        say(f"{options.output} is complete", error=True)
        if options.json:  # its frames are not counted: a clip would have to be decoded
            _say_json(options, None, [], name, model_name)
        return 0
    keeps_sound = source.info.audio and target.is_clip and options.clip != "-"
    if source.info.audio and not keeps_sound:
        say("the sound is not kept; it would be in a clip of a file", error=True)
    if source.info.see_through and options.masks is None and options.clip != "-":
        mended = f"try: --masks {shlex.quote(options.clip)} to go by it"
        say(f"the clip's own alpha channel is not used; {mended}", error=True)
    aspect = source.info.aspect
    if aspect != 1 and options.output.suffix.lower() not in KEEPS_ASPECT:
        wide = f"{aspect.numerator}:{aspect.denominator}"
        say(f"pixels are {wide} wide, which the output does not say; try: a .mov", error=True)
    try:
        with progress_bar(source.info.frames, " frames") as bar:
            done = job.run(
                source,
                target,
                segmenter,
                model,
                how,
                sound=Path(options.clip) if keeps_sound else None,
                progress=bar.update,
            )
    except KeyboardInterrupt:
        say("stopped; what is done is kept: run the same command with --resume", error=True)
        return exit_codes.INTERRUPTED
    _report(options, done, name, model_name)
    return 0


def _guides(options: argparse.Namespace, rate: Fraction) -> Guides:
    from ld_portrait_20k.matting.data.pictures import read_mask
    from ld_portrait_20k.matting.video.segmenters.registry import Guides

    return Guides(
        masks=options.masks,
        first=read_mask(options.first_mask) if options.first_mask else None,
        weights=options.weights,
        start=options.start,
        rate=rate,
        box=options.first_box,
        point=options.first_point,
        revision=options.revision,
        device=options.device,
        people=options.people,
    )


def _read(options: argparse.Namespace) -> list[Path]:
    """The files and folders that are read; a colour is no file."""
    given = (options.clip, options.masks, options.first_mask, options.background)
    return [Path(one) for one in given if one is not None and str(one) != "-"]


def _asked(options: argparse.Namespace, segmenter: str, model: str) -> dict[str, Any]:
    """What the frames depend on beside the clip, by the name that a message may use.

    The out-point is not among them: frames are written when those that they depend on are
    there, so a broken clip can be finished with an earlier one.
    """
    return {
        "segmenter": segmenter,
        "model": str(model),
        "--masks": str(options.masks),
        "--first-mask": str(options.first_mask),
        "--first-box": options.first_box,
        "--first-point": options.first_point,
        "--weights": str(options.weights),
        "--revision": options.revision,
        "--background": options.background,
        "--people": options.people,
        "--start": options.start,
        "--rate": str(options.rate),
        "--raw": str(options.raw),
        "--band": options.band,
        "--no-steady": options.no_steady,
    }


def _report(options: argparse.Namespace, done: Summary, segmenter: str, model: str) -> None:
    if done.absent:
        say(f"nobody in {_ranges(done.absent)}", error=True)
    if options.json:
        _say_json(options, done, done.absent, segmenter, model)
        return
    earlier = f", {done.earlier} of them by an earlier run" if done.earlier else ""
    say(f"{done.frames} frames by {segmenter} and {model} in {options.output}{earlier}")


def _say_json(
    options: argparse.Namespace, done: Summary | None, absent: list[int], segmenter: str, model: str
) -> None:
    body = {
        "output": str(options.output), "frames": done and done.frames,
        "earlier": done and done.earlier, "segmenter": segmenter, "model": str(model),
        "nobody": absent,
    }  # fmt: skip
    say(json.dumps(body, ensure_ascii=False))


def _ranges(numbers: list[int]) -> str:
    """``frames 3 to 7, 12``."""
    spans: list[list[int]] = []
    for number in numbers:
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    texts = [str(a) if a == b else f"{a} to {b}" for a, b in spans]
    shown = texts[:5] + ([f"{len(texts) - 5} more times"] if len(texts) > 5 else [])
    return f"frame{'s' * (len(numbers) > 1)} {', '.join(shown)}"


def _raw(text: str) -> RawFrames:
    from ld_portrait_20k.matting.video.reading import RawFrames

    size, _, pixels = text.partition(":")
    try:
        width, height = (int(side) for side in size.split("x"))
    except ValueError:
        width = height = 0
    if width <= 0 or height <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not WxH or WxH:PIXELS, such as 1920x1080")
    return RawFrames(width, height, pixels or "rgb24")


def _box(text: str) -> tuple[int, int, int, int]:
    try:
        left, top, width, height = (int(part) for part in text.split(","))
    except ValueError:
        width = height = left = top = 0
    if width <= 0 or height <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a box X,Y,W,H in pixels")
    return left, top, width, height


def _point(text: str) -> tuple[int, int]:
    try:
        x, y = (int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a point X,Y in pixels") from None
    return x, y


def _rate(text: str) -> Fraction:
    try:
        value = Fraction(text)
    except (ValueError, ZeroDivisionError):
        value = Fraction(0)
    if not 0 < value <= 1000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a frame rate; try: 25 or 30000/1001")
    return value
